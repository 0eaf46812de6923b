package topology

import (
	"fmt"
	"slices"
)

// onOneLAN: load balancers of both are on the same bridge and VLAN. VIPs and VRRP are theirs, and the others have to reach them. Where an
// external one stands for them, servers are.
func (s Spec) onOneLAN(other Spec) bool {
	for _, a := range s.front() {
		for _, b := range other.front() {
			if a.Bridge == b.Bridge && a.VLAN == b.VLAN {
				return true
			}
		}
	}
	return false
}

func (s Spec) front() []Node {
	role := LoadBalancer
	if s.LoadBalancers.External != nil {
		role = Server
	}
	return slices.DeleteFunc(s.Nodes(), func(n Node) bool { return n.Role != role })
}

// CheckBeside says what a cluster would use that another one on the same Proxmox VE uses already. Reasons have {other} for the
// other's name. Addresses clash on the same bridge and VLAN of a Proxmox node alone.
func CheckBeside(s, other Spec) []Problem {
	var out []Problem
	add := func(path, format string, args ...any) {
		out = append(out, Problem{Path: path, Reason: fmt.Sprintf(format, args...)})
	}
	if s.ClusterName == other.ClusterName {
		add("clusterName", "%s is the name of cluster {other} too, and its VMs' names and ids derive from it; give each its own", s.ClusterName)
		return out // the rest follows
	}
	shared := slices.ContainsFunc(s.Proxmox.Nodes, func(node string) bool { return slices.Contains(other.Proxmox.Nodes, node) })
	lan := shared && s.onOneLAN(other)
	ips, macs, ids := map[string]string{}, map[string]string{}, map[int]string{}
	for _, n := range other.Nodes() {
		if n.IP != "" {
			ips[n.IP] = n.Name + " in cluster {other}"
		}
		if !n.Existing {
			macs[n.MAC], ids[n.VMID] = n.Name, n.Name
		}
	}
	routers := map[int]bool{}
	if other.LoadBalancers.External == nil {
		routers[other.LoadBalancers.VirtualRouterID] = true
	}
	for _, vip := range other.LoadBalancers.MoreVIPs() {
		ips[vip.Address], routers[vip.VirtualRouterID] = "loadBalancers.vips."+vip.Name+" of cluster {other}", true
	}
	if mine := s.LoadBalancers; mine.External == nil || other.LoadBalancers.External == nil {
		ips[other.Network.VIP] = other.endpointWord() + " of cluster {other}"
	} else if s.Network.VIP == other.Network.VIP && mine.APIPort == other.LoadBalancers.APIPort { // one balancer may have several ports
		add(externalPath, "%s:%d is the endpoint of cluster {other} too; give each its own, or another loadBalancers.apiPort", s.Network.VIP, mine.APIPort)
	}
	virtual := func(addressPath, address, routerPath string, router int) {
		if whose := ips[address]; lan && whose != "" {
			add(addressPath, "%s is %s too; give each its own", address, whose)
		}
		if lan && routers[router] {
			add(routerPath, "%d is the VRRP router id of cluster {other} too, on the same network; give each its own", router)
		}
	}
	if s.LoadBalancers.External == nil {
		virtual("network.vip", s.Network.VIP, "loadBalancers.virtualRouterId", s.LoadBalancers.VirtualRouterID)
	} else if whose := ips[s.Network.VIP]; lan && whose != "" {
		add(externalPath, "%s is %s too; give each its own", s.Network.VIP, whose)
	}
	for _, vip := range s.LoadBalancers.MoreVIPs() {
		path := "loadBalancers.vips." + vip.Name
		virtual(path+".address", vip.Address, path+".virtualRouterId", vip.VirtualRouterID)
	}
	v := &validator{spec: s}
	found := newPerGroup(v)
	for _, n := range s.Nodes() {
		if whose := ips[n.IP]; lan && whose != "" && n.IP != "" {
			found.add(n.Path+".firstAddress", "ip", fmt.Sprintf("%s would have %s, which is %s", n.Name, n.IP, whose), "give each its own")
		}
		if whose := macs[n.MAC]; lan && whose != "" {
			found.add(n.Path+".nodes", "mac", fmt.Sprintf("%s would have MAC %s, the one of %s in cluster {other}", n.Name, n.MAC, whose), "give each its own")
		}
		if whose := ids[n.VMID]; whose != "" {
			found.add(n.Path+".firstVmId", "id", fmt.Sprintf("%s would have VM id %d, the one of %s in cluster {other}", n.Name, n.VMID, whose), "give each its own")
		}
	}
	found.flush()
	return append(out, v.problems...)
}
