package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

var (
	command = regexp.MustCompile(`(?m)^    (make [a-z-]+)`)
	example = regexp.MustCompile("(?s)```yaml\n(.*?)```")
)

// TestLabReadme runs what README tells a newcomer to run, but for the tests themselves and for
// what tests the tests.
func TestLabReadme(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	os.Unsetenv("MAKEFLAGS")
	env := append(os.Environ(), "LAB_NAME=test-readme", "SHELL=/bin/sh", "MAKEFLAGS=", "MAKELEVEL=")
	run := func(line, stdin string) string {
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir, cmd.Env, cmd.Stdin = "../../..", env, strings.NewReader(stdin)
		cmd.WaitDelay = time.Minute
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, tail(string(out)))
		}
		return string(out)
	}
	want := map[string]string{"make demo": "Ready after", "make demo-shell": "k3s-server-03", "make demo-down": "", "make help": "test-all"}
	ran := map[string]bool{}
	t.Cleanup(func() { run("make demo-down", "") })
	for _, m := range command.FindAllStringSubmatch(string(readme), -1) {
		line := m[1]
		if strings.HasPrefix(line, "make test") || strings.HasPrefix(line, "make mutate") || strings.HasPrefix(line, "make bench") || line == "make drill" || ran[line] {
			continue
		}
		ran[line] = true
		expected, known := want[line]
		if !known {
			t.Errorf("README says %q, and this test does not know what to expect of it", line)
			continue
		}
		out := run(line, "kubectl get nodes\n")
		if !strings.Contains(out, expected) {
			t.Errorf("%s did not print %q:\n%s", line, expected, tail(out))
		}
		if line == "make demo" {
			for _, piece := range []string{"What took how long", "k3s-worker-02   Ready", "Kubeconfig (0600): "} {
				if !strings.Contains(out, piece) {
					t.Errorf("%s did not print %q", line, piece)
				}
			}
			if again := run(line, ""); !strings.Contains(again, "Nothing to change") {
				t.Errorf("the second demo changed something:\n%s", tail(again))
			}
		}
	}
	if len(ran) != len(want) {
		t.Errorf("README names %v, want all of %v", ran, want)
	}
}

// TestLabReadmeProgram previews README's smallest program.
func TestLabReadmeProgram(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := example.FindStringSubmatch(string(readme))
	if block == nil {
		t.Fatal("README has no program")
	}
	if lines := strings.Count(block[1], "\n"); lines > 20 {
		t.Errorf("README's program has %d lines", lines)
	}
	p := newPlace(t, newLab(t, "program", true), "program")
	p.write(strings.Replace(block[1], "name: my-cluster", "name: k3s-ha", 1))
	if r, _ := p.must(time.Minute, "preview"); r.Changes["create"] != resourcesInAll {
		t.Errorf("README's program creates %v", r.Changes)
	}
}
