package cri

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// The product writes hosts beside a k3s that runs: the same as k3s itself makes of the same registries.yaml when it starts, or a restart would change
// something.
func TestTheProductWritesTheSame(t *testing.T) {
	t.Parallel()
	const folder = "../../../provider/internal/render/testdata/"
	s := newServer(t)
	registry, err := ReadRegistries(folder + "registries-of-hosts.golden")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.writeHosts(registry); err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile(folder + "hosts.golden")
	if err != nil {
		t.Fatal(err)
	}
	parsed := func(text string) map[string]any {
		t.Helper()
		var out map[string]any
		if err := toml.Unmarshal([]byte(text), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	files := strings.Split(string(golden), "== ")[1:]
	for _, file := range files {
		name, text, _ := strings.Cut(file, "\n")
		own, err := os.ReadFile(filepath.Join(s.hosts(), name))
		if err != nil {
			t.Error(err)
			continue
		}
		// Endpoints are asked in their order in the file, which a map has not.
		if !reflect.DeepEqual(parsed(text), parsed(string(own))) || !reflect.DeepEqual(order(text), order(string(own))) {
			t.Errorf("%s: the product writes\n%s\nand k3s\n%s", name, text, own)
		}
	}
	entries, err := os.ReadDir(s.hosts())
	if err != nil || len(entries) != len(files) {
		t.Errorf("%d files, k3s has %v %v", len(files), entries, err)
	}
}

// order are the tables of a file, as they come.
func order(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "[host") {
			out = append(out, line)
		}
	}
	return out
}
