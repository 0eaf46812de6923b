package e2e

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestLabPackages: what a user installs has the plugin's version and where to download it inside, under the published name.
func TestLabPackages(t *testing.T) {
	build := os.Getenv("LAB_BUILD")
	version := pluginVersion(t, build)
	const server = "github://api.github.com/k3sha/pulumi-k3sha"
	// Source maps would name sources that are not shipped, and Node.js would look for those at every error.
	list, err := exec.Command("tar", "-tzf", filepath.Join(build, "packages/k3sha-pulumi-k3sha-"+version+".tgz")).Output()
	if err != nil || strings.Contains(string(list), ".map\n") || !strings.Contains(string(list), ".js\n") {
		t.Errorf("the npm package has source maps: %v\n%s", err, list)
	}
	for _, test := range []struct {
		file, member string
		want         []string
	}{
		{"packages/k3sha-pulumi-k3sha-" + version + ".tgz", "package/package.json", []string{`"name": "@k3sha/pulumi-k3sha"`, `"version": "` + version + `"`, `"server": "` + server + `"`}},
		{"packages/python/pulumi_k3sha-" + version + "-py3-none-any.whl", "pulumi_k3sha/pulumi-plugin.json", []string{`"name": "k3sha"`, `"version": "` + version + `"`, `"server": "` + server + `"`}},
		{"packages/python/pulumi_k3sha-" + version + "-py3-none-any.whl", "pulumi_k3sha/py.typed", nil},
		{"sdk/m2/io/github/k3sha/pulumi-k3sha/" + version + "/pulumi-k3sha-" + version + ".jar", "io/github/k3sha/version.txt", []string{version}},
		{"sdk/m2/io/github/k3sha/pulumi-k3sha/" + version + "/pulumi-k3sha-" + version + ".jar", "io/github/k3sha/K3sHaCluster.class", []string{server}},
		{"release/pulumi-resource-k3sha-v" + version + "-linux-" + runtime.GOARCH + ".tar.gz", "LICENSE", []string{"Apache License"}},
	} {
		text := member(t, filepath.Join(build, test.file), test.member)
		for _, want := range test.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %s has no %s", test.file, test.member, want)
			}
		}
	}
}

// member reads a file out of an archive.
func member(t *testing.T, archive, name string) string {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var reader io.Reader
	if strings.HasSuffix(archive, "gz") {
		unpacked, err := gzip.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		entries := tar.NewReader(unpacked)
		for reader == nil {
			header, err := entries.Next()
			if errors.Is(err, io.EOF) {
				t.Fatalf("%s has no %s", archive, name)
			}
			if err != nil {
				t.Fatal(err)
			}
			if header.Name == name {
				reader = entries
			}
		}
	} else {
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		entries, err := zip.NewReader(file, info.Size())
		if err != nil {
			t.Fatal(err)
		}
		entry, err := entries.Open(name)
		if err != nil {
			t.Fatalf("%s: %v", archive, err)
		}
		defer entry.Close()
		reader = entry
	}
	data, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
