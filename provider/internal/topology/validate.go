package topology

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// Problem is one finding: which property, what is wrong with it, what would be right.
type Problem struct {
	Path   string
	Reason string
}

func (p Problem) String() string { return p.Path + ": " + p.Reason }

// Validate returns everything that is wrong with a spec to which ApplyDefaults has been applied.
func Validate(s Spec) []Problem {
	v := &validator{spec: s, miscount: map[string]bool{}}
	v.names()
	v.machines()
	if s.hasVMs() {
		v.proxmox()
	}
	v.network()
	v.counts()
	v.labelsAndTaints()
	v.nodes()
	v.hardware()
	if v.spec.LoadBalancers.External != nil {
		v.external()
	} else {
		v.loadBalancers()
		v.traffic()
		v.stats()
	}
	v.k3s()
	v.registries()
	v.manifests()
	v.airgap()
	v.proxy()
	v.clusterNetworks()
	v.ssh()
	v.backup()
	v.spread()
	return v.problems
}

// validator collects findings; every check adds to it, none stops the others. One file for each input group.
type validator struct {
	spec     Spec
	problems []Problem
	prefix   netip.Prefix    // the nodes' network, zero if it does not parse
	vip      netip.Addr      // zero if it is none
	wantsAPI []string        // inputs that Proxmox VE's API is needed for
	miscount map[string]bool // groups whose number of nodes is wrong: what follows for their nodes is not said
}

func (v *validator) add(path, format string, args ...any) {
	v.problems = append(v.problems, Problem{Path: path, Reason: fmt.Sprintf(format, args...)})
}

// perGroup keeps findings about the nodes of a group to one line for each cause: the first node, and how many more.
type perGroup struct {
	v    *validator
	seen map[string]*finding
	list []*finding
}

type finding struct {
	path, reason, remedy string
	more                 int
}

func newPerGroup(v *validator) *perGroup { return &perGroup{v: v, seen: map[string]*finding{}} }

// add notes a finding of a node. What findings have in common is their path and the cause.
func (g *perGroup) add(path, cause, reason, remedy string) {
	if f := g.seen[path+" "+cause]; f != nil {
		f.more++
		return
	}
	f := &finding{path: path, reason: reason, remedy: remedy}
	g.seen[path+" "+cause] = f
	g.list = append(g.list, f)
}

func (g *perGroup) flush() {
	for _, f := range g.list {
		more := ""
		if f.more > 0 {
			more = fmt.Sprintf(" (and %d more of its nodes likewise)", f.more)
		}
		g.v.add(f.path, "%s%s; %s", f.reason, more, f.remedy)
	}
}

// freeAddress is an example for a message: an address of the nodes' network that the program does not use itself.
func (v *validator) freeAddress(last byte) string {
	base := v.prefix
	if !base.IsValid() {
		base = netip.MustParsePrefix("192.168.1.0/24")
		if strings.HasPrefix(v.spec.Network.CIDR, "192.168.1.") {
			base = netip.MustParsePrefix("10.20.30.0/24")
		}
	}
	used := map[string]bool{v.spec.Network.VIP: true, v.spec.Network.Gateway: true}
	for _, n := range v.spec.Nodes() {
		used[n.IP] = true
	}
	four := base.Masked().Addr().As4()
	start := uint32(four[2])<<8 | uint32(four[3])
	host := uint32(last) & (1<<min(32-base.Bits(), 8) - 1)
	for range 254 {
		at := start + host
		candidate := netip.AddrFrom4([4]byte{four[0], four[1], byte(at >> 8), byte(at)})
		if base.Contains(candidate) && candidate != base.Masked().Addr() && candidate != broadcast(base) && !used[candidate.String()] {
			return candidate.String()
		}
		host = (host + 1) & (1<<min(32-base.Bits(), 8) - 1)
	}
	return "one inside network.cidr"
}

// port checks a TCP port.
func (v *validator) port(path string, value int) {
	if value < 1 || value > 65535 {
		v.add(path, "%d is not a port; give 1 to 65535", value)
	}
}

var (
	labelPattern  = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?$`)
	digitsPattern = regexp.MustCompile(`^[0-9.]+$`)
)

// hostName says whether a text is a DNS name. Digits alone are an address, or a mistyped one.
func hostName(name string) bool {
	if len(name) > 253 || name == "" || digitsPattern.MatchString(name) {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if !labelPattern.MatchString(label) {
			return false
		}
	}
	return true
}

// address reads an IPv4 address as a machine could have it; the words say why it is none.
func address(text string) (netip.Addr, string) {
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil && strings.TrimSpace(text) != text:
		return netip.Addr{}, "has spaces or a line break around it"
	case err != nil && strings.Contains(text, "/"):
		return netip.Addr{}, "carries a prefix, which network.cidr has for all"
	case err != nil || !addr.Is4():
		return netip.Addr{}, "is not an IPv4 address"
	}
	return addr, ""
}

// unusable names the kind of a network or address that no machine on a LAN can have.
func unusable(addr netip.Addr) string {
	first := addr.As16()[12]
	switch {
	case !addr.Is4():
		return ""
	case addr.IsLoopback():
		return "a loopback"
	case addr.IsMulticast():
		return "a multicast"
	case addr.IsLinkLocalUnicast():
		return "a link-local"
	case first == 0:
		return "an unspecified"
	case first >= 240:
		return "a reserved"
	}
	return ""
}

func broadcast(p netip.Prefix) netip.Addr {
	four := p.Masked().Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		four[bit/8] |= 1 << (7 - bit%8)
	}
	return netip.AddrFrom4(four)
}
