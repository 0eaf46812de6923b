package topology

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"net/netip"
	"slices"
	"sort"
	"strconv"
)

// slots returns the group's slots in ascending order, each once, without those that are none.
func (g Group) slots() []int {
	if g.Slots != nil {
		sorted := slices.DeleteFunc(slices.Clone(g.Slots), func(slot int) bool { return slot < 1 || slot > maxSlot })
		slices.Sort(sorted)
		return slices.Compact(sorted)
	}
	if g.Count == nil {
		return nil
	}
	var out []int
	for slot := 1; slot <= *g.Count && slot <= maxSlot; slot++ {
		out = append(out, slot)
	}
	return out
}

// Nodes lists every node of the cluster: load balancers, servers, then workers by pool name, each by slot.
// It never fails; what cannot be derived stays empty, and Validate says why.
func (s Spec) Nodes() []Node {
	var nodes []Node
	add := func(role Role, pool, path, infix string, g Group, taints []string, labels map[string]string) {
		for _, slot := range g.slots() {
			n := Node{
				Name: fmt.Sprintf("%s-%s-%02d", s.ClusterName, infix, slot),
				Role: role, Pool: pool, Path: path, Slot: slot,
				IP: addressAt(g.FirstAddress, slot), Cores: g.Cores, Memory: g.Memory, Disk: g.Disk, Generation: g.Generation,
				Taints: taints, Labels: labels, DataDisks: g.DataDisks,
			}
			if len(s.Proxmox.Nodes) > 0 {
				n.ProxmoxNode = s.Proxmox.Nodes[(slot-1)%len(s.Proxmox.Nodes)]
			}
			n.VMID = vmID(g.FirstVMID, slot, n.Name)
			n.MAC = macAddress(n.Name)
			o := g.Nodes[strconv.Itoa(slot)]
			replace(&n.Name, o.Name)
			n.override(o)
			n.Hardware = o.over(g.over(s.Proxmox.hardware()))
			n.TemplateAt = templateAt(path, slot, g, o)
			n.Startup = n.Startup.inOrder(role)
			n.SSHPort, n.HostKey = s.SSH.Port, o.HostKey
			replace(&n.SSHPort, o.SSHPort)
			if n.Adopt = o.Adopt; g.existing(o) {
				n.exists(g)
			}
			nodes = append(nodes, n)
		}
	}
	add(LoadBalancer, "", "loadBalancers", "lb", s.LoadBalancers.Group, nil, nil)
	add(Server, "", "servers", "server", s.Servers.Group, s.Servers.Taints, s.Servers.Labels)
	for _, pool := range sortedKeys(s.Workers) {
		w := s.Workers[pool]
		add(Worker, pool, "workers."+pool, pool, w.Group, w.Taints, w.Labels)
	}
	return nodes
}

// existing says whether a slot is a machine that is there: one that brings its k3s is, whatever the others of its group are.
func (g Group) existing(o Override) bool { return g.Existing || o.Adopt }

// exists takes from a node what only a VM of the program has.
func (n *Node) exists(g Group) {
	n.Existing, n.Keep = true, g.Keep
	n.VMID, n.MAC, n.ProxmoxNode = 0, "", ""
	n.Cores, n.Memory, n.Disk, n.Generation, n.DataDisks = 0, 0, 0, 0, nil
	n.Agent = new(bool)
}

// templateAt is the input that names a slot's template.
func templateAt(path string, slot int, g Group, o Override) string {
	switch {
	case o.Template:
		return fmt.Sprintf("%s.nodes.%d.templateId", path, slot)
	case g.Template:
		return path + ".templateId"
	default:
		return "proxmox.templateId"
	}
}

func (n *Node) override(o Override) {
	replace(&n.IP, o.IP)
	replace(&n.MAC, o.MAC)
	replace(&n.VMID, o.VMID)
	replace(&n.ProxmoxNode, o.ProxmoxNode)
	replace(&n.Cores, o.Cores)
	replace(&n.Memory, o.Memory)
	replace(&n.Disk, o.Disk)
	replace(&n.Generation, o.Generation)
}

func replace[T comparable](field *T, value T) {
	var zero T
	if value != zero {
		*field = value
	}
}

// addressAt is first + slot - 1, or empty when there is no such address.
func addressAt(first string, slot int) string {
	addr, err := netip.ParseAddr(first)
	if err != nil || !addr.Is4() || slot < 1 {
		return ""
	}
	four := addr.As4()
	n := int64(binary.BigEndian.Uint32(four[:])) + int64(slot-1)
	if n > math.MaxUint32 {
		return ""
	}
	binary.BigEndian.PutUint32(four[:], uint32(n)) //nolint:gosec // n is in range
	return netip.AddrFrom4(four).String()
}

func hash(s string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s)) // a hash's Write never fails
	return h.Sum32()
}

// vmID counts from first, or derives a six-digit id from the node's name, far from the ids that
// Proxmox VE hands out itself.
func vmID(first, slot int, name string) int {
	if first != 0 {
		return first + slot - 1
	}
	return 100_000 + int(hash("vmid "+name)%900_000)
}

// macAddress derives a MAC in Proxmox VE's own range from the node's name.
func macAddress(name string) string {
	h := hash("mac " + name)
	return fmt.Sprintf("BC:24:11:%02X:%02X:%02X", byte(h>>16), byte(h>>8), byte(h))
}

// routerID derives the VRRP virtual router id (1 to 255) from the cluster's name.
func routerID(cluster string) int { return 1 + int(hash("vrid "+cluster)%255) }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
