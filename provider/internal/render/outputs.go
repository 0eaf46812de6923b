package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Inventory renders an inventory for Ansible. Host keys are pinned to those of the nodes.
func Inventory(p topology.Plan, keys map[string]string) string {
	type host struct {
		Name, IP, HostKey string
		Port              int // 0: that of all
	}
	type group struct {
		Name     string
		Hosts    []host
		Children []string
	}
	hosts := func(nodes []topology.Node) []host {
		var out []host
		for _, n := range nodes {
			h := host{Name: n.Name, IP: n.IP, HostKey: keys[n.Name]}
			if n.SSHPort != p.Spec.SSH.Port {
				h.Port = n.SSHPort
			}
			out = append(out, h)
		}
		return out
	}
	var groups []group
	if p.Spec.LoadBalancers.External == nil {
		groups = append(groups, group{Name: "load_balancers", Hosts: hosts(p.LoadBalancers())})
	}
	workers := group{Name: "workers"}
	var pools []group
	for _, pool := range slices.Sorted(maps.Keys(p.Spec.Workers)) {
		// Ansible takes no hyphens in the names of groups.
		name := "workers_" + strings.ReplaceAll(pool, "-", "_")
		workers.Children = append(workers.Children, name)
		pools = append(pools, group{Name: name, Hosts: hosts(slices.DeleteFunc(p.Workers(), func(n topology.Node) bool { return n.Pool != pool }))})
	}
	groups = append(append(groups, group{Name: "servers", Hosts: hosts(p.ServersBySlot())}, workers), pools...)
	jump := ""
	if b := p.Spec.SSH.Bastion; b != nil {
		jump = fmt.Sprintf(" -J %s@%s:%d", b.User, b.Host, b.Port)
	}
	return fill("inventory.yaml.tmpl", struct {
		Cluster, User, Jump string
		Port                int
		Groups              []group
	}{p.Spec.ClusterName, p.Spec.SSH.User, jump, p.Spec.SSH.Port, groups})
}

// Summary renders the cluster on one screen. Nodes are on the Proxmox nodes that are given, by name; the holder has the VIP, if it is known.
func Summary(p topology.Plan, on map[string]string, holder string) string {
	s := p.Spec
	nodes, width := slices.Clone(p.Nodes), 0
	for i, n := range nodes {
		nodes[i].ProxmoxNode = on[n.Name]
		width = max(width, len(n.Name))
	}
	var vips, ports []string
	for _, vip := range s.LoadBalancers.MoreVIPs() {
		vips = append(vips, vip.Address+", "+vip.Name)
	}
	for _, f := range forwards(p) {
		address := f.Address
		if address == "" {
			address = s.Network.VIP
		}
		ports = append(ports, fmt.Sprintf("%s:%d goes to port %d of %s (%s)", address, f.Port, f.Target(), strings.Join(f.Pools, ", "), f.Name))
	}
	return fill("summary.txt.tmpl", struct {
		Cluster, Version, Endpoint, VIP, Holder string
		External                                bool
		Width                                   int
		VIPs, Forwards                          []string
		Nodes                                   []topology.Node
		Backup                                  bool
	}{s.ClusterName, s.K3s.Version, PublicEndpoint(s), s.Network.VIP, holder, s.LoadBalancers.External != nil, width, vips, ports, nodes, s.Backup != nil})
}
