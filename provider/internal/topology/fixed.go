package topology

import (
	"fmt"
	"strconv"
)

// fixedOptions are k3s' options that a living cluster cannot change, with k3s' own defaults: data in etcd is encrypted,
// numbered and routed by them.
var fixedOptions = map[string]string{
	"cluster-cidr": "10.42.0.0/16", "service-cidr": "10.43.0.0/16", "cluster-dns": "", "cluster-domain": "cluster.local",
	"flannel-backend": "vxlan", "egress-selector-mode": "agent",
}

// Fixed lists what must stay as it is while the cluster lives, by property path. A node or an option that is not in an
// earlier list may come; one that is must not change.
func (p Plan) Fixed() map[string]string {
	s := p.Spec
	fixed := map[string]string{
		"k3s.secretsEncryption": strconv.FormatBool(*s.K3s.SecretsEncryption),
		"ssh.user":              s.SSH.User,
	}
	for option, value := range fixedOptions {
		if given, found := s.K3s.ServerConfig[option]; found {
			value = fmt.Sprint(given)
		}
		fixed["k3s.serverConfig."+option] = value
	}
	for _, n := range p.Nodes {
		fixed["VM id of "+n.Name] = strconv.Itoa(n.VMID)
		fixed["address of "+n.Name] = n.IP
	}
	return fixed
}
