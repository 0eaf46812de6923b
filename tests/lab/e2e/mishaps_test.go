package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

// says checks that an update fails within a time, with these texts.
func (p *place) says(within time.Duration, args []string, want ...string) {
	p.t.Helper()
	start := time.Now()
	_, out, err := p.try(within+2*time.Minute, append([]string{"up", "--yes", "--skip-preview"}, args...)...)
	took := time.Since(start)
	flat := strings.Join(strings.Fields(out), " ")
	for _, text := range want {
		if err == nil || !strings.Contains(flat, text) {
			p.t.Errorf("%v, no %q in\n%s", err, text, tail(out))
		}
	}
	if took > within {
		p.t.Errorf("it took %s to say so", took)
	}
	p.t.Logf("said after %.1f s", took.Seconds())
}

// foreign puts somebody else's VM into Proxmox VE, and returns how it is.
func (p *place) foreign(id int) machine {
	p.t.Helper()
	if err := p.Control("POST", "/vm", map[string]any{"id": id, "name": "db"}, nil); err != nil {
		p.t.Fatal(err)
	}
	return p.seen("db")
}

// machine is what Proxmox VE says of a VM.
type machine struct {
	status string
	config map[string]string
}

func (p *place) seen(name string) machine {
	p.t.Helper()
	vm, err := p.VM(name)
	if err != nil {
		p.t.Fatalf("%s: %v", name, err)
	}
	return machine{vm.Status, vm.Config}
}

// untouched checks that nothing was done to somebody else's VM.
func (p *place) untouched(before machine) {
	p.t.Helper()
	if now := p.seen("db"); now.status != before.status || !maps.Equal(now.config, before.config) {
		p.t.Errorf("somebody else's VM was %v and is %v", before, now)
	}
}

// TestLabForeignVMs: an id that is somebody else's is never touched: not at creation, when it is tried again, or when everything is destroyed;
// nor when somebody takes the id of a VM that was lost.
func TestLabForeignVMs(t *testing.T) {
	p := newPlace(t, newNull(t, "foreign"), "foreign")
	const id = 202
	p.program("servers:\n", "servers:\n        firstVmId: 201\n")
	db := p.foreign(id)
	for range 2 {
		p.says(time.Minute, nil, "k3s-vm-k3s-server-02", "unable to create VM 202: config file already exists")
		p.untouched(db)
	}
	p.must(2*time.Minute, "destroy", "--yes", "--skip-preview")
	p.untouched(db)
	p.remove(id)

	p.up()
	p.remove(id)
	db = p.foreign(id)
	for range 2 {
		p.says(time.Minute, []string{"--refresh"}, `k3s-server-02: vm: VM 202 in Proxmox VE, "db", is not the one that was made here`, "then run pulumi up --refresh: k3s-server-02 is made anew")
		p.untouched(db)
	}
}

// TestLongMishaps creates the cluster while one thing after the other goes wrong. Each update ends within its time, with the node, the step, the
// cause and what to do; the next one goes on, and the last one has a whole cluster.
func TestLongMishaps(t *testing.T) {
	p := newPlace(t, newLab(t, "mishaps", false), "mishaps")
	part := func(name string, run func()) {
		t.Run(name, func(t *testing.T) {
			p.t = t
			run()
		})
		p.t = t
	}
	// deaf has the lab's own namespace drop packets, as when nobody is there any more.
	deaf := func(word string, packets ...string) {
		p.t.Helper()
		args := append([]string{"-n", p.Namespace(), "rule", word}, packets...)
		if out, err := exec.Command("ip", append(args, "blackhole")...).CombinedOutput(); err != nil {
			p.t.Fatalf("ip rule: %v %s", err, out)
		}
	}

	part("Proxmox VE is gone", func() {
		p.fault(pve.Fault{Drop: true})
		p.says(2*time.Minute, nil, "error cloning VM", "EOF")
		p.reset()
	})
	part("Proxmox VE answers 500 for a while", func() {
		p.fault(pve.Fault{Path: "/qemu", Times: 4, Status: 500, Message: "cluster not ready - no quorum?"})
		p.says(2*time.Minute, nil, "cluster not ready - no quorum?")
		p.reset()
	})
	part("the template is locked", func() {
		p.fault(pve.Fault{Method: "POST", Path: "/qemu/9000/clone$", Status: 500, Message: "VM is locked (backup)"})
		p.says(4*time.Minute, nil, "VM is locked (backup)")
		p.reset()
	})
	part("mirrors are dead, and a node never boots", func() {
		deaf("add", "from", "192.168.1.1", "ipproto", "tcp", "sport", "8080")
		deaf("add", "to", "192.168.1.212", "ipproto", "tcp", "dport", "22")
		p.says(7*time.Minute, []string{"--continue-on-error"},
			"k3s-worker-02: contact: 192.168.1.212:22 has not answered for 5m0s", "as running: look at its console there. Then run pulumi up again; a VM that cannot be mended is made anew by pulumi up --replace '**::k3s-vm-k3s-worker-02'",
			"k3s-lb-01: prepare: cannot install haproxy keepalived", "mend the node's package sources or its way to them, then run pulumi up again",
			"k3s-server-01: prepare: cannot fetch http://192.168.1.1:8080/", "check the node's way to the internet, or set k3s.mirror")
		deaf("del", "from", "192.168.1.1", "ipproto", "tcp", "sport", "8080")
		deaf("del", "to", "192.168.1.212", "ipproto", "tcp", "dport", "22")
	})
	part("a disk is full", func() {
		p.in("k3s-server-01", "", "sh", "-c", "mkdir -p /var/lib/k3sha/releases && mount -t tmpfs -o size=100m tmpfs /var/lib/k3sha/releases")
		p.says(3*time.Minute, nil, "k3s-server-01: prepare: the disk has 100 MiB left at /var/lib/k3sha/releases/"+release+", and a release of k3s takes up to 512; make room there, or give the node a larger disk, then run pulumi up again")
		p.in("k3s-server-01", "", "umount", "/var/lib/k3sha/releases")
	})
	part("apt was killed in the middle", func() {
		p.in("k3s-lb-02", "", "sh", "-c", "apt-get -q update && apt-get -q -y --download-only --no-install-recommends install haproxy keepalived && dpkg --unpack /var/cache/apt/archives/*.deb")
		if got := p.in("k3s-lb-02", "", "dpkg-query", "-W", "-f", "${Status}", "haproxy"); got != "install ok unpacked" {
			p.t.Fatalf("HAProxy is %q", got)
		}
	})
	part("the cluster comes up", func() {
		p.up()
		p.cluster(release, kubernetesNodes()...)
		if r, _ := p.up(); r.Changed() != 0 {
			p.t.Errorf("still changing: %v", changedNames(r))
		}
	})
	part("another SSH key", func() {
		key, err := os.ReadFile(newKey(t))
		if err != nil {
			p.t.Fatal(err)
		}
		indented := "          " + strings.ReplaceAll(strings.TrimSpace(string(key)), "\n", "\n          ")
		p.program("        privateKey: ${sshPrivateKey}\n", "        privateKey: |\n"+indented+"\n", "      clusterName: k3s\n", "      clusterName: k3s\n      reapply: another-key\n")
		p.says(time.Minute, nil, ": contact: user ubuntu is not let in after 30s: it does not take the key")
		p.program("      clusterName: k3s\n", "      clusterName: k3s\n      reapply: the-key\n")
		p.up()
	})
	part("Proxmox VE's own HA moves a VM", func() {
		before := p.lives()
		vm, err := p.VM("k3s-server-02")
		if err != nil {
			p.t.Fatal(err)
		}
		to := slices.DeleteFunc([]string{"pve1", "pve2", "pve3"}, func(node string) bool { return node == vm.Node })[0]
		if err := p.Migrate("k3s-server-02", to); err != nil {
			p.t.Fatal(err)
		}
		p.eventually("k3s-server-02 on "+to, time.Minute, func() bool {
			vm, err := p.VM("k3s-server-02")
			return err == nil && vm.Node == to
		})
		if r, _ := p.up("--refresh"); r.Changed() != 0 {
			p.t.Errorf("changes %v", changedNames(r))
		}
		p.program("servers:\n", "servers:\n        memory: 5120\n", "      clusterName: k3s\n", "      clusterName: k3s\n      reapply: the-key\n")
		s := p.service(func() { p.up() })
		p.within(s, time.Second)
		expect(t, "restarted", p.restarted(before), kubernetesNodes()[:3])
		if now, err := p.VM("k3s-server-02"); err != nil || now.Node != to || now.Config["memory"] != "5120" {
			p.t.Errorf("the VM: %v %v", now, err)
		}
	})
	part("somebody takes the id of a worker that was lost", func() {
		vm, err := p.VM("k3s-worker-02")
		if err != nil {
			p.t.Fatal(err)
		}
		p.lose("k3s-worker-02")
		db := p.foreign(vm.ID)
		p.says(2*time.Minute, []string{"--refresh"}, fmt.Sprintf(`k3s-worker-02: vm: VM %d in Proxmox VE, "db", is not the one that was made here`, vm.ID))
		p.untouched(db)
		p.remove(vm.ID)
		p.up("--refresh")
		p.cluster(release, kubernetesNodes()...)
	})
}
