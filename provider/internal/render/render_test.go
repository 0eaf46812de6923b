package render_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

var update = flag.Bool("update", false, "write the golden files anew")

func ptr[T any](v T) *T { return &v }

// cluster is a cluster with one of everything that shows in a rendered file.
func cluster(change func(*topology.Spec)) topology.Plan {
	s := topology.Spec{
		ClusterName: "k3s",
		Proxmox:     topology.Proxmox{Nodes: []string{"pve1"}},
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
	golden(t, "haproxy-untrusting", render.HAProxy(three, three.LoadBalancers()[0], false))
	golden(t, "haproxy-trusting", render.HAProxy(three, three.LoadBalancers()[1], true))
	golden(t, "haproxy-one-server", render.HAProxy(one, one.LoadBalancers()[0], true))
	golden(t, "keepalived-first", render.Keepalived(three, three.LoadBalancers()[0]))
	golden(t, "keepalived-second", render.Keepalived(three, three.LoadBalancers()[1]))
	golden(t, "keepalived-alone", render.Keepalived(one, one.LoadBalancers()[0]))
	golden(t, "server-config", render.ServerConfig(three.Spec, three.Servers()[1]))
	golden(t, "worker-config", render.WorkerConfig(three.Spec, three.Workers()[0]))
	golden(t, "kubeconfig", render.Kubeconfig(three.Spec, render.Credentials{CA: "Q0E=", Certificate: "Q0VSVA==", Key: "S0VZ"}))
	golden(t, "command", render.Command("ubuntu", 300)+"\n"+render.Command("root", 300)+"\n")
}

// A server's configuration must not change when another server or worker comes or goes, or when the order changes.
func TestScriptsOfOthersStayTheSame(t *testing.T) {
	t.Parallel()
	scripts := func(p topology.Plan) map[string]string {
		out := map[string]string{}
		for _, step := range p.Steps {
			if step.Verb != topology.VM && step.Node.Role != topology.LoadBalancer && step.Node.Name != "cluster" {
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
	if same != 13 { // four steps of two servers, five of one worker
		t.Errorf("%d steps kept, want 13", same)
	}
}

// Secrets stand in a script's head only where the step needs them.
// What explains a script is not part of it: another word there would run the step again on every node.
func TestCommentsAreNoPartOfScripts(t *testing.T) {
	t.Parallel()
	p := cluster(nil)
	for _, step := range p.Steps {
		if step.Verb == topology.VM {
			continue
		}
		_, body, found := strings.Cut(render.Script(p, step, render.Secrets{}), "\nset -eu\n")
		if !found {
			t.Fatalf("%s does not begin with lib.sh", step.Name())
		}
		for line := range strings.Lines(body) {
			if text := strings.TrimSpace(line); text == "" || strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "# shellcheck ") {
				t.Errorf("%s has a comment: %q", step.Name(), line)
			}
		}
	}
}

func TestSecretsGoWhereTheyAreNeeded(t *testing.T) {
	t.Parallel()
	p := cluster(nil)
	for _, step := range p.Steps {
		if step.Verb == topology.VM {
			continue
		}
		script := render.Script(p, step, render.Secrets{Token: "S3RVER", AgentToken: "AG3NT", CAHash: "h"})
		server := step.Verb == topology.Converge && step.Node.Role == topology.Server
		worker := step.Node.Role == topology.Worker && (step.Verb == topology.Converge || step.Verb == topology.Join)
		if has := strings.Contains(script, "S3RVER"); has != server {
			t.Errorf("%s has the server token: %t", step.Name(), has)
		}
		if has := strings.Contains(script, "AG3NT"); has != (server || worker) {
			t.Errorf("%s has the agent token: %t", step.Name(), has)
		}
		if strings.Contains(script, "set -x") {
			t.Errorf("%s traces", step.Name())
		}
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

func TestParseCredentials(t *testing.T) {
	t.Parallel()
	ca := "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==" // "-----BEGIN CERTIFICATE-----\n"
	for input, want := range map[string]string{
		fmt.Sprintf(`{"ca":%q,"certificate":"YQ==","key":"Yg==","token":"K10abc::server:pw"}`, ca): "",
		`secret garbage`: "the first server's credentials are not the JSON that its read step prints",
		`{"ca":"%%"}`:    "the first server's kubeconfig does not hold a CA certificate",
		fmt.Sprintf(`{"ca":%q,"certificate":"YQ==","key":"Yg==","token":"pw"}`, ca): "the first server's credentials lack a token of the form K10...::server:..., a certificate or a key",
	} {
		got := ""
		c, err := render.ParseCredentials(input)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", input, got, want)
		}
		if want == "" && c.CAHash() != "abc" {
			t.Errorf("hash %q", c.CAHash())
		}
	}
}

// With the CA's hash in its token, k3s verifies the cluster before it sends the token.
func TestAWorkersTokenNamesTheCA(t *testing.T) {
	t.Parallel()
	p := cluster(nil)
	seen := 0
	for _, step := range p.Steps {
		if step.Node.Role != topology.Worker || step.Verb != topology.Join && step.Verb != topology.Converge {
			continue
		}
		seen++
		if script := render.Script(p, step, render.Secrets{AgentToken: "AG3NT", CAHash: "cafe"}); !strings.Contains(script, "\nTOKEN='K10cafe::node:AG3NT'\n") {
			t.Errorf("%s has another token", step.Name())
		}
	}
	if seen == 0 {
		t.Error("no worker's step was looked at")
	}
}
