package e2e

import (
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab/drill"
)

// TestLongDrill causes every failure of make drill: with the cluster's own load balancers, then with the naive configuration, of which some
// figures must be at least three times as large.
func TestLongDrill(t *testing.T) {
	p := newPlace(t, newLab(t, "drill", false), "drill")
	p.up()
	p.cluster(release, kubernetesNodes()...)
	c, err := drill.Open(p.Lab, p.kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	own := map[string]drill.Result{}
	for _, f := range drill.Failures() {
		t.Run(f.Name, func(t *testing.T) { own[f.Name] = caused(t, c, f, drill.Own) })
	}
	t.Run("a watch, exec and logs idle, across a reload too", func(t *testing.T) {
		if idle, err := c.Idle(t.Context(), drill.Own, 90*time.Second); err != nil || len(idle.Connections) != 6 || len(idle.Cut()) > 0 {
			t.Errorf("%s: %v", idle, err)
		}
	})
	p.program("        mirror: ", "        etcd: {heartbeatInterval: 100, electionTimeout: 1000}\n        mirror: ")
	p.up()
	fast := drill.FastEtcd()
	t.Run(fast.Name, func(t *testing.T) { caused(t, c, fast, drill.Own) })
	if err := c.Naive(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Run("naive: an idle watch is cut", func(t *testing.T) {
		if idle, err := c.Idle(t.Context(), drill.NaiveSetup, 70*time.Second); err != nil || len(idle.Cut()) == 0 {
			t.Errorf("%s: %v", idle, err)
		}
	})
	for _, f := range drill.Failures() {
		if f.Third == "" {
			continue
		}
		t.Run("naive: "+f.Name, func(t *testing.T) {
			if err := c.Mend(t.Context()); err != nil {
				t.Fatal(err)
			}
			naive := caused(t, c, f, drill.NaiveSetup)
			for _, short := range own[f.Name].Thirds(f, naive) {
				t.Error(short)
			}
		})
	}
}
