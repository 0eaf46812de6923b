package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const broken = "v1.31.8+k3s1"

// withBroken has a lab serve a release that cannot start, beside the others.
func withBroken(t *testing.T) {
	t.Helper()
	from := os.Getenv("LAB_K3S")
	if from == "" {
		from = filepath.Join(os.Getenv("LAB_BUILD"), "k3s")
	}
	dir := t.TempDir()
	for _, version := range []string{release, next, minor} {
		if err := os.Symlink(filepath.Join(from, version), filepath.Join(dir, version)); err != nil {
			t.Fatal(err)
		}
	}
	install, err := os.ReadFile(filepath.Join(from, release, "install.sh"))
	if err != nil {
		t.Fatal(err)
	}
	binary := []byte("#!/bin/sh\necho 'time=\"2026-11-26T12:00:00Z\" level=fatal msg=\"starting kubernetes: it is broken\"' >&2\nexit 1\n")
	sum := sha256.Sum256(binary)
	for name, content := range map[string][]byte{"k3s": binary, "install.sh": install, "sha256sum-amd64.txt": []byte(hex.EncodeToString(sum[:]) + "  k3s\n")} {
		if err := os.MkdirAll(filepath.Join(dir, broken), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, broken, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("LAB_K3S", dir)
}

// refuses takes an update that must fail, with these words, while a client sees the API all the time.
func (p *place) refuses(words ...string) {
	p.t.Helper()
	var out string
	var err error
	s := p.service(func() { _, out, err = p.try(6*time.Minute, "up", "--yes", "--skip-preview") })
	p.within(s, time.Second)
	text := strings.Join(strings.Fields(out), " ")
	for _, want := range words {
		if err == nil || !strings.Contains(text, want) {
			p.t.Errorf("%v, want %q in\n%s", err, want, tail(out))
		}
	}
}

// well: the cluster is whole, at a release, and nothing is left to do.
func (p *place) well(version string) {
	p.t.Helper()
	p.cluster(version, kubernetesNodes()...)
	p.tidy()
	if r, out := p.must(2*time.Minute, "preview"); r.Changed() != 0 {
		p.t.Errorf("the next preview changes %v\n%s", changedNames(r), tail(out))
	}
}

// restarted lists the nodes on which k3s has restarted since.
func (p *place) restarted(since map[string]life) []string {
	p.t.Helper()
	var out []string
	for node, now := range p.lives() {
		if now.k3s != since[node].k3s {
			out = append(out, node)
		}
	}
	slices.Sort(out)
	return out
}

// releases lists the releases that a node keeps.
func (p *place) releases(node string) string {
	return strings.Join(strings.Fields(p.in(node, "", "ls", "/var/lib/k3sha/releases")), " ")
}

// TestLongTakenBack: a change that fails, is refused or is interrupted can be taken back, as long as that can be done.
func TestLongTakenBack(t *testing.T) {
	withBroken(t)
	p := newPlace(t, newLab(t, "back", false), "back")
	p.up()
	p.cluster(release, kubernetesNodes()...)

	t.Run("a release that cannot start", func(t *testing.T) {
		p.t = t
		before := p.lives()
		p.program("version: "+release, "version: "+broken)
		p.refuses("k3s-server-01: converge: k3s "+broken+" ends again and again; mend that, or set k3s.version back to "+release+
			" while no server has come up with "+broken+", then run pulumi up again", "starting kubernetes: it is broken")
		expect(t, "restarted", p.restarted(before), []string{"k3s-server-01"})
		p.program()
		s := p.service(func() { p.up() })
		p.within(s, time.Second)
		expect(t, "restarted", p.restarted(before), []string{"k3s-server-01"})
		p.well(release)
		if got := p.releases("k3s-server-01"); got != release {
			t.Errorf("server 1 keeps %s", got)
		}
	})

	t.Run("a configuration that cannot start", func(t *testing.T) {
		p.t = t
		before := p.lives()
		p.program("        mirror: ", "        serverConfig: {kube-apiserver-arg: [no-such-flag=1]}\n        mirror: ")
		p.refuses("k3s-server-01: converge: k3s "+release+" ends again and again; mend that, then run pulumi up again", "no-such-flag")
		p.program()
		s := p.service(func() { p.up() })
		p.within(s, time.Second)
		expect(t, "restarted", p.restarted(before), []string{"k3s-server-01"})
		p.well(release)
	})

	t.Run("a release that nobody has", func(t *testing.T) {
		p.t = t
		before := p.lives()
		p.program("version: "+release, "version: v1.31.99+k3s1")
		p.refuses("prepare: cannot fetch ")
		p.program()
		p.up()
		expect(t, "restarted", p.restarted(before), nil)
		p.well(release)
	})

	t.Run("interrupted before any server", func(t *testing.T) {
		p.t = t
		before := p.lives()
		p.program("version: "+release, "version: "+next)
		if out, ended := p.upUntil("k3s-release-cluster updated", after(0)); ended {
			t.Fatalf("it had ended: %s", tail(out))
		}
		if got := p.restarted(before); len(got) > 0 {
			t.Fatalf("too late: %v had begun", got)
		}
		p.program()
		p.up()
		p.well(release)
	})

	t.Run("interrupted after a server", func(t *testing.T) {
		p.t = t
		p.program("version: "+release, "version: "+next)
		if out, ended := p.upUntil("k3s-converge-k3s-server-01 updated", after(0)); ended {
			t.Fatalf("it had ended: %s", tail(out))
		}
		p.program()
		p.refuses(fmt.Sprintf("k3s.version: k3s-server-01: %s is older than %s, which has come up in this cluster; k3s cannot go back, give %s or a newer release", release, next, next))
		p.program("version: "+release, "version: "+next)
		s := p.service(func() { p.up() })
		p.within(s, time.Second)
		p.well(next)
	})

	t.Run("two releases are kept", func(t *testing.T) {
		p.t = t
		p.program("version: "+release, "version: "+minor)
		p.up()
		p.well(minor)
		for _, node := range kubernetesNodes() {
			if got := p.releases(node); got != next+" "+minor {
				t.Errorf("%s keeps %s", node, got)
			}
		}
	})
}

// TestLongKilled kills a roll of three servers at six places: before and after each of them. The next up goes on, and nothing stays cordoned.
func TestLongKilled(t *testing.T) {
	p := newPlace(t, newLab(t, "killed", false), "killed")
	p.up()
	p.cluster(release, kubernetesNodes()...)
	p.apply(replicas)
	for i, place := range []string{
		"k3s-converge-k3s-server-01 updating", "k3s-converge-k3s-server-01 updated", "k3s-converge-k3s-server-02 updating",
		"k3s-converge-k3s-server-02 updated", "k3s-converge-k3s-server-03 updating", "k3s-converge-k3s-server-03 updated",
	} {
		t.Run(place, func(t *testing.T) {
			p.t = t
			before := p.lives()
			p.program("        mirror: ", fmt.Sprintf("        restart: %q\n        drain: always\n        mirror: ", strings.ReplaceAll(place, " ", "-")))
			delay := 2 * time.Second // in the middle of it
			if strings.HasSuffix(place, "updated") {
				delay = 0
			}
			s := p.service(func() {
				if out, ended := p.upUntil(place, after(delay)); ended {
					t.Fatalf("it had ended: %s", tail(out))
				}
				p.up()
			})
			p.within(s, time.Second)
			if s.Failed > 2 {
				t.Errorf("place %d: %s", i+1, s)
			}
			expect(t, "restarted", p.restarted(before), kubernetesNodes())
			p.well(release)
		})
	}
}

// TestLongAround goes on around a dead node.
func TestLongAround(t *testing.T) {
	p := newPlace(t, newLab(t, "around", false), "around", "          count: 2\n", "          count: 3\n")
	three := []string{"          count: 2\n", "          count: 3\n"}
	p.up()
	p.cluster(release, kubernetesNodes("k3s-worker-03")...)

	t.Run("a dead worker stops nobody else", func(t *testing.T) {
		p.t = t
		before := p.lives()
		powerOff(p, "k3s-worker-01")
		p.eventually("it is missed", 90*time.Second, func() bool {
			return p.kubectl("get", "node", "k3s-worker-01", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`) == "Unknown"
		})
		p.program(append(slices.Clone(three), "version: "+release, "version: "+next)...)
		var out string
		var err error
		s := p.service(func() { _, out, err = p.try(9*time.Minute, "up", "--yes", "--skip-preview", "--continue-on-error") })
		p.within(s, time.Second)
		if err == nil || !strings.Contains(out, "k3s-worker-01") {
			t.Errorf("%v, and nothing of k3s-worker-01 in\n%s", err, tail(out))
		}
		for _, node := range kubernetesNodes("k3s-worker-03") {
			if got := p.kubectl("get", "node", node, "-o", "jsonpath={.status.nodeInfo.kubeletVersion} {.spec.unschedulable}"); node != "k3s-worker-01" && got != next {
				t.Errorf("%s: %s", node, got)
			}
		}
		p.tidy()
		powerOn(p, "k3s-worker-01")
		p.up()
		p.cluster(next, kubernetesNodes("k3s-worker-03")...)
		p.tidy()
		expect(t, "restarted", p.restarted(before), kubernetesNodes("k3s-worker-03"))
		if r, out := p.must(2*time.Minute, "preview"); r.Changed() != 0 {
			t.Errorf("the next preview changes %v\n%s", changedNames(r), tail(out))
		}
	})

	t.Run("a roll while a server is gone", func(t *testing.T) {
		p.t = t
		p.lose("k3s-server-02")
		p.program(append(slices.Clone(three), "version: "+release, "version: "+next, "servers:\n", "servers:\n        memory: 5120\n")...)
		_, out, err := p.try(2*time.Minute, "preview", "--refresh")
		if want := "k3s-server-02 is away until this update has made it anew, and the update would restart k3s-server-01, k3s-server-03 too; bring the first back before, " +
			"by an update without other changes"; err == nil || !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("%v, want %q in\n%s", err, want, tail(out))
		}
		p.program(append(slices.Clone(three), "version: "+release, "version: "+next)...)
		p.up("--refresh")
		p.program(append(slices.Clone(three), "version: "+release, "version: "+next, "servers:\n", "servers:\n        memory: 5120\n")...)
		s := p.service(func() { p.up() })
		p.within(s, time.Second)
		p.cluster(next, kubernetesNodes("k3s-worker-03")...)
		p.tidy()
	})
}
