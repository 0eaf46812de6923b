package topology

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	minServerMemory = 2048
	minWorkerMemory = 512
	minLBMemory     = 512
	maxMemory       = 4_178_944 // MiB, Proxmox VE's own limit
	minK3sDisk      = 8
	minLBDisk       = 4
	maxDisk         = 8191 // GiB; more is a size in MiB
	minServerCores  = 2
	maxCores        = 512
)

var macPattern = regexp.MustCompile(`^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$`)

// nodes checks what each node gets, and that no two of them get the same.
func (v *validator) nodes() {
	names, ips, macs, ids := map[string]string{}, map[string]string{}, map[string]string{}, map[int]string{}
	found := newPerGroup(v)
	badFirst := map[string]bool{}
	for _, n := range v.spec.Nodes() {
		if v.miscount[n.Path] || n.Role == Worker && reservedPool(n.Pool) {
			continue // how many, or that the names clash, has been said
		}
		override := v.spec.group(n).Nodes[strconv.Itoa(n.Slot)]
		own := func(field string) string { return fmt.Sprintf("%s.nodes.%d.%s", n.Path, n.Slot, field) }
		if other, dup := names[n.Name]; dup {
			if override.Name != "" {
				v.add(own("name"), "%s is the name of a node of %s, too; every node needs its own", n.Name, other)
			} else {
				v.add(n.Path, "its node %s has the name of a node of %s; rename the pool", n.Name, other)
			}
			continue
		}
		names[n.Name] = n.Path
		if len(n.Name) > maxHostName && override.Name == "" {
			found.add(n.Path, "name", fmt.Sprintf("%s is longer than the %d characters of a host name", n.Name, maxHostName), "shorten clusterName or the pool's name")
		}
		if override.IP != "" {
			v.nodeAddress(found, own("ip"), n, ips)
		} else if first := v.spec.group(n).FirstAddress; n.IP != "" && !badFirst[n.Path] {
			v.nodeAddress(found, n.Path+".firstAddress", n, ips)
		} else if !badFirst[n.Path] {
			badFirst[n.Path] = true
			like := v.freeAddress(map[Role]byte{Server: 201, Worker: 211, LoadBalancer: 221}[n.Role])
			if _, wrong := address(first); first == "" {
				v.add(n.Path+".firstAddress", "is missing and %s has no address of its own; give the address of slot 1, like %s", n.Name, like)
			} else if wrong != "" {
				v.add(n.Path+".firstAddress", "%q %s; give the address of slot 1, like %s", first, wrong, like)
			} else {
				v.add(n.Path+".firstAddress", "%s leaves no address for %s; give a lower one", first, n.Name)
			}
		}
		macPath, idPath := n.Path+".nodes", n.Path+".firstVmId"
		if override.MAC != "" {
			macPath = own("mac")
		}
		if n.Existing {
			continue
		}
		v.mac(macPath, n, macs)
		if override.VMID != 0 {
			idPath = own("vmId")
		}
		v.vmID(found, idPath, n, ids)
		if override.ProxmoxNode != "" && !slices.Contains(v.spec.Proxmox.Nodes, override.ProxmoxNode) {
			v.add(own("proxmoxNode"), "%q is not in proxmox.nodes; add it there, or use one of: %s",
				override.ProxmoxNode, strings.Join(v.spec.Proxmox.Nodes, ", "))
		}
		v.sizes(found, n, override)
	}
	found.flush()
}

func (s Spec) group(n Node) Group {
	switch n.Role {
	case Server:
		return s.Servers.Group
	case LoadBalancer:
		return s.LoadBalancers.Group
	case Worker:
	}
	return s.Workers[n.Pool].Group
}

func (v *validator) nodeAddress(found *perGroup, path string, n Node, seen map[string]string) {
	addr, wrong := address(n.IP)
	if wrong != "" {
		v.add(path, "%q %s; give %s one inside network.cidr", n.IP, wrong, n.Name)
		return
	}
	would := fmt.Sprintf("%s would have %s, ", n.Name, n.IP)
	if reason := v.noPlace(addr); reason != "" {
		found.add(path, "place", would+"which is "+reason, "choose an address that a machine in it can have")
		return
	}
	gateway, _ := netip.ParseAddr(v.spec.Network.Gateway)
	other, dup := seen[n.IP]
	switch {
	case addr == v.vip:
		found.add(path, "vip", would+"which is the VIP", "the VIP moves between load balancers and must be free")
	case addr == gateway:
		found.add(path, "gateway", would+"which is the gateway", "choose an address that nothing else uses")
	case dup:
		found.add(path, "address", would+"the address of "+other, "every node needs its own")
	default:
		seen[n.IP] = n.Name
	}
}

func (v *validator) mac(path string, n Node, seen map[string]string) {
	mac := strings.ToUpper(n.MAC)
	derived := macAddress(n.Name)
	if !macPattern.MatchString(mac) {
		v.add(path, "%q is not a MAC address; write six pairs of hex digits with colons, like %s", n.MAC, derived)
		return
	}
	if first, _ := strconv.ParseUint(mac[:2], 16, 8); first&1 == 1 {
		v.add(path, "%s is a multicast MAC; the first byte must be even, as in %s", n.MAC, derived)
		return
	}
	if mac == "00:00:00:00:00:00" || strings.HasPrefix(mac, "00:00:5E:00:0") { // the second: VRRP's own range
		v.add(path, "%s is no machine's MAC; leave it out, or write one like %s", n.MAC, derived)
		return
	}
	if other, dup := seen[mac]; dup {
		v.add(path, "%s would have MAC %s, the one of %s; set nodes.%d.mac", n.Name, mac, other, n.Slot)
	}
	seen[mac] = n.Name
}

func (v *validator) vmID(found *perGroup, path string, n Node, seen map[int]string) {
	other, dup := seen[n.VMID]
	switch {
	case n.VMID < minVMID || n.VMID > maxVMID:
		found.add(path, "range", fmt.Sprintf("%d is not a VM id for %s", n.VMID, n.Name), fmt.Sprintf("Proxmox VE takes %d to %d", minVMID, maxVMID))
		return
	case n.VMID == n.TemplateID:
		found.add(path, "template", fmt.Sprintf("%s would have VM id %d, which is the template's", n.Name, n.VMID), fmt.Sprintf("set firstVmId or nodes.%d.vmId", n.Slot))
	case dup:
		found.add(path, "id", fmt.Sprintf("%s would have VM id %d, the one of %s", n.Name, n.VMID, other), fmt.Sprintf("set firstVmId or nodes.%d.vmId", n.Slot))
		return
	}
	seen[n.VMID] = n.Name
}

// size is a node's size as the program gives it: by its group, or for the slot alone.
func (v *validator) sizes(found *perGroup, n Node, o Override) {
	path := func(field string, own int) string {
		if own != 0 {
			return fmt.Sprintf("%s.nodes.%d.%s", n.Path, n.Slot, field)
		}
		return n.Path + "." + field
	}
	memory, disk, cores := minWorkerMemory, minK3sDisk, 1
	switch n.Role {
	case Server:
		memory, cores = minServerMemory, minServerCores
	case LoadBalancer:
		memory, disk = minLBMemory, minLBDisk
	case Worker:
	}
	const each = "size"
	once := func(path, reason, remedy string) {
		if f := found.seen[path+" "+each]; f == nil {
			found.add(path, each, reason, remedy) // a group's own size is reported once, not for each of its nodes
		}
	}
	at := path("memory", o.Memory)
	switch m := n.Memory; {
	case m > 0 && m <= 256:
		once(at, fmt.Sprintf("%d MiB is too little for a %s", m, n.Role), fmt.Sprintf("it is in MiB: %d GiB are %d", m, m*1024))
	case m < memory:
		once(at, fmt.Sprintf("%d MiB is too little for a %s", m, n.Role), fmt.Sprintf("give at least %d", memory))
	case m > maxMemory:
		once(at, fmt.Sprintf("%d MiB are %d GiB, more than a VM can have", m, m/1024), "it is in MiB, not in KiB or bytes: 4 GiB are 4096")
	}
	at = path("disk", o.Disk)
	switch d := n.Disk; {
	case d < disk:
		once(at, fmt.Sprintf("%d GiB is too little for a %s", d, n.Role), fmt.Sprintf("give at least %d", disk))
	case d > maxDisk:
		once(at, fmt.Sprintf("%d GiB are %d TiB, which is no disk of a node", d, d/1024), fmt.Sprintf("it is in GiB: %d MiB are %d", d, max(1, d/1024)))
	}
	at = path("cores", o.Cores)
	switch c := n.Cores; {
	case c < cores:
		once(at, fmt.Sprintf("%d cores is too little for a %s", c, n.Role), fmt.Sprintf("give at least %d", cores))
	case c > maxCores:
		once(at, fmt.Sprintf("%d cores are more than a VM can have", c), fmt.Sprintf("give at most %d; memory has an input of its own", maxCores))
	}
}
