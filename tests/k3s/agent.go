package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rancher/wharfie/pkg/registries"

	"github.com/k3sha/pulumi-k3sha/tests/k3s/cri"
)

const agentPort = "127.0.0.1:6444"

// runAgent joins as a worker: certificates through the server's URL, then everything through the local balancer.
func runAgent(ctx context.Context, o *options) error {
	ip, err := o.nodeIP()
	if err != nil {
		return err
	}
	token := o.get("token", "")
	if o.get("server", "") == "" || token == "" {
		return errors.New("--server and --token are required")
	}
	dir := filepath.Join(o.dataDir(), "agent")
	n := newNode(o, o.nodeName(), ip)
	var r *remote
	var registry *registries.Registry
	if err := retrieve(ctx, func() (err error) {
		if r, err = connect(ctx, o.get("server", ""), token); err != nil {
			return err
		}
		if err := fetchKubelet(ctx, r, dir, n.name, n.ip); err != nil {
			return err
		}
		registry, err = cri.ReadRegistries(registriesFile)
		return err
	}); err != nil {
		return err
	}
	b := &balancer{fallback: hostPort(o.get("server", ""))}
	if err := b.listen(ctx); err != nil {
		return err
	}
	go b.refresh(ctx, r)
	kubeconfig := filepath.Join(dir, "kubelet.kubeconfig")
	if err := writeKubeconfig(kubeconfig, "https://"+agentPort, filepath.Join(dir, "server-ca.crt"), filepath.Join(dir, "client-kubelet.crt"), filepath.Join(dir, "client-kubelet.key")); err != nil {
		return err
	}
	if n.client, err = clientFor(kubeconfig); err != nil {
		return err
	}
	serving, err := tls.LoadX509KeyPair(filepath.Join(dir, "serving-kubelet.crt"), filepath.Join(dir, "serving-kubelet.key"))
	if err != nil {
		return err
	}
	clientCA, err := os.ReadFile(filepath.Join(dir, "client-ca.crt"))
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
	notifyReady()
	logf("k3s agent is up and running")
	if err := n.register(ctx); err != nil {
		return err
	}
	go n.livePods(ctx)
	n.run(ctx)
	return nil
}

// retrieve tries until a node has all that it needs to start.
func retrieve(ctx context.Context, get func() error) error {
	for {
		err := get()
		if err == nil {
			return nil
		}
		logf("Waiting to retrieve agent configuration; server is not ready: %v", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5*time.Second + mathrand.N(5*time.Second)): // k3s' own jitter
		}
	}
}

// fetchKubelet gets the node's certificates. The password in /etc/rancher/node proves later that it is the same node.
func fetchKubelet(ctx context.Context, r *remote, dir, name, ip string) error {
	if _, err := r.do(ctx, http.MethodGet, "/v1-k3s/config", "node", nil); err != nil {
		return err
	}
	secret, err := nodePassword()
	if err != nil {
		return err
	}
	const refused = "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag"
	clientCA, err := r.do(ctx, http.MethodGet, "/v1-k3s/client-ca.crt", "node", nil)
	if err != nil {
		return err
	}
	files := map[string][]byte{"server-ca.crt": r.ca, "client-ca.crt": clientCA}
	for _, certificate := range []string{"client-kubelet", "serving-kubelet"} {
		data, err := r.do(ctx, http.MethodPost, "/v1-k3s/"+certificate+".crt", "node", map[string]string{
			"k3s-Node-Name": name, "k3s-Node-Password": secret, "k3s-Node-Ip": ip,
		})
		if err != nil && strings.Contains(err.Error(), "unable to verify password") {
			return fmt.Errorf("%s: %w", refused, err)
		}
		if err != nil {
			return err
		}
		if files[certificate+".crt"], files[certificate+".key"], err = splitPair(data); err != nil {
			return err
		}
	}
	for file, content := range files {
		if err := writeFile(filepath.Join(dir, file), content); err != nil {
			return err
		}
	}
	return nil
}

// nodePassword is what proves at a later registration that the node is the same machine.
func nodePassword() (string, error) {
	const path = "/etc/rancher/node/password"
	secret, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		random := make([]byte, 16)
		_, _ = rand.Read(random) // crypto/rand never fails
		secret = []byte(hex.EncodeToString(random) + "\n")
		err = writeFile(path, secret)
	}
	return strings.TrimSpace(string(secret)), err
}

func hostPort(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "443")
	}
	return u.Host
}

// balancer is the agent's local way to the API: it dials the servers themselves, and the given URL when none answers.
type balancer struct {
	fallback string
	mu       sync.Mutex
	servers  []string
}

func (b *balancer) listen(ctx context.Context) error {
	l, err := net.Listen("tcp", agentPort)
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		l.Close()
	}()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go b.serve(conn)
		}
	}()
	return nil
}

func (b *balancer) serve(client net.Conn) {
	defer client.Close()
	b.mu.Lock()
	servers := append(slices.Clone(b.servers), b.fallback)
	b.mu.Unlock()
	for _, address := range servers {
		upstream, err := net.DialTimeout("tcp", address, 2*time.Second)
		if err != nil {
			b.demote(address)
			continue
		}
		defer upstream.Close()
		end := make(chan struct{})
		defer close(end)
		go cutWhenDead(address, end, func() { upstream.Close(); client.Close() })
		go func() {
			_, _ = io.Copy(upstream, client)
			upstream.Close()
		}()
		_, _ = io.Copy(client, upstream)
		return
	}
}

// cutWhenDead ends a connection whose server no longer answers, as k3s' own checks do: no reset comes from a lost machine.
func cutWhenDead(address string, end <-chan struct{}, cut func()) {
	for missed := 0; missed < 2; {
		select {
		case <-end:
			return
		case <-time.After(2 * time.Second):
		}
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			missed++
			continue
		}
		missed = 0
		conn.Close()
	}
	cut()
}

// demote puts a server that does not answer at the end.
func (b *balancer) demote(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.servers, address); i >= 0 {
		b.servers = append(slices.Delete(b.servers, i, i+1), address)
	}
}

// refresh learns the servers from the kubernetes endpoints.
func (b *balancer) refresh(ctx context.Context, r *remote) {
	local := *r
	local.url = "https://" + agentPort
	for {
		var list []string
		if err := local.getJSON(ctx, "/v1-k3s/apiservers", "node", &list); err == nil && len(list) > 0 {
			b.mu.Lock()
			kept := slices.DeleteFunc(slices.Clone(b.servers), func(s string) bool { return !slices.Contains(list, s) })
			for _, s := range list {
				if !slices.Contains(kept, s) {
					kept = append(kept, s)
				}
			}
			b.servers = kept
			b.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Second):
		}
	}
}
