package render

import (
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// HAProxyFile is the name of HAProxy's file in Configuration.
const HAProxyFile = "haproxy.cfg"

// KeepalivedFile is the name of a load balancer's Keepalived in Configuration.
func KeepalivedFile(node string) string { return "keepalived.conf of " + node }

// Configuration is what machines run with, by file, for a preview to show what changes in it: it holds no secrets. Nodes of one group have the
// same config.yaml, but for their own names and addresses.
func Configuration(p topology.Plan) map[string]string {
	out := map[string]string{HAProxyFile: HAProxy(p)}
	for _, n := range p.Nodes {
		each := n
		each.Name, each.IP = "(its name)", "(its address)"
		switch n.Role {
		case topology.LoadBalancer:
			out[KeepalivedFile(n.Name)] = Keepalived(p, n)
		case topology.Server:
			out["config.yaml of "+n.Path] = ServerConfig(p.Spec, each)
		case topology.Worker:
			out["config.yaml of "+n.Path] = WorkerConfig(p.Spec, each)
		}
	}
	return out
}
