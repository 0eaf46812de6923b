package topology

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

const (
	maxForwards                  = 32
	maxVIPs                      = 8
	firstNodePort, afterNodePort = 30000, 32768 // Kubernetes' own range
)

var (
	shortName   = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,13}[a-z0-9])?$`)
	pathPattern = regexp.MustCompile(`^/[A-Za-z0-9._~%/?=&:@!$'()*+,;-]*$`)
)

// traffic checks what load balancers do besides the API: forwards, and more VIPs.
func (v *validator) traffic() {
	lb := v.spec.LoadBalancers
	v.forwards("loadBalancers.forward", lb.Forward, true)
	if len(lb.VIPs) > maxVIPs {
		v.add("loadBalancers.vips", "lists %d addresses; give at most %d", len(lb.VIPs), maxVIPs)
	}
	addresses := map[netip.Addr]string{v.vip: "network.vip"}
	if gateway, err := netip.ParseAddr(v.spec.Network.Gateway); err == nil {
		addresses[gateway] = "network.gateway"
	}
	for _, n := range v.spec.Nodes() {
		if addr, err := netip.ParseAddr(n.IP); err == nil {
			addresses[addr] = n.Name
		}
	}
	ids := map[int]string{lb.VirtualRouterID: "loadBalancers.virtualRouterId"}
	for _, name := range sortedKeys(lb.VIPs) {
		vip, path := lb.VIPs[name], "loadBalancers.vips."+name
		if !shortName.MatchString(name) {
			v.add(path, "%q is not the name of a VIP; use up to 15 lower-case letters, digits and hyphens, like ingress", name)
		}
		if addr := v.lanAddress(path+".address", vip.Address, "a free address", 219); addr.IsValid() {
			if whose := addresses[addr]; whose != "" {
				v.add(path+".address", "%s is the address of %s; choose an address that nothing else uses", addr, whose)
			}
			addresses[addr] = path + ".address"
		}
		if vip.VirtualRouterID < 1 || vip.VirtualRouterID > 255 {
			v.add(path+".virtualRouterId", "%d is not a VRRP router id; give 1 to 255, unique on the network", vip.VirtualRouterID)
		} else if whose := ids[vip.VirtualRouterID]; whose != "" {
			v.add(path+".virtualRouterId", "%d is that of %s; give each address its own", vip.VirtualRouterID, whose)
		}
		ids[vip.VirtualRouterID] = path + ".virtualRouterId"
		v.forwards(path+".forward", vip.Forward, false)
	}
}

// forwards checks those of one address. At the API's own the API's port and the status page's are taken.
func (v *validator) forwards(path string, forwards []Forward, ofAPI bool) {
	if len(forwards) > maxForwards {
		v.add(path, "lists %d ports; give at most %d", len(forwards), maxForwards)
	}
	lb := v.spec.LoadBalancers
	names, ports := map[string]string{}, map[int]string{}
	if ofAPI {
		ports[lb.APIPort] = "loadBalancers.apiPort"
	}
	ports[lb.StatusPort] = "loadBalancers.statusPort"
	if lb.Stats != nil {
		ports[lb.Stats.Port] = "loadBalancers.stats"
	}
	for i, f := range forwards {
		at := fmt.Sprintf("%s[%d]", path, i)
		if !shortName.MatchString(f.Name) {
			v.add(at+".name", "%q is not the name of a forward; use up to 15 lower-case letters, digits and hyphens, like https", f.Name)
		} else if names[f.Name] != "" {
			v.add(at+".name", "%q is the name of %s, too; give each its own", f.Name, names[f.Name])
		}
		names[f.Name] = at
		v.lbPort(at+".port", f.Port)
		if whose := ports[f.Port]; whose != "" {
			v.add(at+".port", "%d is that of %s; give another port, or another address in loadBalancers.vips", f.Port, whose)
		}
		ports[f.Port] = at + ".port"
		v.target(at, f)
	}
}

// target checks where a forward sends, and whether nodes are well there.
func (v *validator) target(at string, f Forward) {
	switch {
	case f.TargetPort != 0 && f.NodePort != 0:
		v.add(at, "targetPort and nodePort exclude each other; give nodePort for a Service of type NodePort, targetPort for what listens on nodes themselves")
	case f.NodePort != 0 && (f.NodePort < firstNodePort || f.NodePort >= afterNodePort):
		v.add(at+".nodePort", "%d is no NodePort; Kubernetes has %d to %d, give the Service's, or targetPort for what listens on nodes themselves", f.NodePort, firstNodePort, afterNodePort-1)
	case f.TargetPort != 0:
		v.port(at+".targetPort", f.TargetPort)
	}
	field := ".port"
	if f.TargetPort != 0 {
		field = ".targetPort"
	}
	if whose := nodePorts[f.Target()]; whose != "" {
		v.add(at+field, "%d is %s on nodes; give the port of what is to be reached, in targetPort or nodePort", f.Target(), whose)
	} else if f.Target() == v.spec.SSH.Port {
		v.add(at+field, "%d is the SSH port of nodes; give the port of what is to be reached, in targetPort or nodePort", f.Target())
	}
	if f.Check != CheckTCP && !pathPattern.MatchString(f.Check) {
		v.add(at+".check", "%q is not a check; give %s, or the path of an HTTP check, like /healthz", f.Check, CheckTCP)
	}
	if f.CheckPort != 0 {
		v.port(at+".checkPort", f.CheckPort)
	}
	for i, text := range f.SourceRanges {
		v.sourceRange(fmt.Sprintf("%s.sourceRanges[%d]", at, i), text)
	}
	if f.SourceRanges != nil && len(f.SourceRanges) == 0 {
		v.add(at+".sourceRanges", "is empty, and nobody could connect; list networks, or leave it out for everybody")
	}
	known := sortedKeys(v.spec.Workers)
	nodes := 0
	for i, pool := range f.Pools {
		p := fmt.Sprintf("%s.pools[%d]", at, i)
		group, isPool := v.spec.Workers[pool]
		switch {
		case slices.Contains(f.Pools[:i], pool):
			v.add(p, "%s is listed twice; list each pool once", pool)
		case isPool:
			nodes += max(0, size(group.Group))
		case pool == ServersPool:
			nodes += max(0, size(v.spec.Servers.Group))
		default:
			all := append(known, ServersPool)
			v.add(p, "there is no pool %q;%s use: %s", pool, suggest(pool, all), strings.Join(all, ", "))
			nodes++ // said
		}
	}
	if nodes == 0 {
		v.add(at+".pools", "has no node to send to; name a pool of workers that has some, or %s", ServersPool)
	}
}

func (v *validator) sourceRange(path, text string) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Is4() {
		return
	}
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil || !prefix.Addr().Is4():
		v.add(path, "%q is not an IPv4 network or address; write it like 10.0.0.0/8", text)
	case prefix != prefix.Masked():
		v.add(path, "%s has host bits set; write %s", text, prefix.Masked())
	}
}
