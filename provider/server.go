package provider

import (
	"context"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	sdk "github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/k3sha/pulumi-k3sha/provider/component"
)

// Serve runs the plugin until the engine ends it.
func Serve(ctx context.Context) error {
	return sdk.MainContext(ctx, Name, func(host *sdk.HostClient) (rpc.ResourceProviderServer, error) {
		return NewServer(host)
	})
}

// NewServer is the plugin's gRPC server. The framework serves everything but Construct: its own drops the aliases that
// SDKs send, which would recreate a renamed cluster with all its VMs.
func NewServer(host *sdk.HostClient) (rpc.ResourceProviderServer, error) {
	prov, err := New()
	if err != nil {
		return nil, err
	}
	inner, err := p.RawServer(Name, Version, prov)(host)
	if err != nil {
		return nil, err
	}
	return &server{ResourceProviderServer: inner, host: host}, nil
}

type server struct {
	rpc.ResourceProviderServer
	host   *sdk.HostClient
	beside clusters
}

// Attach and Handshake learn the engine's address when the plugin was not started by the engine.
func (s *server) Attach(ctx context.Context, req *rpc.PluginAttach) (*emptypb.Empty, error) {
	host, err := sdk.NewHostClient(req.GetAddress())
	if err != nil {
		return nil, err
	}
	s.host = host
	return s.ResourceProviderServer.Attach(ctx, req)
}

func (s *server) Handshake(ctx context.Context, req *rpc.ProviderHandshakeRequest) (*rpc.ProviderHandshakeResponse, error) {
	host, err := sdk.NewHostClient(req.GetEngineAddress())
	if err != nil {
		return nil, err
	}
	s.host = host
	return s.ResourceProviderServer.Handshake(ctx, req)
}

// Construct checks the inputs as they arrive and builds the component. A panic becomes an error of this resource.
func (s *server) Construct(ctx context.Context, req *rpc.ConstructRequest) (*rpc.ConstructResponse, error) {
	wire := plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true, KeepOutputValues: true}
	inputs, err := plugin.UnmarshalProperties(req.GetInputs(), wire)
	if err != nil {
		return nil, err
	}
	inputs, leaves := component.TakeConfigLeaves(inputs)
	if len(leaves) > 0 { // the SDK's own copying knows plain values in free-form inputs alone
		marked, err := plugin.MarshalProperties(inputs, wire)
		if err != nil {
			return nil, err
		}
		req, _ = proto.Clone(req).(*rpc.ConstructRequest)
		req.Inputs = marked
	}
	if req.GetType() == component.TemplateToken {
		return sdk.Construct(ctx, req, s.host.EngineConn(), apart(template(inputs)))
	}
	construct := func(pctx *pulumi.Context, typ, name string, in sdk.ConstructInputs, opt pulumi.ResourceOption) (*sdk.ConstructResult, error) {
		if typ != component.Token {
			return nil, fmt.Errorf("there is no component %s in package %s", typ, Name)
		}
		checked, problems := component.CheckInputs(inputs)
		problems = append(problems, component.CheckConfigLeaves(checked, leaves)...)
		problems = append(problems, s.beside.check(req, checked.Spec())...)
		if len(problems) > 0 {
			return nil, component.ProblemsError(name, problems)
		}
		var args component.K3sHaClusterArgs
		if err := in.CopyTo(&args); err != nil {
			return nil, err
		}
		cluster, err := component.NewWith(pctx, Version, name, args, component.ConfigLeaves(leaves), opt)
		if err != nil {
			return nil, err
		}
		if err := pctx.RegisterResourceOutputs(cluster, pulumi.Map{
			"kubeconfig": cluster.Kubeconfig, "endpoint": cluster.Endpoint, "caCertificate": cluster.CACertificate,
			"token": cluster.Token, "nodes": cluster.Nodes, "backend": cluster.Backend, "recoveryBundle": cluster.RecoveryBundle, "certificatesUntil": cluster.CertificatesUntil,
		}); err != nil {
			return nil, err
		}
		return sdk.NewConstructResult(cluster)
	}
	return sdk.Construct(ctx, req, s.host.EngineConn(), apart(construct))
}

// template builds the other component.
func template(inputs resource.PropertyMap) sdk.ConstructFunc {
	return func(pctx *pulumi.Context, _, name string, in sdk.ConstructInputs, opt pulumi.ResourceOption) (*sdk.ConstructResult, error) {
		if problems := component.CheckTemplateInputs(name, inputs); len(problems) > 0 {
			return nil, component.ProblemsOf("CloudImageTemplate", name, problems)
		}
		var args component.CloudImageTemplateArgs
		if err := in.CopyTo(&args); err != nil {
			return nil, err
		}
		made, err := component.NewTemplate(pctx, Version, name, args, opt)
		if err != nil {
			return nil, err
		}
		if err := pctx.RegisterResourceOutputs(made, pulumi.Map{"vmId": made.VMID, "node": made.Node, "name": made.Name, "url": made.URL, "checksum": made.Checksum}); err != nil {
			return nil, err
		}
		return sdk.NewConstructResult(made)
	}
}

// apart runs a construction on a goroutine of its own. The engine keeps the stack of every registration in the state: begun anew it
// is this package's few lines, without those of gRPC under them, a kilobyte less for each resource.
func apart(construct sdk.ConstructFunc) sdk.ConstructFunc {
	return func(ctx *pulumi.Context, typ, name string, in sdk.ConstructInputs, opt pulumi.ResourceOption) (res *sdk.ConstructResult, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer recovered(typ, name, &err)
			res, err = construct(ctx, typ, name, in, opt)
		}()
		<-done
		return res, err
	}
}

// recovered turns a panic into an error that names the resource; the plugin goes on.
func recovered(typ, name string, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("internal error in %s %q, please report it: %v", typ, name, r)
	}
}
