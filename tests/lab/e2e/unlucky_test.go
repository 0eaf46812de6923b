package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

// TestLongUnlucky: what can go wrong in the middle of a roll. The update says what, nothing else of the group is touched, nothing stays cordoned,
// and the next up does what is left.
func TestLongUnlucky(t *testing.T) {
	p := newPlace(t, newLab(t, "unlucky", false), "unlucky")
	p.up()
	p.cluster(release, kubernetesNodes()...)
	sized := func(mib string) []string { return []string{"servers:\n", "servers:\n        memory: " + mib + "\n"} }
	goesOn := func() {
		p.t.Helper()
		p.tidy()
		s := p.service(func() { p.up("--refresh") })
		p.within(s, time.Second)
		p.well(release)
	}
	all := kubernetesNodes()[:3]

	t.Run("Proxmox VE refuses the new size", func(t *testing.T) {
		p.t = t
		before := p.lives()
		p.fault(pve.Fault{Method: "PUT", Path: "/config$", Status: 500, Message: "unable to write file: no space left on device"})
		p.program(sized("5120")...)
		p.refuses("no space left on device", "but the plugin of Proxmox VE takes it for changed: mend that, then run pulumi up --refresh")
		p.reset()
		expect(t, "restarted", p.restarted(before), nil)
		goesOn()
		expect(t, "restarted", p.restarted(before), all)
	})

	t.Run("a VM does not come back", func(t *testing.T) {
		p.t = t
		before := p.lives()
		p.fault(pve.Fault{Method: "POST", Path: "/status/reboot$", Times: 1, TaskError: "VM quit/powerdown failed - got timeout"})
		p.program(sized("6144")...)
		p.refuses("VM quit/powerdown failed")
		p.reset()
		if got := p.restarted(before); len(got) > 1 {
			t.Errorf("restarted all the same: %v", got)
		}
		goesOn() // Proxmox VE has the new size of the first, which counts from its next start
	})

	t.Run("the API is away in the middle", func(t *testing.T) {
		p.t = t
		before := p.lives()
		p.program(sized("5120")...)
		others := []string{"k3s-server-01", "k3s-server-02", "k3s-server-03"}
		_, out, err := p.tryUntilThen("k3s-vm-k3s-server-0", " updated", func(printed string) {
			at := strings.LastIndex(printed, "k3s-vm-k3s-server-0")
			others = slices.DeleteFunc(others, func(name string) bool { return name == printed[at+len("k3s-vm-"):][:len(name)] })
			for _, name := range others {
				p.in(name, "", "systemctl", "stop", "k3s")
			}
		})
		if err == nil || !strings.Contains(out, "k3s-server-0") {
			t.Errorf("%v in\n%s", err, tail(out))
		}
		for _, name := range others {
			p.in(name, "", "systemctl", "start", "--no-block", "k3s")
		}
		p.cluster(release, kubernetesNodes()...)
		p.up()
		expect(t, "restarted", p.restarted(before), all)
		p.well(release)
	})

	t.Run("a pod ignores its grace", func(t *testing.T) {
		p.t = t
		p.apply("apiVersion: v1\nkind: Pod\nmetadata: {name: slow, labels: {app: slow}, annotations: {k3s-standin/ends-after: \"120\"}}\n" +
			"spec: {nodeName: k3s-worker-02, terminationGracePeriodSeconds: 6, containers: [{name: c, image: a}]}\n")
		p.eventually("it runs", 20*time.Second, func() bool { return strings.Contains(p.pods(), "slow k3s-worker-02 Running True") })
		p.program(append(sized("5120"), "          count: 2\n", "          count: 2\n          memory: 3072\n")...)
		r, _ := p.up()
		for _, s := range r.Steps {
			if s.Name == "k3s-vm-k3s-worker-02" && s.End-s.Start < 6 {
				t.Errorf("nobody waited for its grace: %.1f s", s.End-s.Start)
			}
		}
		p.well(release)
	})

	t.Run("one operation at a time", func(t *testing.T) {
		p.t = t
		p.program(append(sized("6144"), "loadBalancers:\n", "loadBalancers:\n        memory: 1536\n", "          count: 2\n", "          count: 2\n          memory: 2048\n")...)
		p.apply(replicas)
		var w watch
		p.reset()
		s := p.service(func() {
			w = p.watching(func() { p.must(9*time.Minute, "up", "--yes", "--skip-preview", "--parallel", "1") })
		})
		p.within(s, time.Second)
		// The watcher can miss one that boots fast.
		if reboots := len(p.posts("/status/reboot")); len(w.together) > 0 || reboots != 7 {
			t.Errorf("%d restarts of VMs; off together: %v", reboots, w.together)
		}
		p.well(release)
	})
}
