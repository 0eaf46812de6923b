package render_test

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

var update = flag.Bool("update", false, "write the golden files anew")

func ptr[T any](v T) *T { return &v }

// cluster is a cluster with one of everything that shows in a rendered file.
func cluster(change func(*topology.Spec)) topology.Plan {
	s := topology.Spec{
		ClusterName: "k3s",
		Proxmox:     topology.Proxmox{Given: true, Nodes: []string{"pve1"}},
		Network:     topology.Network{CIDR: "192.168.1.0/24", Gateway: "192.168.1.1", VIP: "192.168.1.220"},
		Servers: topology.Servers{
			Group:  topology.Group{FirstAddress: "192.168.1.201"},
			Taints: []string{"CriticalAddonsOnly=true:NoExecute"},
		},
		Workers: map[string]topology.Pool{"worker": {
			Group:  topology.Group{Count: ptr(1), FirstAddress: "192.168.1.211"},
			Labels: map[string]string{"example.org/zone": "b", "example.org/disk": "ssd"},
		}},
		LoadBalancers: topology.LoadBalancers{Group: topology.Group{FirstAddress: "192.168.1.221"}, VirtualRouterID: 51},
		K3s: topology.K3s{
			Version: "v1.31.6+k3s1", Disable: []string{"traefik"}, TLSSANs: []string{"k3s.example.org"},
			ServerConfig: map[string]any{"kube-apiserver-arg": []any{"v=2"}, "flannel-backend": "host-gw"},
			WorkerConfig: map[string]any{"kubelet-arg": []any{"max-pods=50"}},
			Etcd:         topology.Etcd{HeartbeatInterval: 100, ElectionTimeout: 1000},
		},
	}
	if change != nil {
		change(&s)
	}
	return topology.NewPlan(topology.ApplyDefaults(s))
}

// external has a balancer that is not the program's.
func external(s *topology.Spec) {
	s.Network.VIP, s.LoadBalancers = "", topology.LoadBalancers{External: &topology.External{Endpoint: "api.example.org"}}
}

// bringing has a first server and a worker that bring their k3s.
func bringing(s *topology.Spec) {
	s.Servers.Nodes = map[string]topology.Override{"1": {Adopt: true, Name: "homelab", IP: "192.168.1.50"}}
	w := s.Workers["worker"]
	w.Nodes = map[string]topology.Override{"1": {Adopt: true}}
	s.Workers["worker"] = w
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs from %s; make golden writes it anew. Got:\n%s", name, path, got)
	}
}

func TestGoldenFiles(t *testing.T) {
	t.Parallel()
	three := cluster(nil)
	one := cluster(func(s *topology.Spec) {
		s.Servers.Count, s.LoadBalancers.Count = ptr(1), ptr(1)
		s.LoadBalancers.APIPort, s.LoadBalancers.StatusPort, s.LoadBalancers.Preempt = 16443, 18405, true
		s.LoadBalancers.ExtraLines = []string{"tcp-request connection reject unless { src 192.168.0.0/16 }"}
	})
	adopting := cluster(func(s *topology.Spec) {
		s.Servers.First, s.Servers.Others = 3, []string{"192.168.1.99", "192.168.1.98"}
	})
	forwarding := cluster(func(s *topology.Spec) {
		s.Workers["edge"] = topology.Pool{Group: topology.Group{Count: ptr(2), FirstAddress: "192.168.1.215"}}
		s.LoadBalancers.Forward = []topology.Forward{
			{Name: "https", Port: 443, NodePort: 30443, Check: "/healthz", CheckPort: 10254, ProxyProtocol: true, Pools: []string{"edge"}, SourceRanges: []string{"10.0.0.0/8", "192.168.1.7"}},
			{Name: "mqtt", Port: 1883, Pools: []string{"worker", "servers"}},
		}
		s.LoadBalancers.VIPs = map[string]topology.VIP{"ingress": {Address: "192.168.1.230", Forward: []topology.Forward{{Name: "https", Port: 443, TargetPort: 8443}}}}
	})
	golden(t, "haproxy", render.HAProxy(three))
	golden(t, "haproxy-one-server", render.HAProxy(one))
	golden(t, "haproxy-others", render.HAProxy(adopting))
	golden(t, "haproxy-forward", render.HAProxy(forwarding))
	golden(t, "haproxy-unit", render.HAProxyUnit(adopting))
	golden(t, "keepalived-first", render.Keepalived(three, three.LoadBalancers()[0]))
	golden(t, "keepalived-second", render.Keepalived(three, three.LoadBalancers()[1]))
	golden(t, "keepalived-alone", render.Keepalived(one, one.LoadBalancers()[0]))
	golden(t, "keepalived-vips", render.Keepalived(forwarding, forwarding.LoadBalancers()[1]))
	golden(t, "server-config", render.ServerConfig(three.Spec, three.Servers()[1], nil))
	golden(t, "worker-config", render.WorkerConfig(three.Spec, three.Workers()[0], nil))
	golden(t, "kubeconfig", render.Kubeconfig(three.Spec, "CA", "CERT", "KEY"))
	named := cluster(func(s *topology.Spec) {
		s.Network.Endpoint, s.K3s.Context, s.SSH.Bastion = "api.example.org", "prod", &topology.Bastion{Host: "bastion.example.org", Port: 2222}
		s.Backup = &topology.Backups{}
		s.Workers["big-mem"] = topology.Pool{Group: topology.Group{Slots: []int{7}, FirstAddress: "192.168.1.231"}}
	})
	bundle := pki.Bundle{Authorities: pki.Authorities{Server: pki.Pair{Key: "CA"}}}
	golden(t, "kubeconfig-named", render.Kubeconfig(named.Spec, "CA", "CERT", "KEY"))
	golden(t, "server-config-named", render.ServerConfig(named.Spec, named.Servers()[0], nil))
	keys := func(p topology.Plan) map[string]string {
		out := map[string]string{}
		for _, n := range p.Nodes {
			out[n.Name] = bundle.HostKey(n.Name).Public
		}
		return out
	}
	golden(t, "inventory", render.Inventory(three, keys(three)))
	golden(t, "inventory-bastion", render.Inventory(named, keys(named)))
	golden(t, "summary", render.Summary(forwarding, map[string]string{"k3s-server-01": "pve1", "k3s-worker-01": "pve2"}, "k3s-lb-02"))
	golden(t, "summary-named", render.Summary(named, nil, ""))
	outside := cluster(external)
	golden(t, "server-config-external", render.ServerConfig(outside.Spec, outside.Servers()[1], nil))
	golden(t, "worker-config-external", render.WorkerConfig(outside.Spec, outside.Workers()[0], nil))
	golden(t, "kubeconfig-external", render.Kubeconfig(outside.Spec, "CA", "CERT", "KEY"))
	golden(t, "inventory-external", render.Inventory(outside, keys(outside)))
	golden(t, "summary-external", render.Summary(outside, nil, ""))
	there := cluster(func(s *topology.Spec) {
		s.Proxmox.Given = true
		s.Servers.Machines, s.Servers.Nodes = topology.ExistingMachines, map[string]topology.Override{"2": {IP: "192.168.1.77", SSHPort: 2222, HostKey: "ssh-ed25519 AAAA"}}
	})
	golden(t, "inventory-existing", render.Inventory(there, map[string]string{"k3s-server-02": "ssh-ed25519 AAAA"}))
	golden(t, "summary-existing", render.Summary(there, nil, ""))
	golden(t, "command", render.Command("ubuntu", 300)+"\n"+render.Command("root", 300)+"\n")
}

// scripted says whether a step is a remote command.
func scripted(step topology.Step) bool {
	switch step.Verb {
	case topology.Prepare, topology.Converge, topology.Reach:
		return true
	case topology.VM, topology.Contact, topology.Admit, topology.Release, topology.Start:
	}
	return false
}

// A server's configuration must not change when another server or worker comes or goes, or when the order changes.
func TestScriptsOfOthersStayTheSame(t *testing.T) {
	t.Parallel()
	scripts := func(p topology.Plan) map[string]string {
		out := map[string]string{}
		for _, step := range p.Steps {
			if scripted(step) && step.Node.Role != topology.LoadBalancer && step.Node.Name != topology.Cluster {
				out[step.Name()] = render.Script(p, step, render.Secrets{Token: "t", AgentToken: "a", CA: "c", CAHash: "h"})
			}
		}
		return out
	}
	before := scripts(cluster(nil))
	after := scripts(cluster(func(s *topology.Spec) {
		s.Servers.Slots, s.Servers.First = []int{2, 3, 4, 5, 6}, 4
		s.Workers["worker"] = topology.Pool{Group: topology.Group{Count: ptr(3), FirstAddress: "192.168.1.211"}, Labels: s.Workers["worker"].Labels}
	}))
	same := 0
	for name, script := range before {
		if now, kept := after[name]; kept {
			same++
			if now != script {
				t.Errorf("%s changed", name)
			}
		}
	}
	if same != 6 { // two steps each of two servers and one worker
		t.Errorf("%d steps kept, want 6", same)
	}
}

func contactScript() string {
	return render.ContactScript(render.ContactInput{Node: "k3s-server-01", IP: "192.168.1.201", User: "ubuntu", AuthorizedKeys: []string{"ssh-ed25519 A it's", "ssh-ed25519 B"}})
}

// own are the scripts that resources of our own send.
func own() map[string]string {
	return map[string]string{
		"contact": contactScript(), "admit": render.AdmitScript("k3s-server-01", ""), "yield": render.YieldScript("k3s-server-01"),
		"state": render.StateScript("k3s-lb-01", "192.168.1.220", 8405, render.Yield), "steer": render.SteerScript("k3s-lb-01", "k3s-server-01", false, true),
		"reached": render.ReachedScript("k3s-server-01"), "arrive": render.ArriveScript("k3s-lb-01", "192.168.1.220", 6443),
		"start": render.StartScript(render.StartInput{Node: "k3s-server-01", Cluster: "k3s", Authorities: map[string]string{"server-ca.crt": "CA"}}),
		"meet":  render.MeetScript("k3s", "k3s-lb-01", "ab"), "leave machine": render.LeaveScript("k3s-lb-01", "load-balancer", "0123", "ab", true),
		"adopt server": render.AdoptScript("k3s", "homelab", "server", "ab"), "adopt worker": render.AdoptScript("k3s", "oldworker", "worker", "ab"),
		"make template": render.MakeTemplateScript(render.TemplateInput{Node: "pve1"}), "find template": render.FindTemplateScript(render.TemplateInput{}), "remove template": render.RemoveTemplateScript(render.TemplateInput{}),
	}
}

// What explains a script is not part of it: another word there would run the step again on every node.
func TestCommentsAreNoPartOfScripts(t *testing.T) {
	t.Parallel()
	p := cluster(nil)
	scripts := own()
	for _, step := range p.Steps {
		if scripted(step) {
			scripts[step.Name()] = render.Script(p, step, render.Secrets{})
		}
	}
	for name, script := range scripts {
		_, body, found := strings.Cut(script, "\nset -eu\n")
		if !found {
			t.Fatalf("%s does not begin with lib.sh", name)
		}
		for line := range strings.Lines(body) {
			if text := strings.TrimSpace(line); text == "" || strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "# shellcheck ") {
				t.Errorf("%s has a comment: %q", name, line)
			}
		}
		if strings.Contains(script, "set -x") {
			t.Errorf("%s traces", name)
		}
	}
}

// Secrets stand in a script's head only where the step needs them.
func TestSecretsGoWhereTheyAreNeeded(t *testing.T) {
	t.Parallel()
	p := cluster(nil)
	for _, step := range p.Steps {
		if !scripted(step) {
			continue
		}
		script := render.Script(p, step, render.Secrets{Token: "S3RVER", AgentToken: "AG3NT", CAHash: "h"})
		server := step.Verb == topology.Converge && step.Node.Role == topology.Server
		worker := step.Verb == topology.Converge && step.Node.Role == topology.Worker
		if has := strings.Contains(script, "S3RVER"); has != server {
			t.Errorf("%s has the server token: %t", step.Name(), has)
		}
		if has := strings.Contains(script, "AG3NT"); has != (server || worker) {
			t.Errorf("%s has the agent token: %t", step.Name(), has)
		}
	}
}

// A step sends the names of its script's parts, which the contact has brought: together they are the whole script.
func TestStepsAndToolkitAreTheWholeScript(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	contact := contactScript()
	packed := regexp.MustCompile(`(?m)^TOOLKIT='([A-Za-z0-9+/=]+)'$`).FindStringSubmatch(contact)
	if packed == nil {
		t.Fatal("the contact brings no toolkit")
	}
	cmd := exec.Command("sh", "-c", `base64 -d | tar -x -C "$0"`, dir)
	cmd.Stdin = strings.NewReader(packed[1])
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	line := regexp.MustCompile(`(?m)^\. /usr/local/lib/k3sha/steps/([a-z0-9-]+-[0-9a-f]{12}\.sh)\n`)
	guard := regexp.MustCompile(`(?m)^\[ -r /usr/local/lib/k3sha/steps/lib-[0-9a-f]{12}\.sh \] \|\| .*\n`)
	used := map[string]bool{}
	own := cluster(func(s *topology.Spec) { s.Name = "prod" })
	outside := cluster(func(s *topology.Spec) { external(s); s.Name = "prod" })
	brings := cluster(func(s *topology.Spec) { bringing(s); s.Name = "prod" })
	type sending struct {
		p    topology.Plan
		step topology.Step
	}
	var all []sending
	for _, p := range []topology.Plan{own, outside, brings} {
		for _, step := range p.Steps {
			if scripted(step) {
				all = append(all, sending{p, step})
			}
		}
	}
	for _, s := range all {
		p, step := s.p, s.step
		secrets := render.Secrets{Token: "t", AgentToken: "a", CA: "c", CAHash: "h"}
		sent := render.Step(p, step, secrets)
		machine := step.Node.Name
		if step.Verb == topology.Reach {
			machine = map[bool]string{true: "k3s-lb-01", false: "k3s-server-01"}[p.Spec.LoadBalancers.External == nil] // which has no step of the cluster's own name
		}
		lost := fmt.Sprintf("%s: %s: the parts of the scripts are gone from this machine; bring them back by: pulumi up --replace '**::prod-contact-%s'\n", step.Node.Name, step.Verb, machine)
		gone := exec.Command("sh")
		gone.Stdin = strings.NewReader(strings.ReplaceAll(sent, "/usr/local/lib/k3sha/steps", dir+"/none"))
		if out, err := gone.CombinedOutput(); err == nil || string(out) != lost {
			t.Errorf("without the toolkit: %s", out)
		}
		whole := line.ReplaceAllStringFunc(guard.ReplaceAllString(sent, ""), func(sourced string) string {
			name := line.FindStringSubmatch(sourced)[1]
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatalf("%s: %v", step.Name(), err)
			}
			if sum := fmt.Sprintf("%x", sha256.Sum256(text)); !strings.HasSuffix(name, "-"+sum[:12]+".sh") {
				t.Errorf("%s is not named after what is in it", name)
			}
			used[name] = true
			return string(text)
		})
		for _, program := range regexp.MustCompile(`(?m)^[A-Z_]+='/usr/local/lib/k3sha/steps/((?:lb|vrrp|way)-[a-z]+-[0-9a-f]{12}(?:\.sh)?)'$`).FindAllStringSubmatch(sent, -1) {
			used[program[1]] = true
		}
		if whole != render.Script(p, step, secrets) {
			t.Errorf("%s is another script than the whole", step.Name())
		}
	}
	brought, err := os.ReadDir(dir)
	if err != nil || len(brought) != len(used) {
		t.Errorf("%d parts are brought, %d are used (%v)", len(brought), len(used), err)
	}
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a b", "it's", "'", "$(id) `id` \\ \"", "line\nline\n", "-n", "%s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsRune(s, 0) || len(s) > 10_000 {
			t.Skip("a shell has no NUL")
		}
		out, err := exec.Command("sh", "-c", "v="+render.Quote(s)+"\nprintf '%s' \"$v\"").Output()
		if err != nil || string(out) != s {
			t.Errorf("%q came back as %q (%v)", s, out, err)
		}
	})
}

// What a worker is told from the cluster: enough for the token that verifies it, and a mark that has it join a cluster that was started anew.
func TestWorkersAreToldOfTheCluster(t *testing.T) {
	t.Parallel()
	seen := 0
	p := cluster(func(s *topology.Spec) { s.Servers.StartOver = "2026-11-26" })
	for _, step := range p.Steps {
		if step.Node.Role != topology.Worker || step.Verb != topology.Converge {
			continue
		}
		seen++
		script := render.Script(p, step, render.Secrets{AgentToken: "AG3NT", CAHash: "cafe", CA: "CERT"})
		for _, line := range []string{"CA_HASH='cafe'", "AGENT_TOKEN='AG3NT'", "CA='CERT'", "START='2026-11-26'"} {
			if !strings.Contains(script, "\n"+line+"\n") {
				t.Errorf("%s has no %s", step.Name(), line)
			}
		}
	}
	if seen != 1 {
		t.Errorf("%d workers' steps were looked at, want 1", seen)
	}
}

// What a preview shows of configurations has no credentials in it.
func TestConfigurationHidesCredentials(t *testing.T) {
	t.Parallel()
	s := topology.ApplyDefaults(topology.Spec{ClusterName: "k3s", Proxmox: topology.Proxmox{Nodes: []string{"pve1"}}, K3s: topology.K3s{
		Version: "v1.31.6+k3s1", ServerConfig: map[string]any{"etcd-s3-bucket": "b", "etcd-s3-access-key": "ACC3SS", "etcd-s3-secret-key": "S3CRET"},
	}})
	text := render.Configuration(topology.NewPlan(s))["config.yaml of servers"]
	for _, want := range []string{`etcd-s3-bucket: "b"`, "etcd-s3-access-key: (not shown)", "etcd-s3-secret-key: (not shown)", `node-name: "(its name)"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "ACC3SS") || strings.Contains(text, "S3CRET") {
		t.Error(text)
	}
}

// Other keys of S3, or another CA of it, restart k3s: the step takes a turn for them, as for every restart.
func TestLaunchKnowsTheKeysOfS3(t *testing.T) {
	t.Parallel()
	launch := func(ca, key string) render.Launch {
		p := cluster(func(s *topology.Spec) { s.Backup = &topology.Backups{S3: &topology.S3{Bucket: "b", CA: ca}} })
		for _, step := range p.Steps {
			if step.Name() == "converge-k3s-server-02" {
				return render.LaunchOf(render.Step(p, step, render.Secrets{S3AccessKey: "a", S3SecretKey: key}))
			}
		}
		t.Fatal("there is no such step")
		return render.Launch{}
	}
	old := launch("one", "one")
	if launch("one", "one").After(old) {
		t.Error("the same launch comes after itself")
	}
	for _, other := range []render.Launch{launch("one", "two"), launch("two", "one")} {
		if !other.After(old) {
			t.Errorf("%+v does not come after %+v", other, old)
		}
	}
}
