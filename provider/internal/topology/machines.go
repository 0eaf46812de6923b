package topology

import (
	"fmt"
	"strings"
)

// Where the machines of a group come from.
const (
	ExistingMachines = "existing" // they are there
	ProxmoxMachines  = "proxmox"  // VMs that the program makes
)

// Origins are all of them.
var Origins = []string{ProxmoxMachines, ExistingMachines}

// existing says whether the machines of a group are there.
func (s Spec) existing(g Group) bool {
	return g.Machines == ExistingMachines || g.Machines == "" && !s.Proxmox.Given
}

// hasVMs says whether the program makes any VM.
func (s Spec) hasVMs() bool {
	for _, n := range s.Nodes() {
		if !n.Existing {
			return true
		}
	}
	return s.Proxmox.Given // of what is said of them each word counts
}

// machines checks where the machines of groups come from, and that nothing is said of them that only a VM can have.
func (v *validator) machines() {
	groups := map[string]Group{"servers": v.spec.Servers.Group}
	if v.spec.LoadBalancers.External == nil {
		groups["loadBalancers"] = v.spec.LoadBalancers.Group
	}
	for name, pool := range v.spec.Workers {
		groups["workers."+name] = pool.Group
	}
	vms := false
	for _, path := range sortedKeys(groups) {
		g := groups[path]
		vms = vms || !g.Existing
		switch {
		case g.Machines != "" && g.Machines != ExistingMachines && g.Machines != ProxmoxMachines:
			v.add(path+".machines", "%q is neither %s;%s with %s the slots are machines that are there, with %s VMs that are made", g.Machines, strings.Join(Origins, " nor "), suggest(g.Machines, Origins), ExistingMachines, ProxmoxMachines)
		case g.Machines == ProxmoxMachines && !v.spec.Proxmox.Given:
			v.add(path+".machines", "is %s, and proxmox is missing, which says where VMs live; give that, or have machines that are there (%s)", ProxmoxMachines, ExistingMachines)
		case g.Existing:
			for _, field := range g.VMOnly {
				v.add(path+"."+field, "is for VMs, and the machines of %s are there; take it out", path)
			}
		case g.Keep && !g.adopts():
			v.add(path+".keep", "is for machines that are there; a VM goes with all that is on it, take it out")
		}
		for _, slot := range sortedKeys(g.Nodes) {
			at, o := path+".nodes."+slot, g.Nodes[slot]
			if path == "loadBalancers" && o.Adopt {
				v.add(at+".adopt", "is for a machine that runs k3s, a server's or a worker's slot; a load balancer that is there is taken as it is (machines: %s)", ExistingMachines)
			}
			if g.existing(o) {
				for _, field := range o.VMOnly {
					v.add(at+"."+field, "is for VMs, and the machine of this slot is there; take it out")
				}
				if o.Name != "" && (len(o.Name) > maxHostName || !nodeName(o.Name)) {
					v.add(at+".name", "%q cannot be the name of a node; give the one that kubectl get nodes shows, at most %d lower-case letters, digits, hyphens and dots", o.Name, maxHostName)
				}
				if o.SSHPort != 0 {
					v.port(at+".sshPort", o.SSHPort)
				}
				continue
			}
			for field, given := range map[string]bool{"sshPort": o.SSHPort != 0, "hostKey": o.HostKey != "", "name": o.Name != ""} {
				if given {
					v.add(fmt.Sprintf("%s.%s", at, field), "is for machines that are there; VMs are given theirs, take it out")
				}
			}
		}
	}
	if v.spec.Proxmox.Given && !vms {
		v.add("proxmox", "says where VMs live, and no group has any; take it out, or set machines: %s on a group", ProxmoxMachines)
	}
	if !v.spec.Proxmox.Given && !vms {
		n := v.spec.Network
		for _, f := range []struct {
			field string
			given bool
		}{{"dns", len(n.DNS) > 0 && (len(n.DNS) > 1 || n.DNS[0] != n.Gateway)}, {"searchDomain", n.SearchDomain != ""}} {
			if f.given {
				v.add("network."+f.field, "is for VMs, and all machines are there; take it out")
			}
		}
	}
}
