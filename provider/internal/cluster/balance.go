package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	perRound = 12                     // connections that are open at the same time: a balancer that counts them then takes another server
	rounds   = 500 * time.Millisecond // between rounds
	meetWait = 20 * time.Second       // for a server that may be on its way up
)

// Balanced looks through a load balancer that this package has not set up. Connections are made through it, from each server in turn, until
// every server has answered one, by a certificate of the cluster. Servers are given as where they take connections themselves, by name. It
// returns those that have answered, and what keeps the others away. Servers whose own API is away are left out: nobody could lead to them.
func (a Access) Balanced(ctx context.Context, servers map[string]string, within time.Duration) (reached, away []string, err error) {
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	look, err := a.newLook(limited)
	if err != nil {
		return nil, nil, err
	}
	defer look.close()
	if servers, away, err = look.meet(limited, servers); err != nil {
		return nil, away, err
	}
	for limited.Err() == nil {
		look.round(limited)
		if len(look.missing(servers)) == 0 {
			return slices.Sorted(maps.Keys(servers)), away, nil
		}
		select {
		case <-limited.Done():
		case <-time.After(rounds):
		}
	}
	if ctx.Err() != nil {
		return nil, away, fmt.Errorf("stopped while looking through the load balancer of cluster %s: %w", a.Cluster, context.Cause(ctx))
	}
	return slices.Sorted(maps.Keys(look.reached)), away, look.failure(servers, within)
}

// look is what has been seen through a load balancer.
type look struct {
	access  Access
	sources []*tunnel // from where connections are made
	tls     *tls.Config
	names   map[string]string // servers by what they call themselves
	reached map[string]bool
	tried   int
	failed  int
	last    error
}

func (a Access) newLook(ctx context.Context) (*look, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(a.ServerCA)) {
		return nil, fmt.Errorf("cluster %s: the CA of its API is not a certificate in PEM", a.Cluster)
	}
	certificate, key, err := mint(a.ClientCA, time.Now())
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", a.Cluster, err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", a.Cluster, err)
	}
	l := &look{
		access: a, names: map[string]string{}, reached: map[string]bool{},
		tls: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
	}
	var seen []error
	for _, way := range a.Ways {
		t := newTunnel([]Way{way}, a.Jump, a.address())
		if err := t.open(ctx, way); err != nil {
			t.close()
			seen = append(seen, fmt.Errorf("through %s: %w", way.Node, err))
			continue
		}
		l.sources = append(l.sources, t)
	}
	if len(l.sources) == 0 {
		return nil, fmt.Errorf("cluster %s: no server leads to the load balancer at %s: %w", a.Cluster, a.address(), errors.Join(seen...))
	}
	return l, nil
}

func (l *look) close() {
	for _, t := range l.sources {
		t.close()
	}
}

// meet asks each server at its own address what it calls itself. It returns those that answer, and says why the others do not.
func (l *look) meet(ctx context.Context, servers map[string]string) (there map[string]string, away []string, err error) {
	there = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		id, err := l.askOne(ctx, servers[name])
		if err != nil {
			away = append(away, fmt.Sprintf("%s (its API at %s does not answer: %v)", name, servers[name], err))
			continue
		}
		if other := l.names[id]; other != "" {
			return nil, away, fmt.Errorf("%s and %s call themselves %s both, so they cannot be told apart; see advertise-address in k3s.serverConfig", other, name, id)
		}
		l.names[id], there[name] = name, servers[name]
	}
	if len(there) == 0 {
		return nil, away, fmt.Errorf("no server answers by itself: %s; bring one back, then run pulumi up again", strings.Join(away, ", "))
	}
	return there, away, nil
}

func (l *look) askOne(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, meetWait)
	defer cancel()
	client := l.client(l.sources[0], address, "kubernetes.default.svc")
	defer client.CloseIdleConnections()
	var last error
	for {
		id, err := ask(ctx, client)
		switch {
		case err == nil:
			return id, nil
		case ctx.Err() == nil || last == nil: // what the end of the time cut off says nothing
			last = err
		}
		select {
		case <-ctx.Done():
			return "", last
		case <-time.After(rounds):
		}
	}
}

// round makes connections that are all open at the same time.
func (l *look) round(ctx context.Context) {
	for range perRound {
		client := l.client(l.sources[l.tried%len(l.sources)], "", l.access.VIP)
		defer client.CloseIdleConnections()
		id, err := ask(ctx, client)
		if ctx.Err() != nil {
			return // what the end of the time cut off says nothing
		}
		l.tried++
		if err != nil {
			l.failed, l.last = l.failed+1, err
		} else if name := l.names[id]; name != "" {
			l.reached[name] = true
		}
		if len(l.reached) == len(l.names) {
			return
		}
	}
}

// client makes connections of its own from a source to an address; without one, through the load balancer.
func (l *look) client(from *tunnel, address, name string) *http.Client {
	config := l.tls.Clone()
	config.ServerName = name
	return &http.Client{
		Timeout: requestTimeout,
		Transport: &http.Transport{
			TLSClientConfig: config, TLSHandshakeTimeout: dialTimeout,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				client, _, err := from.current(ctx, nil)
				if err != nil {
					return nil, err
				}
				to := address
				if to == "" {
					to = l.access.address()
				}
				return dialThrough(ctx, client, network, to)
			},
		},
	}
}

// ask has an API say what it calls itself: the address at which it announces itself to clients.
func ask(ctx context.Context, client *http.Client) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://kubernetes.default.svc/api", nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", statusError(response.Status)
	}
	var versions struct {
		Addresses []struct {
			Server string `json:"serverAddress"`
		} `json:"serverAddressByClientCIDRs"`
	}
	if err := json.Unmarshal(body, &versions); err != nil || len(versions.Addresses) == 0 {
		return "", errors.New("it answers something else than the API of Kubernetes")
	}
	return versions.Addresses[0].Server, nil
}

func (l *look) missing(servers map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		if !l.reached[name] {
			out = append(out, fmt.Sprintf("%s (%s)", name, servers[name]))
		}
	}
	return out
}

func (l *look) failure(servers map[string]string, within time.Duration) error {
	const mend = "; mend that, then run pulumi up again"
	if l.failed == l.tried {
		return fmt.Errorf("nothing comes through the external load balancer at %s (loadBalancers.external.endpoint) in %d connections over %s: %s%s",
			l.access.address(), l.tried, span(within), why(l.last), mend)
	}
	failures := ""
	if l.failed > 0 {
		failures = fmt.Sprintf("; %d connections failed: %s", l.failed, why(l.last))
	}
	return fmt.Errorf("the external load balancer at %s (loadBalancers.external.endpoint) does not lead to %s, in %d connections over %s%s; "+
		"see that it is in the pool, that its check passes (HTTPS GET /readyz, 200 or 401), and that connections are spread by something else than the client's address%s",
		l.access.address(), strings.Join(l.missing(servers), ", "), l.tried, span(within), failures, mend)
}

// why says what a failed connection tells about the load balancer.
func why(err error) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var refused *ssh.OpenChannelError
	switch {
	case errors.As(err, &authority):
		return "the certificate there is not this cluster's: the load balancer must pass TLS through as it is (TCP mode, no offloading), to this cluster's servers"
	case errors.As(err, &name):
		return "the certificate there is not good for the endpoint: " + name.Error()
	case errors.As(err, &refused):
		return "the servers cannot connect to it (" + refused.Message + ")"
	case errors.Is(err, io.EOF) || err != nil && strings.Contains(err.Error(), "reset"):
		return "connections are closed before TLS is agreed on: no server in the pool passes its check, or the PROXY protocol is on"
	case err == nil:
		return "there was no time for any"
	}
	return err.Error()
}
