package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// named is the API of a server that says who it is.
func named(t *testing.T, name string, serverCA *x509.Certificate, serverKey *ecdsa.PrivateKey, clientCA *x509.Certificate) string {
	t.Helper()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"kubernetes.default.svc"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, serverCA, key.Public(), serverKey)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.VerifiedChains) == 0 || r.URL.Path != "/api" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprintf(w, `{"kind":"APIVersions","versions":["v1"],"serverAddressByClientCIDRs":[{"clientCIDR":"0.0.0.0/0","serverAddress":%q}]}`, name)
	}))
	pool := x509.NewCertPool()
	pool.AddCert(clientCA)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// balancer sends connections on to what a function says; "" closes them.
func balancer(t *testing.T, to func() string, done func(string)) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			address := to()
			go func() {
				defer done(address)
				defer conn.Close()
				behind, err := net.Dial("tcp", address)
				if err != nil {
					return
				}
				defer behind.Close()
				go func() { _, _ = io.Copy(behind, conn); behind.Close() }()
				_, _ = io.Copy(conn, behind)
			}()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

// TestBalanced looks through load balancers of all kinds, right and wrong ones.
func TestBalanced(t *testing.T) {
	t.Parallel()
	server, serverCA, serverKey := newCA(t, "server-ca")
	client, clientCA, _ := newCA(t, "client-ca")
	_, otherCA, otherKey := newCA(t, "other-ca")
	servers := map[string]string{}
	var pool []string
	for i := range 3 {
		name := fmt.Sprintf("k3s-server-%02d", i+1)
		servers[name] = named(t, fmt.Sprintf("10.0.0.%d:6443", i+1), serverCA, serverKey, clientCA)
		pool = append(pool, servers[name])
	}
	stranger := named(t, "10.0.0.9:6443", serverCA, serverKey, clientCA)
	foreign := named(t, "10.0.0.1:6443", otherCA, otherKey, clientCA)
	twin := named(t, "10.0.0.1:6443", serverCA, serverKey, clientCA)
	node := newSSHD(t)
	off := node.host
	off.Port = closedPort(t)
	turns := func(pool ...string) (func() string, func(string)) {
		var n atomic.Int64
		return func() string { return pool[int(n.Add(1))%len(pool)] }, func(string) {}
	}
	// The one with the fewest connections, the first of several: it is always the first, if connections end before the next begins.
	fewest := func(pool ...string) (func() string, func(string)) {
		open := make(map[string]*atomic.Int64)
		for _, address := range pool {
			open[address] = &atomic.Int64{}
		}
		return func() string {
			least := slices.MinFunc(pool, func(a, b string) int { return int(open[a].Load() - open[b].Load()) })
			open[least].Add(1)
			return least
		}, func(address string) { open[address].Add(-1) }
	}
	for name, c := range map[string]struct {
		to      func(...string) (func() string, func(string))
		pool    []string
		servers map[string]string
		reached []string
		want    string // a pattern
	}{
		"in turn":        {turns, pool, servers, []string{"k3s-server-01", "k3s-server-02", "k3s-server-03"}, ""},
		"fewest":         {fewest, pool, servers, []string{"k3s-server-01", "k3s-server-02", "k3s-server-03"}, ""},
		"a stranger too": {turns, append([]string{stranger}, pool...), servers, []string{"k3s-server-01", "k3s-server-02", "k3s-server-03"}, ""},
		"one is missing": {
			turns, pool[:2], servers,
			[]string{"k3s-server-01", "k3s-server-02"},
			`^the external load balancer at 127\.0\.0\.1:\d+ \(loadBalancers\.external\.endpoint\) does not lead to k3s-server-03 \(127\.0\.0\.1:\d+\), in \d+ connections over 1 s; see that it is in the pool, that its check passes \(HTTPS GET /readyz, 200 or 401\), and that connections are spread by something else than the client's address; mend that, then run pulumi up again$`,
		},
		"always the same": {turns, pool[:1], servers, []string{"k3s-server-01"}, `does not lead to k3s-server-02 \(.*\), k3s-server-03 \(.*\), in`},
		"one of another cluster": {
			turns,
			[]string{foreign, pool[1], pool[2]},
			servers,
			[]string{"k3s-server-02", "k3s-server-03"},
			`does not lead to k3s-server-01 .*; \d+ connections failed: the certificate there is not this cluster's: the load balancer must pass TLS through as it is \(TCP mode, no offloading\), to this cluster's servers; see that`,
		},
		"TLS ends there": {turns, []string{foreign}, servers, nil, `^nothing comes through the external load balancer at .* in \d+ connections over 1 s: the certificate there is not this cluster's: .*; mend that, then run pulumi up again$`},
		"an empty pool":  {turns, []string{""}, servers, nil, `^nothing comes through .*: connections are closed before TLS is agreed on: no server in the pool passes its check, or the PROXY protocol is on; mend`},
		"a server that is away": {
			turns, pool,
			map[string]string{"k3s-server-01": fmt.Sprintf("127.0.0.1:%d", closedPort(t))},
			nil,
			`^no server answers by itself: k3s-server-01 \(its API at 127\.0\.0\.1:\d+ does not answer: .*\); bring one back, then run pulumi up again$`,
		},
		"two that say the same": {turns, pool, map[string]string{"k3s-server-01": pool[0], "k3s-server-02": twin}, nil, `^k3s-server-01 and k3s-server-02 call themselves 10\.0\.0\.1:6443 both`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to, done := c.to(c.pool...)
			access := Access{
				Cluster: "k3s", VIP: "127.0.0.1", APIPort: balancer(t, to, done), ServerCA: server.Certificate, ClientCA: client,
				Ways: []Way{{"k3s-server-03", off, pool[2]}, {"k3s-server-01", node.host, pool[0]}, {"k3s-server-02", node.host, pool[1]}},
			}
			within := time.Second
			if c.want == "" {
				within = 20 * time.Second
			}
			reached, _, err := access.Balanced(t.Context(), c.servers, within)
			if !slices.Equal(reached, c.reached) {
				t.Errorf("reached %q, want %q", reached, c.reached)
			}
			if (err == nil) != (c.want == "") || err != nil && !regexp.MustCompile(c.want).MatchString(err.Error()) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
	t.Run("one of them is away", func(t *testing.T) {
		t.Parallel()
		to, done := turns(pool[0], pool[1])
		access := Access{Cluster: "k3s", VIP: "127.0.0.1", APIPort: balancer(t, to, done), ServerCA: server.Certificate, ClientCA: client, Ways: []Way{{"k3s-server-01", node.host, pool[0]}}}
		without := map[string]string{"k3s-server-01": pool[0], "k3s-server-02": pool[1], "k3s-server-03": fmt.Sprintf("127.0.0.1:%d", closedPort(t))}
		reached, away, err := access.Balanced(t.Context(), without, 40*time.Second)
		if err != nil || !slices.Equal(reached, []string{"k3s-server-01", "k3s-server-02"}) || len(away) != 1 || !strings.HasPrefix(away[0], "k3s-server-03 (its API at 127.0.0.1:") {
			t.Errorf("reached %v, away %v (%v)", reached, away, err)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		access := Access{Cluster: "k3s", VIP: "127.0.0.1", APIPort: closedPort(t), ServerCA: server.Certificate, ClientCA: client, Ways: []Way{{"k3s-server-01", node.host, pool[0]}}}
		_, _, err := access.Balanced(t.Context(), servers, time.Second)
		if err == nil || !strings.Contains(err.Error(), "the servers cannot connect to it (dial tcp 127.0.0.1:") {
			t.Error(err)
		}
		access.Ways = []Way{{"k3s-server-01", off, pool[0]}}
		_, _, err = access.Balanced(t.Context(), servers, time.Second)
		if err == nil || !strings.Contains(err.Error(), "cluster k3s: no server leads to the load balancer at 127.0.0.1:") || !strings.Contains(err.Error(), "through k3s-server-01: SSH: ") {
			t.Error(err)
		}
	})
}
