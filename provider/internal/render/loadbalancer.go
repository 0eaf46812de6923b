package render

import (
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
	}{
		Cluster: p.Spec.ClusterName, VIP: p.Spec.Network.VIP, Balance: lb.Balance,
		APIPort: lb.APIPort, StatusPort: lb.StatusPort,
		CheckInterval: lb.CheckInterval, CheckFall: lb.CheckFall, CheckRise: lb.CheckRise,
		Servers: bySlot(p.Servers()), LoadBalancers: p.LoadBalancers(), Others: p.Spec.Servers.Others, ExtraLines: lb.ExtraLines,
	})
}

// HAProxyUnit renders what is added to HAProxy's systemd unit.
func HAProxyUnit(p topology.Plan) string {
	return fill("haproxy-unit.conf.tmpl", struct{ Arguments string }{servers(p)})
}

// servers are the arguments of lb-servers.
func servers(p topology.Plan) string {
	out := []string{strconv.Itoa(p.Spec.LoadBalancers.CheckRise)}
	for _, n := range bySlot(p.Servers()) {
		out = append(out, n.Name+"="+n.IP)
	}
	for _, address := range p.Spec.Servers.Others {
		out = append(out, address+"="+address)
	}
	return strings.Join(out, " ")
}

// Keepalived renders a load balancer's Keepalived configuration: one VRRP instance, unicast, no preemption.
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
	return fill("keepalived.conf.tmpl", struct {
		Cluster, Node, IP, VIP, AdvertInterval string
		StatusPort, RouterID, Priority         int
		Preempt                                bool
		Peers                                  []topology.Node
	}{
		Cluster: p.Spec.ClusterName, Node: node.Name, IP: node.IP, VIP: p.Spec.Network.VIP,
		AdvertInterval: strconv.FormatFloat(lb.AdvertInterval, 'f', -1, 64),
		StatusPort:     lb.StatusPort, RouterID: lb.VirtualRouterID, Priority: priority,
		Preempt: lb.Preempt, Peers: peers,
	})
}

// bySlot undoes the joining order, so that another first server does not reorder the configuration.
func bySlot(servers []topology.Node) []topology.Node {
	out := make([]topology.Node, 0, len(servers))
	for _, n := range servers {
		at := len(out)
		for at > 0 && out[at-1].Slot > n.Slot {
			at--
		}
		out = append(out[:at], append([]topology.Node{n}, out[at:]...)...)
	}
	return out
}
