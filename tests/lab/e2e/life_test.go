package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

// ownMACs are the servers' addresses in the root program. A slot that comes and goes has none of its own.
const ownMACs = `        nodes:
          "1": {mac: "BC:24:11:66:6F:07"}
          "2": {mac: "BC:24:11:02:57:C8"}
          "3": {mac: "BC:24:11:4F:A3:86"}
`

// lose destroys VMs behind Pulumi's back, as a person would in the web interface, or a broken disk.
func (p *place) lose(names ...string) {
	p.t.Helper()
	vms := mustVMs(p.t, p)
	for _, name := range names {
		p.remove(vms[name].ID)
	}
}

// regained takes an update while a client watches the VIP, and looks at what is left afterwards.
func (p *place) regained(most time.Duration, args ...string) lab.UpResult {
	p.t.Helper()
	var result lab.UpResult
	s := p.service(func() { result, _ = p.up(args...) })
	p.within(s, most)
	p.cluster(release, p.servers()...)
	p.tidy()
	if r, out := p.must(2*time.Minute, "preview"); r.Changed() != 0 {
		p.t.Errorf("the next preview changes %v\n%s", changedNames(r), tail(out))
	}
	return result
}

// servers are all nodes of Kubernetes that the stack has.
func (p *place) servers() []string {
	var out []string
	for _, name := range p.nodes() {
		if !strings.Contains(name, "-lb-") && name != "jump" {
			out = append(out, name)
		}
	}
	return out
}

// tidy: etcd has as many members as there are servers, and nothing is left of nodes that went.
func (p *place) tidy() {
	p.t.Helper()
	var servers, secrets []string
	for _, name := range p.servers() {
		if strings.Contains(name, "-server-") {
			servers = append(servers, name)
		}
		secrets = append(secrets, "secret/"+name+".node-password.k3s")
	}
	if n := p.members(servers[0]); n != len(servers) {
		p.t.Errorf("etcd has %d members and there are %d servers", n, len(servers))
	}
	var got []string
	for _, name := range strings.Fields(p.kubectl("-n", "kube-system", "get", "secrets", "-o", "name")) {
		if strings.HasSuffix(name, ".node-password.k3s") {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	slices.Sort(secrets)
	expect(p.t, "passwords of nodes", got, secrets)
	for _, node := range strings.Fields(p.kubectl("get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name}={.spec.unschedulable}{"\n"}{end}`)) {
		if strings.HasSuffix(node, "=true") {
			p.t.Errorf("%s stays cordoned", node)
		}
	}
}

// machineID is the machine's own.
func (p *place) machineID(node string) string { return p.in(node, "", "cat", "/etc/machine-id") }

// TestLongLife loses, replaces, shrinks and grows the reference cluster by pulumi up alone.
func TestLongLife(t *testing.T) {
	p := newPlace(t, newLab(t, "life", false), "life", ownMACs, "")
	p.up()
	p.cluster(release, kubernetesNodes()...)
	kubeconfig := p.kubeconfig()
	p.kubectl("create", "configmap", "keep", "--from-literal=a=b")
	p.kubectl("create", "deployment", "web", "--image=web", "--replicas=2")

	for _, c := range []struct {
		node string
		most time.Duration
	}{
		{"k3s-worker-01", time.Second}, {"k3s-lb-01", 4 * time.Second}, {"k3s-server-02", 3 * time.Second}, {"k3s-server-01", 3 * time.Second},
	} {
		t.Run(c.node+" is lost", func(t *testing.T) {
			p.t = t
			before := p.machineID(c.node)
			p.lose(c.node)
			r := p.regained(c.most, "--refresh")
			t.Logf("figure: %s lost: up --refresh %.1f s, of that %.1f s from its boot until it serves%s", c.node, r.Seconds, afterBoot(r, c.node), spent(r, c.node))
			if p.machineID(c.node) == before {
				t.Error("it is the same machine")
			}
		})
	}
	for _, c := range []struct {
		nodes []string
		most  time.Duration
	}{
		{[]string{"k3s-worker-01", "k3s-worker-02"}, time.Second},
		{[]string{"k3s-lb-02"}, 4 * time.Second},
		{[]string{"k3s-server-03"}, 3 * time.Second},
		{[]string{"k3s-server-01"}, 3 * time.Second},
	} {
		t.Run(strings.Join(c.nodes, " and ")+" are replaced", func(t *testing.T) {
			p.t = t
			var args []string
			before := map[string]string{}
			for _, node := range c.nodes {
				args = append(args, "--replace", "**::k3s-vm-"+node)
				before[node] = p.machineID(node)
			}
			r := p.regained(c.most, args...)
			t.Logf("figure: %s replaced: up %.1f s, of that %.1f s from its boot until it serves%s", strings.Join(c.nodes, " and "), r.Seconds, afterBoot(r, c.nodes...), spent(r, c.nodes...))
			for _, node := range c.nodes {
				if p.machineID(node) == before[node] {
					t.Errorf("%s is the same machine", node)
				}
			}
		})
	}
	for _, count := range []int{5, 3, 1, 3} {
		t.Run(fmt.Sprintf("%d servers", count), func(t *testing.T) {
			p.t = t
			p.program(ownMACs, "", "firstAddress: 192.168.1.201\n", fmt.Sprintf("firstAddress: 192.168.1.201\n        count: %d\n", count))
			p.regained(3 * time.Second)
		})
	}
	t.Run("the first server leaves", func(t *testing.T) {
		p.t = t
		p.program(ownMACs, "", "firstAddress: 192.168.1.201\n", "firstAddress: 192.168.1.201\n        slots: [2, 3, 4]\n")
		p.regained(3 * time.Second)
	})
	p.t = t
	if p.kubectl("get", "configmap", "keep", "-o", "jsonpath={.data.a}") != "b" {
		t.Error("what was written is lost")
	}
	if p.kubeconfig() != kubeconfig {
		t.Error("the kubeconfig has changed")
	}
	p.must(5*time.Minute, "destroy", "--yes", "--skip-preview")
}
