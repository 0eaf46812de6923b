package render

import (
	"regexp"
	"strings"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// HAProxyFile is the name of HAProxy's file in Configuration.
const HAProxyFile = "haproxy.cfg"

// KeepalivedFile is the name of a load balancer's Keepalived in Configuration.
func KeepalivedFile(node string) string { return "keepalived.conf of " + node }

// credentials are the lines of config.yaml with k3s' options that are some themselves.
var credentials = regexp.MustCompile(`(?m)^(` + strings.Join(topology.SecretOptions, "|") + `): .*$`)

func withoutCredentials(config string) string {
	return credentials.ReplaceAllString(config, "$1: "+hidden)
}

// Configuration is what machines run with, by file, for a preview to show what changes in it. Credentials are left out. Nodes of one group have the
// same config.yaml, but for their own names and addresses.
func Configuration(p topology.Plan) map[string]string {
	out := map[string]string{}
	if p.Spec.LoadBalancers.External == nil {
		out[HAProxyFile] = HAProxy(p)
	}
	if text, _ := Registries(p.Spec, nil); text != "" {
		out["registries.yaml"] = text
	}
	if text := RegistryCertificates(p.Spec); text != "" {
		out["certificates of registries"] = text
	}
	if text := ProxyFile(p.Spec, nil); text != "" {
		out["environment of k3s"] = text
	}
	for _, n := range p.Nodes {
		each := n
		each.Name, each.IP = "(its name)", "(its address)"
		switch n.Role {
		case topology.LoadBalancer:
			out[KeepalivedFile(n.Name)] = Keepalived(p, n)
		case topology.Server:
			out["config.yaml of "+n.Path] = withoutCredentials(ServerConfig(p.Spec, each, nil))
		case topology.Worker:
			out["config.yaml of "+n.Path] = withoutCredentials(WorkerConfig(p.Spec, each, nil))
		}
	}
	return out
}
