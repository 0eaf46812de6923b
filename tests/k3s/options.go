package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"sigs.k8s.io/yaml/goyaml.v2"
)

// options are k3s' options as given, by name without dashes.
type options struct {
	mode   string
	values map[string][]string
	order  []string // names in the configuration, as they come there
	args   []string // the mode, what the configuration says as options, and the command line
}

// Options that k3s knows and that matter here or may be given without effect on what is emulated.
var known = map[string][]string{
	"server": {
		"cluster-init", "datastore-endpoint", "server", "token", "token-file", "agent-token", "agent-token-file", "node-name", "node-ip", "node-external-ip",
		"advertise-address", "tls-san", "tls-san-security", "disable", "node-taint", "node-label", "write-kubeconfig", "write-kubeconfig-mode",
		"secrets-encryption", "data-dir", "etcd-arg", "kube-apiserver-arg", "kube-controller-manager-arg", "kube-scheduler-arg", "kubelet-arg",
		"kube-proxy-arg", "cluster-cidr", "service-cidr", "cluster-dns", "cluster-domain", "flannel-backend", "flannel-iface", "flannel-external-ip", "flannel-ipv6-masq", "disable-network-policy",
		"disable-cloud-controller", "disable-helm-controller", "disable-kube-proxy", "embedded-registry", "egress-selector-mode", "https-listen-port",
		"bind-address", "etcd-expose-metrics", "cluster-reset", "cluster-reset-restore-path",
		"protect-kernel-defaults", "resolv-conf", "debug", "v", "supervisor-metrics", "service-node-port-range", "selinux", "prefer-bundled-bin",
		"disable-default-registry-endpoint",
	},
	"agent": {
		"server", "token", "token-file", "node-name", "node-ip", "node-external-ip", "node-taint", "node-label", "data-dir", "kubelet-arg",
		"kube-proxy-arg", "flannel-iface", "protect-kernel-defaults", "resolv-conf", "debug", "v", "selinux", "prefer-bundled-bin", "lb-server-port",
		"disable-default-registry-endpoint",
	},
}

// readOptions reads config.yaml, config.yaml.d, the environment and the command line, the later ones win.
func readOptions(mode string, args []string) (*options, error) {
	o := &options{mode: mode, values: map[string][]string{}}
	if err := o.readFiles(configFile(args)); err != nil {
		return nil, err
	}
	o.args = slices.Concat([]string{mode}, o.configArgs(), args)
	for name, key := range map[string]string{
		"K3S_URL": "server", "K3S_TOKEN": "token", "K3S_TOKEN_FILE": "token-file", "K3S_AGENT_TOKEN": "agent-token", "K3S_NODE_NAME": "node-name",
		"K3S_CLUSTER_INIT": "cluster-init", "K3S_DATASTORE_ENDPOINT": "datastore-endpoint",
	} {
		if v := os.Getenv(name); v != "" && len(o.values[key]) == 0 {
			o.values[key] = []string{v}
		}
	}
	given := map[string][]string{}
	for i := 0; i < len(args); i++ {
		key, value, found := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if !found {
			value = "true"
			if i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
				value = args[i+1]
				i++
			}
		}
		given[key] = append(given[key], value)
	}
	for key, value := range given {
		o.values[key] = value
	}
	for key := range given {
		if key == "config" || key == "c" {
			delete(o.values, key) // read already
			continue
		}
		if !o.knows(key) {
			return nil, fmt.Errorf("flag provided but not defined: -%s", key)
		}
	}
	for key := range o.values {
		if !o.knows(key) {
			logf("Unknown flag --%s found in config.yaml, skipping", key)
			delete(o.values, key)
		}
	}
	return o, o.readTokens()
}

// configArgs are the options of the configuration as k3s puts them before those of the command line.
func (o *options) configArgs() []string {
	var out []string
	for _, key := range o.order {
		if !o.knows(key) {
			continue
		}
		for _, value := range o.values[key] {
			out = append(out, "--"+key+"="+value)
		}
	}
	return out
}

func (o *options) knows(key string) bool {
	return slices.Contains(known[o.mode], key) || o.mode == "server" && slices.Contains(snapshotOptions, key)
}

// configFile is the configuration's, by the command line or the environment.
func configFile(args []string) string {
	for i, arg := range args {
		switch key, value, found := strings.Cut(arg, "="); {
		case strings.TrimLeft(key, "-") != "config" && strings.TrimLeft(key, "-") != "c":
		case found:
			return value
		case i+1 < len(args):
			return args[i+1]
		}
	}
	if file := os.Getenv("K3S_CONFIG_FILE"); file != "" {
		return file
	}
	return "/etc/rancher/k3s/config.yaml"
}

// readFiles reads the configuration and the files in the folder beside it.
func (o *options) readFiles(config string) error {
	dropIns, err := filepath.Glob(config + ".d/*.y*ml")
	if err != nil {
		return err
	}
	sort.Strings(dropIns)
	for _, file := range append([]string{config}, dropIns...) {
		if err := o.readFile(file); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) readFile(file string) error {
	data, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var m yaml.MapSlice
	if err := yaml.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, item := range m {
		key := fmt.Sprint(item.Key)
		var list []string
		if items, isList := item.Value.([]any); isList {
			for _, item := range items {
				list = append(list, fmt.Sprint(item))
			}
		} else {
			list = []string{fmt.Sprint(item.Value)}
		}
		base, appends := strings.CutSuffix(key, "+")
		if !slices.Contains(o.order, base) {
			o.order = append(o.order, base)
		}
		if appends {
			o.values[base] = append(o.values[base], list...)
		} else {
			o.values[key] = list
		}
	}
	return nil
}

func (o *options) readTokens() error {
	for _, key := range []string{"token", "agent-token"} {
		if file := o.get(key+"-file", ""); file != "" && o.get(key, "") == "" {
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			o.values[key] = []string{strings.TrimSpace(string(data))}
		}
	}
	return nil
}

func (o *options) get(key, def string) string {
	if v := o.values[key]; len(v) > 0 {
		return v[len(v)-1]
	}
	return def
}

func (o *options) is(key string) bool { return o.get(key, "false") == "true" }

func (o *options) dataDir() string { return o.get("data-dir", "/var/lib/rancher/k3s") }

func (o *options) nodeName() string {
	host, _ := os.Hostname()
	return strings.ToLower(o.get("node-name", host))
}

// nodeIP is the given address, else the one of the default route.
func (o *options) nodeIP() (string, error) {
	if ip := o.get("node-ip", ""); ip != "" {
		return ip, nil
	}
	conn, err := net.Dial("udp", "192.0.2.1:9")
	if err != nil {
		return "", fmt.Errorf("no default route, so no node IP: %w", err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).IP.String(), nil
}

// critical are the settings that must be the same on all servers.
func (o *options) critical() map[string]string {
	c := map[string]string{}
	for key, value := range map[string]string{
		"cluster-dns": "10.43.0.10", "cluster-cidr": "10.42.0.0/16", "cluster-domain": "cluster.local", "service-cidr": "10.43.0.0/16",
		"disable-cloud-controller": "false", "disable-helm-controller": "false", "disable-network-policy": "false", "secrets-encryption": "false",
		"embedded-registry": "false", "flannel-backend": "vxlan", "egress-selector-mode": "agent", "supervisor-metrics": "false",
	} {
		if given := o.values[key]; len(given) > 0 {
			value = strings.Join(given, ",")
		}
		c[key] = value
	}
	c["disable-servicelb"] = fmt.Sprint(slices.Contains(strings.Split(strings.Join(o.values["disable"], ","), ","), "servicelb"))
	return c
}

// password is the secret part of a token, short or full; hash is the CA's, if the token has it.
func password(token string) (password, hash string) {
	rest, full := strings.CutPrefix(token, "K10")
	if !full {
		return token, ""
	}
	hash, credentials, found := strings.Cut(rest, "::")
	if !found {
		return token, ""
	}
	_, password, found = strings.Cut(credentials, ":")
	if !found {
		return credentials, hash
	}
	return password, hash
}
