package topology_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

func TestValidateReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	problems := topology.Validate(topology.ApplyDefaults(topology.Spec{Proxmox: topology.Proxmox{Given: true}, SSH: topology.SSH{MissingKey: true}}))
	var paths []string
	for _, p := range problems {
		paths = append(paths, p.Path)
	}
	want := []string{
		"clusterName", "proxmox.nodes", "network.cidr", "network.gateway", "network.vip",
		"loadBalancers.firstAddress", "servers.firstAddress", "k3s.version", "ssh.privateKey",
	}
	if !slices.Equal(paths, want) {
		t.Errorf("problems of an empty spec: %s, want %s", fmt.Sprint(paths), fmt.Sprint(want))
	}
}
