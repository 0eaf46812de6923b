package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
)

// Access is all that is needed to reach a cluster and be let in.
type Access struct {
	Cluster      string // its name
	VIP          string
	APIPort      int           // on the VIP
	Servers      int           // how many servers the cluster is meant to have now
	Ways         []Way         // nodes whose SSH leads into the cluster's network, tried in this order: load balancers first, then servers
	Jump         *contact.Host // the bastion; may be nil
	ServerCA     string        // PEM certificate of the CA of the API's serving certificates
	ClientCA     pki.Pair      // the CA of client certificates
	DrainTimeout time.Duration // how long a node may take to be drained; 0 means 300 s
	DrainForce   bool          // what is left then is deleted, whatever budgets say
	Run          string        // which run of Pulumi this is
	Token        string        // of servers: their supervisor tells who is in etcd
}

// Way is a node through whose SSH the cluster can be reached. API is where the API answers there: empty for the VIP, a server's own address for
// a server, which answers also while a VIP moves.
type Way struct {
	Node string
	Host contact.Host
	API  string
}

// requestTimeout is how long one request to the API may take.
const requestTimeout = 15 * time.Second

// Reach opens a tunnel through the first way that leads to the API, and returns the cluster once the API says that it is ready.
// It keeps trying until the time is over. The error names each way and what was last seen on it, never a secret.
func Reach(ctx context.Context, a Access, within time.Duration) (*Cluster, error) {
	if len(a.Ways) == 0 {
		return nil, fmt.Errorf("cluster %s: no node is known through which it could be reached; run pulumi up without --target", a.Cluster)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(a.ServerCA)) {
		return nil, fmt.Errorf("cluster %s: the CA of its API is not a certificate in PEM", a.Cluster)
	}
	certificate, key, err := mint(a.ClientCA, time.Now())
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", a.Cluster, err)
	}
	deadline := time.Now().Add(within)
	limited, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	seen := make([]error, len(a.Ways))
	for {
		for i, way := range a.Ways {
			c, err := a.through(limited, way, roots, certificate, key)
			if err == nil {
				return c, nil
			}
			// What the end of the time cut off says nothing about the way.
			if limited.Err() == nil || seen[i] == nil {
				seen[i] = err
			}
		}
		select {
		case <-limited.Done():
		case <-time.After(time.Second):
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("stopped while reaching cluster %s: %w", a.Cluster, context.Cause(ctx))
		}
		if time.Now().After(deadline) {
			return nil, a.unreached(within, seen)
		}
	}
}

func (a Access) unreached(within time.Duration, seen []error) error {
	var each []string
	for i, err := range seen {
		each = append(each, "through "+a.Ways[i].Node+": "+err.Error())
	}
	return fmt.Errorf("the API of cluster %s at %s cannot be reached for %s: %s; bring one of these ways and the API back, then run pulumi up again",
		a.Cluster, a.address(), span(within), strings.Join(each, "; "))
}

func (a Access) address() string { return net.JoinHostPort(a.VIP, strconv.Itoa(a.APIPort)) }

// through tries one way, once.
func (a Access) through(ctx context.Context, way Way, roots *x509.CertPool, certificate, key []byte) (*Cluster, error) {
	t := newTunnel(a.Ways, a.Jump, a.address())
	if err := t.open(ctx, way); err != nil {
		t.close()
		return nil, err
	}
	c, err := a.cluster(ctx, t, roots, certificate, key)
	if err != nil {
		t.close()
		return nil, err
	}
	return c, nil
}

// cluster is the cluster at the other end of a tunnel, if its API is ready.
func (a Access) cluster(ctx context.Context, t *tunnel, roots *x509.CertPool, certificate, key []byte) (*Cluster, error) {
	endpoint := "https://" + a.address()
	config := &rest.Config{
		Host: endpoint,
		// Every server has this name, also one that has not heard yet of a VIP that moves.
		TLSClientConfig: rest.TLSClientConfig{CAData: []byte(a.ServerCA), CertData: certificate, KeyData: key, ServerName: "kubernetes.default.svc"},
		Dial:            t.dial,
		Proxy:           func(*http.Request) (*url.URL, error) { return nil, nil }, // the tunnel is the only way
		QPS:             50,
		Burst:           100,
		Timeout:         requestTimeout,
		WarningHandler:  rest.NoWarnings{},
		UserAgent:       "k3sha",
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	skew, err := ready(ctx, client, endpoint)
	if err != nil {
		return nil, err
	}
	kube, err := kubernetes.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		servers: a.Servers, drainFor: a.DrainTimeout, force: a.DrainForce, run: a.Run, kube: kube, waits: defaultWaits, close: t.close,
		now: func() time.Time { return time.Now().Add(skew) },
		web: &http.Client{
			Transport: &http.Transport{
				DialContext: t.dial, DisableKeepAlives: true, TLSHandshakeTimeout: 5 * time.Second,
				TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			},
			Timeout:       requestTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if c.drainFor == 0 {
		c.drainFor = 300 * time.Second
	}
	c.answers = c.ask
	c.members = func(ctx context.Context) (map[string]bool, error) { return c.list(ctx, endpoint+"/db/info", a.Token) }
	c.kubelet = func(ctx context.Context, ip string) bool {
		conn, err := t.dial(ctx, "tcp", net.JoinHostPort(ip, kubeletPort))
		if err == nil {
			_ = conn.Close()
		}
		// Refused, or no such host: nobody is there. No answer at all may be a firewall's doing, so the lease alone decides then.
		var refused *ssh.OpenChannelError
		return !errors.As(err, &refused)
	}
	return c, nil
}

// ready asks the API whether it is ready. It returns how far the cluster's clock is ahead of ours: leases are judged by the cluster's
// clock, for a clock that is a minute wrong here would make every node look dead.
func ready(ctx context.Context, client *http.Client, endpoint string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/readyz", nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return 0, errors.New("the API refuses the client certificate (" + response.Status + "): the cluster has another CA than the one that is known")
	default:
		return 0, errors.New("the API is not ready: " + response.Status)
	}
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return 0, nil // nothing to compare with
	}
	skew := time.Until(date)
	if skew.Abs() < 2*time.Second { // the header has whole seconds
		skew = 0
	}
	return skew, nil
}
