package topology

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	maxSlot          = 999
	maxServers       = 7
	maxLoadBalancers = 3
)

// generations checks that they count up from 0.
func (v *validator) generations() {
	for _, n := range v.spec.Nodes() {
		if n.Generation < 0 || n.Generation > maxGeneration {
			v.add(n.Path+".generation", "%d is no generation of %s; give a number from 0 on, one more than it has to make it anew", n.Generation, n.Name)
			return
		}
	}
}

const maxGeneration = 1_000_000

// counts checks how many of each there are, and their slots.
func (v *validator) counts() {
	s := v.spec
	v.slots("servers", s.Servers.Group)
	v.slots("loadBalancers", s.LoadBalancers.Group)
	for _, pool := range sortedKeys(s.Workers) {
		path, g := "workers."+pool, s.Workers[pool].Group
		v.slots(path, g)
		if g.Count == nil && g.Slots == nil {
			v.add(path+".count", "is missing; say how many workers the pool has, or list them in %s.slots", path)
		}
		if n := s.Workers[pool].MaxUnavailable; n < 1 || n > maxSlot {
			v.add(path+".maxUnavailable", "%d workers are out of range; give 1 to %d, how many of the pool may be out of service at a time", n, maxSlot)
		}
	}
	servers := size(s.Servers.Group)
	field := groupField("servers", s.Servers.Group)
	switch {
	case servers < 0: // said already
	case servers < 1:
		v.add(field, "there must be a server; use 3, or 1 for a cluster that may go down")
	case servers > maxServers:
		v.miscount["servers"] = true
		v.add(field, "%d servers are more than etcd works well with; use 3, 5 or %d", servers, maxServers)
	case servers%2 == 0:
		v.add(field, "%d servers tolerate no more losses than %d; use an odd number: 1, 3, 5 or %d", servers, servers-1, maxServers)
	}
	if lbs := size(s.LoadBalancers.Group); s.LoadBalancers.External == nil && (lbs == 0 || lbs > maxLoadBalancers) {
		v.miscount["loadBalancers"] = true
		more := ""
		if lbs == 0 { // measured: docs/opnsense.md
			more = ", or name one of somebody else's in loadBalancers.external (a VIP on the servers themselves is no way: it is away for seconds whenever k3s restarts on the one that has it)"
		}
		v.add(groupField("loadBalancers", s.LoadBalancers.Group), "%d load balancers cannot hold the VIP; use 1 to %d%s", lbs, maxLoadBalancers, more)
	}
	if servers > 0 && !slices.Contains(s.Servers.slots(), s.Servers.First) {
		v.add("servers.first", "slot %d is not one of the servers' slots %s; name one of them", s.Servers.First, joinInts(s.Servers.slots()))
	}
	if text := s.Servers.StartOver; text != "" && !startOverPattern.MatchString(text) {
		v.add("servers.startOver", "%q is not a mark; give any new word of up to 64 letters, digits and - _ . : like the day's date", text)
	}
	for path, text := range map[string]string{"k3s.restart": s.K3s.Restart, "reapply": s.Reapply} {
		if text != "" && !startOverPattern.MatchString(text) {
			v.add(path, "%q is not a mark; give any new word of up to 64 letters, digits and - _ . : like the day's date", text)
		}
	}
	v.others()
	v.generations()
}

var startOverPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`)

// others checks the addresses of servers that are not the program's.
func (v *validator) others() {
	own := map[string]string{v.spec.Network.VIP: v.spec.endpointWord(), v.spec.Network.Gateway: "the gateway"}
	for _, n := range v.spec.Nodes() {
		own[n.IP] = n.Name + "'s, which this program makes"
	}
	seen := map[string]bool{}
	for i, text := range v.spec.Servers.Others {
		path := fmt.Sprintf("servers.others[%d]", i)
		addr, wrong := address(text)
		switch {
		case wrong != "":
			v.add(path, "%q %s; give the address of a living server of this cluster", text, wrong)
		case unusable(addr) != "":
			v.add(path, "%s is %s address; give the address of a living server of this cluster", text, unusable(addr))
		case own[text] != "":
			v.add(path, "%s is %s; list servers of this cluster that no slot stands for", text, own[text])
		case seen[text]:
			v.add(path, "%s is listed twice; list each server once", text)
		}
		seen[text] = true
	}
}

// size is how many nodes a group asks for, -1 if its count is no number of nodes.
func size(g Group) int {
	if g.Slots == nil && g.Count != nil {
		if *g.Count < 0 || *g.Count > maxSlot {
			return -1
		}
		return *g.Count
	}
	return len(g.slots())
}

func groupField(path string, g Group) string {
	if g.Slots != nil {
		return path + ".slots"
	}
	return path + ".count"
}

func (v *validator) slots(path string, g Group) {
	if g.Count != nil && g.Slots != nil {
		v.add(path, "count and slots exclude each other; give count for slots 1 to count, or slots to name them")
	}
	if g.Count != nil && (*g.Count < 0 || *g.Count > maxSlot) {
		v.miscount[path] = true
		v.add(path+".count", "%d is not a number of nodes; give 0 to %d", *g.Count, maxSlot)
	}
	seen := map[int]bool{}
	for i, slot := range g.Slots {
		at := fmt.Sprintf("%s.slots[%d]", path, i)
		if slot < 1 || slot > maxSlot {
			v.add(at, "%d is not a slot; slots are numbers from 1 to %d", slot, maxSlot)
		}
		if seen[slot] {
			v.add(at, "slot %d is listed twice; list each slot once", slot)
		}
		seen[slot] = true
	}
	for _, key := range sortedKeys(g.Nodes) {
		if slot, err := strconv.Atoi(key); err != nil || strconv.Itoa(slot) != key || !slices.Contains(g.slots(), slot) {
			v.add(path+".nodes."+key, "there is no slot %q in %s; the slots are %s", key, path, joinInts(g.slots()))
		}
	}
}

func joinInts(list []int) string {
	if len(list) == 0 {
		return "none"
	}
	// Runs are written as such: 1 to 300.
	var words []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		if j-i >= 3 {
			words = append(words, fmt.Sprintf("%d to %d", list[i], list[j]))
			i = j + 1
			continue
		}
		words = append(words, strconv.Itoa(list[i]))
		i++
	}
	return strings.Join(words, ", ")
}
