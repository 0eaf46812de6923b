package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

// newNull makes a lab without guests, in which up works nevertheless: every VM answers what the step that reads something expects. There
// is no cluster in it, so each one says that it is the first.
func newNull(t *testing.T, name string) *lab.Lab {
	t.Helper()
	l := newLab(t, name, true)
	if err := l.Control("POST", "/instant", map[string]bool{"instant": true}, nil); err != nil {
		t.Fatal(err)
	}
	if err := l.SetAnswers(lab.Answer{Contains: "STEP='admit'", Stdout: "0123456789abcdef0123456789abcdef first"}); err != nil {
		t.Fatal(err)
	}
	return l
}

// vms lists a stack's VMs with their ids.
func (p *place) vms() []string {
	p.t.Helper()
	var names []string
	for name, vm := range mustVMs(p.t, p) {
		names = append(names, fmt.Sprintf("%s %d", name, vm.ID))
	}
	slices.Sort(names)
	return names
}

// TestLabResourceOptions: what Pulumi's own options do to the component is what they do to any resource.
func TestLabResourceOptions(t *testing.T) {
	p := newPlace(t, newNull(t, "options"), "options")
	p.up()
	vms := p.vms()
	if len(vms) != 7 {
		t.Fatalf("VMs: %v", vms)
	}

	const head, privateKey = "  k3s:\n    type: k3sha:K3sHaCluster\n", "        privateKey: ${sshPrivateKey}\n"
	t.Run("an alias keeps every VM under a new name", func(t *testing.T) {
		p.t = t
		p.program(head, "  cluster:\n    type: k3sha:K3sHaCluster\n", privateKey, privateKey+"    options:\n      aliases: [{name: k3s}]\n", "${k3s.", "${cluster.")
		r, _ := p.up()
		if r.Changes["create"]+r.Changes["delete"]+r.Changes["replace"] > 0 {
			t.Errorf("changes: %v\n%v", r.Changes, changedNames(r))
		}
		expect(t, "VMs", p.vms(), vms)
		for _, res := range p.resources() {
			if name := nameOf(res.URN); strings.HasPrefix(name, "k3s-") && !strings.HasPrefix(name, "k3s-ha-") {
				t.Errorf("%s still has its old name", name)
			}
		}
		p.program(head, "  cluster:\n    type: k3sha:K3sHaCluster\n", "${k3s.", "${cluster.")
		if r, _ := p.up(); r.Changed() > 0 {
			t.Errorf("without the alias: %v", changedNames(r))
		}
		p.program(privateKey, privateKey+"    options:\n      aliases: [{name: cluster}]\n")
		p.up()
	})

	t.Run("protect protects every VM", func(t *testing.T) {
		p.t = t
		p.program(privateKey, privateKey+"    options: {protect: true}\n")
		p.up()
		_, out, err := p.try(time.Minute, "destroy", "--yes", "--skip-preview")
		if err == nil || !strings.Contains(out, "protect") {
			t.Errorf("destroy: %v\n%s", err, tail(out))
		}
		expect(t, "VMs", p.vms(), vms)
		p.program(privateKey, privateKey+"    options: {protect: false}\n")
		p.up()
	})

	t.Run("providers reach the VMs", func(t *testing.T) {
		p.t = t
		p.program(privateKey, privateKey+"    options:\n      providers: [\"${pve}\"]\n",
			"resources:\n", "resources:\n  pve:\n    type: pulumi:providers:proxmoxve\n    defaultProvider: false\n    properties: {endpoint: \"https://192.168.1.1:8006/\", apiToken: \""+lab.Token+"\", insecure: true}\n    options: {version: 6.18.1}\n")
		r, _ := p.up()
		if r.Changes["delete"]+r.Changes["replace"] > 0 {
			t.Errorf("changes: %v", r.Changes)
		}
		for _, res := range p.resources() {
			if strings.Contains(res.URN, "VirtualMachine::") && !strings.Contains(res.Provider, "proxmoxve::pve::") {
				t.Errorf("%s has provider %s", res.URN, res.Provider)
			}
		}
		expect(t, "VMs", p.vms(), vms)
	})

	t.Run("dependsOn waits, both ways", func(t *testing.T) {
		p.t = t
		p.must(3*time.Minute, "destroy", "--yes", "--skip-preview")
		local := func(name, options string) string {
			return "  " + name + ":\n    type: command:local:Command\n    properties: {create: sleep 1}\n    options: {version: 1.2.1" + options + "}\n"
		}
		p.program("resources:\n", "resources:\n"+local("before", "")+local("after", ", dependsOn: [\"${k3s}\"]"), privateKey, privateKey+"    options:\n      dependsOn: [\"${before}\"]\n")
		r, _ := p.up()
		at := map[string]lab.Step{}
		last := 0.0
		for _, s := range r.Steps {
			at[s.Name] = s
			if strings.HasPrefix(s.Name, "k3s-vm-") && s.Start < at["before"].End {
				t.Errorf("%s began before what the cluster depends on was there", s.Name)
			}
			if strings.HasPrefix(s.Name, "k3s-converge-") {
				last = max(last, s.End)
			}
		}
		if at["before"].End == 0 || at["after"].Start < last {
			t.Errorf("what depends on the cluster began at %.1f s, the last node was done at %.1f s", at["after"].Start, last)
		}
	})

	t.Run("deletedWith spares the deletions", func(t *testing.T) {
		p.t = t
		p.program("resources:\n", "resources:\n  site:\n    type: command:local:Command\n    properties: {create: \"true\"}\n    options: {version: 1.2.1}\n", privateKey, privateKey+"    options:\n      deletedWith: ${site}\n")
		p.up()
		before := p.vms()
		p.must(3*time.Minute, "destroy", "--yes", "--skip-preview")
		expect(t, "VMs, which went with the site as far as Pulumi knows", p.vms(), before)
	})
}

// TestLabTransforms: a transform of the program sees, and may change, every resource inside.
func TestLabTransforms(t *testing.T) {
	p := newExample(t, newLab(t, "transforms", true), "python", "minimal")
	doc, err := os.ReadFile("../../../docs/around-k3s.md")
	if err != nil {
		t.Fatal(err)
	}
	_, documented, found := strings.Cut(string(doc), "```python\n")
	if !found {
		t.Fatal("docs/around-k3s.md has no transform")
	}
	documented, _, _ = strings.Cut(documented, "```")
	p.edit("__main__.py", "k3s = K3sHaCluster(\n", documented+"\n\nk3s = K3sHaCluster(\n", "    ssh={", "    opts=pulumi.ResourceOptions(transforms=[describe]),\n    ssh={")
	p.typeCheck("python")
	count := 0
	for name, r := range p.registrations() {
		if r.Type == "proxmoxve:VM/virtualMachine:VirtualMachine" {
			count++
			if r.Inputs["description"] != "rack 7" {
				t.Errorf("%s: %v", name, r.Inputs["description"])
			}
		}
	}
	if count != 7 {
		t.Errorf("%d VMs", count)
	}
}
