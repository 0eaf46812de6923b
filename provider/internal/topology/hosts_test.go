package topology_test

import (
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

func TestHasHosts(t *testing.T) {
	t.Parallel()
	for release, want := range map[string]bool{
		"v1.27.9+k3s1": false, "v1.27.10+k3s2": true, "v1.28.5+k3s1": false, "v1.28.6+k3s2": true, "v1.29.0+k3s1": false, "v1.29.1+k3s2": true, "v1.30.0+k3s1": true, "v1.36.0+k3s1": true, "": false,
	} {
		if got := topology.HasHosts(release); got != want {
			t.Errorf("%s: %t", release, got)
		}
	}
}
