package topology

import (
	"fmt"
	"slices"
)

// onOneLAN: load balancers of both are on the same bridge and VLAN. VIPs and VRRP are theirs, and the others have to reach them.
func (s Spec) onOneLAN(other Spec) bool {
	for _, a := range s.Nodes() {
		for _, b := range other.Nodes() {
			if a.Role == LoadBalancer && b.Role == LoadBalancer && a.Bridge == b.Bridge && a.VLAN == b.VLAN {
				return true
			}
		}
	}
	return false
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
	if lan && s.Network.VIP == other.Network.VIP {
		add("network.vip", "%s is the VIP of cluster {other} too; give each its own", s.Network.VIP)
	}
	ips, macs, ids := map[string]string{other.Network.VIP: "its VIP"}, map[string]string{}, map[int]string{}
	routers := map[int]bool{other.LoadBalancers.VirtualRouterID: true}
	for _, vip := range other.LoadBalancers.VIPs {
		ips[vip.Address], routers[vip.VirtualRouterID] = "a VIP", true
	}
	if lan && routers[s.LoadBalancers.VirtualRouterID] {
		add("loadBalancers.virtualRouterId", "%d is the VRRP router id of cluster {other} too, on the same network; give each its own", s.LoadBalancers.VirtualRouterID)
	}
	for _, name := range sortedKeys(s.LoadBalancers.VIPs) {
		vip, path := s.LoadBalancers.VIPs[name], "loadBalancers.vips."+name
		if lan && routers[vip.VirtualRouterID] {
			add(path+".virtualRouterId", "%d is the VRRP router id of cluster {other} too, on the same network; give each its own", vip.VirtualRouterID)
		}
		if whose := ips[vip.Address]; lan && whose != "" {
			add(path+".address", "%s is %s of cluster {other} too; give each its own", vip.Address, whose)
		}
	}
	for _, n := range other.Nodes() {
		ips[n.IP], macs[n.MAC], ids[n.VMID] = n.Name, n.Name, n.Name
	}
	v := &validator{spec: s}
	found := newPerGroup(v)
	for _, n := range s.Nodes() {
		if whose := ips[n.IP]; lan && whose != "" && n.IP != "" {
			found.add(n.Path+".firstAddress", "ip", fmt.Sprintf("%s would have %s, which is %s in cluster {other}", n.Name, n.IP, whose), "give each its own")
		}
		if whose := macs[n.MAC]; lan && whose != "" {
			found.add(n.Path+".nodes", "mac", fmt.Sprintf("%s would have MAC %s, the one of %s in cluster {other}", n.Name, n.MAC, whose), "give each its own")
		}
		if whose := ids[n.VMID]; whose != "" {
			found.add(n.Path+".firstVmId", "id", fmt.Sprintf("%s would have VM id %d, the one of %s in cluster {other}", n.Name, n.VMID, whose), "give each its own")
		}
	}
	found.flush()
	if lan {
		for _, n := range other.Nodes() {
			if n.IP == s.Network.VIP && n.IP != "" {
				add("network.vip", "%s is the address of %s in cluster {other}; choose an address that nothing else uses", s.Network.VIP, n.Name)
			}
		}
	}
	return append(out, v.problems...)
}
