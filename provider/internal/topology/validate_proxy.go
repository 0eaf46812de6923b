package topology

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// proxy checks by what nodes reach the internet.
func (v *validator) proxy() {
	p := v.spec.Network.Proxy
	if p == nil {
		return
	}
	if !v.spec.Leaves.Has(ProxyHTTPLeaf) && !v.spec.Leaves.Has(ProxyHTTPSLeaf) {
		v.add("network.proxy", "names no proxy; give http, https or both, like http://proxy.example.org:3128")
	}
	for i, entry := range p.NoProxy {
		_, notNetwork := netip.ParsePrefix(entry)
		_, notAddress := netip.ParseAddr(entry)
		if notNetwork != nil && notAddress != nil && !hostName(strings.TrimPrefix(entry, ".")) {
			v.add(fmt.Sprintf("network.proxy.noProxy[%d]", i), "%q is not a host, a domain, an address or a network; write it like .example.org or 10.0.0.0/8, one an entry", entry)
		}
	}
}

// ProxyProblem says what is wrong with the URL of a proxy. It may carry a password, so no answer quotes it.
func ProxyProblem(text string) string {
	const like = "write it like http://proxy.example.org:3128"
	u, err := url.Parse(text)
	switch {
	case strings.ContainsAny(text, " \t\r\n'\"\\`$<>{}|^"):
		return "has characters that no URL has (in a password, write them as %XX); " + like
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "is not the URL of a proxy; " + like
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "has a path, a query or a fragment, which a proxy has not; " + like
	}
	return ""
}

// WithoutProxy are what nodes reach themselves: each other, pods, services, the API, and what the program lists.
func (s Spec) WithoutProxy() []string {
	out := []string{"localhost", "127.0.0.0/8", s.Network.CIDR}
	for _, option := range []string{"cluster-cidr", "service-cidr"} {
		values, _ := s.K3s.effective(option)
		out = append(out, values...)
	}
	domain, _ := s.K3s.effective("cluster-domain")
	out = append(out, ".svc", "."+strings.Join(domain, ""))
	if s.LoadBalancers.External != nil && !slices.Contains(out, s.Network.VIP) {
		out = append(out, s.Network.VIP)
	}
	if s.Network.Endpoint != "" && s.Network.Endpoint != s.Network.VIP {
		out = append(out, s.Network.Endpoint)
	}
	// Programs that know no networks, like curl before 7.86, know the addresses of what nodes fetch from.
	for _, text := range s.fetched() {
		if u, err := url.Parse(text); err == nil {
			if addr, err := netip.ParseAddr(u.Hostname()); err == nil && s.near(addr) && !slices.Contains(out, addr.String()) {
				out = append(out, addr.String())
			}
		}
	}
	return append(append(out, s.Servers.Others...), s.Network.Proxy.NoProxy...)
}

// fetched are the URLs from which steps on nodes fetch.
func (s Spec) fetched() []string {
	out := []string{s.K3s.Mirror}
	for _, name := range sortedKeys(s.K3s.Images) {
		out = append(out, s.K3s.Images[name].URL)
	}
	for _, name := range sortedKeys(s.K3s.Manifests) {
		out = append(out, s.K3s.Manifests[name].URL)
	}
	return out
}

// near says whether an address is in a network that is reached without the proxy.
func (s Spec) near(addr netip.Addr) bool {
	for _, text := range append([]string{s.Network.CIDR}, s.Network.Proxy.NoProxy...) {
		if prefix, err := netip.ParsePrefix(text); err == nil && prefix.Contains(addr) {
			return true
		}
	}
	return false
}
