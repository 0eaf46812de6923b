package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Change is what an update does to the machines of a cluster, each list by name.
type Change struct {
	Joins, Leaves []string
	Renewed       []string // made anew, by a higher generation
	VMs           []string // whose VM restarts
	K3s           []string // on which k3s restarts
	Reloads       []string // load balancers that take another configuration over as they run
	Uninstalls    []string // of those that leave, machines that were there before, and stay
	Restores      string   // the snapshot that the cluster goes back to
	Adopts        []string // machines that bring their k3s, and have not been met yet
}

// Compare says what becomes of machines. What load balancers take over as they run is not in it.
func Compare(before, now map[string]Machine) Change {
	c := Change{Renewed: Renewed(before, now)}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		old, existed := before[name]
		m := now[name]
		switch {
		case !existed:
			c.Joins = append(c.Joins, name)
		case slices.Contains(c.Renewed, name):
		default:
			if m.VM != old.VM {
				c.VMs = append(c.VMs, name)
			}
			if m.K3s != old.K3s {
				c.K3s = append(c.K3s, name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, stays := now[name]; !stays {
			c.Leaves = append(c.Leaves, name)
			if m := before[name]; m.VMID == 0 && !m.Keep {
				c.Uninstalls = append(c.Uninstalls, name)
			}
		}
	}
	return c
}

// Announce says in one line what an update will do to whom, and in which order; "" if nothing is taken out of service, made or changed.
func (p Plan) Announce(c Change) string {
	var parts []string
	say := func(format string, names []string, groups func(names []string) string) {
		if len(names) > 0 {
			parts = append(parts, fmt.Sprintf(format, groups(names)))
		}
	}
	if c.Restores != "" {
		parts = append(parts, "goes back to the snapshot "+c.Restores+", for which k3s stops on all servers")
	}
	say("takes over %s with their k3s, which restarts there; data in SQLite move to etcd, the API is away meanwhile, and a copy stays in /var/backups/k3s-before-adoption", c.Adopts, short)
	say("takes %s away", c.Leaves, short)
	say("uninstalls k3s, or what balances, on %s, which stay", c.Uninstalls, short)
	say("adds %s", c.Joins, p.grouped(" and ", false))
	say("makes %s anew", c.Renewed, p.grouped(" and ", true))
	if p.Spec.Proxmox.RestartTogether {
		say("restarts the VMs %s, all at the same time", c.VMs, p.grouped(" and ", false))
	} else {
		say("restarts the VMs %s", c.VMs, p.grouped(" and ", true))
	}
	say("reloads %s", c.Reloads, p.grouped(", then ", true))
	say("restarts k3s on %s", c.K3s, p.grouped(", then on ", true))
	return strings.Join(parts, "; ")
}

// grouped lists machines in the order in which their groups' turns come, and how many of each group at a time.
func (p Plan) grouped(between string, turns bool) func([]string) string {
	return func(names []string) string {
		var out []string
		for _, group := range p.groups() {
			var members []string
			for _, n := range group {
				if slices.Contains(names, n.Name) {
					members = append(members, n.Name)
				}
			}
			if len(members) == 0 {
				continue
			}
			text := short(members)
			if most := p.Spec.MaxUnavailable(group[0]); turns && len(members) > most {
				text += fmt.Sprintf(" (%s at a time)", count(most))
			}
			out = append(out, text)
		}
		return strings.Join(out, between)
	}
}

// groups are the machines by group, each in the order in which they converge.
func (p Plan) groups() [][]Node {
	out := [][]Node{p.LoadBalancers(), p.Servers()}
	for _, w := range p.Workers() {
		if last := out[len(out)-1]; len(last) > 0 && last[0].Path == w.Path {
			out[len(out)-1] = append(last, w)
		} else {
			out = append(out, []Node{w})
		}
	}
	return slices.DeleteFunc(out, func(g []Node) bool { return len(g) == 0 })
}

// named is how many machines a line names one by one.
const named = 5

// short lists machines, those of one group by their slots alone: k3s-server-01, -02, -03.
func short(names []string) string {
	var out []string
	former := ""
	for i, name := range names {
		if i == named && len(names) > named+1 {
			out = append(out, fmt.Sprintf("%d more", len(names)-named))
			break
		}
		at := strings.LastIndex(name, "-")
		if at < 0 { // a machine that is there has a name of its own
			at = 0
		}
		if group := name[:at]; group != former || group == "" {
			former = group
			out = append(out, name)
		} else {
			out = append(out, name[at:])
		}
	}
	return strings.Join(out, ", ")
}

func count(n int) string {
	if n == 1 {
		return "one"
	}
	return fmt.Sprint(n)
}
