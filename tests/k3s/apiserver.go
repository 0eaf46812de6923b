package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/rest"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	kasoptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

// apiserverArgs are the options k3s gives the apiserver, with the user's own behind.
func (s *server) apiserverArgs() []string {
	serviceCIDR := s.o.get("service-cidr", "10.43.0.0/16")
	args := map[string]string{
		"etcd-servers": s.kine,
		"bind-address": "127.0.0.1", "secure-port": "6444", "advertise-address": s.o.get("advertise-address", s.ip),
		"tls-cert-file": s.tls("serving-kube-apiserver.crt"), "tls-private-key-file": s.tls("serving-kube-apiserver.key"),
		"client-ca-file": s.tls("client-ca.crt"), "service-cluster-ip-range": serviceCIDR,
		"service-account-issuer": "https://kubernetes.default.svc.cluster.local", "service-account-key-file": s.tls("service.key"), "service-account-signing-key-file": s.tls("service.key"),
		"api-audiences":                  "https://kubernetes.default.svc.cluster.local,k3s",
		"requestheader-client-ca-file":   s.tls("request-header-ca.crt"),
		"requestheader-allowed-names":    "system:auth-proxy",
		"requestheader-username-headers": "X-Remote-User", "requestheader-group-headers": "X-Remote-Group", "requestheader-extra-headers-prefix": "X-Remote-Extra-",
		"proxy-client-cert-file": s.tls("client-auth-proxy.crt"), "proxy-client-key-file": s.tls("client-auth-proxy.key"),
		"kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname",
		"kubelet-certificate-authority":   s.tls("server-ca.crt"), "kubelet-client-certificate": s.tls("client-kube-apiserver.crt"), "kubelet-client-key": s.tls("client-kube-apiserver.key"),
		"authorization-mode": "Node,RBAC", "enable-admission-plugins": "NodeRestriction", "anonymous-auth": "false", "allow-privileged": "true", "profiling": "false",
	}
	if s.kine == "" {
		args["etcd-servers"] = "https://127.0.0.1:2379"
		args["etcd-cafile"], args["etcd-certfile"], args["etcd-keyfile"] = s.tls("etcd/server-ca.crt"), s.tls("etcd/client.crt"), s.tls("etcd/client.key")
	}
	if s.o.is("secrets-encryption") {
		args["encryption-provider-config"] = s.path("cred/encryption-config.json")
	}
	var out []string
	for key, value := range args {
		out = append(out, "--"+key+"="+value)
	}
	for _, arg := range s.o.values["kube-apiserver-arg"] {
		out = append(out, "--"+arg)
	}
	return out
}

// endpointListener makes the apiserver publish the port that clients use.
type endpointListener struct {
	net.Listener
	addr net.Addr
}

func (l endpointListener) Addr() net.Addr { return l.addr }

// startAPI runs the apiserver behind the supervisor's port and returns when it is ready.
func (s *server) startAPI(ctx context.Context) error {
	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	gate := globals()
	opts := kasoptions.NewServerRunOptions()
	fs := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	sets := opts.Flags()
	kasoptions.AddCustomGlobalFlags(sets.FlagSet("generic"))
	for _, set := range sets.FlagSets {
		fs.AddFlagSet(set)
	}
	if err := fs.Parse(s.apiserverArgs()); err != nil {
		return err
	}
	if err := setGlobals(); err != nil {
		return err
	}
	if err := logsapi.ValidateAndApply(opts.Logs, gate); err != nil {
		return err
	}
	completed, err := complete(ctx, opts)
	if err != nil {
		return err
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return utilerrors.NewAggregate(errs)
	}
	cfg, err := app.NewConfig(completed)
	if err != nil {
		return err
	}
	serving := *cfg.KubeAPIs.ControlPlane.Generic.SecureServing
	serving.Listener = endpointListener{serving.Listener, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 6443}}
	cfg.KubeAPIs.ControlPlane.Generic.SecureServing = &serving
	config, err := cfg.Complete()
	if err != nil {
		return err
	}
	chain, err := app.CreateServerChain(config)
	if err != nil {
		return err
	}
	prepared, err := chain.PrepareRun()
	if err != nil {
		return err
	}
	go func() {
		if err := prepared.Run(ctx); err != nil && ctx.Err() == nil {
			shutdown(fmt.Errorf("apiserver exited: %w", err))
		}
	}()
	var handler http.Handler = chain.GenericAPIServer.Handler.FullHandlerChain
	s.api.Store(&handler)
	client, err := s.client("client-supervisor")
	if err != nil {
		return err
	}
	for {
		if _, err := client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// startControllerManager runs it until it exits, which ends this process: it cannot be started twice.
func (s *server) startControllerManager() {
	args := []string{
		"--kubeconfig=" + s.path("cred/controller.kubeconfig"), "--authentication-kubeconfig=" + s.path("cred/controller.kubeconfig"), "--authorization-kubeconfig=" + s.path("cred/controller.kubeconfig"),
		"--service-account-private-key-file=" + s.tls("service.key"), "--root-ca-file=" + s.tls("server-ca.crt"),
		"--cluster-signing-cert-file=" + s.tls("client-ca.crt"), "--cluster-signing-key-file=" + s.tls("client-ca.key"),
		"--use-service-account-credentials=true", "--bind-address=127.0.0.1", "--secure-port=10257", "--profiling=false", "--allocate-node-cidrs=true",
		"--cluster-cidr=" + s.o.get("cluster-cidr", "10.42.0.0/16"), "--service-cluster-ip-range=" + s.o.get("service-cidr", "10.43.0.0/16"),
	}
	for _, arg := range s.o.values["kube-controller-manager-arg"] {
		args = append(args, "--"+arg)
	}
	command := kcm.NewControllerManagerCommand()
	command.SetArgs(args)
	go func() {
		if err := command.Execute(); err != nil {
			shutdown(fmt.Errorf("controller-manager exited: %s", strings.TrimSpace(err.Error())))
		}
		os.Exit(1)
	}()
}
