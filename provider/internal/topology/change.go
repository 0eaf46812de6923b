package topology

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Machine is what a change must know of a VM that exists: which of its settings cannot change, only grow, or restart it.
type Machine struct {
	Role Role
	Slot int
	IP   string
	VMID int
	Disk int // GiB
	// Restarts are the settings whose change restarts the VM, by the input that holds them. A path that begins with the
	// group's holds for this VM alone.
	Restarts map[string]string
}

// Machines are the VMs of a plan, by name.
func (p Plan) Machines() map[string]Machine {
	s := p.Spec
	out := make(map[string]Machine, len(p.Nodes))
	for _, n := range p.Nodes {
		m := Machine{Role: n.Role, Slot: n.Slot, IP: n.IP, VMID: n.VMID, Disk: n.Disk, Restarts: map[string]string{
			n.Path + ".cores": strconv.Itoa(n.Cores), n.Path + ".memory": strconv.Itoa(n.Memory), n.Path + ".disk": strconv.Itoa(n.Disk),
			n.Path + ".mac": n.MAC, "proxmox.bridge": s.Proxmox.Bridge, "proxmox.vlan": strconv.Itoa(s.Proxmox.VLAN),
			"proxmox.firewall": strconv.FormatBool(s.Proxmox.Firewall), "proxmox.datastore": s.Proxmox.Datastore,
			"network.gateway": s.Network.Gateway, "network.cidr": s.Network.CIDR, "network.dns": strings.Join(s.Network.DNS, " "),
		}}
		if s.Network.SearchDomain != "" { // taken out, it stays on the VMs
			m.Restarts["network.searchDomain"] = s.Network.SearchDomain
		}
		out[n.Name] = m
	}
	return out
}

// CheckChange says what must not be done to the VMs of a cluster: addresses and VM ids changed, disks shrunk, and more than one server or
// all load balancers restarted in one update, unless together says so.
func CheckChange(before, now map[string]Machine, together bool) []Problem {
	var out []Problem
	add := func(path, format string, args ...any) {
		out = append(out, Problem{Path: path, Reason: fmt.Sprintf(format, args...)})
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		old := before[name]
		m, stays := now[name]
		if !stays {
			continue // it leaves its seat before its VM goes
		}
		slot := fmt.Sprintf("%s.nodes.%d.", groupOf(m), m.Slot)
		if m.IP != old.IP {
			add(slot+"ip", "%s has %s, by which the others know it, so it cannot become %s; set it back", name, old.IP, m.IP)
		}
		if m.VMID != old.VMID {
			add(slot+"vmId", "%s is VM %d, and would be destroyed to become %d; set it back", name, old.VMID, m.VMID)
		}
		if m.Disk < old.Disk {
			add(slot+"disk", "the disk of %s has %d GiB and cannot shrink to %d; give at least %d", name, old.Disk, m.Disk, old.Disk)
		}
	}
	if !together {
		out = append(out, restarts(before, now)...)
	}
	return out
}

// groupOf is the path of a machine's group: what comes before its own sizes.
func groupOf(m Machine) string {
	for path := range m.Restarts {
		if group, found := strings.CutSuffix(path, ".memory"); found {
			return group
		}
	}
	return ""
}

func restarts(before, now map[string]Machine) []Problem {
	var out []Problem
	for _, group := range []struct {
		role Role
		path string
		most func(existing int) int
		why  string
	}{
		{Server, "servers", func(int) int { return 1 }, "etcd would lose its quorum"},
		{LoadBalancer, "loadBalancers", func(existing int) int { return existing - 1 }, "nobody would hold the VIP"},
	} {
		existing := 0
		hit := map[string]bool{}
		byPath := map[string][]string{}
		for _, name := range slices.Sorted(maps.Keys(before)) {
			old := before[name]
			if old.Role != group.role {
				continue
			}
			existing++
			m, stays := now[name]
			for path, value := range m.Restarts {
				if was, had := old.Restarts[path]; stays && (was != value || !had) {
					byPath[path] = append(byPath[path], name)
					hit[name] = true
				}
			}
		}
		if existing < 2 || len(hit) <= group.most(existing) {
			continue
		}
		for _, path := range slices.Sorted(maps.Keys(byPath)) {
			names, at, way := words(byPath[path]), path, ""
			if field, own := strings.CutPrefix(path, group.path+"."); own {
				way = fmt.Sprintf("change one at a time, by %s.nodes.<slot>.%s, or ", group.path, field)
				if field == "mac" {
					at = group.path + ".nodes"
				}
			}
			out = append(out, Problem{Path: at, Reason: fmt.Sprintf("Proxmox VE would restart %s in one update, and %s; "+
				"%sset proxmox.restartTogether for this update if the API may be away for minutes", names, group.why, way)})
		}
	}
	return out
}

func words(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
