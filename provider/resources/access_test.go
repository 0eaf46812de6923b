package resources

import (
	"slices"
	"testing"
)

// The cluster is reached through the node that is spoken to anyway, and then through all that are known, in their order.
func TestWays(t *testing.T) {
	t.Parallel()
	access := Access{User: "ubuntu", Port: 2222, PrivateKey: "K", Ways: []Way{
		{"k3s-lb-01", "192.168.1.221", "ssh-ed25519 A"}, {"k3s-server-01", "192.168.1.201", "ssh-ed25519 B"},
	}}
	var got []string
	for _, way := range access.toCluster(Way{"k3s-server-02", "192.168.1.202", "ssh-ed25519 C"}).Ways {
		got = append(got, way.Node+" "+way.Host.Address+" "+way.Host.HostKey)
		if way.Host.User != "ubuntu" || way.Host.Port != 2222 || way.Host.PrivateKey != "K" {
			t.Errorf("%s is logged in to as %s, on %d", way.Node, way.Host.User, way.Host.Port)
		}
	}
	if want := []string{"k3s-server-02 192.168.1.202 ssh-ed25519 C", "k3s-lb-01 192.168.1.221 ssh-ed25519 A", "k3s-server-01 192.168.1.201 ssh-ed25519 B"}; !slices.Equal(got, want) {
		t.Errorf("ways %q, want %q", got, want)
	}
}
