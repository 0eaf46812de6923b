package topology

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	minHeartbeat, maxHeartbeat = 10, 10_000 // ms
	maxElection                = 50_000     // ms, etcd's own limit
)

var (
	sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)
	sanLabel  = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_]{0,61}[A-Za-z0-9])?$`) // k3s drops names of another form in silence
	cronField = regexp.MustCompile(`^(\*|\?|[A-Za-z]{3}|\d+)(-([A-Za-z]{3}|\d+))?(/\d+)?$`)
)

// reservedKeys are the k3s configuration keys that the cluster itself decides, and where to say them instead.
var reservedKeys = map[string]string{
	"server":                     "it is the VIP",
	"cluster-init":               "only the first start of the first server has it",
	"token":                      "use k3s.token",
	"token-file":                 "use k3s.token",
	"agent-token":                "use k3s.agentToken",
	"agent-token-file":           "use k3s.agentToken",
	"node-name":                  "it is the VM's name",
	"node-ip":                    "it is the VM's address",
	"advertise-address":          "it is the server's own address",
	"advertise-port":             "servers listen on 6443",
	"https-listen-port":          "servers listen on 6443; loadBalancers.apiPort sets the port of the VIP",
	"tls-san":                    "use k3s.tlsSans",
	"disable":                    "use k3s.disable",
	"secrets-encryption":         "use k3s.secretsEncryption",
	"node-taint":                 "use servers.taints or the pool's taints",
	"node-label":                 "use servers.labels or the pool's labels",
	"write-kubeconfig":           "the kubeconfig is an output",
	"write-kubeconfig-mode":      "it stays 0600; the kubeconfig is an output",
	"write-kubeconfig-group":     "it stays root's; the kubeconfig is an output",
	"data-dir":                   "it stays /var/lib/rancher/k3s",
	"datastore-endpoint":         "the datastore is embedded etcd",
	"datastore-cafile":           "the datastore is embedded etcd",
	"datastore-certfile":         "the datastore is embedded etcd",
	"datastore-keyfile":          "the datastore is embedded etcd",
	"kine-tls":                   "the datastore is embedded etcd",
	"disable-etcd":               "every server has an etcd member",
	"disable-apiserver":          "every server has an API server",
	"disable-controller-manager": "every server has a controller manager",
	"disable-scheduler":          "every server has a scheduler",
	"cluster-reset":              "use restore",
	"with-node-id":               "the node's name is the VM's",
	"disable-agent":              "every server is a Kubernetes node",
	"bind-address":               "servers listen on all addresses",
	"supervisor-port":            "the supervisor is behind the same port as the API",
	"apiserver-port":             "servers listen on 6443",
	"apiserver-bind-address":     "servers listen on all addresses",
	"cluster-reset-restore-path": "use restore",
	"config":                     "the file is /etc/rancher/k3s/config.yaml",
	"rootless":                   "k3s runs as root",
	"docker":                     "nodes run k3s' own containerd",
	"node-external-ip":           "it would be the same for every node of the group",
}

// closedValues are options with a closed set of values.
var closedValues = map[string][]string{
	"flannel-backend":      {"none", "vxlan", "host-gw", "wireguard-native"},
	"egress-selector-mode": {"agent", "cluster", "pod", "disabled"},
	"snapshotter":          {"overlayfs", "native", "fuse-overlayfs", "stargz", "btrfs", "zfs"},
}

var contextName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_./@-]{0,127}$`)

func (v *validator) k3s() {
	k := v.spec.K3s
	if k.Version == "" {
		v.add("k3s.version", "is missing; name the release, like v1.31.6+k3s1")
	} else if version, err := ParseVersion(k.Version); err != nil {
		v.add("k3s.version", "%s", err)
	} else if version.tooOld() {
		v.add("k3s.version", "%s does not report which etcd members vote; use v1.27.9, v1.28.5 or newer", k.Version)
	}
	if k.Context != v.spec.ClusterName && !contextName.MatchString(k.Context) {
		v.add("k3s.context", "%q is not the name of a context; use letters, digits and - _ . / @, like prod or admin@prod", k.Context)
	}
	seen := map[string]bool{}
	for i, san := range k.TLSSANs {
		path := fmt.Sprintf("k3s.tlsSans[%d]", i)
		addr, err := netip.ParseAddr(san)
		switch {
		case err == nil && (addr.IsUnspecified() || addr.IsMulticast() || addr.Zone() != ""):
			v.add(path, "%s is no address of the API; give a host name or an address by which clients reach it", san)
		case err != nil && !sanName(san):
			v.add(path, "%q is neither a host name nor an address; write it like k3s.example.org, without scheme, port or prefix", san)
		case seen[strings.ToLower(san)]:
			v.add(path, "%q is listed twice; list each name once", san)
		}
		seen[strings.ToLower(san)] = true
	}
	seen = map[string]bool{}
	for i, component := range k.Disable {
		path := fmt.Sprintf("k3s.disable[%d]", i)
		switch {
		case strings.Contains(component, ","):
			v.add(path, "%q are several; list one component an entry", component)
		case !slices.Contains(k3sComponents, component):
			v.add(path, "%q is not a component of k3s;%s there are: %s", component, suggest(component, k3sComponents), strings.Join(k3sComponents, ", "))
		case seen[component]:
			v.add(path, "%q is listed twice; list each component once", component)
		}
		seen[component] = true
	}
	v.options("serverConfig", k.ServerConfig, onWorker)
	if _, given := k.ServerConfig["default-local-storage-path"]; given && seen["local-storage"] {
		v.add("k3s.serverConfig.default-local-storage-path", "is for local-storage, which k3s.disable leaves out; take one of them out")
	}
	v.options("workerConfig", k.WorkerConfig, onServer)
	if k.Mirror != "" {
		v.mirror(k.Mirror)
	}
	for _, sum := range []struct{ path, value string }{{"k3s.binarySha256", k.BinarySHA256}, {"k3s.installScriptSha256", k.ScriptSHA256}} {
		switch {
		case sum.value == "":
		case !sha256Hex.MatchString(sum.value):
			v.add(sum.path, "%q is not a SHA-256; give its 64 hex digits alone", sum.value)
		case sum.value == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855":
			v.add(sum.path, "is the SHA-256 of an empty file, so what it was made from was not there; make it anew")
		}
	}
	if k.BinarySHA256 != "" && k.BinarySHA256 == k.ScriptSHA256 {
		v.add("k3s.installScriptSha256", "is the same as k3s.binarySha256, and they are of two files; give each its own")
	}
	if days := k.AdminDays; days < minAdminDays || days > maxAdminDays {
		v.add("k3s.adminCertificateDays", "%d days are out of range; give %d to %d (it is renewed in its last 60)", days, minAdminDays, maxAdminDays)
	}
	if !slices.Contains(Drains, k.Drain) {
		v.add("k3s.drain", "%q is not one of always, minor, never", k.Drain)
	}
	if t := k.DrainTimeout; t < minDrain || t > maxDrain {
		v.add("k3s.drainTimeout", "%d s are out of range; it is in seconds, give %d to %d", t, minDrain, maxDrain)
	}
	v.etcd()
}

// A drain that takes longer than this is none; a pod's own grace is 30 s by default.
const (
	minDrain = 10
	maxDrain = 7200
)

// The admin's certificate is renewed in its last 60 days, and cannot outlive its CA's ten years.
const (
	minAdminDays = 90
	maxAdminDays = 3650
)

func sanName(san string) bool {
	if len(san) > 253 || digitsPattern.MatchString(san) {
		return false
	}
	for label := range strings.SplitSeq(san, ".") {
		if !sanLabel.MatchString(label) {
			return false
		}
	}
	return true
}

func (v *validator) etcd() {
	e := v.spec.K3s.Etcd
	given := e.HeartbeatInterval != 0 || e.ElectionTimeout != 0
	switch {
	case (e.HeartbeatInterval == 0) != (e.ElectionTimeout == 0):
		v.add("k3s.etcd", "heartbeatInterval and electionTimeout belong together; give both, like 100 and 1000, or neither")
	case given && (e.HeartbeatInterval < minHeartbeat || e.HeartbeatInterval > maxHeartbeat):
		v.add("k3s.etcd.heartbeatInterval", "%d ms is out of range; it is in milliseconds, give %d to %d", e.HeartbeatInterval, minHeartbeat, maxHeartbeat)
	case given && (e.ElectionTimeout < 5*e.HeartbeatInterval || e.ElectionTimeout > maxElection):
		v.add("k3s.etcd.electionTimeout", "%d ms is out of range; it is in milliseconds, etcd wants at least five times heartbeatInterval (%d ms) and at most %d",
			e.ElectionTimeout, 5*e.HeartbeatInterval, maxElection)
	}
}

// mirror checks the URL below which releases lie: the steps put /<version>/<file> behind it.
func (v *validator) mirror(text string) {
	const path, like = "k3s.mirror", "write it like https://mirror.example.org/k3s"
	u, err := url.Parse(text)
	switch {
	case strings.TrimSpace(text) != text || strings.ContainsAny(text, " \t\r\n'\"\\`$<>{}|^"):
		v.add(path, "has characters that no URL has; %s", like)
	case err != nil:
		v.add(path, "is not a URL (the part that does not fit is not quoted here, it could be a password); %s", like)
	case !strings.EqualFold(u.Scheme, "http") && !strings.EqualFold(u.Scheme, "https") || u.Opaque != "":
		v.add(path, "is not an http or https URL; %s", like)
	case u.User != nil:
		v.add(path, "carries a user or password, which every preview would show; give a mirror that asks for none, and guard it by address")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(text, "#"):
		v.add(path, "has a query or fragment, behind which no file name can stand; %s", like)
	default:
		v.mirrorHost(path, text, u)
	}
}

func (v *validator) mirrorHost(path, text string, u *url.URL) {
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	port, portErr := strconv.Atoi(u.Port())
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	release := slices.IndexFunc(parts, func(part string) bool { _, err := ParseVersion(part); return err == nil })
	switch {
	case err != nil && !hostName(strings.TrimSuffix(host, ".")):
		v.add(path, "%q names no host; write it like https://mirror.example.org/k3s", text)
	case u.Port() != "" && (portErr != nil || port < 1 || port > 65535) || strings.HasSuffix(u.Host, ":"):
		v.add(path, "%q has a port that is none; give 1 to 65535, or leave it out", text)
	case host == "localhost" || err == nil && (addr.IsLoopback() || addr.IsUnspecified()):
		v.add(path, "%q is the node itself; give a host that nodes can reach", text)
	case err == nil && addr == v.vip:
		v.add(path, "%q is the VIP, at which no mirror answers; give the mirror's own address", text)
	case release >= 0:
		v.add(path, "%q names a release, which is added to it; leave %s out", text, strings.Join(parts[release:], "/"))
	case host == "github.com" || host == "raw.githubusercontent.com" || host == "get.k3s.io":
		v.add(path, "%q is where releases are fetched from without a mirror, in another layout; leave k3s.mirror out", text)
	}
	if err == nil {
		for _, n := range v.spec.Nodes() {
			if n.IP == host {
				v.add(path, "%q is %s, which this cluster makes; give the mirror's own address", text, n.Name)
				return
			}
		}
	}
}

// options checks what is passed to k3s as it is: known options, of the right form, that the other group's k3s would not take alone.
func (v *validator) options(field string, config map[string]any, others optionRole) {
	known := sortedKeys(k3sOptions)
	for _, key := range sortedKeys(config) {
		path := "k3s." + field + "." + key
		name := strings.TrimSuffix(key, "+")
		option, found := k3sOptions[name]
		if long := shortOptions[name]; long != "" && !found {
			if why, reserved := reservedKeys[long]; reserved {
				v.add(path, "is short for %s, which is decided by the cluster (%s); take it out", long, why)
			} else {
				v.add(path, "is short for %s; write that", long)
			}
			continue
		}
		if why, reserved := reservedKeys[name]; reserved {
			v.add(path, "is decided by the cluster (%s); take it out", why)
			continue
		}
		plain := strings.ToLower(strings.ReplaceAll(strings.TrimLeft(name, "-"), "_", "-"))
		switch why, reserved := reservedKeys[plain]; {
		case found && option.role == others && others == onServer:
			v.add(path, "is an option of servers, and a worker's k3s ends at it; put it in k3s.serverConfig")
		case found && option.role == others:
			v.add(path, "is an option of workers; put it in k3s.workerConfig")
		case found && name != key && option.kind != list:
			v.add(path, "adds to a list, and %s is no list; write %s", name, name)
		case found:
			v.optionValue(path, name, option.kind, config[key])
		case reserved:
			v.add(path, "is not an option of k3s; %s is, and it is decided by the cluster (%s); take it out", plain, why)
		default:
			v.add(path, "is not an option of k3s, from v1.27 to v1.36;%s write it as on the command line without the dashes, like kubelet-arg", suggest(name, known))
		}
	}
}

// CheckLeaves checks options of k3s with the values of leaves in their places, and returns what is wrong with those.
func CheckLeaves(s Spec, leaves map[string]string) []Problem {
	fill := func(config map[string]any) map[string]any {
		return FillLeaves(config, func(path string) string {
			if text, known := leaves[path]; known {
				return text
			}
			return LeafMark + path
		})
	}
	v := &validator{spec: s, miscount: map[string]bool{}}
	v.options("serverConfig", fill(s.K3s.ServerConfig), onWorker)
	v.options("workerConfig", fill(s.K3s.WorkerConfig), onServer)
	var out []Problem
	for _, p := range v.problems {
		if _, isLeaf := leaves[p.Path]; isLeaf {
			out = append(out, p)
		}
	}
	return out
}

func (v *validator) optionValue(path, name string, kind optionKind, value any) {
	wrong := func(what string) { v.add(path, "is %s; k3s takes %s", what, kind) }
	switch value := value.(type) {
	case nil:
		wrong("empty")
	case map[string]any:
		if kind == list {
			v.add(path, `is an object; k3s takes a list of strings, like ["key=value"]`)
			return
		}
		wrong("an object")
	case []any:
		if kind != list {
			wrong("a list")
			return
		}
		if len(value) == 0 {
			v.add(path, "is an empty list; take it out to have k3s' own default")
		}
		for i, item := range value {
			at := fmt.Sprintf("%s[%d]", path, i)
			if item, isText := item.(string); isText {
				if !strings.HasPrefix(item, LeafMark) {
					v.listItem(at, name, item)
				}
			} else {
				v.add(at, "is no string; k3s takes a list of strings")
			}
		}
	case bool:
		if kind != flag {
			wrong(strconv.FormatBool(value))
		}
	case string:
		if !strings.HasPrefix(value, LeafMark) { // what it is, is not known here
			v.optionText(path, name, kind, value)
		}
	case float64:
		if written := strconv.FormatFloat(value, 'g', -1, 64); kind == number && value == float64(int64(value)) {
			v.optionText(path, name, kind, strconv.FormatInt(int64(value), 10))
		} else if kind != text {
			wrong(written)
		}
	}
}

func (v *validator) optionText(path, name string, kind optionKind, value string) {
	wrong := func() { v.add(path, "is %q; k3s takes %s", value, kind) }
	switch kind {
	case flag:
		if _, err := strconv.ParseBool(value); err != nil {
			wrong()
		}
	case number:
		n, err := strconv.ParseInt(value, 0, 64)
		switch {
		case err != nil || n < 0:
			wrong()
		case name == "lb-server-port" && (n < 1 || n > 65535 || nodePorts[int(n)] != "" && n != 6444):
			v.add(path, "%d is no free port of a node; give another, or take it out for 6444", n)
		}
	case duration:
		if _, err := time.ParseDuration(value); err != nil {
			wrong()
		}
	case list:
		v.listItem(path, name, value)
	case text:
		if strings.TrimSpace(value) == "" {
			v.add(path, "is empty; take it out to have k3s' own default")
		} else if allowed := closedValues[name]; allowed != nil && !slices.Contains(allowed, value) {
			v.add(path, "%q is not one of its values;%s use %s", value, suggest(value, allowed), strings.Join(allowed, ", "))
		} else if wrong := optionRules[name]; wrong != nil {
			if reason := wrong(value); reason != "" {
				v.add(path, "%q %s", value, reason)
			}
		}
	}
}

// optionRules are what k3s' components ask of single options.
var optionRules = map[string]func(string) string{
	"system-default-registry": hostAlone,
	"etcd-s3-endpoint":        hostAlone,
	"resolv-conf": func(value string) string {
		if !strings.HasPrefix(value, "/") {
			return "is not the path of a file on the node; write it like /etc/k3s-resolv.conf"
		}
		return ""
	},
	"etcd-snapshot-schedule-cron": cronProblem,
	"service-node-port-range": func(value string) string {
		from, to, isRange := strings.Cut(value, "-")
		low, err1 := strconv.Atoi(from)
		high, err2 := strconv.Atoi(to)
		switch {
		case !isRange || err1 != nil || err2 != nil || low < 1 || high > 65535 || low > high:
			return "is not a range of ports; write it like 30000-32767"
		case low <= 6443 && high >= 6443 || low <= 10250 && high >= 10250:
			return "holds ports of k3s itself; choose a range without 6443 and 10250, like 30000-32767"
		}
		return ""
	},
}

func hostAlone(value string) string {
	if strings.Contains(value, "://") {
		return "has a scheme; write the host alone, like registry.example.org"
	}
	return ""
}

func cronProblem(value string) string {
	fields := strings.Fields(value)
	if len(fields) > 1 && (strings.HasPrefix(fields[0], "TZ=") || strings.HasPrefix(fields[0], "CRON_TZ=")) {
		fields = fields[1:]
	}
	if strings.HasPrefix(value, "@") && len(fields) <= 2 {
		return ""
	}
	const remedy = "is not a cron expression of five fields; write it like 0 */12 * * *"
	if len(fields) != 5 {
		return remedy
	}
	for i, most := range []int{59, 23, 31, 12, 6} {
		for part := range strings.SplitSeq(fields[i], ",") {
			if !cronField.MatchString(part) {
				return remedy
			}
			span, _, _ := strings.Cut(part, "/") // a step has no limit
			for word := range strings.SplitSeq(span, "-") {
				if n, err := strconv.Atoi(word); err == nil && n > most {
					return remedy
				}
			}
		}
	}
	return ""
}

// argWith are arguments of components that the cluster decides, or that have inputs of their own.
var argWith = map[string]string{
	"hostname-override": "the node's name is the VM's", "node-ip": "it is the VM's address", "cluster-cidr": "use k3s.serverConfig.cluster-cidr",
	"service-cluster-ip-range": "use k3s.serverConfig.service-cidr", "etcd-servers": "the datastore is embedded etcd", "advertise-address": "it is the server's own address",
	"secure-port": "the API's port is the cluster's", "register-with-taints": "use servers.taints or the pool's taints",
	"node-labels": "use servers.labels or the pool's labels", "encryption-provider-config": "use k3s.secretsEncryption", "kubeconfig": "k3s writes it", "client-ca-file": "k3s writes it",
}

func (v *validator) listItem(path, name, item string) {
	key, _, _ := strings.Cut(strings.TrimLeft(item, "-"), "=")
	why := argWith[strings.TrimRight(key, "+-")]
	switch {
	case item == "":
		v.add(path, "is empty; take it out")
	case !strings.HasSuffix(name, "-arg"):
	case strings.TrimSpace(item) != item || strings.ContainsAny(key, " :\n") || key == "":
		v.add(path, "%q is not an argument; write key=value, one an entry", item)
	case why != "":
		v.add(path, "%s is decided by the cluster (%s); take it out", key, why)
	case name == "etcd-arg" && !strings.Contains(item, "="):
		v.add(path, "%q has no value; write key=value, like quota-backend-bytes=8589934592", item)
	case name == "etcd-arg" && slices.Contains(etcdMembership, key):
		v.add(path, "%s is decided by the cluster (k3s makes members of etcd itself); take it out", key)
	case name == "etcd-arg" && etcdTimers[key] != "" && v.spec.K3s.Etcd.HeartbeatInterval != 0:
		v.add(path, "%s is set by %s, too; take one of them out", key, etcdTimers[key])
	default:
		v.argument(path, item)
	}
}

// etcdMembership are etcd's arguments by which its members are what they are.
var etcdMembership = []string{
	"advertise-client-urls", "config-file", "data-dir", "force-new-cluster", "initial-advertise-peer-urls", "initial-cluster", "initial-cluster-state",
	"initial-cluster-token", "listen-client-urls", "listen-metrics-urls", "listen-peer-urls", "name", "wal-dir",
}

// etcdTimers are etcd's arguments that have inputs of their own.
var etcdTimers = map[string]string{"heartbeat-interval": "k3s.etcd.heartbeatInterval", "election-timeout": "k3s.etcd.electionTimeout"}

// argument checks the values of arguments that components end at.
func (v *validator) argument(path, item string) {
	key, value, _ := strings.Cut(strings.TrimLeft(item, "-"), "=")
	switch key {
	case "max-pods", "pods-per-core", "pod-max-pids", "image-gc-high-threshold", "image-gc-low-threshold", "node-cidr-mask-size":
		if n, err := strconv.Atoi(value); err != nil || n < 0 {
			v.add(path, "%s takes a whole number, not %q; write it like %s=110", key, value, key)
		}
	case "enable-admission-plugins":
		if strings.Contains(value, "PodSecurityPolicy") {
			v.add(path, "PodSecurityPolicy is no longer part of Kubernetes; take it out")
		}
	case "container-runtime", "network-plugin", "cni-bin-dir", "cni-conf-dir", "pod-eviction-timeout", "insecure-port", "insecure-bind-address", "dynamic-config-dir", "experimental-cluster-signing-duration":
		v.add(path, "%s is no longer part of Kubernetes, and its component would end at it; take it out", key)
	case "cloud-provider":
		if value != "external" && value != "" {
			v.add(path, "%q is no longer part of Kubernetes; take it out, or write cloud-provider=external", value)
		}
	}
}

// clusterNetworks checks pods', services' and nodes' networks against each other, in every form in which k3s takes them.
func (v *validator) clusterNetworks() {
	type network struct {
		path, what string
		prefix     netip.Prefix
	}
	nets := []network{{"network.cidr", "the nodes' network", v.prefix}}
	parsed := map[string]netip.Prefix{}
	for _, option := range []string{"cluster-cidr", "service-cidr"} {
		path := "k3s.serverConfig." + option
		values, given := v.spec.K3s.effective(option)
		if !given {
			path = "network.cidr"
		}
		if len(values) > 1 {
			v.add(path, "lists %d networks, and nodes have IPv4 alone; give one, like %s", len(values), fixedOptions[option])
			continue
		}
		for _, text := range values {
			prefix, err := netip.ParsePrefix(text)
			switch {
			case err != nil:
				v.add(path, "%q is not a network; write it like %s, without spaces", text, fixedOptions[option])
				continue
			case !prefix.Addr().Is4():
				v.add(path, "%s is an IPv6 network, and nodes have IPv4 alone; write one like %s", text, fixedOptions[option])
				continue
			case unusable(prefix.Addr()) != "":
				v.add(path, "%s is %s network, in which nothing can have an address; write one like %s", text, unusable(prefix.Addr()), fixedOptions[option])
				continue
			case prefix != prefix.Masked():
				v.add(path, "%s has host bits set; write %s", text, prefix.Masked())
			}
			parsed[option] = prefix.Masked()
			v.networkSize(option, prefix)
			nets = append(nets, network{path, "k3s' " + option, prefix.Masked()})
		}
	}
	for i, a := range nets {
		for _, b := range nets[i+1:] {
			if !a.prefix.IsValid() || !b.prefix.IsValid() || !a.prefix.Overlaps(b.prefix) {
				continue
			}
			remedy := "choose another"
			if b.path == "network.cidr" {
				remedy = "choose another network, or set " + "k3s.serverConfig." + strings.TrimPrefix(b.what, "k3s' ")
			}
			v.add(b.path, "%s, %s, overlaps %s, %s; %s", b.prefix, b.what, a.prefix, a.what, remedy)
		}
	}
	v.reachable(parsed)
	v.clusterDNS(parsed["service-cidr"])
	if values, given := v.spec.K3s.effective("cluster-domain"); given && (len(values) != 1 || !hostName(values[0])) {
		v.add("k3s.serverConfig.cluster-domain", "%q is not a domain; write one, like cluster.local", strings.Join(values, ","))
	}
}

// reachable: what nodes must reach must not have an address that pods or services have.
func (v *validator) reachable(nets map[string]netip.Prefix) {
	check := func(path, text string) {
		addr, err := netip.ParseAddr(text)
		for _, option := range sortedKeys(nets) {
			if err == nil && nets[option].Contains(addr) && !v.prefix.Overlaps(nets[option]) {
				v.add(path, "%s is in k3s' %s %s, so nodes would look for it among pods or services; choose another, or set k3s.serverConfig.%s", text, option, nets[option], option)
			}
		}
	}
	for i, server := range v.spec.Network.DNS {
		check(fmt.Sprintf("network.dns[%d]", i), server)
	}
	if v.spec.LoadBalancers.External != nil {
		check(externalPath, v.spec.Network.VIP)
	}
	if u, err := url.Parse(v.spec.K3s.Mirror); err == nil {
		check("k3s.mirror", u.Hostname())
	}
}

const nodeMask = 24 // the controller manager's node-cidr-mask-size: each node's pods have a /24

func (v *validator) networkSize(option string, prefix netip.Prefix) {
	path := "k3s.serverConfig." + option
	if option == "service-cidr" {
		if prefix.Bits() < 12 || prefix.Bits() > 28 {
			v.add(path, "/%d is out of range; kube-apiserver takes /12 to /28", prefix.Bits())
		}
		return
	}
	if strings.Contains(fmt.Sprint(v.spec.K3s.ServerConfig["kube-controller-manager-arg"]), "node-cidr-mask-size") {
		return
	}
	nodes := 0
	for _, n := range v.spec.Nodes() {
		if n.Role != LoadBalancer && !v.miscount[n.Path] {
			nodes++
		}
	}
	if room := nodeMask - prefix.Bits(); room < 0 || room < 16 && nodes > 1<<room {
		wide := nodeMask
		for nodes > 1<<(nodeMask-wide) {
			wide--
		}
		v.add(path, "%s has no room for %d nodes with a /%d each; give a /%d or wider, like %s", prefix, nodes, nodeMask, wide, netip.PrefixFrom(netip.MustParseAddr("10.128.0.0"), min(wide, 12)).Masked())
	}
}

func (v *validator) clusterDNS(services netip.Prefix) {
	const path = "k3s.serverConfig.cluster-dns"
	values, given := v.spec.K3s.effective("cluster-dns")
	if !given {
		return
	}
	for _, text := range values {
		addr, err := netip.ParseAddr(text)
		switch {
		case len(values) > 1:
			v.add(path, "lists %d addresses, and services have IPv4 alone; give one", len(values))
			return
		case err != nil || !addr.Is4():
			v.add(path, "%q is not an IPv4 address; give one inside of service-cidr, like its tenth", text)
		case services.IsValid() && !services.Contains(addr):
			v.add(path, "%s is outside of service-cidr %s, where cluster DNS has its address; give one inside, like its tenth", text, services)
		case services.IsValid() && (addr == services.Addr() || addr == services.Addr().Next() || addr == broadcast(services)):
			v.add(path, "%s is taken in service-cidr %s; give another inside, like its tenth", text, services)
		}
	}
}

// effective lists an option's values as k3s comes to have them: a string or list, with or without commas, `key` and `key+` together.
func (k K3s) effective(option string) (values []string, given bool) {
	for _, key := range []string{option, option + "+"} {
		value, found := k.ServerConfig[key]
		if !found {
			continue
		}
		given = true
		items, isList := value.([]any)
		if !isList {
			items = []any{value}
		}
		for _, item := range items {
			if item != nil {
				values = append(values, strings.Split(fmt.Sprint(item), ",")...)
			}
		}
	}
	if !given && fixedOptions[option] != "" {
		return []string{fixedOptions[option]}, false
	}
	return values, given
}
