package topology

// EveryRegistry stands for those that are not named.
const EveryRegistry = "*"

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

// RemoteFile is a file that nodes fetch. A manifest without a URL is a leaf.
type RemoteFile struct{ URL, SHA256 string }

// Proxy is by what nodes reach the internet. Its URLs are leaves.
type Proxy struct{ NoProxy []string }

// Stats is HAProxy's statistics page. Its password is a leaf.
type Stats struct {
	User         string
	Port         int
	SourceRanges []string
}
