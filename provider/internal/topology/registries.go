package topology

import "slices"

// Registries is where nodes get container images from, as k3s' registries.yaml has it.
type Registries struct {
	Mirrors map[string]RegistryMirror
	Configs map[string]RegistryConfig
}

// RegistryMirror is where the images of a registry are looked for first.
type RegistryMirror struct {
	Endpoint []string
	Rewrite  map[string]string
}

// RegistryConfig is how a registry is reached. Its credentials are leaves.
type RegistryConfig struct {
	CA                 string // PEM
	Certificate        string // PEM, of the client
	InsecureSkipVerify bool
}

// Manifest is what k3s' deploy controller applies: a leaf, or a file that servers fetch.
type Manifest struct{ URL, SHA256 string }

// RemoteFile is a file that nodes fetch.
type RemoteFile struct{ URL, SHA256 string }

// Proxy is by what nodes reach the internet. Its URLs are leaves.
type Proxy struct{ NoProxy []string }

// Stats is HAProxy's statistics page. Its password is a leaf.
type Stats struct {
	User         string
	Port         int
	SourceRanges []string
}

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
