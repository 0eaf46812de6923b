package pki

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

// What load balancers serve with is the same at every run, good for its names, signed by the cluster's CA, and no other's.
func TestServing(t *testing.T) {
	t.Parallel()
	authorities, err := NewAuthorities(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b, hosts := Bundle{Authorities: authorities}, []string{"192.168.1.220", "api.example.org"}
	one, err := b.Serving("load-balancer", hosts)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.Serving("load-balancer", hosts); err != nil || again != one {
		t.Errorf("another run makes another one: %v", err)
	}
	if other, err := b.Serving("load-balancer", hosts[:1]); err != nil || other.Key == one.Key {
		t.Errorf("another one has the same key: %v", err)
	}
	pair, err := tls.X509KeyPair([]byte(one.Certificate), []byte(one.Key))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(authorities.Server.Certificate))
	for _, host := range hosts {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if err := pair.Leaf.VerifyHostname("192.168.1.221"); err == nil {
		t.Error("it is good for any name")
	}
}
