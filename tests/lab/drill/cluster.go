// Package drill causes the failures that a highly available cluster is there for, and measures what a client of its VIP sees.
package drill

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

// Cluster is a cluster in a lab, as somebody with its kubeconfig sees it, who can also pull its cables.
type Cluster struct {
	*lab.Lab
	Endpoint      string // of the API: the VIP's address and port
	VIP           string
	Servers       []string
	LoadBalancers []string
	Workers       []string
	kubeconfig    string
	vms           map[string]lab.VM
	tls           *tls.Config
	kept          *http.Client // for questions in between
}

// Open finds a cluster's machines by its kubeconfig and their names.
func Open(l *lab.Lab, kubeconfig string) (*Cluster, error) {
	c := &Cluster{Lab: l, kubeconfig: kubeconfig}
	found := func(key string) (string, error) {
		m := regexp.MustCompile(`(?m)^\s*` + key + `: "?([^"\s]+)"?$`).FindStringSubmatch(kubeconfig)
		if m == nil {
			return "", fmt.Errorf("the kubeconfig has no %s", key)
		}
		return m[1], nil
	}
	var pem [3][]byte
	for i, key := range []string{"certificate-authority-data", "client-certificate-data", "client-key-data"} {
		text, err := found(key)
		if err != nil {
			return nil, err
		}
		if pem[i], err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	server, err := found("server")
	if err != nil {
		return nil, err
	}
	at, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	c.Endpoint, c.VIP = at.Host, at.Hostname()
	pair, err := tls.X509KeyPair(pem[1], pem[2])
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem[0])
	c.tls = &tls.Config{RootCAs: pool, ServerName: c.VIP, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	c.kept = c.client(5 * time.Second)
	if c.vms, err = l.VMs(); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.vms)) {
		switch {
		case strings.Contains(name, "-server-"):
			c.Servers = append(c.Servers, name)
		case strings.Contains(name, "-lb-"):
			c.LoadBalancers = append(c.LoadBalancers, name)
		default:
			c.Workers = append(c.Workers, name)
		}
	}
	if len(c.Servers) == 0 || len(c.LoadBalancers) == 0 || len(c.Workers) == 0 {
		return nil, errors.New("the lab has no cluster with servers, load balancers and workers")
	}
	return c, nil
}

// client keeps one connection through the VIP, as kubectl and controllers do.
func (c *Cluster) client(timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, Transport: &http.Transport{
		DialContext: c.Dial, TLSClientConfig: c.tls.Clone(), MaxConnsPerHost: 1, TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: timeout,
	}}
}

// multiplexed is a client with one kept connection for many requests at a time, as client-go has: HTTP/2 with client-go's own pings.
func (c *Cluster) multiplexed(timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, Transport: &http.Transport{
		DialContext: c.Dial, TLSClientConfig: c.tls.Clone(), TLSHandshakeTimeout: 5 * time.Second, ForceAttemptHTTP2: true,
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}}
}

// api asks the API through the VIP. A body is sent as JSON, an answer read into `into`.
func (c *Cluster) api(ctx context.Context, client *http.Client, method, path string, body, into any) error {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://"+c.Endpoint+path, reader)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return &statusError{resp.StatusCode, strings.TrimSpace(string(data))}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(data, into)
}

type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("status %d: %s", e.code, e.text[:min(len(e.text), 200)])
}

// run runs a command in a VM as root, without the network.
func (c *Cluster) run(node, command string) (string, error) {
	cmd, err := c.Exec(node, "sh", "-c", command)
	if err != nil {
		return "", err
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %s: %w: %s", node, command, err, bytes.TrimSpace(out))
	}
	return strings.TrimSpace(string(out)), err
}

// holders are the load balancers that have the VIP and whose cable is plugged in.
func (c *Cluster) holders() []string {
	var out []string
	for _, name := range c.LoadBalancers {
		if c.Plugged(c.vms[name].ID) && slices.Contains(c.Addresses(c.vms[name].ID), c.VIP) {
			out = append(out, name)
		}
	}
	return out
}

func (c *Cluster) holder() (string, error) {
	if all := c.holders(); len(all) != 1 {
		return "", fmt.Errorf("holders of the VIP: %v; one was expected", all)
	}
	return c.holders()[0], nil
}

// leader is the server whose etcd leads.
func (c *Cluster) leader() (string, error) {
	var seen []string
	for _, name := range c.Servers {
		var out string
		for _, port := range []string{"2379", "2382"} { // k3s since 2023-09 has the HTTP gateway apart
			out, _ = c.run(name, "cd /var/lib/rancher/k3s/server/tls/etcd && curl -sf --max-time 3 --cacert server-ca.crt --cert client.crt --key client.key -d '{}' https://127.0.0.1:"+port+"/v3/maintenance/status")
			if out != "" {
				break
			}
		}
		var status struct {
			Leader string `json:"leader"`
			Header struct {
				Member string `json:"member_id"`
			} `json:"header"`
		}
		if json.Unmarshal([]byte(out), &status) == nil && status.Leader != "" && status.Leader == status.Header.Member {
			return name, nil
		}
		seen = append(seen, name+": "+out)
	}
	return "", fmt.Errorf("no server's etcd leads: %v", seen)
}

// follower is a server that does not lead etcd.
func (c *Cluster) follower() (string, error) {
	leader, err := c.leader()
	if err != nil {
		return "", err
	}
	return c.Servers[slices.IndexFunc(c.Servers, func(s string) bool { return s != leader })], nil
}

// State is what of a cluster is well.
type State struct {
	VIP      bool // exactly one load balancer has it
	Backends bool // every load balancer sees every server
	Nodes    bool // every node is Ready, heard of lately, and votes if it is a server
	Seen     string
}

// look says what is well now. A node counts when it has been heard of since then.
func (c *Cluster) look(ctx context.Context, since time.Time) State {
	var s State
	holders := c.holders()
	s.VIP = len(holders) == 1
	s.Seen = fmt.Sprintf("the VIP is on %v", holders)
	s.Backends = true
	for _, lb := range c.LoadBalancers {
		out, err := c.run(lb, "curl -s --max-time 1 http://127.0.0.1:8405/backends && systemctl is-active keepalived")
		if err != nil || out != fmt.Sprintf("%d\nactive", len(c.Servers)) {
			s.Backends = false
			s.Seen += fmt.Sprintf("; %s sees %q", lb, out)
		}
	}
	ill, err := c.sick(ctx, since)
	s.Nodes = err == nil && len(ill) == 0
	if !s.Nodes {
		s.Seen += fmt.Sprintf("; nodes %v %v", ill, err)
	}
	return s
}

// sick lists the nodes that are not well.
func (c *Cluster) sick(ctx context.Context, since time.Time) ([]string, error) {
	type meta struct {
		Name string `json:"name"`
	}
	var nodes struct {
		Items []struct {
			Metadata meta `json:"metadata"`
			Status   struct {
				Conditions []struct{ Type, Status string } `json:"conditions"`
			} `json:"status"`
		} `json:"items"`
	}
	var leases struct {
		Items []struct {
			Metadata meta `json:"metadata"`
			Spec     struct {
				RenewTime time.Time `json:"renewTime"`
			} `json:"spec"`
		} `json:"items"`
	}
	if err := c.api(ctx, c.kept, "GET", "/api/v1/nodes", nil, &nodes); err != nil {
		return nil, err
	}
	if err := c.api(ctx, c.kept, "GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", nil, &leases); err != nil {
		return nil, err
	}
	heard := map[string]time.Time{}
	for _, l := range leases.Items {
		heard[l.Metadata.Name] = l.Spec.RenewTime
	}
	var ill []string
	for _, n := range nodes.Items {
		conditions := map[string]string{}
		for _, condition := range n.Status.Conditions {
			conditions[condition.Type] = condition.Status
		}
		server := slices.Contains(c.Servers, n.Metadata.Name)
		if conditions["Ready"] != "True" || server && conditions["EtcdIsVoter"] != "True" || !heard[n.Metadata.Name].After(since) {
			ill = append(ill, n.Metadata.Name)
		}
	}
	return ill, nil
}

// Whole waits until all is well, and says how long each part took.
func (c *Cluster) Whole(ctx context.Context, since time.Time, within time.Duration) (back Back, err error) {
	for deadline := time.Now().Add(within); ; {
		s := c.look(ctx, since)
		now := time.Since(since).Seconds()
		note := func(at *float64, well bool) {
			if !well {
				*at = 0
			} else if *at == 0 {
				*at = now
			}
		}
		note(&back.VIP, s.VIP)
		note(&back.Backends, s.Backends)
		note(&back.Nodes, s.Nodes)
		if s.VIP && s.Backends && s.Nodes {
			return back, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return back, fmt.Errorf("not whole %.0f s later: %s", now, s.Seen)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// busiest is the server to which a load balancer has sent most on one connection.
func (c *Cluster) busiest(lb string) (string, error) {
	out, err := c.run(lb, `ss -tniOH state established '( dport = :6443 )' | sed -n 's/.* \([0-9.]*\):6443 .* bytes_sent:\([0-9]*\) .*/\2 \1/p' | sort -n | tail -n 1`)
	if err != nil {
		return "", err
	}
	_, address, _ := strings.Cut(strings.TrimSpace(out), " ")
	for _, name := range c.Servers {
		if c.vms[name].IP() == address {
			return name, nil
		}
	}
	return "", fmt.Errorf("no server is at %q, to which %s has sent most", address, lb)
}

// cable pulls a machine's cable, or plugs it in.
func cable(plugged bool) action {
	return func(_ context.Context, c *Cluster, node string) error { return c.Cable(node, plugged) }
}

// replaced serves a status in the place of a server's API, with that server's certificate or with another cluster's, until stop is called.
func (c *Cluster) replaced(node string, status int, foreign bool) (stop func(), err error) {
	pair, err := c.certificate(node, foreign)
	if err != nil {
		return nil, err
	}
	if _, err := c.run(node, "systemctl stop k3s"); err != nil {
		return nil, err
	}
	var listener net.Listener
	if err := c.Within(c.vms[node].ID, func() (err error) {
		listener, err = net.Listen("tcp", ":6443")
		return err
	}); err != nil {
		return nil, err
	}
	server := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, http.StatusText(status), status)
		}),
	}
	go func() { _ = server.ServeTLS(listener, "", "") }() // until it is closed
	return func() { _ = server.Close() }, nil
}

// certificate is a server's own, or one for the same names by another CA.
func (c *Cluster) certificate(node string, foreign bool) (tls.Certificate, error) {
	file := "/var/lib/rancher/k3s/server/tls/serving-kube-apiserver"
	cert, err := c.run(node, "cat "+file+".crt")
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := c.run(node, "cat "+file+".key")
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair([]byte(cert+"\n"), []byte(key+"\n"))
	if err != nil || !foreign {
		return pair, err
	}
	parsed, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return pair, err
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair, err
	}
	parsed.Issuer, parsed.AuthorityKeyId, parsed.PublicKey = parsed.Subject, nil, &signer.PublicKey
	der, err := x509.CreateCertificate(rand.Reader, parsed, parsed, &signer.PublicKey, signer)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: signer}, err
}
