package topology

import (
	"fmt"
	"maps"
	"slices"
)

// Machine is what a change must know of a VM that exists: which of its settings cannot change, or only grow.
type Machine struct {
	Role       Role
	Path       string // of its group
	Slot       int
	IP         string
	VMID       int
	Disk       int // GiB
	Generation int
	Protected  bool
	Data       string // its data disks
	Keep       bool   // k3s stays on it when it leaves
	VM         string // a hash of what restarts its VM when it changes
	K3s        string // and of what restarts k3s on it
}

// Machines are the VMs of a plan, by name.
func (p Plan) Machines() map[string]Machine {
	out := make(map[string]Machine, len(p.Nodes))
	for _, n := range p.Nodes {
		out[n.Name] = Machine{Role: n.Role, Path: n.Path, Slot: n.Slot, IP: n.IP, VMID: n.VMID, Disk: n.Disk, Generation: n.Generation, Protected: *n.Protection, Data: keptData(n.DataDisks), Keep: n.Keep}
	}
	return out
}

// CheckChange says what must not be done to the VMs of a cluster: addresses and VM ids changed, disks shrunk, generations gone back.
func CheckChange(before, now map[string]Machine) []Problem {
	var out []Problem
	add := func(path, format string, args ...any) {
		out = append(out, Problem{Path: path, Reason: fmt.Sprintf(format, args...)})
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		old := before[name]
		m, stays := now[name]
		if old.Protected && (!stays || m.Generation > old.Generation) {
			add(old.Path, "the VM of %s would be destroyed, and is protected (protection: true); take the protection out in an update of its own first", name)
		}
		out = append(out, checkData(name, old, m, stays)...)
		if !stays {
			continue // it leaves its seat before its VM goes
		}
		slot := fmt.Sprintf("%s.nodes.%d.", m.Path, m.Slot)
		if m.IP != old.IP {
			add(slot+"ip", "%s has %s, by which the others know it, so it cannot become %s; set it back", name, old.IP, m.IP)
		}
		if (m.VMID == 0) != (old.VMID == 0) {
			add(m.Path+".machines", "%s is %s and would become %s, under the same name; set it back, and let a slot of another number come in its place", name, kindOf(old), kindOf(m))
		} else if m.VMID != old.VMID {
			add(slot+"vmId", "%s is VM %d, and would be destroyed to become %d; set it back", name, old.VMID, m.VMID)
		}
		if m.Generation < old.Generation {
			add(slot+"generation", "%s is of generation %d, and %d is behind that; give %d, or a higher one to make it anew", name, old.Generation, m.Generation, old.Generation)
		}
		if m.Disk < old.Disk && m.Generation == old.Generation {
			add(slot+"disk", "the disk of %s has %d GiB and cannot shrink to %d; give at least %d", name, old.Disk, m.Disk, old.Disk)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if _, existed := before[name]; existed {
			continue
		}
		for other, old := range before {
			if _, stays := now[other]; !stays && old.VMID == 0 && old.IP == now[name].IP {
				add(fmt.Sprintf("%s.nodes.%d.ip", now[name].Path, now[name].Slot), "%s would have %s, which %s has, a machine that is there and leaves in this update; give it another one", name, old.IP, other)
			}
		}
	}
	if only := onlyServer(before); only != "" && now[only].Generation > before[only].Generation {
		add(now[only].Path+".generation", "%s is the only server, and the cluster is on it: make it three first (servers.count: 3), then make it anew", only)
	}
	return out
}

func kindOf(m Machine) string {
	if m.VMID == 0 {
		return "a machine that is there"
	}
	return fmt.Sprintf("VM %d", m.VMID)
}

// onlyServer is the server of a cluster that has one.
func onlyServer(machines map[string]Machine) string {
	only := ""
	for name, m := range machines {
		if m.Role != Server {
			continue
		}
		if only != "" {
			return ""
		}
		only = name
	}
	return only
}

// Renewed are the machines that a change makes anew, by a higher generation.
func Renewed(before, now map[string]Machine) []string {
	out := []string{}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if old, existed := before[name]; existed && now[name].Generation > old.Generation {
			out = append(out, name)
		}
	}
	return out
}
