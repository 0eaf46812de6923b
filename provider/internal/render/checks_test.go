//go:build checks

// Second opinions by the programs that read what is rendered. They must be installed, and keepalived wants root.
package render_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

func TestShellcheckOnWholeScripts(t *testing.T) {
	t.Parallel()
	scripts := own()
	for front, p := range map[string]topology.Plan{"": cluster(nil), " external": cluster(external), " bringing": cluster(bringing)} {
		for _, step := range p.Steps {
			kind := string(step.Verb) + " " + string(step.Node.Role) + front
			if scripted(step) && scripts[kind] == "" {
				scripts[kind] = render.Script(p, step, render.Secrets{})
			}
		}
	}
	if len(scripts) < 10 {
		t.Errorf("only %d kinds of step checked", len(scripts))
	}
	for kind, script := range scripts {
		// SC2034: every script has the variables of all.
		cmd := exec.Command("shellcheck", "-s", "sh", "-e", "SC2034", "-")
		cmd.Stdin = strings.NewReader(withoutValues(t, script))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", kind, err, out)
		}
	}
	for _, name := range []string{"files/lb-check", "files/lb-servers", "files/loader.sh", "files/way-back.sh"} {
		if out, err := exec.Command("shellcheck", "-s", "sh", name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// The rules that hold connections back while the VIP moves: where nft would refuse them, the step goes on without, and says nothing.
func TestHeldBack(t *testing.T) {
	text, err := os.ReadFile("files/state-node.sh")
	if err != nil {
		t.Fatal(err)
	}
	_, rules, found := strings.Cut(string(text), "|| return 0\nadd table")
	rules, _, ended := strings.Cut("add table"+rules, "RULES\n")
	if !found || !ended {
		t.Fatal("state-node.sh has no rules any more")
	}
	cmd := exec.Command("unshare", "-rn", "sh", "-c", "PATH=$PATH:/usr/sbin; nft -f - && nft list ruleset")
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(rules, "$elements", "192.168.1.220 timeout 1s,192.168.1.230 timeout 1s"))
	out, err := cmd.CombinedOutput()
	for _, want := range []string{"192.168.1.220 timeout 1s", "192.168.1.230 timeout 1s", "hook input", "ip daddr @moving tcp flags", "drop"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%v, no %q in\n%s", err, want, out)
		}
	}
}

var assignment = regexp.MustCompile(`(?m)^([A-Z0-9_]+)='`)

// withoutValues empties the variables at a script's head: their values are not shell.
func withoutValues(t *testing.T, script string) string {
	t.Helper()
	head, body, found := strings.Cut(script, "\nset -eu\n")
	if !found {
		t.Fatal("lib.sh no longer begins as it did")
	}
	var b strings.Builder
	for _, m := range assignment.FindAllStringSubmatch(head, -1) {
		b.WriteString(m[1] + "=''\n")
	}
	return b.String() + "set -eu\n" + body
}

func TestHAProxyAcceptsItsConfiguration(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/haproxy*.golden")
	files = slices.DeleteFunc(files, func(file string) bool { return strings.Contains(file, "-unit") })
	if err != nil || len(files) != 5 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		dir := t.TempDir()
		config, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		ca, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/stdout", "-subj", "/CN=ca").Output()
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"ca.pem": ca, "stats.pem": ca, "stats-password": []byte("aa\n"), "haproxy.cfg": []byte(strings.ReplaceAll(string(config), "/etc/haproxy/k3sha", dir))} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := exec.Command("/usr/sbin/haproxy", "-c", "-q", "-f", filepath.Join(dir, "haproxy.cfg")).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}

func TestKeepalivedAcceptsItsConfiguration(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/keepalived-*.golden")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	// Keepalived takes scripts only from folders that nobody else can write to.
	dir, err := os.MkdirTemp("/usr/local/lib", "k3sha-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, file := range files {
		config, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		check, err := os.ReadFile("files/lb-check")
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(config), "/usr/local/lib/k3sha", dir)
		text = strings.ReplaceAll(text, "/etc/keepalived/k3sha-interface.conf", filepath.Join(dir, "interface.conf"))
		for name, content := range map[string]string{"lb-check": string(check), "keepalived.conf": text, "interface.conf": "$INTERFACE=uplink0\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(filepath.Join(dir, "lb-check"), 0o755); err != nil {
			t.Fatal(err)
		}
		// In a network of its own, which has the interface that the node has.
		out, err := exec.Command("unshare", "-n", "sh", "-c", `ip link add uplink0 type bridge && ip addr add 192.168.1.221/24 dev uplink0 && ip addr add 192.168.1.222/24 dev uplink0 && ip link set uplink0 up &&
			/usr/sbin/keepalived --config-test="$0/found" --use-file="$0/keepalived.conf"; rc=$?; cat "$0/found"; exit $rc`, dir).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}
