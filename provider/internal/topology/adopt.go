package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// adopts says whether a slot of the group is a machine that brings its k3s.
func (g Group) adopts() bool {
	for _, o := range g.Nodes {
		if o.Adopt {
			return true
		}
	}
	return false
}

// nodeName: as Kubernetes takes it.
func nodeName(name string) bool { return hostName(name) && strings.ToLower(name) == name }

// Found is what a machine says of the k3s that it brings.
type Found struct {
	Name, Address string // of its Kubernetes node
	Version       string
	Datastore     string // of a server: SQLite, or etcd
	Options       map[string][]string
}

// SQLite is the datastore of a server that has its data there, and not in etcd yet.
const SQLite = "sqlite"

// byEnvironment are options that k3s takes from its environment, too, and that would be lost with it.
var byEnvironment = map[string]string{
	"K3S_DATASTORE_ENDPOINT": "datastore-endpoint", "K3S_KUBECONFIG_OUTPUT": "write-kubeconfig", "K3S_RESOLV_CONF": "resolv-conf", "K3S_SELINUX": "selinux", "K3S_SYSTEM_DEFAULT_REGISTRY": "system-default-registry",
}

// OptionsOf reads the options out of what k3s writes down of itself, in its node's annotations k3s.io/node-args and k3s.io/node-env.
func OptionsOf(args []string, env map[string]string) map[string][]string {
	out := map[string][]string{}
	for i := 0; i < len(args); i++ {
		if !strings.HasPrefix(args[i], "-") {
			continue // server or agent
		}
		option, value, given := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if !given {
			value = "true"
			if i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
				i++
				value = args[i]
			}
		}
		if long := shortOptions[option]; long != "" {
			option = long
		}
		out[option] = append(out[option], value)
	}
	for name, option := range byEnvironment {
		if value := env[name]; value != "" && out[option] == nil {
			out[option] = []string{value}
		}
	}
	return out
}

// ownOptions of a k3s that is adopted are the cluster's to decide from then on, or count for nothing that lasts.
var ownOptions = []string{
	"advertise-address", "agent-token", "agent-token-file", "alsologtostderr", "cluster-init", "config", "debug", "log", "node-ip", "node-label", "node-name", "node-taint",
	"server", "token", "token-file", "v", "vmodule", "with-node-id", "write-kubeconfig-group", "write-kubeconfig-mode",
}

// HiddenOption stands in the place of an option's value that may be secret.
const HiddenOption = "(not shown)"

// SecretOptions are k3s' options whose values are credentials.
var SecretOptions = []string{"etcd-s3-access-key", "etcd-s3-secret-key", "etcd-s3-session-token", "datastore-endpoint", "vpn-auth"}

// CheckAdoption says why the k3s that a machine brings cannot become the node that is wanted, started with these options: all that would be
// lost, or would change what the cluster's data are made by.
func CheckAdoption(n Node, version string, wanted map[string][]string, found Found) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	slot := fmt.Sprintf("%s.nodes.%d", n.Path, n.Slot)
	if found.Name != n.Name {
		add("its node is called %s in Kubernetes, and keeps that name; set %s.name to it", found.Name, slot)
	}
	if found.Address != n.IP {
		add("its node has the address %s in Kubernetes, by which the others know it; set %s.ip to it", found.Address, slot)
	}
	if err := CheckUpgrade(found.Version, version); err != nil {
		add("k3s.version: %v", err)
	}
	input := "k3s.serverConfig"
	if n.Role == Worker {
		input = "k3s.workerConfig"
	}
	options := maps.Clone(found.Options)
	if n.Role == Server {
		for option, value := range fixedOptions {
			if options[option] == nil && wanted[option] != nil && value != "" {
				options[option] = []string{value}
			}
		}
		if options["secrets-encryption"] == nil {
			options["secrets-encryption"] = []string{"false"}
		}
	}
	for _, option := range slices.Sorted(maps.Keys(options)) {
		shown := strings.Join(pieces(options[option]), ",")
		if slices.Contains(SecretOptions, option) {
			shown = HiddenOption // k3s itself hides some of them alone
		}
		is, will := pieces(options[option]), pieces(wanted[option])
		if option == "etcd-arg" { // the two timers are etcd's, and have an input of their own
			is = slices.DeleteFunc(is, func(arg string) bool {
				return strings.HasPrefix(arg, "heartbeat-interval=") || strings.HasPrefix(arg, "election-timeout=")
			})
		}
		if FixedOption(option) && will == nil {
			will = pieces([]string{fixedOptions[option]})
		}
		switch {
		case slices.Contains(ownOptions, option):
		case strings.HasPrefix(option, "etcd-s3") || strings.HasPrefix(option, "etcd-snapshot"):
			if will == nil {
				add("it runs with %s, and its snapshots would not be made so any more; say how in backup, or take it out there first", option)
			}
		case option == "write-kubeconfig":
			if !slices.Equal(is, []string{"/etc/rancher/k3s/k3s.yaml"}) {
				add("it runs with write-kubeconfig: %s, and the cluster needs it in /etc/rancher/k3s/k3s.yaml; take that out there first", is[0])
			}
		case option == "data-dir":
			if !slices.Equal(is, []string{"/var/lib/rancher/k3s"}) {
				add("it has its data in %s; only those in /var/lib/rancher/k3s can be adopted", is[0])
			}
		case strings.HasPrefix(option, "datastore-"):
			add("it has its data in a datastore of its own (%s); only those in SQLite or embedded etcd can be adopted", option)
		case option == "secrets-encryption":
			if !slices.Equal(is, will) {
				add("it runs with secrets-encryption: %s, by which its Secrets are kept; set k3s.secretsEncryption to %[1]s", is[0])
			}
		case slices.Equal(is, []string{"false"}) && will == nil || slices.Contains(wanted[option], HiddenOption):
		case FixedOption(option) && !slices.Equal(is, will):
			add("it runs with %s: %s, by which its data are made; set %s.%[1]s to that", option, shown, input)
		case !subset(is, will):
			at := input
			switch {
			case option == "disable":
				at = "k3s"
			case option == "tls-san":
				add("its certificate has the names %s, and would not any more; list them in k3s.tlsSans, or take them out there first", shown)
				continue
			case reservedKeys[option] != "":
				add("it runs with %s: %s, and %s; take it out there first", option, shown, reservedKeys[option])
				continue
			}
			add("it runs with %s: %s, and would not any more; say so in %s.%[1]s, too, or take it out there first", option, shown, at)
		}
	}
	return out
}

// pieces are an option's values, sorted: lists may be given with commas.
func pieces(values []string) []string {
	var out []string
	for _, value := range values {
		out = append(out, strings.Split(value, ",")...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func subset(of, whole []string) bool {
	for _, item := range of {
		if !slices.Contains(whole, item) {
			return false
		}
	}
	return true
}
