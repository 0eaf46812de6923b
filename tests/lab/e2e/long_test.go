package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

// killDuring kills pulumi up, and every plugin it has started, once the step is at work and the moment has come.
func (p *place) killDuring(step string, moment func() bool) {
	p.t.Helper()
	came := false
	out, ended := p.upUntil(step+" creating", func() bool { came = moment(); return came })
	switch {
	case ended:
		p.t.Fatalf("%s never started, the up ended:\n%s", step, tail(out))
	case !came:
		p.t.Fatalf("the up ended before its moment in %s came:\n%s", step, tail(out))
	case strings.Contains(out, step+" created"):
		p.t.Fatalf("%s was done before the kill", step)
	}
	p.t.Logf("killed during %s", step)
}

// after is the moment that long after a step has begun.
func after(d time.Duration) func() bool {
	var begun time.Time
	return func() bool {
		if begun.IsZero() {
			begun = time.Now()
		}
		return time.Since(begun) >= d
	}
}

// starting is the moment at which k3s begins to start on a server, however fast the machine is.
func (p *place) starting(server string) func() bool {
	return func() bool {
		return p.in(server, "", "systemctl", "show", "--property", "ActiveState", "--value", "k3s") == "activating"
	}
}

// joining is the moment at which etcd has a server as a member, as another one tells.
func (p *place) joining(server, asked string) func() bool {
	return func() bool { return strings.Contains(p.memberList(asked), `"`+server+"-") }
}

// upUntil kills pulumi up, and every plugin it has started, at a moment after it has printed a text. It says whether the up had ended before
// that text; one that ends between the two is no more to be killed.
func (p *place) upUntil(text string, moment func() bool) (printed string, ended bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := p.Pulumi(ctx, p.project, p.stack, "up", "--yes", "--skip-preview", "--config-file", p.ConfigFile(p.stack))
	out := &watched{text: text, seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = cmd.Wait() }()
	select {
	case <-out.seen:
	case <-done:
		return out.String(), true
	}
	for over := false; !over && !moment(); {
		select {
		case <-done:
			over = true
		case <-time.After(100 * time.Millisecond):
		}
	}
	_ = cmd.Process.Kill()
	<-done
	p.afterPowerCut()
	return out.String(), false
}

// afterPowerCut does what a person does after a power cut of the machine that Pulumi ran on: its plugins are gone, its lock is not.
func (p *place) afterPowerCut() {
	p.t.Helper()
	p.Reap()
	if text, err := p.Pulumi(p.t.Context(), p.project, p.stack, "cancel", "--yes").CombinedOutput(); err != nil {
		p.t.Fatalf("pulumi cancel: %v %s", err, bytes.TrimSpace(text))
	}
}

// watched notes when a text has been written.
type watched struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	text string
	once sync.Once
	seen chan struct{}
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(b)
	if bytes.Contains(w.buf.Bytes(), []byte(w.text)) {
		w.once.Do(func() { close(w.seen) })
	}
	return len(b), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// TestLongInterruptions kills the same cluster's making at one step after the other; each next up goes on.
func TestLongInterruptions(t *testing.T) {
	crashed := newPlace(t, newLab(t, "kill", false), "kill")
	crashed.killDuring("k3s-contact-k3s-lb-02", after(0))
	crashed.crash()
	// A new lab of that name begins with nothing: no VM, no process, no namespace of the crashed one.
	p := newPlace(t, newLab(t, "kill", false), "kill")
	if nodes := p.nodes(); len(nodes) > 0 {
		t.Errorf("the crashed lab left %v", nodes)
	}
	if left := namespaces(t, p.Namespace()); len(left) != 1 {
		t.Errorf("namespaces: %v, want only the new lab's own", left)
	}

	// During a clone: what is left of it has Proxmox VE's id, and the next up says so, or goes on.
	if err := p.Control("POST", "/fault", pve.Fault{Method: "POST", Path: "/clone$", Times: 2, TaskDelay: 4000}, nil); err != nil {
		t.Fatal(err)
	}
	p.killDuring("k3s-vm-k3s-lb-01", after(1500*time.Millisecond))
	time.Sleep(4 * time.Second)
	_ = p.Control("POST", "/reset", nil, nil)
	if out, ended := p.upUntil("k3s-vm-k3s-lb-01 created", after(0)); ended {
		if !strings.Contains(out, "already exists") || !strings.Contains(out, "k3s-vm-k3s-lb-") || !strings.Contains(out, "unable to create VM") {
			t.Errorf("the error names neither VM id nor node: %s", tail(out))
		}
		t.Log("the next up stops at the foreign VM id, as it must; removing what the killed clone left, by hand")
	}
	sweep := func() {
		t.Helper()
		for name, vm := range mustVMs(t, p) {
			p.removeUnowned(name, vm.ID)
		}
	}
	sweep()

	// Workers are cloned meanwhile: what a kill leaves of a clone goes by hand, too.
	p.killDuring("k3s-converge-k3s-server-01", p.starting("k3s-server-01"))
	sweep()
	p.killDuring("k3s-converge-k3s-server-02", p.starting("k3s-server-02"))
	sweep()
	p.killDuring("k3s-converge-k3s-server-03", p.joining("k3s-server-03", "k3s-server-01"))
	sweep()
	p.up()
	p.cluster(release, kubernetesNodes()...)
	if n := p.members("k3s-server-01"); n != 3 {
		t.Errorf("etcd has %d members", n)
	}
	if r, _ := p.up(); r.Changed() != 0 {
		t.Errorf("still changing: %v", changedNames(r))
	}
}

// crash ends the lab's daemon as the machine's memory killer would; VMs and namespaces stay behind.
func (p *place) crash() {
	p.t.Helper()
	before := namespaces(p.t, p.Namespace())
	if len(before) < 2 {
		p.t.Fatalf("no VM to leave behind: %v", before)
	}
	data, err := os.ReadFile(p.Dir + "/daemon.pid")
	if err != nil {
		p.t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(data))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		p.t.Fatal(err)
	}
}

// namespaces lists a lab's network namespaces: its own and one for each VM.
func namespaces(t *testing.T, prefix string) []string {
	t.Helper()
	out, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		if name := strings.Fields(line)[0]; name == prefix || strings.HasPrefix(name, prefix+".") {
			names = append(names, name)
		}
	}
	return names
}

func TestLongGrowAndUpgrade(t *testing.T) {
	p := newPlace(t, newLab(t, "grow", false), "grow")
	p.up("--parallel", "2")
	p.cluster(release, kubernetesNodes()...)

	t.Run("three to five servers", func(t *testing.T) {
		p.t = t
		p.program("firstAddress: 192.168.1.201\n", "firstAddress: 192.168.1.201\n        count: 5\n")
		r, _ := p.up()
		for _, s := range r.Steps {
			kept := strings.Contains(s.Name, "server-01") || strings.Contains(s.Name, "server-02") || strings.Contains(s.Name, "server-03") || strings.Contains(s.Name, "worker")
			if kept && s.Op != "same" {
				t.Errorf("%s %s", s.Op, s.Name)
			}
		}
		p.cluster(release, kubernetesNodes("k3s-server-04", "k3s-server-05")...)
		if n := p.members("k3s-server-05"); n != 5 {
			t.Errorf("etcd has %d members", n)
		}
	})

	t.Run("a version rolls", func(t *testing.T) {
		p.t = t
		rolled := []string{"firstAddress: 192.168.1.201\n", "firstAddress: 192.168.1.201\n        count: 5\n", release, minor}
		p.program(append(slices.Clone(rolled), oneWorker, "          count: 3\n")...) // one is added meanwhile
		s := p.service(func() {
			r, _ := p.up()
			var order []string
			servers, added := 0.0, 0.0
			for _, s := range r.Steps {
				if strings.Contains(s.Name, "-converge-k3s-server-") {
					servers = max(servers, s.End)
				}
				if strings.HasSuffix(s.Name, "-converge-k3s-worker-03") {
					added = s.Start
				}
			}
			if added < servers {
				t.Errorf("the added worker joined after %.1f s, and the last server had the release after %.1f s", added, servers)
			}
			for _, s := range r.Steps {
				if strings.Contains(s.Name, "-converge-") && s.Op == "update" && s.End > s.Start {
					order = append(order, strings.TrimPrefix(s.Name, "k3s-converge-k3s-"))
				}
			}
			if len(order) != 7 {
				t.Fatalf("converged %v", order)
			}
			expect(t, "servers in order", order[:5], []string{"server-01", "server-02", "server-03", "server-04", "server-05"})
		})
		p.within(s, 3*time.Second) // naive: 20 s for those whom a restarting server has served
		p.cluster(minor, kubernetesNodes("k3s-server-04", "k3s-server-05", "k3s-worker-03")...)
		p.program(rolled...)
		p.up()
		p.cluster(minor, kubernetesNodes("k3s-server-04", "k3s-server-05")...)
	})

	t.Run("no way back", func(t *testing.T) {
		p.t = t
		p.program("firstAddress: 192.168.1.201\n", "firstAddress: 192.168.1.201\n        count: 5\n")
		_, out, err := p.try(time.Minute, "preview")
		if want := "k3s.version: v1.31.6+k3s1 is older than " + minor; err == nil || !strings.Contains(out, want) {
			t.Errorf("a downgrade was not refused: %v %s", err, tail(out))
		}
	})

	t.Run("a key rotates without a restart", func(t *testing.T) {
		p.t = t
		same := []string{"firstAddress: 192.168.1.201\n", "firstAddress: 192.168.1.201\n        count: 5\n", release, minor}
		before, kubeconfig := p.startTimes(), p.kubeconfig()
		old := p.publicKey(p.KeyFile())
		newFile := p.project + "/new"
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", newFile).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		fresh := p.publicKey(newFile)
		key := "privateKey: ${sshPrivateKey}\n"
		both := fmt.Sprintf("%s        publicKeys: [%q, %q]\n", key, old, fresh)
		p.program(append(same, key, both)...)
		p.up()
		data, err := os.ReadFile(newFile)
		if err != nil {
			t.Fatal(err)
		}
		set := p.Pulumi(t.Context(), p.project, p.stack, "config", "set", "sshPrivateKey", "--secret", "--config-file", p.ConfigFile(p.stack))
		set.Stdin = bytes.NewReader(data)
		if out, err := set.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		p.up()
		p.program(append(same, key, fmt.Sprintf("%s        publicKeys: [%q]\n", key, fresh))...)
		p.up()
		if r, _ := p.up(); r.Changed() != 0 {
			t.Errorf("still changing: %v", changedNames(r))
		}
		for _, node := range p.nodes() {
			if got := p.in(node, "", "cat", "/home/ubuntu/.ssh/authorized_keys"); got != fresh {
				t.Errorf("%s lets in: %s", node, got)
			}
		}
		if after := p.startTimes(); after != before {
			t.Errorf("services were restarted:\n%s\nwas\n%s", after, before)
		}
		if p.kubeconfig() != kubeconfig {
			t.Error("the kubeconfig has changed")
		}
	})

	t.Run("the first server is lost", func(t *testing.T) {
		p.t = t
		p.kubectl("create", "configmap", "before-the-loss")
		s := p.service(func() {
			powerOff(p, "k3s-server-01")
			time.Sleep(15 * time.Second)
		})
		p.within(s, 3*time.Second) // naive 52 to 57 s
		p.kubectl("get", "configmap", "before-the-loss")
	})

	t.Run("the load balancer that holds the VIP is lost too", func(t *testing.T) {
		p.t = t
		holders := p.holders(vip)
		if len(holders) != 1 {
			t.Fatalf("holders of the VIP: %v", holders)
		}
		s := p.service(func() {
			powerOff(p, holders[0])
			time.Sleep(10 * time.Second)
		})
		p.within(s, 4*time.Second) // naive 1.9 to 3.4 s, and a second move
		if now := p.holders(vip); len(now) != 1 || now[0] == holders[0] {
			t.Errorf("the VIP was on %v and is on %v", holders, now)
		}
		p.kubectl("create", "configmap", "after-both-losses")
	})
}

func (p *place) publicKey(private string) string {
	p.t.Helper()
	out, err := exec.Command("ssh-keygen", "-y", "-f", private).Output()
	if err != nil {
		p.t.Fatal(err)
	}
	fields := strings.Fields(string(out))
	return fields[0] + " " + fields[1]
}

// startTimes are when the services of all nodes were started and last reloaded.
func (p *place) startTimes() string {
	p.t.Helper()
	var b strings.Builder
	vms, err := p.VMs()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, node := range p.nodes() {
		if vms[node].Status != "running" {
			continue
		}
		b.WriteString(node + " " + p.in(node, "", "sh", "-c",
			"systemctl show -p MainPID,ActiveEnterTimestampMonotonic,NRestarts k3s k3s-agent haproxy keepalived | tr '\n' ' '; journalctl -q --no-pager | grep -c Reload") + "\n")
	}
	return b.String()
}

func TestLongTwoClustersSideBySide(t *testing.T) {
	var wg sync.WaitGroup
	for _, name := range []string{"left", "right"} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			t.Run("lab "+name, func(t *testing.T) {
				p := newPlace(t, newLab(t, name, false), name)
				p.up()
				p.cluster(release, kubernetesNodes()...)
				if name == "right" {
					return
				}
				// A second cluster on the same network, with the router id that its name gives it.
				second := newPlace(t, p.Lab, "second", "clusterName: k3s", "clusterName: edge", "192.168.1.22", "192.168.1.12", "192.168.1.20", "192.168.1.10", "192.168.1.21", "192.168.1.11",
					"        virtualRouterId: 51\n", "", "BC:24:11", "BC:24:12", "vip: 192.168.1.120", "vip: 192.168.1.120")
				second.up()
				p.cluster(release, kubernetesNodes()...)
				if got := len(strings.Fields(second.kubectl("get", "nodes", "-o", "name"))); got != 5 {
					t.Errorf("the second cluster has %d nodes", got)
				}
				p.held(vip, "k3s")
				second.held("192.168.1.120", "edge")
			})
		}()
	}
	wg.Wait()
}

func mustVMs(t *testing.T, p *place) map[string]struct{ ID int } {
	t.Helper()
	vms, err := p.VMs()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]struct{ ID int }{}
	for name, vm := range vms {
		out[name] = struct{ ID int }{vm.ID}
	}
	return out
}

// removeUnowned deletes a VM that Proxmox VE has and the stack doesn't, as a person would in the web interface.
func (p *place) removeUnowned(name string, id int) {
	p.t.Helper()
	for _, r := range p.resources() {
		if strings.HasSuffix(r.URN, "-vm-"+name) && r.ID != "" {
			return
		}
	}
	p.t.Logf("removing VM %d (%s), which no state has", id, name)
	p.remove(id)
}
