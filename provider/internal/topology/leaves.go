package topology

import (
	"slices"
	"strings"
)

// Leaves are inputs that may be unknown at preview, or secret: a spec only has the property paths of those that were given.
type Leaves []string

// Has says whether one was given.
func (l Leaves) Has(path string) bool { return slices.Contains(l, path) }

// LeafMark stands before a leaf's property path in the place of its value.
const LeafMark = "\x00leaf "

// The property paths of leaves.
const (
	ProxyHTTPLeaf     = "network.proxy.http"
	ProxyHTTPSLeaf    = "network.proxy.https"
	StatsPasswordLeaf = "loadBalancers.stats.password"
)

// ManifestLeaf is the text of a manifest.
func ManifestLeaf(name string) string { return "k3s.manifests." + name + ".content" }

// RegistryLeaf is a credential for a registry, like auth.password.
func RegistryLeaf(host, name string) string { return "k3s.registries.configs." + host + "." + name }

// RegistryLeaves are all credentials for a registry.
var RegistryLeaves = []string{"auth.username", "auth.password", "auth.identityToken", "tls.key"}

// FillLeaves returns a configuration of k3s in which each mark of a leaf is replaced.
func FillLeaves(config map[string]any, leaf func(path string) string) map[string]any {
	fill := func(v any) any {
		if text, isText := v.(string); isText {
			if path, isLeaf := strings.CutPrefix(text, LeafMark); isLeaf {
				return leaf(path)
			}
		}
		return v
	}
	out := make(map[string]any, len(config))
	for key, v := range config {
		out[key] = fill(v)
		if items, isList := v.([]any); isList {
			filled := make([]any, len(items))
			for i, item := range items {
				filled[i] = fill(item)
			}
			out[key] = filled
		}
	}
	return out
}
