package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// sdk/ is what the generators make of schema.json, to the last byte.
func TestSDKsAreCurrent(t *testing.T) {
	t.Parallel()
	committed := "../../../sdk"
	out := t.TempDir()
	for _, name := range kept {
		data, err := os.ReadFile(filepath.Join(committed, "go", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(out, "go", name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(out, "go", name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := run("../../../schema.json", out, false); err != nil {
		t.Fatal(err)
	}
	want, got := tree(t, out), tree(t, committed)
	if len(want) < 50 {
		t.Errorf("only %d files were generated", len(want))
	}
	for name, data := range want {
		if !bytes.Equal(got[name], data) {
			t.Errorf("sdk/%s is not what the schema says; make sdk writes it anew", name)
		}
	}
	for name := range got {
		if _, found := want[name]; !found {
			t.Errorf("sdk/%s is generated no longer; make sdk removes it", name)
		}
	}
}

// The .NET SDK is made for releases alone; that it can be made is known before.
func TestDotnet(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	if err := run("../../../schema.json", out, true); err != nil {
		t.Fatal(err)
	}
	project, err := os.ReadFile(filepath.Join(out, "dotnet", "K3sha.K3sha.csproj"))
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range []string{"<Version>" + version(t) + "</Version>", "<PackageIcon>logo.png</PackageIcon>"} {
		if !bytes.Contains(project, []byte(piece)) {
			t.Errorf("the project has no %s", piece)
		}
	}
	logo, err := os.ReadFile(filepath.Join(out, "dotnet", "logo.png"))
	if err != nil || !bytes.HasPrefix(logo, []byte("\x89PNG")) {
		t.Errorf("the logo is no PNG: %v", err)
	}
}

// version is the schema's.
func version(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../../schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var spec struct{ Version string }
	if err := json.Unmarshal(data, &spec); err != nil || spec.Version == "" {
		t.Fatalf("schema.json has no version: %v", err)
	}
	return spec.Version
}

func tree(t *testing.T, root string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		files[name] = data
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
