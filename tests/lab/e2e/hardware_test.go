package e2e

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLongHardware has a pool of other machines than the rest: made so, the same at the next update, and made anew from another template of its own.
func TestLongHardware(t *testing.T) {
	p := newPlace(t, newLab(t, "hardware", false), "hardware")
	pool := func(template string, more ...string) []string {
		return append([]string{"      loadBalancers:\n", `        gpu:
          count: 2
          firstAddress: 192.168.1.215
          cpuType: x86-64-v3
          balloon: 4096
          startup: {order: 9, downDelay: 60}
          templateId: ` + template + `
          datastore: ceph
          bridge: vmbr1
          firewall: true
          tags: [gpu]
          nodes:
            "2": {bridge: vmbr0, onBoot: false, cpuType: host, firewall: false}
` + strings.Join(more, "") + "      loadBalancers:\n"}, "proxmox:\n", "proxmox:\n        tags: [blue]\n",
			"      servers:\n", "      servers:\n        startup: {}\n", "        virtualRouterId: 51\n", "        virtualRouterId: 51\n        startup: {upDelay: 10}\n")
	}
	names := []string{"k3s-gpu-01", "k3s-gpu-02", "k3s-server-01", "k3s-server-02", "k3s-server-03", "k3s-worker-01", "k3s-worker-02"}
	one := func(name string) func(string) bool { return func(n string) bool { return n == name } }
	looks := func(node string, want map[string]string) {
		p.t.Helper()
		for key, value := range want {
			if wrong := config(one(node), key, value)(p); wrong != "" {
				p.t.Error(wrong)
			}
		}
	}
	clean := func() {
		p.t.Helper()
		if r, out := p.must(2*time.Minute, "up", "--yes", "--refresh", "--skip-preview"); r.Changed() != 0 {
			p.t.Errorf("the next update changes %v\n%s", changedNames(r), tail(out))
		}
	}
	p.program(pool("9001")...)
	p.up()
	p.cluster(release, names...)

	t.Run("as the program says", func(t *testing.T) {
		p.t = t
		looks("k3s-gpu-01", map[string]string{"cpu": "x86-64-v3", "balloon": "4096", "startup": "order=9,down=60", "scsi0": "ceph:", "net0": "bridge=vmbr1,firewall=1", "tags": "blue;gpu;k3s;", "onboot": "1"})
		looks("k3s-gpu-02", map[string]string{"cpu": "host", "startup": "order=9,down=60", "net0": "bridge=vmbr0", "onboot": "0"})
		looks("k3s-worker-01", map[string]string{"cpu": "x86-64-v2-AES", "startup": "<nil>", "scsi0": "local-lvm:", "net0": "bridge=vmbr0", "tags": "blue;k3s;"})
		looks("k3s-server-01", map[string]string{"startup": "order=2"})
		looks("k3s-lb-01", map[string]string{"startup": "order=1,up=10"})
		if got := p.clonedFrom("k3s-gpu-01") + p.clonedFrom("k3s-worker-01"); got != "90019000" {
			t.Errorf("cloned from %s", got)
		}
		clean()
	})
	t.Run("a pool made anew, from another template", func(t *testing.T) {
		p.t = t
		p.reset()
		p.program(pool("9002", "          generation: 1\n")...)
		before := []string{p.machineID("k3s-gpu-01"), p.machineID("k3s-worker-01")}
		p.up()
		if now := []string{p.machineID("k3s-gpu-01"), p.machineID("k3s-worker-01")}; now[0] == before[0] || now[1] != before[1] {
			t.Errorf("machines %v, were %v", now, before)
		}
		if got := p.clonedFrom("k3s-gpu-01"); got != "9002" {
			t.Errorf("cloned from %s", got)
		}
		looks("k3s-gpu-01", map[string]string{"scsi0": "ceph:", "cpu": "x86-64-v3"})
		p.cluster(release, names...)
		clean()
	})
	t.Run("a protected one stays", func(t *testing.T) {
		p.t = t
		p.program(pool("9002", "          generation: 1\n          protection: true\n")...)
		before := p.lives()
		r, _ := p.up()
		if slices.ContainsFunc(changedNames(r), func(n string) bool { return strings.Contains(n, "-vm-k3s-worker") }) {
			t.Errorf("changed: %v", changedNames(r))
		}
		for node, life := range p.lives() {
			if life != before[node] {
				t.Errorf("%s has restarted", node)
			}
		}
		looks("k3s-gpu-02", map[string]string{"protection": "1"})
		for _, edit := range [][]string{pool("9002", "          generation: 2\n          protection: true\n"), nil} {
			p.program(edit...)
			_, out, err := p.try(time.Minute, "preview")
			if want := "workers.gpu: the VM of k3s-gpu-01 would be destroyed, and is protected (protection: true); take the protection out in an update of its own first"; err == nil || !strings.Contains(out, want) {
				t.Errorf("%v, want %q in\n%s", err, want, tail(out))
			}
		}
		p.program(pool("9002", "          generation: 1\n")...)
		p.up()
		p.program()
		p.up()
		p.cluster(release, kubernetesNodes()...)
	})
}

// clonedFrom is the template that a VM was last cloned from, since the last reset.
func (p *place) clonedFrom(node string) string {
	p.t.Helper()
	vm, err := p.VM(node)
	if err != nil {
		p.t.Fatal(err)
	}
	template := ""
	for _, r := range p.posts("/clone") {
		form, err := url.ParseQuery(r.Form)
		if parts := strings.Split(r.Path, "/"); err == nil && form.Get("newid") == fmt.Sprint(vm.ID) {
			template = parts[len(parts)-2]
		}
	}
	return template
}
