package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var record = flag.String("record", "", "write the state of the reference cluster to this file")

// keys replaces the lab's keys in a state by marks, or marks by the keys. Secrets are JSON texts inside of a JSON text, so a key
// stands there escaped once, twice or three times.
func (p *place) keys(state string, back bool) string {
	p.t.Helper()
	data, err := os.ReadFile(p.KeyFile())
	if err != nil {
		p.t.Fatal(err)
	}
	public := p.publicKey(p.KeyFile())
	var pairs []string
	for level, text := 1, escaped(p.t, strings.TrimSpace(string(data))); level <= 3; level, text = level+1, escaped(p.t, text) {
		// The deepest first: Replacer takes the first that matches.
		pairs = append([]string{text, fmt.Sprintf("PRIVATE KEY OF THE LAB, LEVEL %d", level)}, pairs...)
	}
	pairs = append(pairs, public, "PUBLIC KEY OF THE LAB")
	// The CAs of a cluster that never was: nothing shall take them for secrets.
	pairs = append(pairs, "EC PRIVATE KEY-----", "EC KEY OF NO CLUSTER-----")
	if back {
		for i := 0; i < len(pairs); i += 2 {
			pairs[i], pairs[i+1] = pairs[i+1], pairs[i]
		}
	}
	return strings.NewReplacer(pairs...).Replace(state)
}

func escaped(t *testing.T, text string) string {
	t.Helper()
	data, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Trim(string(data), `"`)
}

// withoutTraces drops where in the code each resource was registered.
func withoutTraces(t *testing.T, state string) string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(state))
	decoder.UseNumber()
	var all map[string]any
	if err := decoder.Decode(&all); err != nil {
		t.Fatal(err)
	}
	deployment, _ := all["deployment"].(map[string]any)
	resources, _ := deployment["resources"].([]any)
	if len(resources) == 0 {
		t.Fatal("the state has no resources")
	}
	for _, r := range resources {
		delete(r.(map[string]any), "stackTrace")
		delete(r.(map[string]any), "sourcePosition")
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(all); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestRecordState is run by make record, once for a release.
func TestRecordState(t *testing.T) {
	if *record == "" {
		t.Fatal("run it by make record")
	}
	p := newPlace(t, newNull(t, "record"), "recorded")
	p.up()
	state, err := p.Pulumi(t.Context(), p.project, p.stack, "stack", "export", "--show-secrets").Output()
	if err != nil {
		t.Fatal(err)
	}
	text := withoutTraces(t, p.keys(string(state), false))
	for _, left := range []string{"PRIVATE KEY-----", p.Dir, p.Build} {
		if strings.Contains(text, left) {
			i := strings.Index(text, left)
			t.Fatalf("the state has %q in it: %s", left, text[max(0, i-200):i+300])
		}
	}
	if err := os.WriteFile(*record, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestLabRecordedStates: a cluster that any released version has made is taken over without a replacement, and by the version that
// has made it without any change.
func TestLabRecordedStates(t *testing.T) {
	files, err := filepath.Glob("../../recorded/*/state.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded state: %v", err)
	}
	l := newLab(t, "recorded", true)
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			p := newPlace(t, l, "recorded")
			state, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text := p.keys(string(state), true)
			cmd := p.Pulumi(t.Context(), p.project, p.stack, "stack", "import")
			cmd.Stdin = bytes.NewReader([]byte(text))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("stack import: %v %s", err, out)
			}
			r, _ := p.must(60e9, "preview")
			for _, s := range r.Steps {
				if s.Op != "same" && s.Op != "update" {
					t.Errorf("%s %s", s.Op, s.Name)
				}
			}
			if r.Changes["same"]+r.Changes["update"] != resourcesInAll {
				t.Errorf("changes: %v", r.Changes)
			}
			if filepath.Base(filepath.Dir(file)) == pluginVersion(t, p.Build) && r.Changed() > 0 {
				t.Errorf("the version that has made it would change %v", changedNames(r))
			}
		})
	}
}
