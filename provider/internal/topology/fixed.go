package topology

import (
	"strconv"
	"strings"
)

// fixedOptions are k3s' options that a living cluster cannot change, with k3s' own defaults: data in etcd is encrypted,
// numbered and routed by them.
var fixedOptions = map[string]string{
	"cluster-cidr": "10.42.0.0/16", "service-cidr": "10.43.0.0/16", "cluster-dns": "", "cluster-domain": "cluster.local",
	"flannel-backend": "vxlan", "egress-selector-mode": "agent",
}

// FixedOption says whether an option of k3s is one of them.
func FixedOption(name string) bool {
	_, fixed := fixedOptions[strings.TrimSuffix(name, "+")]
	return fixed
}

// Fixed lists what must stay as it is while the cluster lives, by property path. An option that is not in an earlier list may come;
// one that is must not change.
func (p Plan) Fixed() map[string]string {
	s := p.Spec
	fixed := map[string]string{
		"k3s.secretsEncryption": strconv.FormatBool(*s.K3s.SecretsEncryption),
		"ssh.user":              s.SSH.User,
	}
	for option := range fixedOptions {
		values, _ := s.K3s.effective(option)
		fixed["k3s.serverConfig."+option] = strings.Join(values, ",")
	}
	return fixed
}
