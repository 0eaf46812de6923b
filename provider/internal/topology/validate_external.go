package topology

import (
	"net/netip"
	"strings"
)

const externalPath = "loadBalancers.external.endpoint"

// endpointWord is what stands at the address of the API.
func (s Spec) endpointWord() string {
	if s.LoadBalancers.External != nil {
		return "the endpoint of the external load balancer"
	}
	return "the VIP"
}

// external checks a load balancer that is not the program's. Its address may be anywhere: a firewall's own, the gateway's, another network's.
func (v *validator) external() {
	x := v.spec.LoadBalancers.External
	for _, path := range x.Beside {
		if path == "network.vip" {
			v.add(path, "the VIP is the external load balancer's; take it out, and give the address in %s", externalPath)
			continue
		}
		v.add(path, "is for load balancers that are VMs of the program, and loadBalancers.external has none; take one of the two out")
	}
	v.port("loadBalancers.apiPort", v.spec.LoadBalancers.APIPort)
	text := x.Endpoint
	const give = "give the address or the host name at which it takes connections for the API, like 192.168.1.1 or api.example.org"
	host, _, hasPort := strings.Cut(text, ":")
	addr, err := netip.ParseAddr(text)
	six := strings.Trim(text, "[]")
	_, notSix := netip.ParseAddr(six)
	switch {
	case text == "":
		v.add(externalPath, "is missing; %s", give)
	case strings.Contains(text, "://"):
		v.add(externalPath, "%q is a URL; write the address or the host name alone, the port is loadBalancers.apiPort", text)
	case strings.TrimSpace(text) != text:
		v.add(externalPath, "%q has spaces or a line break around it; take them out", text)
	case notSix == nil && strings.Contains(six, ":"):
		v.add(externalPath, "%q is an IPv6 address, and nodes have IPv4; %s", text, give)
	case hasPort:
		v.add(externalPath, "%q carries a port, which loadBalancers.apiPort has; write %s", text, host)
	case strings.Contains(text, "/"):
		v.add(externalPath, "%q carries a prefix or a path; write %s", text, strings.SplitN(text, "/", 2)[0])
	case err != nil && (!hostName(text) || strings.HasPrefix(text, "*")):
		v.add(externalPath, "%q is neither an IPv4 address nor a host name; %s", text, give)
	case err != nil && (text == "localhost" || strings.HasSuffix(text, ".localhost") || strings.HasSuffix(text, ".svc") || strings.HasSuffix(text, ".cluster.local")):
		v.add(externalPath, "%s is another machine's on each machine, and the cluster's own names are not known to nodes; %s", text, give)
	case err != nil:
	case unusable(addr) != "":
		v.add(externalPath, "%s is %s address; %s", text, unusable(addr), give)
	case v.prefix.IsValid() && v.prefix.Contains(addr) && v.noPlace(addr) != "":
		v.add(externalPath, "%s is %s; %s", text, v.noPlace(addr), give)
	}
	for _, n := range v.spec.Nodes() {
		if n.IP == text && text != "" {
			v.add(externalPath, "%s is the address of %s, which is what it balances; without a balancer that server would be lost with everything: %s", text, n.Name, give)
		}
	}
}
