package cri

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// program is where TestMain has built the program that stands for containerd.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "containerd")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "containerd")
	build := exec.Command("go", "build", "-trimpath", "-o", program, ".")
	build.Dir = "../containerd"
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// registry is one behind TLS that lets in who knows a password, and has every image below mirrored/.
type registry struct {
	*httptest.Server
	digest string
	mu     sync.Mutex
	asked  []string // by those who knew the password
}

const (
	user     = "puller"
	password = `pass"word`
	manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}`
)

func newRegistry(t *testing.T) *registry {
	t.Helper()
	sum := sha256.Sum256([]byte(manifest))
	r := &registry{digest: "sha256:" + hex.EncodeToString(sum[:])}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if u, p, _ := q.BasicAuth(); u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.mu.Lock()
		r.asked = append(r.asked, q.Method+" "+q.URL.Path+"?"+q.URL.RawQuery)
		r.mu.Unlock()
		if !strings.HasPrefix(q.URL.Path, "/v2/mirrored/") {
			http.NotFound(w, q)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Docker-Content-Digest", r.digest)
		_, _ = io.WriteString(w, manifest)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *registry) host() string { return r.Listener.Addr().String() }

// ca writes the registry's CA to a file.
func (r *registry) ca(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	put(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})))
	return file
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// server is a node with a registries.yaml.
type server struct {
	*testing.T
	Settings
	file   string
	logged []string
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{T: t, file: filepath.Join(t.TempDir(), "registries.yaml")}
	s.Settings = Settings{
		DataDir: t.TempDir(), Systemd: true, Program: func() (string, error) { return program, nil },
		Log: func(level, format string, args ...any) {
			s.logged = append(s.logged, level+" "+fmt.Sprintf(format, args...))
		},
	}
	return s
}

// start starts k3s.
func (s *server) start() *Containerd {
	s.Helper()
	registry, err := ReadRegistries(s.file)
	if err != nil {
		s.Fatal(err)
	}
	c, err := Start(s.Settings, registry)
	if err != nil {
		s.Fatal(err)
	}
	return c
}

// with starts k3s with this registries.yaml.
func (s *server) with(yaml string) *Containerd {
	s.Helper()
	put(s.T, s.file, yaml)
	return s.start()
}

// read reads a file below agent/etc/containerd; one that is not there is empty.
func (s *server) read(name string) string {
	s.Helper()
	text, err := os.ReadFile(s.agent("etc/containerd/" + name))
	if err != nil && !os.IsNotExist(err) {
		s.Fatal(err)
	}
	return string(text)
}

func (s *server) put(name, text string) {
	s.Helper()
	put(s.T, s.agent("etc/containerd/"+name), text)
}

// pulls pulls an image; what comes of it has this in it, nothing when it is there.
func (s *server) pulls(c *Containerd, image, want string) {
	s.Helper()
	got := ""
	if err := c.Pull(s.Context(), image); err != nil {
		got = err.Error()
	}
	if (got == "") != (want == "") || !strings.Contains(got, want) {
		s.Errorf("pull of %s: %q, want %q", image, got, want)
	}
}

// yaml is a registries.yaml with a mirror.
func yaml(r *registry, ca, rewrite, word string) string {
	return fmt.Sprintf(`mirrors:
  apps.example.org: {endpoint: ["https://%[1]s"], rewrite: {%[2]q: "mirrored/$1"}}
configs:
  "%[1]s":
    auth: {username: %[3]s, password: '%[4]s'}
    tls: {ca_file: %[5]s}
`, r.host(), rewrite, user, word, ca)
}
