package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/wal"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/version"
)

// server is one server process.
type server struct {
	o          *options
	name, ip   string
	dir        string // <data-dir>/server
	token      string // short
	agentToken string
	remote     *remote // the server that this one joins through; nil for the first
	etcd       *embed.Etcd
	kine       string // where SQLite answers as etcd does; empty with etcd
	storeUp    atomic.Bool
	kube       *kubernetes.Clientset // as supervisor
	api        atomic.Pointer[http.Handler]
	ready      atomic.Bool
	wasReset   bool // by the start before this one
	snapshots  *snapshotter
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }
func (s *server) tls(name string) string  { return filepath.Join(s.dir, "tls", name) }

func runServer(ctx context.Context, o *options) error {
	wal.SegmentSizeBytes = 8 << 20
	ip, err := o.nodeIP()
	if err != nil {
		return err
	}
	s := &server{o: o, name: o.nodeName(), ip: ip, dir: filepath.Join(o.dataDir(), "server")}
	s.snapshots = &snapshotter{s: s}
	config, err := o.snapshots()
	if err != nil {
		return err
	}
	if o.is("cluster-reset") {
		if err := s.mayReset(); err != nil {
			return err
		}
		return s.clusterReset(ctx)
	}
	if err := s.buryMember(); err != nil {
		return err
	}
	hasData := s.hasData()
	join := !hasData && o.get("server", "") != ""
	sqlite := !hasData && !join && !o.is("cluster-init")
	if !hasData && o.get("datastore-endpoint", "") != "" {
		return errors.New("this stand-in has SQLite and embedded etcd only: datastore-endpoint is neither")
	}
	full := o.get("token", "")
	s.token, _ = password(full)
	if s.token == "" {
		s.token, _ = password(read(s.path("token")))
	}
	s.agentToken, _ = password(o.get("agent-token", ""))
	if join {
		if full == "" {
			return errors.New("token is required to join a cluster")
		}
		if s.remote, err = connect(ctx, o.get("server", ""), full); err != nil {
			return err
		}
		if err := s.fetchBootstrap(ctx); err != nil {
			return err
		}
	}
	if sqlite {
		if err := s.startSQLite(ctx); err != nil {
			return err
		}
	}
	if hasData || sqlite {
		if err := s.reconcile(ctx); err != nil {
			shutdown(fmt.Errorf("preparing server: %w", err))
		}
	}
	if err := s.prepare(); err != nil {
		return err
	}
	if err := s.listen(ctx); err != nil {
		return err
	}
	s.wasReset = os.Remove(s.resetFlag()) == nil
	if sqlite {
		err = s.saveBootstrap(ctx)
	} else {
		err = s.startMember(ctx, hasData, join)
	}
	if err != nil {
		return err
	}
	if err := s.startAPI(ctx); err != nil {
		return err
	}
	s.startControllerManager()
	if err := s.startScheduler(); err != nil {
		return err
	}
	if s.kube, err = s.client("client-supervisor"); err != nil {
		return err
	}
	if err := s.writeKubeconfig(); err != nil {
		return err
	}
	s.ready.Store(true)
	notifyReady() // the API is up; the kubelet comes later
	logf("k3s is up and running")
	if !sqlite && !o.is("etcd-disable-snapshots") {
		go s.snapshots.schedule(ctx, o.get("etcd-snapshot-schedule-cron", defaultCron), config)
	}
	go s.deploy(ctx)
	go s.elected(ctx, "k3s", s.each(s.ownNode))
	n := newNode(o, s.name, s.ip)
	n.labels, n.admin = serverLabels(), s.kube
	if !sqlite {
		go s.elected(ctx, "k3s-etcd", s.each(s.ownMember))
		n.labels["node-role.kubernetes.io/etcd"] = "true"
		if n.member, err = s.memberName(false); err != nil {
			return err
		}
	}
	if n.client, err = s.client("client-kubelet"); err != nil {
		return err
	}
	s.afterReset(ctx)
	if err := s.ensureOwnPassword(ctx); err != nil {
		logf("Deferred node password secret validation failed: %v", err)
	}
	cert, key, err := sign(s.path("tls"), servingRequest(s.name, s.ip))
	if err != nil {
		return err
	}
	serving, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return err
	}
	clientCA, err := os.ReadFile(s.tls("client-ca.crt"))
	if err != nil {
		return err
	}
	registry, err := readRegistries(ctx)
	if err != nil {
		return err
	}
	containerd, err := startContainerd(o, registry)
	if err != nil {
		return err
	}
	if err := n.startKubelet(serving, clientCA, containerd); err != nil {
		shutdown(err)
	}
	if err := n.register(ctx); err != nil {
		return err
	}
	go n.livePods(ctx)
	n.run(ctx)
	if s.etcd != nil {
		s.etcd.Close()
	}
	return nil
}

// fetchBootstrap takes over the cluster's CAs and keys, after its critical settings have been compared.
func (s *server) fetchBootstrap(ctx context.Context) error {
	var critical map[string]string
	if err := s.remote.getJSON(ctx, "/v1-k3s/config", "node", &critical); err != nil {
		return err
	}
	for key, mine := range s.o.critical() {
		if critical[key] != mine {
			logf("critical configuration mismatched: %s is %q here and %q in the cluster", key, mine, critical[key])
			return fmt.Errorf("critical configuration value mismatch between servers: %s", key)
		}
	}
	var files map[string]bootstrapFile
	if err := s.remote.getJSON(ctx, "/v1-k3s/server-bootstrap", "server", &files); err != nil {
		return err
	}
	return s.writeBootstrap(files)
}

// serverLabels are the role's, but for etcd's. The master label is gone since v1.34.
func serverLabels() map[string]string {
	labels := map[string]string{"node-role.kubernetes.io/control-plane": "true"}
	var minor int
	if _, err := fmt.Sscanf(version.Get().GitVersion, "v1.%d", &minor); err == nil && minor < 34 {
		labels["node-role.kubernetes.io/master"] = "true"
	}
	return labels
}

// ensureOwnPassword: servers are nodes with a password too; a wrong one does not keep them from starting.
func (s *server) ensureOwnPassword(ctx context.Context) error {
	secret, err := nodePassword()
	if err != nil {
		return err
	}
	return s.ensurePassword(ctx, s.kube.CoreV1().Secrets("kube-system"), s.name, secret)
}

// prepare writes everything that a start needs: CAs, certificates, tokens, credentials.
func (s *server) prepare() error {
	if err := s.prepareCertificates(); err != nil {
		return err
	}
	if err := s.prepareTokens(); err != nil {
		return err
	}
	if err := s.prepareEncryption(); err != nil {
		return err
	}
	if err := s.kubeconfig(s.path("cred/controller.kubeconfig"), "client-controller", "https://127.0.0.1:6444"); err != nil {
		return err
	}
	return s.kubeconfig(s.path("cred/supervisor.kubeconfig"), "client-supervisor", "https://127.0.0.1:6444")
}

// prepareCertificates makes CAs, unless there are any, and issues certificates.
func (s *server) prepareCertificates() error {
	if err := newCAs(s.dir); err != nil {
		return err
	}
	serving := append([]string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost", "127.0.0.1", "10.43.0.1", s.ip, s.name,
	}, strings.Split(strings.Join(s.o.values["tls-san"], ","), ",")...)
	serving = slices.DeleteFunc(serving, func(san string) bool { return san == "" })
	etcdSANs := []string{"localhost", "127.0.0.1", s.ip, s.name}
	for _, r := range []request{
		{ca: "server-ca", name: "serving-kube-apiserver", cn: "kube-apiserver", sans: serving, server: true, grows: true},
		{ca: "client-ca", name: "client-kube-apiserver", cn: "system:kube-apiserver", orgs: []string{"system:masters"}},
		{ca: "client-ca", name: "client-supervisor", cn: "system:k3s-supervisor", orgs: []string{"system:masters"}},
		{ca: "client-ca", name: "client-controller", cn: "system:kube-controller-manager"},
		{ca: "client-ca", name: "client-scheduler", cn: "system:kube-scheduler"},
		{ca: "client-ca", name: "client-kubelet", cn: "system:node:" + s.name, orgs: []string{"system:nodes"}},
		{ca: "request-header-ca", name: "client-auth-proxy", cn: "system:auth-proxy"},
		{ca: "etcd/server-ca", name: "etcd/server-client", cn: "etcd-server", sans: etcdSANs, server: true},
		{ca: "etcd/server-ca", name: "etcd/client", cn: "etcd-client"},
		{ca: "etcd/peer-ca", name: "etcd/peer-server-client", cn: "etcd-peer", sans: etcdSANs, server: true},
	} {
		if err := issue(filepath.Join(s.dir, "tls"), false, r); err != nil {
			return err
		}
	}
	return issue(filepath.Join(s.dir, "tls"), true, request{ca: "client-ca", name: "client-admin", cn: "system:admin", orgs: []string{"system:masters"}})
}

// prepareTokens keeps the tokens on disk in their full form.
func (s *server) prepareTokens() error {
	ca, err := os.ReadFile(s.tls("server-ca.crt"))
	if err != nil {
		return err
	}
	if s.token == "" {
		random := make([]byte, 16)
		_, _ = rand.Read(random) // crypto/rand never fails
		s.token = hex.EncodeToString(random)
	}
	if s.agentToken == "" {
		s.agentToken = s.token
	}
	full := func(user, token string) []byte { return []byte("K10" + caHash(ca) + "::" + user + ":" + token + "\n") }
	if err := writeFile(s.path("token"), full("server", s.token)); err != nil {
		return err
	}
	if err := writeFile(s.path("agent-token"), full("node", s.agentToken)); err != nil {
		return err
	}
	_ = os.Remove(s.path("node-token"))
	if err := os.Symlink(s.path("token"), s.path("node-token")); err != nil {
		return err
	}
	return writeFile(s.path("cred/passwd"), []byte(s.token+",server,server,k3s:server\n"+s.agentToken+",node,node,k3s:agent\n"))
}

func (s *server) prepareEncryption() error {
	path := s.path("cred/encryption-config.json")
	if _, err := os.Stat(path); err == nil || !s.o.is("secrets-encryption") {
		return nil
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // crypto/rand never fails
	data, err := json.Marshal(map[string]any{
		"kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1",
		"resources": []any{map[string]any{"resources": []string{"secrets"}, "providers": []any{
			map[string]any{"aescbc": map[string]any{"keys": []any{map[string]any{"name": "aescbckey", "secret": base64.StdEncoding.EncodeToString(key)}}}},
			map[string]any{"identity": map[string]any{}},
		}}},
	})
	if err != nil {
		return err
	}
	return writeFile(path, data)
}

func (s *server) kubeconfig(path, cert, url string) error {
	return writeKubeconfig(path, url, s.tls("server-ca.crt"), s.tls(cert+".crt"), s.tls(cert+".key"))
}

func (s *server) writeKubeconfig() error {
	if err := s.kubeconfig(filepath.Join(s.o.dataDir(), "agent", "kubelet.kubeconfig"), "client-kubelet", "https://127.0.0.1:6443"); err != nil {
		return err
	}
	path := s.o.get("write-kubeconfig", "/etc/rancher/k3s/k3s.yaml")
	return s.kubeconfig(path, "client-admin", "https://127.0.0.1:6443")
}

func writeKubeconfig(path, url, ca, cert, key string) error {
	data := map[string]string{}
	for name, file := range map[string]string{"ca": ca, "cert": cert, "key": key} {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		data[name] = base64.StdEncoding.EncodeToString(content)
	}
	return writeFile(path, fmt.Appendf(nil, `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: %s
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {}
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
`, data["ca"], url, data["cert"], data["key"]))
}

// client talks to this server's own apiserver.
func (s *server) client(cert string) (*kubernetes.Clientset, error) {
	path := s.path("cred/" + cert + ".kubeconfig")
	if err := s.kubeconfig(path, cert, "https://127.0.0.1:6444"); err != nil {
		return nil, err
	}
	return clientFor(path)
}

func clientFor(kubeconfig string) (*kubernetes.Clientset, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	cfg.QPS, cfg.Burst = 50, 100
	return kubernetes.NewForConfig(cfg)
}
