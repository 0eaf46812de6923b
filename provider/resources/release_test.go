package resources

import (
	"slices"
	"testing"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// What has come up on servers decides where a cluster may go; one that cannot be reached, or has not come up yet, says nothing.
func TestReleaseByWhatServersRun(t *testing.T) {
	t.Parallel()
	servers := []topology.Node{
		node(topology.Server, "k3s-server-01", "127.3.0.1"), node(topology.Server, "k3s-server-02", "127.3.0.2"), node(topology.LoadBalancer, "k3s-lb-01", "127.3.0.3"),
	}
	f := &fleet{states: map[string]string{"k3s-server-01": "v1.31.7+k3s1\n", "k3s-server-02": "", "k3s-lb-01": "v9.9.9+k3s1"}}
	access := f.start(t, servers...)
	for _, n := range servers[:2] {
		access.Ways = append(access.Ways, Way{Node: n.Name, Address: n.IP})
	}
	r := ClusterRelease{&Config{access: &access}}
	for to, want := range map[string]string{
		"v1.31.7+k3s1": "",
		"v1.32.6+k3s1": "",
		"v1.31.6+k3s1": "k3s.version: k3s-server-01: v1.31.6+k3s1 is older than v1.31.7+k3s1, which has come up in this cluster; k3s cannot go back, give v1.31.7+k3s1 or a newer release",
		"v1.33.0+k3s1": "k3s.version: k3s-server-01: v1.33.0+k3s1 skips a minor version after v1.31.7+k3s1; go through v1.32 first",
	} {
		_, err := r.Update(t.Context(), infer.UpdateRequest[ClusterReleaseArgs, ClusterReleaseState]{Inputs: ClusterReleaseArgs{Version: to}})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("to %s: %q, want %q", to, got, want)
		}
	}
}

// The former VIP and port are given up by all load balancers, and only when they have moved.
func TestArrival(t *testing.T) {
	t.Parallel()
	lbs := []topology.Node{node(topology.LoadBalancer, "k3s-lb-01", "127.4.0.1"), node(topology.LoadBalancer, "k3s-lb-02", "127.4.0.2")}
	f := &fleet{states: map[string]string{}}
	access := f.start(t, lbs...)
	access.APIPort = 7443
	s := ClusterSettled{&Config{access: &access}}
	for _, former := range []string{"https://192.168.1.220:7443", "https://192.168.1.220:6443"} {
		if _, err := s.Update(t.Context(), infer.UpdateRequest[ClusterSettledArgs, ClusterSettledState]{
			Inputs: ClusterSettledArgs{Endpoint: "https://192.168.1.220:7443", Version: "b"}, State: ClusterSettledState{Endpoint: former, Version: "a"},
		}); err != nil {
			t.Fatal(err)
		}
	}
	did := f.did()
	slices.Sort(did)
	if want := []string{"k3s-lb-01: arrived at 192.168.1.220:7443", "k3s-lb-02: arrived at 192.168.1.220:7443"}; !slices.Equal(did, want) {
		t.Errorf("did %v, want %v", did, want)
	}
}
