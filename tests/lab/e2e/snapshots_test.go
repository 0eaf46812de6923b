package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

// backup is a program's backup to the lab's S3.
func (p *place) backup(secretKey string) string {
	p.t.Helper()
	ca, err := p.S3CA()
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := json.Marshal(string(ca))
	if err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprintf(`      backup:
        schedule: "0 3 * * *"
        retention: 3
        compress: true
        s3:
          endpoint: %s
          bucket: %s
          folder: clusters/k3s
          accessKey: {fn::secret: %s}
          secretKey: {fn::secret: %s}
          ca: %s
`, lab.S3At, lab.S3Bucket, lab.S3AccessKey, secretKey, text)
}

// snapshot is one of the output.
type snapshot struct{ Name, Place string }

func (p *place) snapshots() []snapshot {
	p.t.Helper()
	out, err := p.Pulumi(p.t.Context(), p.project, p.stack, "stack", "output", "snapshots", "--json").Output()
	if err != nil {
		p.t.Fatal(err)
	}
	var list []snapshot
	if err := json.Unmarshal(out, &list); err != nil {
		p.t.Fatal(err)
	}
	return list
}

// named are the names of snapshots at a place that begin with a text.
func (p *place) named(place, begin string) []string {
	var out []string
	for _, s := range p.snapshots() {
		if s.Place == place && strings.HasPrefix(s.Name, begin) {
			out = append(out, s.Name)
		}
	}
	return out
}

const (
	sshLines   = "      ssh:\n"
	snapshotsO = "outputs:\n  snapshots: ${k3s.snapshots}\n  recoveryBundle: ${k3s.recoveryBundle}\n"
)

// TestLongSnapshots takes snapshots to S3, and goes back to them: on a living cluster, when all servers are lost, and with a new stack when the
// state is lost too.
func TestLongSnapshots(t *testing.T) {
	p := newPlace(t, newLab(t, "snapshots", false), "snapshots")
	program := func(restore string, more ...string) {
		p.program(append([]string{sshLines, p.backup(lab.S3SecretKey) + restore + sshLines, "outputs:\n", snapshotsO}, more...)...)
	}
	// The line of docs/disaster-recovery.md, as a reader takes it over.
	doc, err := os.ReadFile("../../../docs/disaster-recovery.md")
	if err != nil {
		t.Fatal(err)
	}
	const line = `    restore: {snapshot: SNAPSHOT, id: "2026-11-26"}` + "\n"
	for _, text := range []string{line, "    pulumi up --refresh\n", "    pulumi up\n", "    pulumi config set recoveryBundle --secret < recovery-bundle\n", "    pulumi stack output recoveryBundle --show-secrets > recovery-bundle\n"} {
		if !strings.Contains(string(doc), text) {
			t.Errorf("docs/disaster-recovery.md does not hold what this test does: %s", text)
		}
	}
	restore := func(name, id string) string {
		return "  " + strings.NewReplacer("SNAPSHOT", name, "2026-11-26", id).Replace(line)
	}

	t.Run("keys that S3 refuses end the first update", func(t *testing.T) {
		p.t = t
		p.program(sshLines, p.backup("wrong-secret-key")+sshLines, "outputs:\n", snapshotsO)
		_, out, err := p.try(6*time.Minute, "up", "--yes", "--skip-preview")
		if err == nil || !strings.Contains(out, "k3s-server-01: backup: k3s cannot take a snapshot, or cannot keep it in S3") {
			t.Fatalf("%v\n%s", err, tail(out))
		}
		if strings.Contains(out, "wrong-secret-key") {
			t.Error("the key stands in what is printed")
		}
		state, err := p.Pulumi(t.Context(), p.project, p.stack, "stack", "export").Output()
		if err != nil || strings.Contains(string(state), "wrong-secret-key") {
			t.Errorf("the key stands in the state (%v)", err)
		}
	})
	var first string
	t.Run("right ones prove it", func(t *testing.T) {
		p.t = t
		program("")
		p.up()
		p.forgetKubeconfig()
		p.cluster(release, kubernetesNodes()...)
		inS3, onDisk := p.named("s3", "proof-k3s-server-01-"), p.named("k3s-server-01", "proof-k3s-server-01-")
		if len(inS3) != 1 || len(onDisk) == 0 || !slices.Contains(onDisk, inS3[0]) {
			t.Fatalf("snapshots: %+v", p.snapshots())
		}
		for _, server := range kubernetesNodes()[:3] {
			if strings.Contains(p.in(server, "", "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'"), lab.S3SecretKey) {
				t.Errorf("the key stands on a command line of %s", server)
			}
		}
		if r, out := p.up(); r.Changed() != 0 {
			t.Errorf("the second update changes %v\n%s", changedNames(r), tail(out))
		}
	})
	p.t = t
	kubeconfig := p.kubeconfig()
	p.kubectl("create", "configmap", "before", "--from-literal=a=b")
	p.kubectl("create", "deployment", "web", "--image=web", "--replicas=2")

	t.Run("one is taken before an upgrade", func(t *testing.T) {
		p.t = t
		program("", "version: v1.31.6+k3s1", "version: "+next)
		p.up()
		p.up("--refresh")
		upgrade := p.named("s3", "before-upgrade-k3s-server-01-")
		if len(upgrade) != 1 {
			t.Fatalf("snapshots: %+v", p.snapshots())
		}
		first = upgrade[0]
	})
	if first == "" {
		t.FailNow()
	}
	now := []string{"version: v1.31.6+k3s1", "version: " + next}

	t.Run("wrong ones are refused before anything is stopped", func(t *testing.T) {
		p.t = t
		const dir = "/var/lib/rancher/k3s/server/db/snapshots/"
		p.in("k3s-server-01", "", "sh", "-ec", `cd /root; gzip -dc <`+dir+first+` >whole
sed 's,/bootstrap/............,/bootstrap/000000000000,g' whole >other-token
sed 's/v1\.31\.[67]+k3s1/v1.34.6+k3s1/g' whole >newer
echo nothing >junk; head -c 100000 whole >half`)
		for name, want := range map[string]string{
			"nothing-like-it":   "cannot fetch the snapshot nothing-like-it from https://" + lab.S3At + "/" + lab.S3Bucket + "/clusters/k3s/: there is none (404); nothing was stopped",
			"/root/absent":      "there is no snapshot /root/absent on this server; nothing was stopped",
			"/root/other-token": "/root/other-token is of a cluster with another token; nothing was stopped",
			"/root/newer":       "/root/newer is of v1.34.6+k3s1, and k3s " + next + " cannot read what a newer minor version has written; nothing was stopped",
			"/root/junk":        "/root/junk is no snapshot of k3s; nothing was stopped",
			"/root/half":        "nothing was stopped",
		} {
			program(restore(name, "refused"), now...)
			s := p.service(func() {
				_, out, err := p.try(4*time.Minute, "up", "--yes", "--skip-preview")
				if err == nil || !strings.Contains(out, want) {
					t.Errorf("%s: %v\n%s\nwant %q", name, err, tail(out), want)
				}
			})
			p.within(s, time.Second)
		}
		program("", now...)
		p.up()
		p.cluster(next, kubernetesNodes()...)
	})
	t.Run("a living cluster goes back", func(t *testing.T) {
		p.t = t
		p.kubectl("create", "configmap", "after", "--from-literal=a=b")
		boots := p.boots()
		program(restore(first, "monday"), now...)
		_, preview := p.must(2*time.Minute, "preview")
		if !strings.Contains(preview, "goes back to the snapshot "+first) {
			t.Errorf("the preview does not say it:\n%s", tail(preview))
		}
		s := p.service(func() { p.up() })
		p.within(s, 60*time.Second)
		t.Logf("figure: a living cluster goes back: %.1f s without API", s.Without.Seconds())
		p.wentBack()
		p.kubectl("get", "configmap", "before")
		p.cluster(next, kubernetesNodes()...)
		p.tidy()
		p.eventually("two replicas", time.Minute, func() bool {
			return p.kubectl("get", "deployment", "web", "-o", "jsonpath={.status.availableReplicas}") == "2"
		})
		if got := p.boots(); fmt.Sprint(got) != fmt.Sprint(boots) {
			t.Errorf("VMs have restarted: %v, before %v", got, boots)
		}
		if p.kubeconfig() != kubeconfig {
			t.Error("the kubeconfig has changed")
		}
		p.kubectl("create", "configmap", "after", "--from-literal=a=b")
		if r, out := p.up(); r.Changed() != 0 {
			t.Errorf("the second update changes %v\n%s", changedNames(r), tail(out))
		}
		p.kubectl("get", "configmap", "after") // it is not restored again
	})
	t.Run("all servers are lost", func(t *testing.T) {
		p.t = t
		p.lose(kubernetesNodes()[:3]...)
		program(restore(first, "tuesday"), now...)
		r, _ := p.must(8*time.Minute, "up", "--yes", "--skip-preview", "--refresh")
		api, workers := sinceBoot(r, "converge-k3s-server-01"), sinceBoot(r, "converge-k3s-worker-01", "converge-k3s-worker-02")
		t.Logf("figure: all servers lost: API %.1f s after the last boot, workers %.1f s later; up %.1f s", api, workers-api, r.Seconds)
		if api > 90*loaded {
			t.Errorf("the API was back after %.1f s", api)
		}
		p.cluster(next, kubernetesNodes()...)
		p.tidy()
		p.wentBack()
		p.kubectl("get", "configmap", "before")
		if p.kubeconfig() != kubeconfig {
			t.Error("the kubeconfig has changed")
		}
		if r, out := p.up(); r.Changed() != 0 {
			t.Errorf("the second update changes %v\n%s", changedNames(r), tail(out))
		}
	})
	t.Run("the state is lost too", func(t *testing.T) {
		bundle, err := p.Pulumi(t.Context(), p.project, p.stack, "stack", "output", "recoveryBundle", "--show-secrets").Output()
		if err != nil {
			t.Fatal(err)
		}
		former := filepath.Join(p.project, "kubeconfig")
		p.t = t
		p.lose(referenceNodes()...)
		n := newPlace(t, p.Lab, "anew", append([]string{
			sshLines, p.backup(lab.S3SecretKey) + restore(first, "wednesday") + sshLines, "outputs:\n", snapshotsO,
			"config:\n", "config:\n  recoveryBundle: {type: string, secret: true}\n", "version: v1.31.6+k3s1\n", "version: " + next + "\n        recoveryBundle: ${recoveryBundle}\n",
		}, "", "")...)
		set := n.Pulumi(t.Context(), n.project, n.stack, "config", "set", "recoveryBundle", "--secret", "--config-file", n.ConfigFile(n.stack))
		set.Stdin = strings.NewReader(strings.TrimSpace(string(bundle)))
		if out, err := set.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		r, _ := n.must(8*time.Minute, "up", "--yes", "--skip-preview")
		t.Logf("figure: everything lost, the state too: API %.1f s after the last boot; up %.1f s", sinceBoot(r, "converge-k3s-server-01"), r.Seconds)
		n.cluster(next, kubernetesNodes()...)
		n.tidy()
		n.kubectl("get", "configmap", "before")
		if out, err := n.Command(filepath.Join(n.Build, "bin", "kubectl"), "--kubeconfig", former, "get", "configmap", "before").CombinedOutput(); err != nil {
			t.Errorf("the former kubeconfig: %v %s", err, out)
		}
		if r, out := n.up(); r.Changed() != 0 {
			t.Errorf("the second update changes %v\n%s", changedNames(r), tail(out))
		}
	})
}

// wentBack fails when what was written after the snapshot is there.
func (p *place) wentBack() {
	p.t.Helper()
	p.forgetKubeconfig()
	if out, err := p.tryKubectl("get", "configmap", "after"); err == nil || !strings.Contains(out, "NotFound") {
		p.t.Errorf("configmap after: %v %s", err, out)
	}
}

// boots are which boot of each machine it is.
func (p *place) boots() map[string]string {
	out := map[string]string{}
	for _, node := range p.nodes() {
		out[node] = p.in(node, "", "sh", "-c", "stat -c %Y /proc/1")
	}
	return out
}

// sinceBoot is how long after the last first contact the last of some steps has ended.
func sinceBoot(r lab.UpResult, steps ...string) float64 {
	boot, end := 0.0, 0.0
	for _, s := range r.Steps {
		if strings.Contains(s.Name, "-contact-") && s.Op != "same" {
			boot = max(boot, s.Start)
		}
		if slices.ContainsFunc(steps, func(step string) bool { return strings.HasSuffix(s.Name, step) }) {
			end = max(end, s.End)
		}
	}
	return end - boot
}
