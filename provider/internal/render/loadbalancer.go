package render

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// HAProxy renders a load balancer's HAProxy configuration. Its health check accepts only servers whose certificate the cluster's CA has
// signed.
func HAProxy(p topology.Plan) string {
	lb := p.Spec.LoadBalancers
	return fill("haproxy.cfg.tmpl", struct {
		Cluster, VIP, Balance               string
		APIPort, StatusPort                 int
		CheckInterval, CheckFall, CheckRise int
		Servers, LoadBalancers              []topology.Node
		Others                              []string
		ExtraLines                          []string
		MaxConn, MaxConnForward             int
		Forwards                            []forward
		OtherVIPs                           []topology.VIP
		Stats                               *topology.Stats
	}{
		Cluster: p.Spec.ClusterName, VIP: p.Spec.Network.VIP, Balance: lb.Balance,
		APIPort: lb.APIPort, StatusPort: lb.StatusPort,
		CheckInterval: lb.CheckInterval, CheckFall: lb.CheckFall, CheckRise: lb.CheckRise,
		Servers: p.ServersBySlot(), LoadBalancers: p.LoadBalancers(), Others: p.Spec.Servers.Others, ExtraLines: lb.ExtraLines,
		MaxConn: min(maxConn+len(forwards(p))*maxConnForward, mostConn), MaxConnForward: maxConnForward, Forwards: forwards(p), OtherVIPs: lb.MoreVIPs(), Stats: lb.Stats,
	})
}

// Connections at a time: without forwards, more for each of them, and at most. Each takes two files, to which HAProxy raises its limit itself.
const maxConn, maxConnForward, mostConn = 8192, 4096, 131072

// forward is a forward at an address.
type forward struct {
	topology.Forward
	Path    string // of the input
	Address string // "" for every one that has no forwards of its own, the API's among them
	Backend string
	Nodes   []topology.Node
}

// forwards are those of the API's VIP, then those of the others.
func forwards(p topology.Plan) []forward {
	var out []forward
	add := func(path, address, prefix string, list []topology.Forward) {
		for i, f := range list {
			out = append(out, forward{f, fmt.Sprintf("%s[%d]", path, i), address, prefix + f.Name, p.Targets(f)})
		}
	}
	lb := p.Spec.LoadBalancers
	add("loadBalancers.forward", "", "forward_", lb.Forward)
	for _, vip := range lb.MoreVIPs() {
		add("loadBalancers.vips."+vip.Name+".forward", vip.Address, "forward_"+vip.Name+"_", vip.Forward)
	}
	return out
}

// statsVars are what guards HAProxy's statistics page; nothing without it. Of the password machines have a hash.
func statsVars(s topology.Spec, secrets Secrets) []variable {
	if s.LoadBalancers.Stats == nil {
		return nil
	}
	password := sha256.Sum256([]byte(secrets.Leaves[topology.StatsPasswordLeaf]))
	return []variable{{"STATS_CERTIFICATE", secrets.StatsCertificate}, {"STATS_PASSWORD", hex.EncodeToString(password[:])}}
}

// StatsNames are what the certificate of the statistics page is good for.
func StatsNames(p topology.Plan) []string {
	out := []string{p.Spec.Network.VIP}
	if p.Spec.Network.Endpoint != "" {
		out = append(out, p.Spec.Network.Endpoint)
	}
	for _, vip := range p.Spec.LoadBalancers.MoreVIPs() {
		out = append(out, vip.Address)
	}
	for _, n := range p.LoadBalancers() {
		out = append(out, n.IP)
	}
	return out
}

// HAProxyUnit renders what is added to HAProxy's systemd unit.
func HAProxyUnit(p topology.Plan) string {
	return fill("haproxy-unit.conf.tmpl", struct{ Arguments string }{servers(p)})
}

// servers are the arguments of lb-servers.
func servers(p topology.Plan) string {
	out := []string{strconv.Itoa(p.Spec.LoadBalancers.CheckRise)}
	for _, n := range p.ServersBySlot() {
		out = append(out, n.Name+"="+n.IP)
	}
	for _, address := range p.Spec.Servers.Others {
		out = append(out, address+"="+address)
	}
	return strings.Join(out, " ")
}

// Keepalived renders a load balancer's Keepalived configuration: one VRRP instance for each VIP, unicast, no preemption.
func Keepalived(p topology.Plan, node topology.Node) string {
	lb := p.Spec.LoadBalancers
	var peers []topology.Node
	priority := 0
	for i, other := range p.LoadBalancers() {
		if other.Name == node.Name {
			priority = topology.Priority(i)
		} else {
			peers = append(peers, other)
		}
	}
	type instance struct {
		Name, VIP string
		RouterID  int
	}
	instances := []instance{{"K3S_API", p.Spec.Network.VIP, lb.VirtualRouterID}}
	for _, vip := range lb.MoreVIPs() {
		instances = append(instances, instance{"VIP_" + vip.Name, vip.Address, vip.VirtualRouterID})
	}
	return fill("keepalived.conf.tmpl", struct {
		Cluster, Node, IP, AdvertInterval string
		StatusPort, Priority              int
		Preempt                           bool
		Peers                             []topology.Node
		Instances                         []instance
	}{
		Cluster: p.Spec.ClusterName, Node: node.Name, IP: node.IP,
		AdvertInterval: strconv.FormatFloat(lb.AdvertInterval, 'f', -1, 64),
		StatusPort:     lb.StatusPort, Priority: priority,
		Preempt: lb.Preempt, Peers: peers, Instances: instances,
	})
}
