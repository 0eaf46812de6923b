package cri

import (
	"os"
	"strings"
	"testing"
)

func TestPullsThroughMirror(t *testing.T) {
	r := newRegistry(t)
	s := newServer(t)
	s.NoDefaultEndpoint = true // nobody asks apps.example.org
	c := s.with(yaml(r, r.ca(t), "^(.*)$", password))
	s.pulls(c, "apps.example.org/app:1", "")
	want := []string{"HEAD /v2/mirrored/app/manifests/1?ns=apps.example.org", "GET /v2/mirrored/app/manifests/sha256:"}
	if len(r.asked) != 2 || r.asked[0] != want[0] || !strings.HasPrefix(r.asked[1], want[1]) {
		t.Errorf("asked %q, want %q", r.asked, want)
	}
}

func TestHostsChangeAtOnce(t *testing.T) {
	r := newRegistry(t)
	s := newServer(t)
	s.NoDefaultEndpoint = true
	c := s.with(yaml(r, r.ca(t), "^(.*)$", password))
	const file, image = "certs.d/apps.example.org/hosts.toml", "apps.example.org/app:1"
	written := s.read(file)
	for _, change := range []struct{ old, new, want string }{
		{`"mirrored/$1"`, `"elsewhere/$1"`, "not found"},
		{"ca = ", "# ca = ", "certificate signed by unknown authority"},
		{r.host(), "127.0.0.1:1", "connection refused"},
		{"", "", ""},
	} {
		s.put(file, strings.ReplaceAll(written, change.old, change.new))
		s.pulls(c, image, change.want)
	}
}

func TestRegistriesAreReadAtTheStartAlone(t *testing.T) {
	r, other := newRegistry(t), newRegistry(t)
	s := newServer(t)
	s.NoDefaultEndpoint = true
	c := s.with(yaml(r, r.ca(t), "^(.*)$", password))
	const image = "apps.example.org/app:1"
	changed := yaml(other, other.ca(t), "^nothing$", "another")
	put(t, s.file, changed)
	s.pulls(c, image, "")
	if len(other.asked) > 0 {
		t.Errorf("the other registry was asked %q", other.asked)
	}
	c = s.start()
	s.pulls(c, image, "401 Unauthorized")
	// The right password in registries.yaml is of no use to a containerd that has started with another, nor is one in config.toml.
	right := yaml(other, other.ca(t), "^(.*)$", password)
	put(t, s.file, right)
	s.put("config.toml", strings.ReplaceAll(s.read("config.toml"), `"another"`, `"pass\"word"`))
	s.pulls(c, image, "401 Unauthorized")
	s.pulls(s.start(), image, "")
}

func TestRewriteOfHostsIsUndoneByAStart(t *testing.T) {
	r := newRegistry(t)
	s := newServer(t)
	s.NoDefaultEndpoint = true
	s.with(yaml(r, r.ca(t), "^(.*)$", password))
	const file = "certs.d/apps.example.org/hosts.toml"
	written := s.read(file)
	s.put(file, "[host.\"https://127.0.0.1:1\"]\n")
	s.pulls(s.start(), "apps.example.org/app:1", "")
	if got := s.read(file); got != written {
		t.Errorf("%s", got)
	}
}

// TestBackslash: a rewrite with a backslash makes hosts.toml unreadable. containerd tells its log, and asks the registry as if there were no file.
func TestBackslash(t *testing.T) {
	r := newRegistry(t)
	s := newServer(t)
	c := s.with(strings.Replace(yaml(r, r.ca(t), `^app\.(.*)$`, password), "apps.example.org", `"127.0.0.1:1"`, 1))
	s.pulls(c, "127.0.0.1:1/app.1:1", "connection refused")
	log, err := os.ReadFile(s.agent("containerd/containerd.log"))
	if err != nil || !strings.Contains(string(log), "failed to decode") || len(r.asked) > 0 {
		t.Errorf("%v, log %s, the mirror was asked %q", err, log, r.asked)
	}
}

func TestWrongDigest(t *testing.T) {
	r := newRegistry(t)
	r.digest = "sha256:" + strings.Repeat("0", 64)
	s := newServer(t)
	s.NoDefaultEndpoint = true
	s.pulls(s.with(yaml(r, r.ca(t), "^(.*)$", password)), "apps.example.org/app:1", "unexpected digest")
}
