package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Secrets are the values that scripts need and that no file of a plan may hold: they come from other resources.
type Secrets struct {
	Token, AgentToken, CA, CAHash string
	S3AccessKey, S3SecretKey      string
	StatsCertificate              string            // with its key
	Leaves                        map[string]string // by property path

	// Change counts how often what k3s is started with has changed on the node: a change that was begun, failed, and is taken back runs the step
	// again, which the state believes to be as it was.
	Change int
	// ManifestChange counts the same for manifests, for which nothing restarts.
	ManifestChange int
	RegistryChange int // likewise, for registries
}

// variable is one line of a script's head.
type variable struct{ name, value string }

// Step renders what a step sends to its node: its variables, quoted, and the names of the parts of its script, which are there already. What
// is in them is in their names, so that a step runs again when its script changes; the state holds no script.
func Step(p topology.Plan, step topology.Step, secrets Secrets) string {
	parts, vars := parts(p, step, secrets)
	var b strings.Builder
	head(&b, vars)
	machine := step.Node.Name
	if step.Verb == topology.Reach { // the cluster's own step
		machine = p.Looks().Name
	}
	fmt.Fprintf(&b, missingTools, toolPath(parts[0]), step.Node.Name, step.Verb, p.Spec.Name+"-"+topology.StepName(topology.Contact, machine))
	for _, part := range parts {
		fmt.Fprintf(&b, ". %s\n", toolPath(part))
	}
	return b.String()
}

// missingTools is said where somebody has cleared the place of the scripts' parts.
const missingTools = `[ -r %s ] || { echo "%s: %s: the parts of the scripts are gone from this machine; bring them back by: pulumi up --replace '**::%s'" >&2; exit 1; }
`

// Script renders the script of a step as a whole: its variables, quoted; the parts that it shares; its own file.
func Script(p topology.Plan, step topology.Step, secrets Secrets) string {
	parts, vars := parts(p, step, secrets)
	return compose(parts, vars)
}

func compose(parts []string, vars []variable) string {
	var b strings.Builder
	head(&b, vars)
	for _, part := range parts {
		b.WriteString(withoutComments(file(part)))
	}
	return b.String()
}

func head(b *strings.Builder, vars []variable) {
	for _, v := range vars {
		fmt.Fprintf(b, "%s=%s\n", v.name, Quote(v.value))
	}
}

// withoutComments drops the lines that only explain: another word there must not run a step again on every node.
func withoutComments(script string) string {
	var b strings.Builder
	for line := range strings.Lines(script) {
		text := strings.TrimSpace(line)
		forMachines := strings.HasPrefix(text, "#!") || strings.HasPrefix(text, "# shellcheck ")
		if text != "" && (!strings.HasPrefix(text, "#") || forMachines) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// Command renders the constant command that runs a step's script from standard input on a node,
// bounded on the node too.
func Command(user string, deadlineSeconds int) string {
	command := fmt.Sprintf("sh -c %s k3sha %d", Quote(strings.TrimSpace(file("loader.sh"))), deadlineSeconds)
	if user != "root" {
		command = "sudo -n " + command
	}
	return command
}

// Deadline is how many seconds a step may run on its node, all of its waits included.
func Deadline(v topology.Verb) int {
	switch v {
	case topology.Contact, topology.Prepare, topology.Converge:
		return 900
	case topology.VM, topology.Meet, topology.Admit, topology.Release, topology.Access, topology.Start, topology.Reach, topology.Balance, topology.Settle:
	case topology.Restart:
		return 400
	case topology.Snapshot, topology.Backup, topology.Restore: // k3s gives S3 five minutes, and so much is read again
		return 660
	}
	return 300
}

func parts(p topology.Plan, step topology.Step, secrets Secrets) ([]string, []variable) {
	s, n := p.Spec, step.Node
	vars := []variable{
		{"NODE", n.Name},
		{"STEP", string(step.Verb)},
		{"NODE_IP", n.IP},
		{"CLUSTER", s.ClusterName},
	}
	endpoint := []variable{{"VIP", s.Network.VIP}, {"API_PORT", fmt.Sprint(s.LoadBalancers.APIPort)}}
	status := variable{"STATUS_PORT", fmt.Sprint(s.LoadBalancers.StatusPort)}
	if s.Reapply != "" {
		vars = append(vars, variable{"REAPPLY", s.Reapply}) // has the step run again
	}
	if s.Restore != nil && step.Verb == topology.Converge && n.Role != topology.LoadBalancer {
		vars = append(vars, variable{"RESTORE", s.Restore.ID})
	}
	k3s := []variable{{"UNIT", unitOf(n)}, {"K3S_VERSION", s.K3s.Version}, {"READY_WAIT", "400"}, {"RESTART", s.K3s.Restart}, {"CHANGE", fmt.Sprint(secrets.Change)}}

	switch step.Verb {
	case topology.Reach:
		if s.LoadBalancers.External != nil {
			return []string{"lib.sh", "reach-endpoint.sh"}, append(vars, endpoint...)
		}
		return []string{"lib.sh", "lib-loadbalancer.sh", "reach-cluster.sh"}, append(append(vars, endpoint...), status)
	case topology.Prepare:
		if *n.Agent {
			vars = append(vars, variable{"AGENT", "yes"})
		}
		if n.Role == topology.LoadBalancer {
			return []string{"lib.sh", "lib-packages.sh", "prepare-loadbalancer.sh"}, append(vars, proxyVars(s, secrets.Leaves)...)
		}
		vars = append(vars, proxyVars(s, secrets.Leaves)...)
		return []string{"lib.sh", "lib-packages.sh", "lib-disks.sh", "prepare-k3s.sh"}, append(append(vars,
			variable{"K3S_VERSION", s.K3s.Version}, variable{"MIRROR", s.K3s.Mirror},
			variable{"BINARY_SHA256", s.K3s.BinarySHA256}, variable{"SCRIPT_SHA256", s.K3s.ScriptSHA256}), fetched(s, n)...)
	case topology.VM, topology.Meet, topology.Contact, topology.Converge, topology.Admit, topology.Release, topology.Access, topology.Start:
	case topology.Balance, topology.Settle, topology.Restart, topology.Snapshot, topology.Restore, topology.Backup:
	}

	vars = append(vars, endpoint...)
	switch n.Role {
	case topology.LoadBalancer:
		return []string{"lib.sh", "lib-loadbalancer.sh", "converge-loadbalancer.sh"}, append(append(vars, status,
			variable{"LAST", last(p, n)}, variable{"LB_MACS", macs(p)},
			variable{"INTERFACE", s.LoadBalancers.Interface}, variable{"CA", secrets.CA}, variable{"HAPROXY", HAProxy(p)},
			variable{"HAPROXY_UNIT", HAProxyUnit(p)}, variable{"LB_SERVERS", toolPath("lb-servers")}, variable{"LB_ASK", toolPath("lb-ask")},
			variable{"KEEPALIVED", Keepalived(p, n)}, variable{"KEEPALIVED_UNIT", file("keepalived-unit.conf")},
			variable{"LB_CHECK", toolPath("lb-check")}, variable{"VRRP_LISTEN", toolPath("vrrp-listen")},
			variable{"VIPS", vips(s)}, variable{"LB_ADDRESSES", addresses(p)}), statsVars(s, secrets)...)
	case topology.Server:
		return slices.Concat([]string{"lib.sh", "lib-k3s.sh", "lib-etcd.sh"}, adoptParts(n), []string{"converge-server.sh"}), append(slices.Concat(vars, adoptVars(n), k3s, aroundVars(s, secrets), manifestVars(s, secrets), s3Vars(s, secrets)),
			variable{"VIP_WAIT", "120"}, variable{"VM", s.Name + "-" + topology.StepName(n.Origin(), n.Name)}, variable{"START", s.Servers.StartOver},
			variable{"TOKEN", secrets.Token}, variable{"AGENT_TOKEN", secrets.AgentToken},
			variable{"CA", secrets.CA}, variable{"CA_HASH", secrets.CAHash},
			variable{"JOIN", JoinConfig(s)}, variable{"CONFIG", ServerConfig(s, n, secrets.Leaves)}, variable{"K3S_UNIT", file("k3s-unit.conf")})
	case topology.Worker:
	}
	return slices.Concat([]string{"lib.sh", "lib-k3s.sh"}, adoptParts(n), []string{"lib-worker.sh", "converge-worker.sh"}), slices.Concat(vars, adoptVars(n), k3s, aroundVars(s, secrets), workerVars(s, n, secrets))
}

// unitOf is k3s' systemd unit on a node.
func unitOf(n topology.Node) string {
	if n.Role == topology.Worker {
		return "k3s-agent"
	}
	return "k3s"
}

// s3Vars are what a server's k3s keeps snapshots in S3 with; nothing without it.
func s3Vars(s topology.Spec, secrets Secrets) []variable {
	if s.Backup == nil || s.Backup.S3 == nil {
		return nil
	}
	return []variable{{"S3_KEYS", s3Keys(secrets)}, {"S3_CA", s3CA(s)}}
}

// s3CA is the certificate of the CA that signed S3's; "" for those that the system trusts.
func s3CA(s topology.Spec) string {
	if s.Backup == nil || s.Backup.S3 == nil {
		return ""
	}
	return s.Backup.S3.CA
}

// last is "yes" for the load balancer that changes last: it looks at the result of all.
func last(p topology.Plan, n topology.Node) string {
	if lbs := p.LoadBalancers(); lbs[len(lbs)-1].Name == n.Name {
		return "yes"
	}
	return ""
}

// macs are the network cards of the load balancers; "" where some are machines that are there, of which nobody has said.
func macs(p topology.Plan) string {
	var out []string
	for _, lb := range p.LoadBalancers() {
		if lb.Existing {
			return ""
		}
		out = append(out, strings.ToUpper(lb.MAC))
	}
	return strings.Join(out, "\n")
}

// vips are all virtual addresses, the API's first, each with its router id and its input.
func vips(s topology.Spec) string {
	lb := s.LoadBalancers
	out := []string{fmt.Sprintf("%s %d network.vip loadBalancers.virtualRouterId", s.Network.VIP, lb.VirtualRouterID)}
	for _, vip := range lb.MoreVIPs() {
		out = append(out, fmt.Sprintf("%s %d loadBalancers.vips.%[3]s.address loadBalancers.vips.%[3]s.virtualRouterId", vip.Address, vip.VirtualRouterID, vip.Name))
	}
	return strings.Join(out, "\n")
}

func addresses(p topology.Plan) string {
	var out []string
	for _, lb := range p.LoadBalancers() {
		out = append(out, lb.IP)
	}
	return strings.Join(out, " ")
}

// workerVars: with the CA's hash in its token k3s verifies the cluster before it sends it.
func workerVars(s topology.Spec, n topology.Node, secrets Secrets) []variable {
	return []variable{
		{"AGENT_TOKEN", secrets.AgentToken},
		{"CA", secrets.CA},
		{"CA_HASH", secrets.CAHash},
		{"START", s.Servers.StartOver}, // a cluster that was started anew does not know the worker
		{"CONFIG", WorkerConfig(s, n, secrets.Leaves)},
	}
}
