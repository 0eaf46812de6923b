package topology

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	maxSlot          = 999
	maxServers       = 7
	minServerMemory  = 2048
	minWorkerMemory  = 512
	minLBMemory      = 512
	minK3sDisk       = 8
	minLBDisk        = 4
	minServerCores   = 2
	maxAdvert        = 40.0
	minAdvert        = 0.1
	minVMID, maxVMID = 100, 999_999_999
)

// Problem is one finding: which property, what is wrong with it, what would be right.
type Problem struct {
	Path   string
	Reason string
}

func (p Problem) String() string { return p.Path + ": " + p.Reason }

// problems collects findings; every check adds to it, none stops the others.
type problems []Problem

func (ps *problems) add(path, format string, args ...any) {
	*ps = append(*ps, Problem{Path: path, Reason: fmt.Sprintf(format, args...)})
}

// Validate returns everything that is wrong with a spec to which ApplyDefaults has been applied.
func Validate(s Spec) []Problem {
	var ps problems
	validateName(&ps, s.ClusterName)
	validateProxmox(&ps, s.Proxmox)
	prefix, vip := validateNetwork(&ps, s.Network)
	validateCounts(&ps, s)
	for _, pool := range sortedKeys(s.Workers) {
		validatePoolName(&ps, pool)
		w := s.Workers[pool]
		validateTaints(&ps, "workers."+pool+".taints", w.Taints)
		validateLabels(&ps, "workers."+pool+".labels", w.Labels)
	}
	validateTaints(&ps, "servers.taints", s.Servers.Taints)
	validateLabels(&ps, "servers.labels", s.Servers.Labels)
	validateNodes(&ps, s, prefix, vip)
	validateLoadBalancers(&ps, s.LoadBalancers, s.SSH.Port)
	validateK3s(&ps, s.K3s)
	validateClusterNetworks(&ps, s.K3s, prefix)
	validateSSH(&ps, s.SSH)
	return ps
}

var (
	namePattern  = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
	hostPattern  = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$`)
	wordPattern  = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9_.]*$`)
	macPattern   = regexp.MustCompile(`^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$`)
	tagPattern   = regexp.MustCompile(`^[A-Za-z0-9_][-A-Za-z0-9_+.]*$`)
	taintPattern = regexp.MustCompile(`^([^=:]+)(?:=([^=:]*))?:([A-Za-z]+)$`)
	sha256Hex    = regexp.MustCompile(`^[0-9a-f]{64}$`)
	userPattern  = regexp.MustCompile(`^[a-z_][-a-z0-9_]{0,31}$`)
	ifacePattern = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9_.]{0,14}$`)
	labelName    = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	labelPrefix  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
	// Balances are HAProxy's ways to choose a server that a TCP proxy can use.
	Balances     = []string{"random(2)", "random", "leastconn", "roundrobin", "static-rr", "first", "source"}
	taintEffects = []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}
)

func validateName(ps *problems, name string) {
	switch {
	case name == "":
		ps.add("clusterName", "is missing; give the cluster a name, like k3s")
	case len(name) > 40 || !namePattern.MatchString(name):
		ps.add("clusterName", "%q cannot begin a host name; use at most 40 lower-case letters, digits and hyphens, "+
			"a letter first", name)
	}
}

func validatePoolName(ps *problems, pool string) {
	path := "workers." + pool
	switch {
	case len(pool) > 15 || !namePattern.MatchString(pool):
		ps.add(path, "%q cannot be part of a host name; use at most 15 lower-case letters, digits and hyphens, "+
			"a letter first", pool)
	case pool == "server" || pool == "lb":
		ps.add(path, "%q would give workers the names of another group; choose another pool name, like worker", pool)
	}
}

func validateProxmox(ps *problems, p Proxmox) {
	if len(p.Nodes) == 0 {
		ps.add("proxmox.nodes", "is empty; list at least one Proxmox node, like [pve1]")
	}
	seen := map[string]bool{}
	for i, node := range p.Nodes {
		path := fmt.Sprintf("proxmox.nodes[%d]", i)
		if !hostPattern.MatchString(node) {
			ps.add(path, "%q is not a Proxmox node's name; use the name that the Proxmox web interface shows, like pve1", node)
		}
		if seen[node] {
			ps.add(path, "%s is listed twice; list each Proxmox node once", node)
		}
		seen[node] = true
	}
	if p.CloneLanes < 1 {
		ps.add("proxmox.cloneLanes", "%d is too low; at least 1 clone must run at a time", p.CloneLanes)
	}
	if p.CloneRetries < 1 {
		ps.add("proxmox.cloneRetries", "%d is too low; a clone is tried at least once, so give 1 or more", p.CloneRetries)
	}
	if p.VLAN < 0 || p.VLAN > 4094 {
		ps.add("proxmox.vlan", "%d is not a VLAN id; give 1 to 4094, or leave it out for an untagged network", p.VLAN)
	}
	for i, tag := range p.Tags {
		if !tagPattern.MatchString(tag) {
			ps.add(fmt.Sprintf("proxmox.tags[%d]", i), "%q is not a Proxmox tag; use letters, digits and - _ . +", tag)
		}
	}
	for _, w := range []struct{ path, value string }{
		{"proxmox.datastore", p.Datastore},
		{"proxmox.bridge", p.Bridge},
		{"proxmox.pool", p.Pool},
		{"proxmox.templateNode", p.TemplateNode},
	} {
		if w.value != "" && !wordPattern.MatchString(w.value) {
			ps.add(w.path, "%q has characters that Proxmox names do not have; use letters, digits and - _ .", w.value)
		}
	}
}

// validateNetwork returns the network and the VIP where they parse, else zero values.
func validateNetwork(ps *problems, n Network) (netip.Prefix, netip.Addr) {
	prefix, err := netip.ParsePrefix(n.CIDR)
	switch {
	case n.CIDR == "":
		ps.add("network.cidr", "is missing; give the nodes' network, like 192.168.1.0/24")
	case err != nil || !prefix.Addr().Is4():
		ps.add("network.cidr", "%q is not an IPv4 network; write it like 192.168.1.0/24", n.CIDR)
		prefix = netip.Prefix{}
	case prefix != prefix.Masked():
		ps.add("network.cidr", "%s has host bits set; write %s", n.CIDR, prefix.Masked())
		prefix = prefix.Masked()
	case prefix.Bits() < 8 || prefix.Bits() > 29:
		ps.add("network.cidr", "/%d does not leave a usable range of addresses; use a prefix from /8 to /29", prefix.Bits())
	}
	ip4(ps, "network.gateway", n.Gateway, "the router's address, like 192.168.1.1", prefix)
	if strings.Contains(n.VIP, "/") {
		ps.add("network.vip", "%q carries a prefix; give the address alone, like %s", n.VIP, strings.Split(n.VIP, "/")[0])
		return prefix, netip.Addr{}
	}
	vip := ip4(ps, "network.vip", n.VIP, "a free address for the API, like 192.168.1.220", prefix)
	if vip.IsValid() && n.VIP == n.Gateway {
		ps.add("network.vip", "%s is the gateway; choose an address that nothing else uses", n.VIP)
	}
	for i, server := range n.DNS {
		path := fmt.Sprintf("network.dns[%d]", i)
		if _, err := netip.ParseAddr(server); err != nil {
			ps.add(path, "%q is not an IP address; give a name server's address, like 192.168.1.1", server)
		}
	}
	if n.SearchDomain != "" && !hostPattern.MatchString(n.SearchDomain) {
		ps.add("network.searchDomain", "%q is not a domain; write it like example.org", n.SearchDomain)
	}
	return prefix, vip
}

// ip4 checks one address that a node could have: IPv4, inside the network, neither of its two ends.
func ip4(ps *problems, path, value, like string, prefix netip.Prefix) netip.Addr {
	if value == "" {
		ps.add(path, "is missing; give %s", like)
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(value)
	if err != nil || !addr.Is4() {
		ps.add(path, "%q is not an IPv4 address; give %s", value, like)
		return netip.Addr{}
	}
	if !prefix.IsValid() {
		return addr
	}
	switch {
	case !prefix.Contains(addr):
		ps.add(path, "%s is outside network.cidr %s; choose an address inside it", value, prefix)
	case addr == prefix.Addr():
		ps.add(path, "%s is the network address of %s; choose an address between the first and the last", value, prefix)
	case addr == broadcast(prefix):
		ps.add(path, "%s is the broadcast address of %s; choose an address between the first and the last", value, prefix)
	default:
		return addr
	}
	return addr
}

func broadcast(p netip.Prefix) netip.Addr {
	four := p.Masked().Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		four[bit/8] |= 1 << (7 - bit%8)
	}
	return netip.AddrFrom4(four)
}

func validateCounts(ps *problems, s Spec) {
	validateSlots(ps, "servers", s.Servers.Group)
	validateSlots(ps, "loadBalancers", s.LoadBalancers.Group)
	for _, pool := range sortedKeys(s.Workers) {
		path, g := "workers."+pool, s.Workers[pool].Group
		validateSlots(ps, path, g)
		if g.Count == nil && g.Slots == nil {
			ps.add(path+".count", "is missing; say how many workers the pool has, or list them in %s.slots", path)
		}
	}
	servers := len(s.Servers.slots())
	if s.Servers.Count != nil && *s.Servers.Count > maxSlot {
		servers = *s.Servers.Count
	}
	field := groupField("servers", s.Servers.Group)
	switch {
	case servers < 1:
		ps.add(field, "there must be a server; use 3, or 1 for a cluster that may go down")
	case servers > maxServers:
		ps.add(field, "%d servers are more than etcd works well with; use 3, 5 or %d", servers, maxServers)
	case servers%2 == 0:
		ps.add(field, "%d servers tolerate no more losses than %d; use an odd number: 1, 3, 5 or %d", servers, servers-1, maxServers)
	}
	if lbs := len(s.LoadBalancers.slots()); lbs < 1 || lbs > 3 {
		ps.add(groupField("loadBalancers", s.LoadBalancers.Group), "%d load balancers cannot hold the VIP; use 1 to 3", lbs)
	}
	if servers > 0 && !slices.Contains(s.Servers.slots(), s.Servers.First) {
		ps.add("servers.first", "slot %d is not one of the servers' slots %s; name one of them",
			s.Servers.First, joinInts(s.Servers.slots()))
	}
	if ca := s.Servers.AbandonedCA; ca != "" && !sha256Hex.MatchString(strings.TrimPrefix(ca, "sha256:")) {
		ps.add("servers.abandonedCa", "%q is not the hash of a CA; copy it from the message that asked for it, sha256: and 64 hex digits", ca)
	}
}

func groupField(path string, g Group) string {
	if g.Slots != nil {
		return path + ".slots"
	}
	return path + ".count"
}

func validateSlots(ps *problems, path string, g Group) {
	if g.Count != nil && g.Slots != nil {
		ps.add(path, "count and slots exclude each other; give count for slots 1 to count, or slots to name them")
	}
	if g.Count != nil && (*g.Count < 0 || *g.Count > maxSlot) {
		ps.add(path+".count", "%d is not a number of nodes; give 0 to %d", *g.Count, maxSlot)
	}
	seen := map[int]bool{}
	for i, slot := range g.Slots {
		at := fmt.Sprintf("%s.slots[%d]", path, i)
		if slot < 1 || slot > maxSlot {
			ps.add(at, "%d is not a slot; slots are numbers from 1 to %d", slot, maxSlot)
		}
		if seen[slot] {
			ps.add(at, "slot %d is listed twice; list each slot once", slot)
		}
		seen[slot] = true
	}
	for _, key := range sortedKeys(g.Nodes) {
		if slot, err := strconv.Atoi(key); err != nil || strconv.Itoa(slot) != key || !slices.Contains(g.slots(), slot) {
			ps.add(path+".nodes."+key, "there is no slot %q in %s; the slots are %s", key, path, joinInts(g.slots()))
		}
	}
}

func joinInts(list []int) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = strconv.Itoa(n)
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// validateNodes checks what each node gets, and that no two of them get the same.
func validateNodes(ps *problems, s Spec, prefix netip.Prefix, vip netip.Addr) {
	names, ips, macs, ids := map[string]string{}, map[string]string{}, map[string]string{}, map[int]string{}
	badFirst := map[string]bool{}
	for _, n := range s.Nodes() {
		override, overridden := s.group(n).Nodes[strconv.Itoa(n.Slot)]
		at := func(field string, own bool) string {
			if overridden && own {
				return fmt.Sprintf("%s.nodes.%d.%s", n.Path, n.Slot, field)
			}
			return n.Path + "." + map[string]string{"ip": "firstAddress", "vmId": "firstVmId", "mac": "nodes"}[field]
		}
		if other, dup := names[n.Name]; dup {
			ps.add(n.Path, "its node %s has the name of a node of %s; rename the pool", n.Name, other)
		}
		names[n.Name] = n.Path
		if len(n.Name) > 63 {
			ps.add(n.Path, "%s is longer than the 63 characters of a host name; shorten clusterName or the pool's name", n.Name)
		}
		path := at("ip", override.IP != "")
		if n.IP == "" {
			if !badFirst[n.Path] {
				badFirst[n.Path] = true
				first := s.group(n).FirstAddress
				if first == "" {
					ps.add(path, "is missing and %s has no address of its own; give the address of slot 1, like 192.168.1.201", n.Name)
				} else {
					ps.add(path, "%q is not an IPv4 address; give the address of slot 1, like 192.168.1.201", first)
				}
			}
		} else {
			nodeAddress(ps, path, n, s.Network, prefix, vip)
			if other, dup := ips[n.IP]; dup {
				ps.add(path, "%s would have %s, the address of %s; every node needs its own", n.Name, n.IP, other)
			}
			ips[n.IP] = n.Name
		}
		validateMAC(ps, at("mac", override.MAC != ""), n, macs)
		path = at("vmId", override.VMID != 0)
		if n.VMID < minVMID || n.VMID > maxVMID {
			ps.add(path, "%d is not a VM id for %s; Proxmox VE takes %d to %d", n.VMID, n.Name, minVMID, maxVMID)
		}
		if other, dup := ids[n.VMID]; dup {
			ps.add(path, "%s would have VM id %d, the one of %s; set firstVmId or nodes.%d.vmId", n.Name, n.VMID, other, n.Slot)
		}
		ids[n.VMID] = n.Name
		if override.ProxmoxNode != "" && !slices.Contains(s.Proxmox.Nodes, override.ProxmoxNode) {
			ps.add(fmt.Sprintf("%s.nodes.%d.proxmoxNode", n.Path, n.Slot), "%q is not in proxmox.nodes; add it there, or use one of: %s",
				override.ProxmoxNode, strings.Join(s.Proxmox.Nodes, ", "))
		}
		validateSizes(ps, n, override)
	}
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

func nodeAddress(ps *problems, path string, n Node, net Network, prefix netip.Prefix, vip netip.Addr) {
	addr, err := netip.ParseAddr(n.IP)
	switch {
	case err != nil || !addr.Is4():
		ps.add(path, "%q is not an IPv4 address; give %s one inside network.cidr", n.IP, n.Name)
	case addr == vip:
		ps.add(path, "%s would have %s, which is the VIP; the VIP moves between load balancers and must be free", n.Name, n.IP)
	case n.IP == net.Gateway:
		ps.add(path, "%s would have %s, which is the gateway; choose an address that nothing else uses", n.Name, n.IP)
	case !prefix.IsValid():
	case !prefix.Contains(addr):
		ps.add(path, "%s would have %s, which is outside network.cidr %s; choose an address inside it", n.Name, n.IP, prefix)
	case addr == prefix.Addr():
		ps.add(path, "%s would have %s, the network address of %s; choose an address between the first and the last", n.Name, n.IP, prefix)
	case addr == broadcast(prefix):
		ps.add(path, "%s would have %s, the broadcast address of %s; choose an address between the first and the last", n.Name, n.IP, prefix)
	}
}

func validateMAC(ps *problems, path string, n Node, seen map[string]string) {
	mac := strings.ToUpper(n.MAC)
	if !macPattern.MatchString(mac) {
		ps.add(path, "%q is not a MAC address; write it like BC:24:11:66:6F:07", n.MAC)
		return
	}
	if first, _ := strconv.ParseUint(mac[:2], 16, 8); first&1 == 1 {
		ps.add(path, "%s is a multicast MAC; the first byte must be even, as in BC:24:11:66:6F:07", n.MAC)
	}
	if other, dup := seen[mac]; dup {
		ps.add(path, "%s would have MAC %s, the one of %s; set nodes.%d.mac", n.Name, mac, other, n.Slot)
	}
	seen[mac] = n.Name
}

func validateSizes(ps *problems, n Node, o Override) {
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
	check := func(field string, value, own, least int, unit string) {
		if own == 0 && n.Slot != 1 && value < least {
			// A group's own size is reported once, not for each of its nodes.
			if p := path(field, own); slices.ContainsFunc(*ps, func(x Problem) bool { return x.Path == p }) {
				return
			}
		}
		if value < least {
			ps.add(path(field, own), "%d %s is too little for a %s; give at least %d", value, unit, n.Role, least)
		}
	}
	check("memory", n.Memory, o.Memory, memory, "MiB")
	check("disk", n.Disk, o.Disk, disk, "GiB")
	check("cores", n.Cores, o.Cores, cores, "cores")
}

func validateLoadBalancers(ps *problems, lb LoadBalancers, sshPort int) {
	if lb.VirtualRouterID < 1 || lb.VirtualRouterID > 255 {
		ps.add("loadBalancers.virtualRouterId", "%d is not a VRRP router id; give 1 to 255, unique on the network", lb.VirtualRouterID)
	}
	if lb.AdvertInterval < minAdvert || lb.AdvertInterval > maxAdvert {
		ps.add("loadBalancers.advertInterval", "%g s is out of range; give %g to %g seconds", lb.AdvertInterval, minAdvert, maxAdvert)
	}
	port(ps, "loadBalancers.apiPort", lb.APIPort)
	port(ps, "loadBalancers.statusPort", lb.StatusPort)
	if hundredths := lb.AdvertInterval * 100; math.Abs(hundredths-math.Round(hundredths)) > 1e-6 {
		ps.add("loadBalancers.advertInterval", "%g s is too fine; Keepalived counts in hundredths of a second, like 0.5", lb.AdvertInterval)
	}
	if lb.APIPort == lb.StatusPort {
		ps.add("loadBalancers.statusPort", "%d is already loadBalancers.apiPort; give another port", lb.StatusPort)
	}
	for _, p := range []struct {
		field string
		value int
	}{{"apiPort", lb.APIPort}, {"statusPort", lb.StatusPort}} {
		if p.value == sshPort {
			ps.add("loadBalancers."+p.field, "%d is the SSH port of the load balancers; give another port", sshPort)
		}
	}
	if !slices.Contains(Balances, lb.Balance) {
		ps.add("loadBalancers.balance", "%q is not a way to choose a server; use one of: %s", lb.Balance, strings.Join(Balances, ", "))
	}
	if lb.Interface != "" && !ifacePattern.MatchString(lb.Interface) {
		ps.add("loadBalancers.interface", "%q is not a network interface; write it like eth0, or leave it out to have it found", lb.Interface)
	}
	if lb.CheckInterval < 100 || lb.CheckInterval > 60_000 {
		ps.add("loadBalancers.checkInterval", "%d ms is out of range; give 100 to 60000 milliseconds", lb.CheckInterval)
	}
	if lb.CheckFall < 1 || lb.CheckFall > 100 {
		ps.add("loadBalancers.checkFall", "%d is out of range; give 1 to 100 failed checks", lb.CheckFall)
	}
	if lb.CheckRise < 1 || lb.CheckRise > 100 {
		ps.add("loadBalancers.checkRise", "%d is out of range; give 1 to 100 passed checks", lb.CheckRise)
	}
	for i, line := range lb.ExtraLines {
		if strings.ContainsAny(line, "\n\r") {
			ps.add(fmt.Sprintf("loadBalancers.extraLines[%d]", i), "holds a line break; give one HAProxy line an entry")
		}
	}
}

func port(ps *problems, path string, value int) {
	if value < 1 || value > 65535 {
		ps.add(path, "%d is not a port; give 1 to 65535", value)
	}
}

// reservedKeys are the k3s configuration keys that the cluster itself decides, and where to say them instead.
var reservedKeys = map[string]string{
	"server":                     "it is the VIP",
	"cluster-init":               "only the first start of the first server has it",
	"token":                      "use k3s.token",
	"token-file":                 "use k3s.token",
	"agent-token":                "use k3s.agentToken",
	"agent-token-file":           "use k3s.agentToken",
	"node-name":                  "it is the VM's name",
	"node-ip":                    "it is the VM's address",
	"advertise-address":          "it is the server's own address",
	"https-listen-port":          "servers listen on 6443; loadBalancers.apiPort sets the port of the VIP",
	"tls-san":                    "use k3s.tlsSans",
	"disable":                    "use k3s.disable",
	"secrets-encryption":         "use k3s.secretsEncryption",
	"node-taint":                 "use servers.taints or the pool's taints",
	"node-label":                 "use servers.labels or the pool's labels",
	"etcd-arg":                   "use k3s.etcd",
	"write-kubeconfig":           "the kubeconfig is an output",
	"write-kubeconfig-mode":      "it stays 0600; the kubeconfig is an output",
	"data-dir":                   "it stays /var/lib/rancher/k3s",
	"datastore-endpoint":         "the datastore is embedded etcd",
	"disable-etcd":               "every server has an etcd member",
	"disable-apiserver":          "every server has an API server",
	"cluster-reset":              "restore by hand, see the k3s documentation",
	"with-node-id":               "the node's name is the VM's",
	"disable-agent":              "every server is a Kubernetes node",
	"bind-address":               "servers listen on all addresses",
	"supervisor-port":            "the supervisor is behind the same port as the API",
	"cluster-reset-restore-path": "restore by hand, see the k3s documentation",
	"config":                     "the file is /etc/rancher/k3s/config.yaml",
}

func validateK3s(ps *problems, k K3s) {
	if k.Version == "" {
		ps.add("k3s.version", "is missing; name the release, like v1.31.6+k3s1")
	} else if v, err := ParseVersion(k.Version); err != nil {
		ps.add("k3s.version", "%s", err)
	} else if v.less(Version{Major: 1, Minor: 27}) {
		ps.add("k3s.version", "%s does not report which etcd members vote; use v1.27 or newer", k.Version)
	}
	for i, san := range k.TLSSANs {
		if _, err := netip.ParseAddr(san); err != nil && !hostPattern.MatchString(san) {
			ps.add(fmt.Sprintf("k3s.tlsSans[%d]", i), "%q is neither a host name nor an address; write it like k3s.example.org", san)
		}
	}
	for i, component := range k.Disable {
		if !wordPattern.MatchString(component) {
			ps.add(fmt.Sprintf("k3s.disable[%d]", i), "%q is not a k3s component; write it like traefik", component)
		}
	}
	for _, pass := range []struct {
		field  string
		config map[string]any
	}{{"serverConfig", k.ServerConfig}, {"workerConfig", k.WorkerConfig}} {
		for _, key := range sortedKeys(pass.config) {
			path := "k3s." + pass.field + "." + key
			base := strings.TrimSuffix(key, "+")
			if why, reserved := reservedKeys[base]; reserved {
				ps.add(path, "is decided by the cluster (%s); take it out", why)
			} else if !wordPattern.MatchString(base) {
				ps.add(path, "%q is not a k3s option; write it as on the command line without the dashes, like kubelet-arg", key)
			}
		}
	}
	if k.Mirror != "" && !strings.HasPrefix(k.Mirror, "http://") && !strings.HasPrefix(k.Mirror, "https://") {
		ps.add("k3s.mirror", "%q is not a URL; write it like https://mirror.example.org/k3s", k.Mirror)
	}
	for _, sum := range []struct{ path, value string }{
		{"k3s.binarySha256", k.BinarySHA256}, {"k3s.installScriptSha256", k.ScriptSHA256},
	} {
		if sum.value != "" && !sha256Hex.MatchString(sum.value) {
			ps.add(sum.path, "%q is not a SHA-256; give its 64 lower-case hex digits", sum.value)
		}
	}
	e := k.Etcd
	if e.HeartbeatInterval < 0 || e.HeartbeatInterval > 10_000 {
		ps.add("k3s.etcd.heartbeatInterval", "%d ms is out of range; give 10 to 10000 milliseconds", e.HeartbeatInterval)
	}
	if (e.HeartbeatInterval == 0) != (e.ElectionTimeout == 0) {
		ps.add("k3s.etcd", "heartbeatInterval and electionTimeout belong together; give both, like 100 and 1000, or neither")
	} else if e.ElectionTimeout != 0 && (e.ElectionTimeout < 5*e.HeartbeatInterval || e.ElectionTimeout > 50_000) {
		ps.add("k3s.etcd.electionTimeout", "%d ms is out of range; etcd wants at least five times heartbeatInterval (%d ms) and at most 50000",
			e.ElectionTimeout, 5*e.HeartbeatInterval)
	}
}

// validateClusterNetworks: pods and services must not live where nodes do.
func validateClusterNetworks(ps *problems, k K3s, nodes netip.Prefix) {
	for _, option := range []string{"cluster-cidr", "service-cidr"} {
		value := fixedOptions[option]
		if given, found := k.ServerConfig[option]; found {
			value = fmt.Sprint(given)
		}
		for part := range strings.SplitSeq(value, ",") {
			if network, err := netip.ParsePrefix(part); err == nil && nodes.IsValid() && network.Overlaps(nodes) {
				ps.add("network.cidr", "%s overlaps k3s' %s %s; choose another network, or set k3s.serverConfig.%s", nodes, option, network, option)
			}
		}
	}
}

func validateSSH(ps *problems, s SSH) {
	if s.MissingKey {
		ps.add("ssh.privateKey", "is missing; give the key that the nodes are reached with, as a secret")
	}
	if !userPattern.MatchString(s.User) {
		ps.add("ssh.user", "%q is not a Linux user name; use the template's cloud-init user, like ubuntu", s.User)
	}
	port(ps, "ssh.port", s.Port)
	if b := s.Bastion; b != nil {
		if !hostPattern.MatchString(b.Host) {
			ps.add("ssh.bastion.host", "%q is neither a host name nor an address; write it like bastion.example.org", b.Host)
		}
		if !userPattern.MatchString(b.User) {
			ps.add("ssh.bastion.user", "%q is not a Linux user name; write it like admin", b.User)
		}
		port(ps, "ssh.bastion.port", b.Port)
		for _, key := range b.Missing {
			ps.add("ssh.bastion."+key, "is missing; a jump host needs its own key and its pinned host key")
		}
	}
}

func validateTaints(ps *problems, path string, taints []string) {
	for i, taint := range taints {
		at := fmt.Sprintf("%s[%d]", path, i)
		m := taintPattern.FindStringSubmatch(taint)
		if m == nil || !labelKey(m[1]) || (m[2] != "" && !labelName.MatchString(m[2])) {
			ps.add(at, "%q is not a taint; write key=value:effect, like CriticalAddonsOnly=true:NoExecute", taint)
		} else if !slices.Contains(taintEffects, m[3]) {
			ps.add(at, "%q is not an effect of a taint; use %s", m[3], strings.Join(taintEffects, ", "))
		}
	}
}

func validateLabels(ps *problems, path string, labels map[string]string) {
	for _, key := range sortedKeys(labels) {
		at := path + "." + key
		if !labelKey(key) {
			ps.add(at, "%q is not a label's name; write it like example.org/zone", key)
		} else if !kubeletMaySet(key) {
			ps.add(at, "Kubernetes does not let a node give itself this label; choose another name, like example.org/role")
		}
		if v := labels[key]; v != "" && !labelName.MatchString(v) {
			ps.add(at, "%q is not a label's value; use at most 63 letters, digits and - _ .", v)
		}
	}
}

// kubeletMaySet: k3s ends at once when a node is given another label of Kubernetes' own.
func kubeletMaySet(key string) bool {
	prefix, _, found := strings.Cut(key, "/")
	own := prefix == "kubernetes.io" || prefix == "k8s.io" || strings.HasSuffix(prefix, ".kubernetes.io") || strings.HasSuffix(prefix, ".k8s.io")
	if !found || !own {
		return true
	}
	for _, allowed := range []string{"kubelet.kubernetes.io", "node.kubernetes.io"} {
		if prefix == allowed || strings.HasSuffix(prefix, "."+allowed) {
			return true
		}
	}
	return slices.Contains([]string{
		"topology.kubernetes.io/region", "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
		"kubernetes.io/arch", "kubernetes.io/os", "kubernetes.io/hostname", "beta.kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/instance-type",
	}, key)
}

func labelKey(key string) bool {
	prefix, name, found := strings.Cut(key, "/")
	if !found {
		return labelName.MatchString(key)
	}
	return labelPrefix.MatchString(prefix) && labelName.MatchString(name)
}
