package e2e

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mustRefuse takes an update that must fail with these words.
func (p *place) mustRefuse(timeout time.Duration, want string, args ...string) string {
	p.t.Helper()
	_, out, err := p.try(timeout, append([]string{"up", "--yes", "--skip-preview"}, args...)...)
	if err == nil || !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
		p.t.Errorf("%v, want %q in:\n%s", err, want, tail(out))
	}
	return out
}

const (
	oneWorker = "          count: 2\n"
	secondMAC = "            \"2\": {mac: \"BC:24:11:07:BA:1A\"}\n"
	justOne   = "          count: 1\n"
	vipOnWire = "192.168.1.220/32"
)

// TestLongTrouble: what goes wrong while a cluster changes is refused or waited for with its name, and the next update goes on.
func TestLongTrouble(t *testing.T) {
	const pool = "        pool: k3s\n"
	both := []string{ownMACs, "", pool, pool + "        firewall: true\n"}
	one := append([]string{oneWorker, justOne, secondMAC, ""}, both...)
	p := newPlace(t, newLab(t, "trouble", false), "trouble", both...)
	p.up("--parallel", "1")
	p.cluster(release, kubernetesNodes()...)
	if out, err := p.Command("ip", "-o", "link", "show", "type", "bridge").Output(); err != nil || strings.Count(string(out), "fwbr") != len(referenceNodes()) {
		t.Errorf("the VMs are not behind bridges of their own: %s (%v)", out, err)
	}

	t.Run("a server is not taken away while another one is ill", func(t *testing.T) {
		p.t = t
		powerOff(p, "k3s-server-02")
		p.mustRefuse(6*time.Minute, "k3s-server-03: leave: will not take server k3s-server-03 away, for quorum would be lost: k3s-server-02: ", "--replace", "**::k3s-vm-k3s-server-03")
		powerOn(p, "k3s-server-02")
		p.cluster(release, kubernetesNodes()...)
		p.tidy()
	})
	t.Run("two servers are not replaced at once, and the next update goes on", func(t *testing.T) {
		p.t = t
		p.mustRefuse(8*time.Minute, "only 1 of 3 servers would stay; etcd needs 2, so server k3s-server-0", "--replace", "**::k3s-vm-k3s-server-02", "--replace", "**::k3s-vm-k3s-server-03")
		p.regained(3 * time.Second)
	})
	t.Run("one at a time of everything", func(t *testing.T) {
		p.t = t
		p.regained(3*time.Second, "--parallel", "1", "--replace", "**::k3s-vm-k3s-server-02")
	})
	t.Run("a node that hangs in Terminating", func(t *testing.T) {
		p.t = t
		p.kubectl("patch", "node", "k3s-worker-02", "--type=json", "-p", `[{"op":"add","path":"/metadata/finalizers/-","value":"example.org/hold"}]`)
		p.program(one...)
		out := p.mustRefuse(8*time.Minute, "k3s-worker-02: leave: node k3s-worker-02 hangs in Terminating for 180 s: finalizers [example.org/hold]")
		if !strings.Contains(out, "lease's holder is k3s-server-0") {
			t.Errorf("nobody is named who holds the lease: %s", tail(out))
		}
		if _, err := p.VM("k3s-worker-02"); err != nil {
			t.Error("its VM is gone, although it has not left")
		}
		p.kubectl("patch", "node", "k3s-worker-02", "--type=json", "-p", `[{"op":"remove","path":"/metadata/finalizers"}]`)
		p.regained(time.Second)
		p.program(both...)
		p.regained(time.Second)
	})
	t.Run("killed in the middle of a removal", func(t *testing.T) {
		p.t = t
		p.program(one...)
		// Held up by another run's lease, so that there is a middle.
		p.otherRun(time.Now())
		if out, ended := p.upUntil("k3s-admit-k3s-worker-02 deleting", after(2*time.Second)); ended {
			t.Fatalf("it was not killed: %s", tail(out))
		}
		p.regained(time.Second)
		p.program(both...)
		if out, ended := p.upUntil("k3s-admit-k3s-worker-02 creating", after(500*time.Millisecond)); ended {
			t.Fatalf("it was not killed: %s", tail(out))
		}
		p.regained(time.Second)
	})
	t.Run("another run takes a node away at this moment", func(t *testing.T) {
		p.t = t
		p.program(one...)
		p.otherRun(time.Now())
		began := time.Now()
		p.regained(time.Second)
		if took := time.Since(began); took < 55*time.Second {
			t.Errorf("the other run was not waited for: %s", took)
		}
		p.program(both...)
		p.regained(time.Second)
	})
	t.Run("the way to the leaving node is closed", func(t *testing.T) {
		p.t = t
		p.in("k3s-worker-02", "", "systemctl", "stop", "ssh", "ssh.socket")
		p.program(one...)
		p.regained(time.Second)
		p.program(both...)
		p.regained(time.Second)
	})
	t.Run("the API is away", func(t *testing.T) {
		p.t = t
		for _, s := range []string{"k3s-server-01", "k3s-server-02", "k3s-server-03"} {
			p.in(s, "", "systemctl", "stop", "k3s")
		}
		p.program(one...)
		p.mustRefuse(8*time.Minute, "k3s-worker-02: leave: the API of cluster k3s at 192.168.1.220:6443 cannot be reached for 120 s: through k3s-lb-01: ")
		for _, s := range []string{"k3s-server-01", "k3s-server-02", "k3s-server-03"} {
			p.in(s, "", "systemctl", "start", "--no-block", "k3s")
		}
		p.cluster(release, kubernetesNodes()...)
		p.regained(time.Second)
	})
}

// otherRun puts a lease in place as another run of the provider holds it.
func (p *place) otherRun(renewed time.Time) {
	p.t.Helper()
	cmd := p.Command(filepath.Join(p.Build, "bin", "kubectl"), "--kubeconfig", filepath.Join(p.project, "kubeconfig"), "apply", "-f", "-")
	p.kubectl("version") // makes the file
	at := renewed.UTC().Format("2006-01-02T15:04:05.000000Z")
	cmd.Stdin = strings.NewReader(fmt.Sprintf(`{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"k3sha-removal","namespace":"kube-system"},
		"spec":{"holderIdentity":"another","leaseDurationSeconds":60,"acquireTime":%q,"renewTime":%q}}`, at, at))
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
}

// liar answers at the VIP, by TLS, with a certificate of its own, and keeps what it is told.
func (p *place) liar() (told *bytes.Buffer, stop func()) {
	p.t.Helper()
	dir := p.t.TempDir()
	key, cert := filepath.Join(dir, "key"), filepath.Join(dir, "cert")
	if out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=k3s-server-ca@1",
		"-addext", "subjectAltName=IP:192.168.1.220,DNS:kubernetes.default.svc", "-keyout", key, "-out", cert, "-days", "2").CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	if out, err := p.Command("ip", "addr", "add", vipOnWire, "dev", "br0").CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	told = &bytes.Buffer{}
	cmd := p.Command("openssl", "s_server", "-quiet", "-accept", "192.168.1.220:6443", "-cert", cert, "-key", key, "-naccept", "100000")
	cmd.Stdout, cmd.Stderr = told, told
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	return told, func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		_ = p.Command("ip", "addr", "del", vipOnWire, "dev", "br0").Run()
	}
}

// blank: a server has no etcd data, and its k3s does not run.
func (p *place) blank(node string) {
	p.t.Helper()
	if out := p.in(node, "", "sh", "-c", "ls -d /var/lib/rancher/k3s/server/db/etcd 2>/dev/null; systemctl is-active k3s"); strings.Contains(out, "etcd") || strings.HasPrefix(out, "active") {
		p.t.Errorf("%s has started something: %s", node, out)
	}
}

// TestLongForks: whatever is lost, and whoever lies, there is never a second cluster, and nobody unproven is told a secret.
func TestLongForks(t *testing.T) {
	p := newPlace(t, newLab(t, "forks", false), "forks", ownMACs, "")
	p.up()
	p.cluster(release, kubernetesNodes()...)
	kubeconfig := p.kubeconfig()
	p.kubectl("create", "configmap", "keep")
	noRight := "and this machine, whose disk is empty, has no right to start the cluster; it will not start a second one."

	t.Run("all load balancers are new", func(t *testing.T) {
		p.t = t
		p.lose("k3s-lb-01", "k3s-lb-02")
		p.up("--refresh")
		p.cluster(release, kubernetesNodes()...)
		p.tidy()
		p.kubectl("get", "configmap", "keep")
		p.program(ownMACs, "")
	})
	t.Run("the first server's disk is empty and all others are off", func(t *testing.T) {
		p.t = t
		for _, node := range []string{"k3s-server-02", "k3s-server-03", "k3s-lb-01", "k3s-lb-02"} {
			powerOff(p, node)
		}
		// As a snapshot of before its first start would leave it, too.
		p.in("k3s-server-01", "", "sh", "-c", "systemctl stop k3s; rm -rf /var/lib/rancher /etc/rancher /var/lib/k3sha")
		p.mustRefuse(9*time.Minute, "k3s-server-01: converge: no server of cluster k3s has answered at the VIP 192.168.1.220 for 120 s, "+noRight, "--replace", "**::k3s-converge-k3s-server-01")
		p.blank("k3s-server-01")
	})
	t.Run("a liar at the VIP", func(t *testing.T) {
		p.t = t
		told, stop := p.liar()
		p.mustRefuse(9*time.Minute, "k3s-server-01: converge: something answers at the VIP 192.168.1.220 that is no server of cluster k3s, "+noRight, "--replace", "**::k3s-converge-k3s-server-01")
		stop()
		p.blank("k3s-server-01")
		if text := told.String(); strings.Contains(text, "GET ") || strings.Contains(text, "Authorization") {
			t.Errorf("the liar was told: %s", text)
		}
	})
	t.Run("they come back, and the first one joins them", func(t *testing.T) {
		p.t = t
		for _, node := range []string{"k3s-lb-01", "k3s-lb-02", "k3s-server-02", "k3s-server-03"} {
			powerOn(p, node)
		}
		p.eventually("the API answers", 90*time.Second, func() bool { _, err := p.tryKubectl("get", "--raw", "/readyz"); return err == nil })
		p.regained(3*time.Second, "--replace", "**::k3s-vm-k3s-server-01")
		p.kubectl("get", "configmap", "keep")
	})
	t.Run("everything is new but the state", func(t *testing.T) {
		p.t = t
		p.lose(referenceNodes()...)
		p.mustRefuse(9*time.Minute, "If the cluster is lost for good, set servers.startOver to a new word to start it anew, empty", "--refresh")
		for _, node := range []string{"k3s-server-01", "k3s-server-02", "k3s-server-03"} {
			p.blank(node)
		}
		p.program(ownMACs, "", "firstAddress: 192.168.1.201\n", "firstAddress: 192.168.1.201\n        startOver: flood\n")
		p.up()
		p.cluster(release, kubernetesNodes()...)
		p.tidy()
		if p.kubeconfig() != kubeconfig {
			t.Error("the kubeconfig has changed, and tokens and CAs are the same")
		}
		if out, err := p.tryKubectl("get", "configmap", "keep"); err == nil {
			t.Errorf("where does this come from? %s", out)
		}
		if r, _ := p.up(); r.Changed() != 0 {
			t.Errorf("still changing: %v", changedNames(r))
		}
	})
}

// TestLongAdopt: the state is gone, the cluster lives: a new stack goes on with it by its recovery bundle, and the old machines leave one
// by one.
func TestLongAdopt(t *testing.T) {
	few := []string{oneWorker, justOne, secondMAC, ""}
	old := newPlace(t, newLab(t, "adopt", false), "old", append(few, "outputs:\n", "outputs:\n  bundle: ${k3s.recoveryBundle}\n")...)
	old.up()
	old.kubectl("create", "configmap", "keep")
	kubeconfig := old.kubeconfig()
	bundle, err := old.Pulumi(t.Context(), old.project, old.stack, "stack", "output", "bundle", "--show-secrets").Output()
	if err != nil {
		t.Fatal(err)
	}
	// What is left of the old stack is the cluster. Its load balancers go: two pairs cannot hold one VIP.
	powerOff(old, "k3s-lb-01")
	powerOff(old, "k3s-lb-02")

	living := "        others: [192.168.1.201, 192.168.1.202, 192.168.1.203]\n"
	adopted := "        recoveryBundle: ${recoveryBundle}\n"
	program := func(others, bundle string) []string {
		return []string{
			ownMACs, "", "firstAddress: 192.168.1.201\n", "firstAddress: 192.168.1.201\n        slots: [4, 5, 6]\n" + others,
			oneWorker, "          slots: [3]\n", "          nodes:\n            \"1\": {mac: \"BC:24:11:12:B1:D2\"}\n" + secondMAC, "",
			"firstAddress: 192.168.1.221\n", "firstAddress: 192.168.1.221\n        slots: [3]\n",
			"        nodes:\n          \"1\": {mac: \"BC:24:11:EA:6D:1F\"}\n          \"2\": {mac: \"BC:24:11:6B:DC:F9\"}\n", "",
			"config:\n", "config:\n  recoveryBundle: {type: string, secret: true}\n", "version: v1.31.6+k3s1\n", "version: v1.31.6+k3s1\n" + bundle,
		}
	}
	p := newPlace(t, old.Lab, "adopted", program(living, adopted)...)
	set := p.Pulumi(t.Context(), p.project, p.stack, "config", "set", "recoveryBundle", "--secret", "--config-file", p.ConfigFile(p.stack))
	set.Stdin = bytes.NewReader(bytes.TrimSpace(bundle))
	if out, err := set.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.up()
	p.kubectl("get", "configmap", "keep")
	if p.kubeconfig() == kubeconfig {
		t.Error("two stacks have the same administrator's certificate")
	}
	p.cluster(release, "k3s-server-01", "k3s-server-02", "k3s-server-03", "k3s-server-04", "k3s-server-05", "k3s-server-06", "k3s-worker-01", "k3s-worker-03")
	for _, node := range []string{"k3s-worker-01", "k3s-server-01", "k3s-server-02", "k3s-server-03"} {
		p.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force")
		p.kubectl("delete", "node", node)
		powerOff(p, node)
	}
	p.program(program("", "")...)
	p.up()
	p.cluster(release, "k3s-server-04", "k3s-server-05", "k3s-server-06", "k3s-worker-03")
	if n := p.members("k3s-server-04"); n != 3 {
		t.Errorf("etcd has %d members", n)
	}
	if r, _ := p.up(); r.Changed() != 0 {
		t.Errorf("still changing: %v", changedNames(r))
	}
}
