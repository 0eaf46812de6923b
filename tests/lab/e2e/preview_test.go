package e2e

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

// steps previews, and returns the changed steps in the engine's order.
func (p *place) steps() []string {
	p.t.Helper()
	r, _ := p.must(time.Minute, "preview")
	var names []string
	for _, s := range r.Steps {
		if s.Op != "same" && !strings.HasPrefix(s.Name, "k3s-ha-") && s.Name != "k3s" {
			names = append(names, s.Op+" "+s.Name)
		}
	}
	return names
}

// machines takes the route to all VMs away, or brings it back.
func (p *place) machines(verb string) {
	p.t.Helper()
	if out, err := exec.Command("ip", "-n", p.Namespace(), "route", verb, "local", "192.168.1.128/25", "dev", "lo").CombinedOutput(); err != nil {
		p.t.Fatalf("ip route %s: %v %s", verb, err, out)
	}
}

// TestLabPreviews: a preview is the true plan, and contacts nobody.
func TestLabPreviews(t *testing.T) {
	p := newPlace(t, newNull(t, "previews"), "previews")

	t.Run("before anything exists, with Proxmox off", func(t *testing.T) {
		p.t = t
		if err := p.Control("POST", "/fault", pve.Fault{Drop: true}, nil); err != nil {
			t.Fatal(err)
		}
		before := p.registrations()
		if err := p.Control("POST", "/reset", nil, nil); err != nil {
			t.Fatal(err)
		}
		p.up()
		// What was announced is what was made: names, parents and dependencies.
		made := map[string]bool{}
		for _, r := range p.resources() {
			name := nameOf(r.URN)
			planned, found := before[name]
			if !found {
				if !strings.Contains(r.URN, "pulumi:pulumi:Stack") && !strings.Contains(r.URN, "pulumi:providers:") {
					t.Errorf("%s was not announced", r.URN)
				}
				continue
			}
			made[name] = true
			if parent := nameOf(r.Parent); parent != planned.Parent && planned.Parent != "stack" {
				t.Errorf("%s is a child of %s, announced was %s", name, parent, planned.Parent)
			}
			var dependencies []string
			for _, d := range r.Dependencies {
				dependencies = append(dependencies, nameOf(d))
			}
			slices.Sort(dependencies)
			expect(t, "dependencies of "+name, dependencies, planned.Dependencies)
		}
		if len(made) != len(before) || len(made) != resourcesInAll-3 {
			t.Errorf("%d resources were announced, %d of them made", len(before), len(made))
		}
	})

	t.Run("with Proxmox and all nodes off", func(t *testing.T) {
		p.t = t
		if err := p.Control("POST", "/fault", pve.Fault{Drop: true}, nil); err != nil {
			t.Fatal(err)
		}
		p.machines("del")
		defer p.machines("add")
		if err := p.Command("bash", "-c", "echo > /dev/tcp/192.168.1.201/22").Run(); err == nil {
			t.Fatal("a node still answers")
		}
		expect(t, "changes", p.steps(), nil)
		p.program("loadBalancers:\n", "loadBalancers:\n        balance: leastconn\n")
		expect(t, "changes", p.steps(), []string{"update k3s-machines", "update k3s-converge-k3s-lb-01", "update k3s-converge-k3s-lb-02"})
		p.program()
		if err := p.Control("POST", "/reset", nil, nil); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("a worker more", func(t *testing.T) {
		p.t = t
		p.program("count: 2", "count: 3")
		steps := p.steps()
		slices.Sort(steps)
		expect(t, "steps", steps, []string{
			"create k3s-admit-k3s-worker-03", "create k3s-contact-k3s-worker-03", "create k3s-converge-k3s-worker-03",
			"create k3s-prepare-k3s-worker-03", "create k3s-vm-k3s-worker-03", "update k3s-machines", "update k3s-settle-cluster",
		})
	})

	t.Run("two servers more", func(t *testing.T) {
		p.t = t
		p.program("servers:\n", "servers:\n        count: 5\n")
		steps := p.steps()
		slices.Sort(steps)
		var want []string
		for _, verb := range []string{"admit", "contact", "converge", "prepare", "vm"} {
			for _, slot := range []int{4, 5} {
				want = append(want, fmt.Sprintf("create k3s-%s-k3s-server-%02d", verb, slot))
			}
		}
		want = append(want, "update k3s-access-cluster", "update k3s-converge-k3s-lb-01", "update k3s-converge-k3s-lb-02", "update k3s-machines", "update k3s-settle-cluster")
		expect(t, "steps", steps, want)
	})

	t.Run("two servers less", func(t *testing.T) {
		p.t = t
		const others = "          \"2\": {mac: \"BC:24:11:02:57:C8\"}\n          \"3\": {mac: \"BC:24:11:4F:A3:86\"}\n"
		p.program("servers:\n", "servers:\n        count: 1\n", others, "")
		steps := p.steps()
		slices.Sort(steps)
		var want []string
		for _, verb := range []string{"admit", "contact", "converge", "prepare", "vm"} {
			want = append(want, "delete k3s-"+verb+"-k3s-server-02", "delete k3s-"+verb+"-k3s-server-03")
		}
		want = append(want, "update k3s-access-cluster", "update k3s-converge-k3s-lb-01", "update k3s-converge-k3s-lb-02", "update k3s-machines", "update k3s-settle-cluster")
		expect(t, "steps", steps, want)
	})

	t.Run("another release", func(t *testing.T) {
		p.t = t
		p.program("v1.31.6+k3s1", "v1.31.7+k3s1")
		steps := p.steps()
		var rolling []string
		for _, s := range steps {
			if strings.Contains(s, "-converge-") {
				rolling = append(rolling, s)
			}
		}
		if len(rolling) != 5 {
			t.Fatalf("steps: %v", steps)
		}
		slices.Sort(rolling[3:])
		expect(t, "rolling steps", rolling, []string{
			"update k3s-converge-k3s-server-01", "update k3s-converge-k3s-server-02", "update k3s-converge-k3s-server-03",
			"update k3s-converge-k3s-worker-01", "update k3s-converge-k3s-worker-02",
		})
		slices.Sort(steps)
		expect(t, "all steps", steps, []string{
			"update k3s-converge-k3s-server-01", "update k3s-converge-k3s-server-02", "update k3s-converge-k3s-server-03",
			"update k3s-converge-k3s-worker-01", "update k3s-converge-k3s-worker-02",
			"update k3s-machines",
			"update k3s-prepare-k3s-server-01", "update k3s-prepare-k3s-server-02", "update k3s-prepare-k3s-server-03",
			"update k3s-prepare-k3s-worker-01", "update k3s-prepare-k3s-worker-02", "update k3s-release-cluster", "update k3s-settle-cluster",
		})
	})

	t.Run("an HAProxy option", func(t *testing.T) {
		p.t = t
		p.program("loadBalancers:\n", "loadBalancers:\n        balance: leastconn\n")
		expect(t, "steps", p.steps(), []string{"update k3s-machines", "update k3s-converge-k3s-lb-01", "update k3s-converge-k3s-lb-02"})
		// What changes in the text that HAProxy reads, as text.
		_, out := p.must(time.Minute, "preview", "--diff")
		if before, after := regexp.MustCompile(`(?m)^ +- +balance random\(2\)$`), regexp.MustCompile(`(?m)^ +\+ +balance leastconn$`); !before.MatchString(out) || !after.MatchString(out) {
			t.Errorf("no diff of haproxy.cfg in\n%s", tail(out))
		}
	})

	t.Run("what would destroy the cluster", func(t *testing.T) {
		p.t = t
		if err := p.Control("POST", "/reset", nil, nil); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			old, changed, want string
		}{
			{"servers:\n", "servers:\n        disk: 16\n", "servers.nodes.1.disk: the disk of k3s-server-01 has 32 GiB and cannot shrink to 16; give at least 32"},
		} {
			p.program(c.old, c.changed)
			for _, args := range [][]string{{"preview"}, {"up", "--yes", "--skip-preview"}} {
				if _, out, err := p.try(time.Minute, args...); err == nil || !strings.Contains(out, c.want) {
					t.Errorf("%s with %q: %v, want %q in\n%s", args[0], c.changed, err, c.want, tail(out))
				}
			}
		}
		var log []pve.Request
		if err := p.Control("GET", "/log", nil, &log); err != nil {
			t.Fatal(err)
		}
		for _, request := range log {
			if request.Method != "GET" {
				t.Errorf("refused, and all the same: %s %s", request.Method, request.Path)
			}
		}
		// What was refused has changed nothing, so it is refused again, and the program as it was is accepted.
		p.program()
		if r, _ := p.up(); r.Changed() != 0 {
			t.Errorf("after the refusals: %v", changedNames(r))
		}
		// The way out where no cluster has come up yet.
		p.program("servers:\n", "servers:\n        disk: 16\n")
		r, _ := p.must(time.Minute, "preview", "--replace", "**-machines")
		var replaced []string
		for _, step := range r.Steps {
			if step.Op == "replace" || step.Op == "create-replacement" {
				replaced = append(replaced, step.Name)
			}
		}
		expect(t, "replaced", slices.Compact(replaced), []string{"k3s-machines"})
	})

	t.Run("one VM destroyed with its dependents", func(t *testing.T) {
		p.t = t
		p.program()
		r, _ := p.must(time.Minute, "destroy", "--preview-only", "--target", p.urn("k3s-vm-k3s-lb-01"), "--target-dependents")
		for _, s := range r.Steps {
			if s.Op == "delete" && strings.Contains(s.Name, "-vm-") && s.Name != "k3s-vm-k3s-lb-01" {
				t.Errorf("%s goes with another load balancer's VM", s.Name)
			}
		}
		if !slices.ContainsFunc(r.Steps, func(s lab.Step) bool { return s.Op == "delete" && s.Name == "k3s-vm-k3s-lb-01" }) {
			t.Errorf("nothing is destroyed: %v", changedNames(r))
		}
	})

	t.Run("memory of all servers", func(t *testing.T) {
		p.t = t
		want := []string{"update k3s-machines", "update k3s-settle-cluster", "update k3s-vm-k3s-server-01", "update k3s-vm-k3s-server-02", "update k3s-vm-k3s-server-03"}
		for _, together := range []string{"", "        restartTogether: true\n"} {
			p.program("servers:\n", "servers:\n        memory: 5120\n", "proxmox:\n", "proxmox:\n"+together)
			steps := p.steps()
			slices.Sort(steps)
			expect(t, "steps", steps, want)
		}
	})
}
