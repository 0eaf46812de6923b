package e2e

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
	"github.com/k3sha/pulumi-k3sha/tests/lab/drill"
)

// service watches the VIP while something happens, as a client sees it, and says what it saw.
func (p *place) service(during func()) lab.Service {
	p.t.Helper()
	stop := p.client(p.endpoint)
	time.Sleep(300 * time.Millisecond)
	during()
	s := stop()
	p.t.Log(s)
	return s
}

// client asks at an address of the API, the VIP's if there is none, until the returned function is called.
func (p *place) client(address string) (stop func() lab.Service) {
	p.t.Helper()
	if address == "" {
		address = vip + ":6443"
	}
	ca, err := base64.StdEncoding.DecodeString(p.kubectl("config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}"))
	if err != nil {
		p.t.Fatal(err)
	}
	return p.Client(p.t.Context(), address, ca)
}

// within fails when the client was longer without service than it may be.
func (p *place) within(s lab.Service, most time.Duration) {
	p.t.Helper()
	if s.Asked == 0 || s.Without > most {
		p.t.Errorf("%s; want at most %s", s, most)
	}
}

// loaded is what a machine on which other tests run may add to a promised figure.
const loaded = 2.5

// survives causes the failures that are over soon, each once, and compares what the client saw with what is promised.
func (p *place) survives() {
	p.t.Helper()
	c, err := drill.Open(p.Lab, p.kubeconfig())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range drill.Failures() {
		if f.Short {
			p.t.Run(f.Name, func(t *testing.T) { caused(t, c, f, drill.Own) })
		}
	}
}

// caused causes one failure, and fails the test if the client saw more of it than it may.
func caused(t *testing.T, c *drill.Cluster, f drill.Failure, setup string) drill.Result {
	t.Helper()
	r, err := c.Run(t.Context(), setup, f)
	if err != nil && setup == drill.Own {
		t.Fatal(err)
	}
	t.Logf("%s: %.2f s without service, %d of %d failed, %.2f s between writes, %d moves, served again %.1f s after the healing; back: %+v (%v)",
		setup, r.Without, r.Failed, r.Asked, r.Writes, r.Moves, r.Served, r.Back, r.Cause)
	if setup == drill.Own {
		for _, short := range r.Short(f, nil, loaded) {
			t.Error(short)
		}
	}
	return r
}

// whole waits until both load balancers see all servers and one of them holds the VIP.
func (p *place) whole() {
	p.t.Helper()
	var seen []string
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		seen = nil
		for _, lb := range []string{"k3s-lb-01", "k3s-lb-02"} {
			out, err := p.Exec(lb, "sh", "-c", "curl -s --max-time 2 http://127.0.0.1:8405/backends; systemctl is-active keepalived")
			if err != nil {
				seen = append(seen, err.Error())
				continue
			}
			text, _ := out.CombinedOutput()
			seen = append(seen, string(text))
		}
		holders := p.holders(vip)
		if len(holders) == 1 && seen[0] == "3\nactive\n" && seen[1] == "3\nactive\n" {
			return
		}
	}
	p.t.Fatalf("the load balancers are not whole again: %q, the VIP is on %v", seen, p.holders(vip))
}
