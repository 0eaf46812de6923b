package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

// posts lists what the Proxmox VE API was told to do since the last reset, by the end of the path.
func (p *place) posts(suffix string) []pve.Request {
	p.t.Helper()
	var log, out []pve.Request
	if err := p.Control("GET", "/log", nil, &log); err != nil {
		p.t.Fatal(err)
	}
	for _, r := range log {
		if r.Method == http.MethodPost && strings.HasSuffix(r.Path, suffix) {
			out = append(out, r)
		}
	}
	return out
}

func (p *place) reset() {
	p.t.Helper()
	if err := p.Control("POST", "/reset", nil, nil); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) fault(f pve.Fault) {
	p.t.Helper()
	if err := p.Control("POST", "/fault", f, nil); err != nil {
		p.t.Fatal(err)
	}
}

// TestLabPlugin shows what the plugin that users have does when nobody minds, with one VM as the component would make it but for its
// options: on this ground the cures below are tested. A plugin that no longer does so fails here too, and its cure can go.
func TestLabPlugin(t *testing.T) {
	if newer() {
		t.Log("a newer plugin does none of it")
		return
	}
	l := newLab(t, "plugin", true)
	p := newPlace(t, l, "plugin")
	program := p.vmProgram()
	edit := func(pairs ...string) string {
		p.t.Helper()
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(program, pairs[i]) {
				p.t.Fatalf("the program does not hold %s:\n%s", pairs[i], program)
			}
		}
		return strings.NewReplacer(pairs...).Replace(program)
	}

	t.Run("a template's disk options differ at the second update, which restarts the VM", func(t *testing.T) {
		p.t = t
		p.write(program)
		p.up()
		p.reset()
		if r, _ := p.up(); r.Changes["update"] != 1 {
			t.Errorf("the second update: %v", r.Changes)
		}
		if len(p.posts("/status/reboot")) != 1 {
			t.Error("the VM was not restarted")
		}
		p.must(time.Minute, "destroy", "--yes", "--skip-preview")
	})
	t.Run("a template's search domain differs for ever", func(t *testing.T) {
		p.t = t
		p.write(edit(`"vmId":9000`, `"vmId":9002`))
		p.up()
		p.up()
		for range 2 {
			p.reset()
			if r, _ := p.up(); r.Changes["update"] != 1 || len(p.posts("/status/reboot")) != 1 {
				t.Errorf("a later update: %v", r.Changes)
			}
		}
		p.must(time.Minute, "destroy", "--yes", "--skip-preview")
	})
	t.Run("what restarts a VM", func(t *testing.T) {
		p.t = t
		p.write(program)
		p.up()
		p.up() // settles the disk's options
		for what, pairs := range map[string][]string{
			"bridge": {`"bridge":"vmbr0"`, `"bridge":"vmbr1"`}, "VLAN": {`"bridge":"vmbr0"`, `"bridge":"vmbr0","vlanId":20`}, "firewall": {`"firewall":false`, `"firewall":true`},
			"memory": {`"dedicated":4096`, `"dedicated":5120`}, "cores": {`"cores":2`, `"cores":3`}, "name server": {`"servers":["192.168.1.1"]`, `"servers":["192.168.1.2"]`},
		} {
			p.reset()
			p.write(edit(pairs...))
			p.up()
			if len(p.posts("/status/reboot")) != 1 {
				t.Errorf("another %s does not restart the VM", what)
			}
			p.write(program)
			p.up()
		}
		p.reset()
		p.write(edit(`"tags":["k3s"`, `"tags":["a","k3s"`))
		if r, _ := p.up(); r.Changes["update"] != 1 || len(p.posts("/status/reboot")) != 0 {
			t.Errorf("another tag: %v, or restarts the VM", r.Changes)
		}
		p.must(time.Minute, "destroy", "--yes", "--skip-preview")
	})
	t.Run("a disk that grows for the first time restarts its VM", func(t *testing.T) {
		p.t = t
		p.write(edit(`"vmId":9000`, `"vmId":9001`)) // no option at all, so none to settle
		p.up()
		p.reset()
		p.write(edit(`"vmId":9000`, `"vmId":9001`, `"size":32`, `"size":40`))
		p.up()
		if len(p.posts("/status/reboot")) != 1 {
			t.Error("it does not")
		}
		p.must(time.Minute, "destroy", "--yes", "--skip-preview")
	})
	t.Run("a clone's first disk gets none of its options", func(t *testing.T) {
		p.t = t
		p.write(edit(`"vmId":9000`, `"vmId":9001`, `"size":32`, `"size":32,"discard":"on","ssd":true,"cache":"writeback"`))
		p.up()
		all := func(string) bool { return true }
		for _, option := range []string{"discard=on", "ssd=1", "cache=writeback"} {
			if config(all, "scsi0", option)(p) == "" {
				t.Errorf("it has %s", option)
			}
		}
		if wrong := config(all, "scsi0", "size=32G")(p); wrong != "" {
			t.Error(wrong)
		}
		p.must(time.Minute, "destroy", "--yes", "--skip-preview")
	})
	t.Run("a clone that was not configured stays stopped, and then the plugin panics", func(t *testing.T) {
		p.t = t
		// Keys that only seed are ignored, as the component does; else the VM would be replaced for them.
		p.write(edit("options: {version: 6.18.1}", "options: {version: 6.18.1, ignoreChanges: [clone, initialization.userAccount, nodeName]}"))
		p.fault(pve.Fault{Method: "PUT", Path: "/config$", Skip: 1, Times: 1, Status: 500, Message: "unable to write file"})
		if _, _, err := p.try(time.Minute, "up", "--yes", "--skip-preview"); err == nil {
			t.Fatal("the first update succeeded")
		}
		p.reset()
		r, _ := p.up()
		if vms, _ := p.VMs(); r.Changes["update"] != 1 || vms["k3s-server-02"].Status != "stopped" {
			t.Errorf("the second update: %v, the VM is %s", r.Changes, vms["k3s-server-02"].Status)
		}
		if _, out, err := p.try(time.Minute, "up", "--yes", "--skip-preview"); err == nil || !strings.Contains(out, "index out of range [0]") {
			t.Errorf("the third update: %v\n%s", err, tail(out))
		}
		p.must(time.Minute, "destroy", "--yes", "--skip-preview")
	})
}

// TestLabTemplates makes the cluster from each kind of template, on the plugin above: the second update changes nothing, and every VM
// has exactly one cloud-init drive.
func TestLabTemplates(t *testing.T) {
	for _, template := range []int{9000, 9001, 9002} {
		t.Run(fmt.Sprint(template), func(t *testing.T) {
			p := newPlace(t, newNull(t, fmt.Sprintf("template-%d", template)), "templates", "templateId: 9000", fmt.Sprintf("templateId: %d", template))
			p.up()
			p.reset()
			if r, _ := p.up(); r.Changed() != 0 {
				t.Errorf("the second update changes %v", changedNames(r))
			}
			for _, action := range []string{"/status/reboot", "/status/start", "/status/stop", "/status/shutdown"} {
				if n := len(p.posts(action)); n > 0 {
					t.Errorf("%d times %s", n, action)
				}
			}
			vms, err := p.VMs()
			if err != nil || len(vms) != 7 {
				t.Fatalf("%v %v", vms, err)
			}
			for name, vm := range vms {
				drives := 0
				for _, value := range vm.Config {
					if strings.Contains(value, fmt.Sprintf("vm-%d-cloudinit", vm.ID)) {
						drives++
					}
				}
				if drives != 1 || vm.Config["vga"] == "" || !strings.Contains(vm.Config["vga"], "serial0") {
					t.Errorf("%s has %d cloud-init drives and vga %s", name, drives, vm.Config["vga"])
				}
			}
			p.program("templateId: 9000", fmt.Sprintf("templateId: %d", template), "network:\n", "network:\n        searchDomain: example.org\n")
			p.up()
			p.program("templateId: 9000", fmt.Sprintf("templateId: %d", template))
			p.reset()
			if r, _ := p.up(); strings.Contains(strings.Join(changedNames(r), " "), "update k3s-vm-") {
				t.Errorf("a search domain taken out changes %v", changedNames(r))
			}
			if r, _ := p.up(); r.Changed() != 0 {
				t.Errorf("and then %v", changedNames(r))
			}
		})
	}
}

// TestLabHalfMade: a VM whose making broke off is named at once, with its node and the remedy, and the remedy works.
func TestLabHalfMade(t *testing.T) {
	l := newNull(t, "half")
	for _, c := range []struct {
		name  string
		fault pve.Fault
	}{
		{"not configured", pve.Fault{Method: "PUT", Path: "/config$", Skip: 1, Times: 1, Status: 500, Message: "unable to write file"}},
		{"disk not grown", pve.Fault{Method: "PUT", Path: "/resize$", Times: 1, Status: 500, Message: "unable to resize"}},
		{"not started", pve.Fault{Method: "POST", Path: "/status/start$", Times: 1, TaskError: "start failed: QEMU exited with code 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t, l, "half")
			c.fault.Path = "qemu/201" + c.fault.Path
			p.program("servers:\n", "servers:\n        firstVmId: 201\n")
			p.fault(c.fault)
			if _, _, err := p.try(2*time.Minute, "up", "--yes", "--skip-preview"); err == nil {
				t.Fatal("the first update succeeded")
			}
			p.reset()
			start := time.Now()
			_, out, err := p.try(2*time.Minute, "up", "--yes", "--skip-preview")
			if err == nil && newer() {
				t.Log("this plugin mends it by itself")
			} else {
				flat := strings.Join(strings.Fields(out), " ")
				for _, want := range []string{
					"k3s-server-01: contact: VM 201 on Proxmox node pve1 is there, but does not run: an earlier update left it half-made",
					"pulumi up --replace '**::k3s-vm-k3s-server-01'",
				} {
					if !strings.Contains(flat, want) {
						t.Errorf("the second update (%v) does not say %q:\n%s", err, want, tail(out))
					}
				}
				if took := time.Since(start); took > 90*time.Second {
					t.Errorf("it took %s to say so", took)
				}
				p.up("--replace", "**::k3s-vm-k3s-server-01")
			}
			if r, _ := p.up(); r.Changed() != 0 {
				t.Errorf("then %v", changedNames(r))
			}
			if vm, err := p.VM("k3s-server-01"); err != nil || vm.Status != "running" || vm.Config["memory"] != "4096" {
				t.Errorf("the VM: %v %v", vm, err)
			}
			p.must(2*time.Minute, "destroy", "--yes", "--skip-preview")
		})
	}

	t.Run("not migrated", func(t *testing.T) {
		// What is left of it belongs to nobody's state, so only a person can say that it may go: docs/troubleshooting.md.
		p := newPlace(t, l, "half")
		p.program("servers:\n", "servers:\n        firstVmId: 201\n")
		p.fault(pve.Fault{Method: "POST", Path: "qemu/202/migrate$", Times: 1, TaskError: "migration aborted"})
		if _, _, err := p.try(2*time.Minute, "up", "--yes", "--skip-preview"); err == nil {
			t.Fatal("the first update succeeded")
		}
		p.reset()
		if _, out, err := p.try(2*time.Minute, "up", "--yes", "--skip-preview"); !newer() && (err == nil || !strings.Contains(out, "unable to create VM 202: config file already exists")) {
			t.Errorf("the second update: %v\n%s", err, tail(out))
		}
		p.remove(202)
		p.up()
		if vm, err := p.VM("k3s-server-02"); err != nil || vm.Node != "pve2" {
			t.Errorf("the VM: %v %v", vm, err)
		}
	})
}
