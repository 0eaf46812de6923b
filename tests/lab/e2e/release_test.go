package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestLabRelease installs the plugin as users do: from a release's tarball, into a cache that has none.
func TestLabRelease(t *testing.T) {
	l := newLab(t, "release", true)
	version := pluginVersion(t, l.Build)
	name := fmt.Sprintf("pulumi-resource-k3sha-v%s-%s-%s.tar.gz", version, runtime.GOOS, runtime.GOARCH)
	tarball, err := filepath.Abs(filepath.Join(l.Build, "release", name))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(tarball)
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(filepath.Dir(tarball), "pulumi-k3sha_"+version+"_checksums.txt"))
	if line := fmt.Sprintf("%x  %s\n", sha256.Sum256(data), name); err != nil || !strings.Contains(string(sums), line) {
		t.Errorf("the checksums lack %q: %v", line, err)
	}
	cached := filepath.Join(l.Dir, "pulumi", "plugins", "resource-k3sha-v"+version)
	if err := os.RemoveAll(filepath.Dir(cached)); err != nil {
		t.Fatal(err)
	}
	places := map[string]*place{}
	for _, language := range languages[1:] {
		p := newExample(t, l, language, "minimal")
		places[language] = p
		t.Run(language+" asks for this version", func(t *testing.T) {
			p.t = t
			// Another version, older or newer, will not do.
			other := filepath.Join(filepath.Dir(cached), "resource-k3sha-v9.9.9")
			if err := os.MkdirAll(other, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(l.Build, "plugins", "pulumi-resource-k3sha"), filepath.Join(other, "pulumi-resource-k3sha")); err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(other)
			_, out, err := p.try(time.Minute, "preview")
			if err == nil || !strings.Contains(out, "k3sha") || !strings.Contains(out, version) {
				t.Errorf("%v, and no word of k3sha %s:\n%s", err, version, tail(out))
			}
		})
	}
	p := places["python"]
	for _, plugin := range [][]string{
		{"k3sha", version, tarball},
		{"command", "1.2.1", filepath.Join(l.Build, "plugins", "pulumi-resource-command")},
		{"proxmoxve", "6.18.1", filepath.Join(l.Build, "plugins", "pulumi-resource-proxmoxve")},
	} {
		if out, err := p.Pulumi(t.Context(), p.project, p.stack, "plugin", "install", "resource", plugin[0], plugin[1], "--file", plugin[2]).CombinedOutput(); err != nil {
			t.Fatalf("plugin install %v: %v %s", plugin, err, out)
		}
	}
	places["yaml"] = newExample(t, l, "yaml", "minimal")
	if out, err := exec.Command(filepath.Join(cached, "pulumi-resource-k3sha"), "--version").Output(); err != nil || strings.TrimSpace(string(out)) != version {
		t.Errorf("the installed plugin says %q (%v), want %s", out, err, version)
	}
	for language, p := range places {
		t.Run(language+" runs with what the tarball has", func(t *testing.T) {
			p.t = t
			if n := len(p.registrations()); n != resourcesInAll-3 {
				t.Errorf("%d resources", n)
			}
		})
	}
}

// pluginVersion is that of the plugin under test.
func pluginVersion(t *testing.T, build string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(build, "plugins", "pulumi-resource-k3sha"), "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestLabSourcePackage: the folder of the plugin's main is a package that pulumi builds itself, as pulumi package add does.
func TestLabSourcePackage(t *testing.T) {
	l := newLab(t, "source", true)
	folder, err := filepath.Abs("../../../provider/cmd/pulumi-resource-k3sha")
	if err != nil {
		t.Fatal(err)
	}
	cmd := l.Command("pulumi", "package", "get-schema", folder)
	cmd.Dir = t.TempDir()
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("get-schema: %v %s", err, problem.String())
	}
	if text := string(out); !strings.Contains(text, `"k3sha:index:K3sHaCluster"`) || !strings.Contains(text, `"name": "k3sha"`) {
		t.Errorf("no schema: %s", tail(text))
	}
}
