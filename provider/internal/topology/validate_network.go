package topology

import (
	"fmt"
	"net/netip"
	"strings"
)

const (
	widestNetwork, narrowestNetwork = 8, 29
	maxNameServers                  = 3 // what resolv.conf takes
)

// network checks the nodes' network and keeps it, and the VIP, for the checks that follow.
func (v *validator) network() {
	n := v.spec.Network
	v.cidr(n.CIDR)
	if v.prefix.IsValid() && v.nothingInside() {
		v.prefix = netip.Prefix{} // one mistake, one line: the addresses are not at fault
	}
	var gateway netip.Addr
	if v.spec.hasVMs() || n.Gateway != "" {
		gateway = v.lanAddress("network.gateway", n.Gateway, "the router's address", 1)
	}
	if v.spec.LoadBalancers.External == nil {
		v.vip = v.lanAddress("network.vip", n.VIP, "a free address for the API", 220)
		if v.vip.IsValid() && v.vip == gateway {
			v.add("network.vip", "%s is the gateway; choose an address that nothing else uses", n.VIP)
		}
	}
	v.nameServers()
	if n.Endpoint != "" && (!hostName(n.Endpoint) || strings.HasPrefix(n.Endpoint, "*")) {
		v.add("network.endpoint", "%q is not a host name; write one that resolves to the VIP, like api.example.org, without scheme or port", n.Endpoint)
	}
	if d := strings.TrimSuffix(n.SearchDomain, "."); n.SearchDomain != "" && !hostName(d) {
		v.add("network.searchDomain", "%q is not a domain; write one, like example.org", n.SearchDomain)
	}
}

func (v *validator) cidr(text string) {
	prefix, err := netip.ParsePrefix(text)
	switch {
	case text == "":
		v.add("network.cidr", "is missing; give the nodes' network, like 192.168.1.0/24")
		return
	case err != nil || !prefix.Addr().Is4():
		v.add("network.cidr", "%q is not an IPv4 network; write the network address and its length, like 192.168.1.0/24", text)
		return
	}
	v.prefix = prefix.Masked()
	switch kind := unusable(prefix.Addr()); {
	case kind != "":
		v.add("network.cidr", "%s is %s network, in which no VM can have an address; give the nodes' own, like 192.168.1.0/24", text, kind)
	case prefix.Bits() < widestNetwork || prefix.Bits() > narrowestNetwork:
		v.add("network.cidr", "/%d does not leave a usable range of addresses; use a prefix from /%d to /%d", prefix.Bits(), widestNetwork, narrowestNetwork)
	case prefix != v.prefix:
		v.add("network.cidr", "%s has host bits set; write %s", text, v.prefix)
	}
}

// nothingInside: the VIP and all nodes are outside of the network; then it is the network that is wrong.
func (v *validator) nothingInside() bool {
	if v.spec.LoadBalancers.External != nil {
		return false // its endpoint may be anywhere
	}
	vip, err := netip.ParseAddr(v.spec.Network.VIP)
	if err != nil || v.prefix.Contains(vip) {
		return false
	}
	first := ""
	for _, n := range v.spec.Nodes() {
		addr, err := netip.ParseAddr(n.IP)
		if err == nil && v.prefix.Contains(addr) {
			return false
		}
		if err == nil && first == "" {
			first = fmt.Sprintf(", %s %s", n.Name, n.IP)
		}
	}
	if first == "" {
		return false
	}
	v.add("network.cidr", "%s holds neither the VIP nor any node (network.vip %s%s, ...); give the network that they are in", v.prefix, v.spec.Network.VIP, first)
	return true
}

// lanAddress checks an address that a node could have: IPv4, inside the network, neither of its two ends.
func (v *validator) lanAddress(path, text, what string, like byte) netip.Addr {
	if text == "" {
		v.add(path, "is missing; give %s, like %s", what, v.freeAddress(like))
		return netip.Addr{}
	}
	addr, wrong := address(text)
	if wrong != "" {
		v.add(path, "%q %s; give %s, like %s", text, wrong, what, v.freeAddress(like))
		return netip.Addr{}
	}
	if reason := v.noPlace(addr); reason != "" {
		v.add(path, "%s is %s; choose an address that a machine in it can have", text, reason)
	}
	return addr
}

// noPlace says why no machine of the network can have an address.
func (v *validator) noPlace(addr netip.Addr) string {
	switch {
	case !v.prefix.IsValid():
		if kind := unusable(addr); kind != "" {
			return kind + " address"
		}
	case !v.prefix.Contains(addr):
		return fmt.Sprintf("outside network.cidr %s", v.prefix)
	case addr == v.prefix.Addr():
		return fmt.Sprintf("the network address of %s", v.prefix)
	case addr == broadcast(v.prefix):
		return fmt.Sprintf("the broadcast address of %s", v.prefix)
	}
	return ""
}

func (v *validator) nameServers() {
	servers := v.spec.Network.DNS
	if len(servers) == 1 && servers[0] == v.spec.Network.Gateway {
		return // the default; what is wrong with it is said of the gateway
	}
	if len(servers) > maxNameServers {
		v.add("network.dns", "lists %d name servers, of which a node asks the first %d only; leave the others out", len(servers), maxNameServers)
	}
	seen := map[netip.Addr]bool{}
	fours := 0
	for i, text := range servers {
		path := fmt.Sprintf("network.dns[%d]", i)
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			v.add(path, "%q is not an IP address; give a name server's address, like 1.1.1.1", text)
			continue
		}
		if addr.Is4() {
			fours++
		}
		kind := unusable(addr)
		switch {
		case addr.IsLoopback():
			v.add(path, "%s is the node itself; give the address of a name server that nodes can reach, like 1.1.1.1", text)
		case kind != "" || addr.IsUnspecified() || addr.IsMulticast() || addr.IsLinkLocalUnicast():
			v.add(path, "%s is no address of a name server; give one that nodes can reach, like 1.1.1.1", text)
		case v.vip.IsValid() && addr == v.vip:
			v.add(path, "%s is the VIP, at which no name server answers; give a name server's address, like 1.1.1.1", text)
		case v.prefix.IsValid() && (addr == v.prefix.Addr() || addr == broadcast(v.prefix)):
			v.add(path, "%s is %s; give a name server's address, like 1.1.1.1", text, v.noPlace(addr))
		case seen[addr]:
			v.add(path, "%s is listed twice; list each name server once", text)
		default:
			for _, n := range v.spec.Nodes() {
				if n.IP == text {
					v.add(path, "%s is the address of %s, which is no name server; give a name server's address, like 1.1.1.1", text, n.Name)
					break
				}
			}
		}
		seen[addr] = true
	}
	if len(servers) > 0 && fours == 0 && len(seen) > 0 {
		v.add("network.dns", "has IPv6 addresses only, and nodes have IPv4; list a name server with an IPv4 address, like 1.1.1.1")
	}
}
