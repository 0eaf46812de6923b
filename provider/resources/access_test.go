package resources

import (
	"slices"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
)

// The cluster is reached through the node that is spoken to anyway, and then through all that are known, in their order.
func TestWays(t *testing.T) {
	t.Parallel()
	access := Access{User: "ubuntu", Port: 2222, PrivateKey: "K", Ways: []Way{
		{Node: "k3s-lb-01", Address: "192.168.1.221"}, {Node: "k3s-server-01", Address: "192.168.1.201"},
	}, Bundle: pki.Bundle{Authorities: pki.Authorities{Server: pki.Pair{Key: "CA"}}}}
	var got []string
	for _, way := range access.toCluster(Way{Node: "k3s-server-02", Address: "192.168.1.202"}).Ways {
		got = append(got, way.Node+" "+way.Host.Address)
		if way.Host.HostKey != access.Bundle.HostKey(way.Node).Public {
			t.Errorf("%s is pinned to %q", way.Node, way.Host.HostKey)
		}
		if way.Host.User != "ubuntu" || way.Host.Port != 2222 || way.Host.PrivateKey != "K" {
			t.Errorf("%s is logged in to as %s, on %d", way.Node, way.Host.User, way.Host.Port)
		}
	}
	if want := []string{"k3s-server-02 192.168.1.202", "k3s-lb-01 192.168.1.221", "k3s-server-01 192.168.1.201"}; !slices.Equal(got, want) {
		t.Errorf("ways %q, want %q", got, want)
	}
}
