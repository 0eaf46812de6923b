// airgap writes the archive of a release's images, as k3s publishes it, with names and nothing in them.
// Usage: airgap VERSION FILE.
package main

import (
	"archive/tar"
	"encoding/json"
	"log"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
)

func main() {
	version, file := os.Args[1], os.Args[2]
	if err := write(strings.ReplaceAll(version, "+", "-"), file); err != nil {
		log.Fatal(err)
	}
}

func write(tag, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := zstd.NewWriter(f)
	if err != nil {
		return err
	}
	text, err := json.Marshal([]map[string]any{{"RepoTags": []string{"docker.io/rancher/mirrored-pause:3.6", "release.example.org/k3s:" + tag}}})
	if err != nil {
		return err
	}
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "manifest.json", Mode: 0o644, Size: int64(len(text))}); err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return z.Close()
}
