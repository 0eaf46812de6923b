package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

const examples = "../../../examples"

// In which of the languages a program can be run, each with the SDK as a user installs it. YAML is the source.
var languages = []string{"yaml", "go", "typescript", "python", "java"}

// roads are the examples of where a cluster may come from, each in four languages.
var roads = []string{"firewall", "template", "existing", "adopt"}

// newExample makes a place from a copy of an example, with its dependencies installed.
func newExample(t *testing.T, l *lab.Lab, language, name string) *place {
	t.Helper()
	p := &place{Lab: l, t: t, project: t.TempDir(), stack: language + "-" + name}
	if language == "yaml" && name == "reference" {
		p.program()
	} else if err := os.CopyFS(p.project, os.DirFS(filepath.Join(examples, language, name))); err != nil {
		t.Fatal(err)
	}
	p.install(language)
	p.init()
	if name == "production" {
		for _, key := range []string{"registryPassword", "statsPassword"} {
			p.secret(key, "a-password-of-"+key)
		}
		p.secret("proxmoxToken", lab.Token)
	}
	if name == "template" {
		p.set("proxmoxHostKey", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFM5tgDbmP9U3YCGJCxRza9QFRWoxjjpbbjK1xLc2ttX")
		key, err := os.ReadFile(newKey(t))
		if err != nil {
			t.Fatal(err)
		}
		p.secret("proxmoxPrivateKey", string(key))
	}
	return p
}

// secret sets a secret of the stack's configuration.
func (p *place) secret(key, value string) {
	p.t.Helper()
	cmd := p.Pulumi(p.t.Context(), p.project, p.stack, "config", "set", key, "--secret", "--config-file", p.ConfigFile(p.stack))
	cmd.Stdin = strings.NewReader(value)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("config set: %v %s", err, out)
	}
}

// install does what pulumi install would, with this version's SDKs from make build.
func (p *place) install(language string) {
	p.t.Helper()
	link := func(from, to string) {
		if err := os.Symlink(filepath.Join(p.Build, "sdk", from), filepath.Join(p.project, to)); err != nil {
			p.t.Fatal(err)
		}
	}
	switch language {
	case "typescript":
		link("nodejs/node_modules", "node_modules")
	case "python":
		link("python", "venv")
	case "go":
		sdk, err := filepath.Abs("../../../sdk/go/k3sha")
		if err != nil {
			p.t.Fatal(err)
		}
		p.outside("go", "mod", "edit", "-replace", "github.com/k3sha/pulumi-k3sha/sdk/go/k3sha="+sdk)
		p.outside("go", "mod", "tidy")
	case "java":
		settings := fmt.Sprintf("-Dmaven.repo.local=%s\n", filepath.Join(p.Build, "sdk", "m2"))
		if err := os.MkdirAll(filepath.Join(p.project, ".mvn"), 0o700); err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p.project, ".mvn", "maven.config"), []byte(settings), 0o600); err != nil {
			p.t.Fatal(err)
		}
		p.outside("mvn", "--batch-mode", "--quiet", "exec:help") // downloads the plugin
	}
}

// outside runs a command in the project, on the machine itself: package managers need their registries.
func (p *place) outside(name string, args ...string) {
	p.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = p.project
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, tail(string(out)))
	}
}

// typeCheck has the language's own checker look at the program.
func (p *place) typeCheck(language string) {
	p.t.Helper()
	switch language {
	case "typescript":
		p.outside("node_modules/.bin/tsc", "--project", ".")
	case "python":
		p.outside("venv/bin/python", "-m", "mypy", "--strict", "--cache-dir", filepath.Join(p.Build, "mypy"), "__main__.py")
	case "go":
		p.outside("go", "vet", ".")
	case "java":
		p.outside("mvn", "--batch-mode", "--quiet", "compile")
	}
}

// registration is what a program asks the engine for.
type registration struct {
	Type, Parent string
	Inputs       map[string]any
	Dependencies []string
	Protect      bool
}

// registrations previews a program and returns all that it registers, by name; its own stack and providers apart.
func (p *place) registrations() map[string]registration {
	p.t.Helper()
	cmd := p.Pulumi(p.t.Context(), p.project, p.stack, "preview", "--json", "--config-file", p.ConfigFile(p.stack))
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	var plan struct {
		Steps []struct {
			Op       string
			URN      string
			NewState struct {
				Type, Parent string
				Inputs       map[string]any
				Dependencies []string
				Protect      bool
			}
		}
		Diagnostics []struct{ Message string }
	}
	if jsonErr := json.Unmarshal(out, &plan); jsonErr != nil || err != nil {
		p.t.Fatalf("preview: %v %v\n%s\n%s", err, jsonErr, tail(string(out)), tail(errors.String()))
	}
	all := map[string]registration{}
	for _, step := range plan.Steps {
		if step.NewState.Type == "pulumi:pulumi:Stack" || strings.HasPrefix(step.NewState.Type, "pulumi:providers:") {
			continue
		}
		inputs, _ := withoutInstances(step.NewState.Inputs).(map[string]any)
		r := registration{Type: step.NewState.Type, Parent: nameOf(step.NewState.Parent), Inputs: inputs, Protect: step.NewState.Protect}
		for _, d := range step.NewState.Dependencies {
			r.Dependencies = append(r.Dependencies, nameOf(d))
		}
		slices.Sort(r.Dependencies)
		if strings.HasPrefix(r.Parent, p.stack) || strings.HasSuffix(r.Parent, "-"+p.stack) {
			r.Parent = "stack"
		}
		if _, twice := all[nameOf(step.URN)]; twice {
			p.t.Errorf("%s is registered twice", step.URN)
		}
		all[nameOf(step.URN)] = r
	}
	for name, r := range all { // who depends on a component does so on its parts, which some languages say, too
		whole := slices.Clone(r.Dependencies)
		r.Dependencies = slices.DeleteFunc(r.Dependencies, func(d string) bool { return slices.Contains(whole, all[d].Parent) })
		all[name] = r
	}
	return all
}

// TestLabExamples previews every example in every language: each is the same cluster as the YAML one.
func TestLabExamples(t *testing.T) {
	l := newLab(t, "examples", true)
	for name, resources := range map[string]int{"reference": resourcesInAll - 3, "minimal": resourcesInAll - 3, "production": resourcesInAll - 3 + 1, "firewall": resourcesInAll - 3 - 2*5 + 1, "template": resourcesInAll - 3 + 4, "existing": resourcesInAll - 3, "adopt": resourcesInAll - 3} {
		want := newExample(t, l, "yaml", name).registrations()
		if len(want) != resources {
			t.Fatalf("%s: YAML registers %d resources", name, len(want))
		}
		for _, language := range languages[1:] {
			if language == "java" && slices.Contains(roads, name) {
				continue
			}
			t.Run(language+" "+name, func(t *testing.T) {
				p := newExample(t, l, language, name)
				p.typeCheck(language)
				if name == "reference" && lines(t, filepath.Join(examples, language, name)) > 40 {
					t.Error("the program has more than 40 lines")
				}
				start := time.Now()
				compare(t, want, p.registrations())
				t.Logf("preview: %.1f s", time.Since(start).Seconds())
			})
		}
	}
	// The Kubernetes plugin may be out of reach, so these are looked at by each language's checker.
	for _, language := range []string{"go", "typescript", "python"} {
		t.Run(language+" outputs", func(t *testing.T) {
			newExample(t, l, language, "outputs").typeCheck(language)
		})
	}
}

var instance = regexp.MustCompile(`^k3sha-[0-9a-f]{16}$`)

// withoutInstances are inputs without the ids of VMs' instances, which each run of a program makes up.
func withoutInstances(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, item := range v {
			v[key] = withoutInstances(item)
		}
	case []any:
		for i, item := range v {
			v[i] = withoutInstances(item)
		}
	case string:
		if instance.MatchString(v) {
			return "an instance"
		}
	}
	return v
}

// compare says in which resources and inputs two programs differ.
func compare(t *testing.T, want, got map[string]registration) {
	t.Helper()
	expect(t, "resources", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	for name, w := range want {
		g := got[name]
		if reflect.DeepEqual(g, w) {
			continue
		}
		t.Errorf("%s: got %s %s %v, want %s %s %v", name, g.Type, g.Parent, g.Dependencies, w.Type, w.Parent, w.Dependencies)
		for key := range w.Inputs {
			if !reflect.DeepEqual(g.Inputs[key], w.Inputs[key]) {
				t.Errorf("%s: %s is %v, want %v", name, key, g.Inputs[key], w.Inputs[key])
			}
		}
	}
}

// lines counts the lines of an example's program.
func lines(t *testing.T, dir string) int {
	t.Helper()
	count := 0
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch filepath.Ext(path) {
		case ".go", ".ts", ".py":
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			count += strings.Count(string(data), "\n")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}
