package render

import (
	"encoding/json"
	"fmt"
	"sort"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// entry is one line of config.yaml; JSON is YAML too.
type entry struct{ Key, JSON string }

// ServerConfig renders a server's config.yaml, apart from what says whether it initialises or joins.
// What k3s compares between servers comes from the spec alone, so it is the same on all of them.
func ServerConfig(s topology.Spec, n topology.Node, leaves map[string]string) string {
	return configFile(s, serverConfig(s, n, leaves))
}

func serverConfig(s topology.Spec, n topology.Node, leaves map[string]string) map[string]any {
	c := nodeConfig(s, n, resolved(s.K3s.ServerConfig, leaves))
	c["advertise-address"] = n.IP
	c["agent-token-file"] = "/etc/rancher/k3s/agent-token"
	c["tls-san"] = names(s, n)
	c["write-kubeconfig-mode"] = "0600"
	c["secrets-encryption"] = *s.K3s.SecretsEncryption
	if len(s.K3s.Disable) > 0 {
		c["disable"] = s.K3s.Disable
	}
	if e := s.K3s.Etcd; e.HeartbeatInterval > 0 {
		c["etcd-arg"] = append([]string{
			fmt.Sprintf("heartbeat-interval=%d", e.HeartbeatInterval),
			fmt.Sprintf("election-timeout=%d", e.ElectionTimeout),
		}, taken(c, "etcd-arg")...)
	}
	backupConfig(s.Backup, c)
	return c
}

// resolved is a configuration with the values of its leaves; without them it says that there are some.
func resolved(config map[string]any, leaves map[string]string) map[string]any {
	return topology.FillLeaves(config, func(path string) string {
		if leaves == nil {
			return hidden
		}
		return leaves[path]
	})
}

// taken takes an option's list out of a configuration, in both of the forms that k3s knows.
func taken(c map[string]any, option string) []string {
	var out []string
	for _, key := range []string{option, option + "+"} {
		items, isList := c[key].([]any)
		if !isList && c[key] != nil {
			items = []any{c[key]}
		}
		for _, item := range items {
			out = append(out, fmt.Sprint(item))
		}
		delete(c, key)
	}
	return out
}

// s3CAFile is where servers have the CA of S3.
const s3CAFile = "/etc/rancher/k3s/s3-ca.pem"

// backupConfig adds the options of snapshots; the keys of S3 stand in a file of their own.
func backupConfig(b *topology.Backups, c map[string]any) {
	if b == nil {
		return
	}
	c["etcd-snapshot-schedule-cron"], c["etcd-snapshot-retention"], c["etcd-snapshot-dir"] = b.Schedule, b.Retention, b.Folder
	if b.Compress {
		c["etcd-snapshot-compress"] = true
	}
	s := b.S3
	if s == nil {
		return
	}
	c["etcd-s3"], c["etcd-s3-endpoint"], c["etcd-s3-bucket"], c["etcd-s3-region"] = true, s.Endpoint, s.Bucket, s.Region
	if s.Folder != "" {
		c["etcd-s3-folder"] = s.Folder
	}
	if s.CA != "" {
		c["etcd-s3-endpoint-ca"] = s3CAFile
	}
	c["etcd-s3-bucket-lookup-type"] = "dns"
	if *s.PathStyle {
		c["etcd-s3-bucket-lookup-type"] = "path"
	}
}

// s3Keys is the file with the keys of S3.
func s3Keys(s Secrets) string {
	if s.S3AccessKey == "" {
		return ""
	}
	return fmt.Sprintf("etcd-s3-access-key: %s\netcd-s3-secret-key: %s\n", jsonText(s.S3AccessKey), jsonText(s.S3SecretKey))
}

func jsonText(text string) string {
	out, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string
	}
	return string(out)
}

// WorkerConfig renders a worker's config.yaml. It names the VIP and the worker itself, no server.
func WorkerConfig(s topology.Spec, n topology.Node, leaves map[string]string) string {
	return configFile(s, workerConfig(s, n, leaves))
}

func workerConfig(s topology.Spec, n topology.Node, leaves map[string]string) map[string]any {
	c := nodeConfig(s, n, resolved(s.K3s.WorkerConfig, leaves))
	c["server"] = Endpoint(s)
	return c
}

// JoinConfig renders the drop-in by which a server finds the cluster at every start.
func JoinConfig(s topology.Spec) string { return "server: " + Endpoint(s) + "\n" }

// names are what a server's certificate is good for.
func names(s topology.Spec, n topology.Node) []string {
	out := []string{s.Network.VIP, n.IP}
	if s.Network.Endpoint != "" {
		out = append(out, s.Network.Endpoint)
	}
	return append(out, s.K3s.TLSSANs...)
}

// PublicEndpoint is the URL of the Kubernetes API as users are given it: by its name, if it has one.
func PublicEndpoint(s topology.Spec) string {
	if s.Network.Endpoint == "" {
		return Endpoint(s)
	}
	return fmt.Sprintf("https://%s:%d", s.Network.Endpoint, s.LoadBalancers.APIPort)
}

// Endpoint is the URL of the Kubernetes API at the VIP, at which nodes reach it.
func Endpoint(s topology.Spec) string {
	return fmt.Sprintf("https://%s:%d", s.Network.VIP, s.LoadBalancers.APIPort)
}

func nodeConfig(s topology.Spec, n topology.Node, pass map[string]any) map[string]any {
	c := make(map[string]any, len(pass)+8)
	for key, value := range pass {
		c[key] = value
	}
	if s.K3s.Airgap && c["resolv-conf"] == nil {
		c["resolv-conf"] = resolvFile
	}
	c["node-name"] = n.Name
	c["node-ip"] = n.IP
	c["token-file"] = "/etc/rancher/k3s/token"
	if len(n.Taints) > 0 {
		c["node-taint"] = n.Taints
	}
	if len(n.Labels) > 0 {
		var labels []string
		for key, value := range n.Labels {
			labels = append(labels, key+"="+value)
		}
		sort.Strings(labels)
		c["node-label"] = labels
	}
	return c
}

func configFile(s topology.Spec, c map[string]any) string {
	keys := make([]string, 0, len(c))
	for key := range c {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	entries := make([]entry, len(keys))
	for i, key := range keys {
		value, err := json.Marshal(c[key])
		if err != nil {
			panic(fmt.Sprintf("k3s option %s: %v", key, err)) // values came from JSON-like inputs
		}
		entries[i] = entry{Key: key, JSON: string(value)}
	}
	return fill("k3s-config.yaml.tmpl", struct {
		Cluster string
		Entries []entry
	}{s.ClusterName, entries})
}
