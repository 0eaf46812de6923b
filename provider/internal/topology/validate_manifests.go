package topology

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/yaml"
	sigs "sigs.k8s.io/yaml"
)

const (
	// maxManifest is what a manifest's text may be long: it stands in the state once for each server.
	maxManifest = 512 << 10
	maxObject   = "an object of Kubernetes has apiVersion, kind and metadata.name"
)

// manifestName is what an Addon of k3s can be called.
var manifestName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// packaged are the manifests that k3s has itself, by the names of their files.
var packaged = []string{
	"aggregated-metrics-reader", "auth-delegator", "auth-reader", "ccm", "coredns", "local-storage", "metrics-apiservice", "metrics-server",
	"metrics-server-deployment", "metrics-server-service", "nodes", "resource-reader", "rolebindings", "runtimes", "traefik",
}

// manifests checks what k3s' deploy controller is to apply.
func (v *validator) manifests() {
	for _, name := range sortedKeys(v.spec.K3s.Manifests) {
		m, path := v.spec.K3s.Manifests[name], "k3s.manifests."+name
		content := v.spec.Leaves.Has(ManifestLeaf(name))
		switch {
		case !manifestName.MatchString(name):
			v.add(path, "%q is not the name of a manifest; use up to 63 lower-case letters, digits and hyphens, like ingress-nginx", name)
		case slices.Contains(packaged, name):
			v.add(path, "%q is a manifest of k3s itself; give it another name", name)
		case slices.Contains(v.spec.K3s.Disable, name):
			v.add(path, "is in k3s.disable too, and k3s deletes what it finds by that name; give it another name")
		}
		switch {
		case content && m.URL != "":
			v.add(path, "has content and a URL; give one of them")
		case content && m.SHA256 != "":
			v.add(path+".sha256", "is for a URL; take it out")
		case !content && m.URL == "":
			v.add(path, "is empty; give content, or url and sha256")
		case !content:
			v.remoteFile(path, m, "https://example.org/manifest.yaml")
		}
	}
}

// remoteFile checks a file that nodes fetch.
func (v *validator) remoteFile(path string, f RemoteFile, like string) {
	v.fileURL(path+".url", f.URL, like, "give a URL that asks for none")
	if !sha256Hex.MatchString(f.SHA256) {
		v.add(path+".sha256", "%q is not a SHA-256; give its 64 hex digits alone", f.SHA256)
	}
}

// ManifestProblem says what is wrong with a manifest's text; no answer quotes it.
func ManifestProblem(text string) string {
	if len(text) > maxManifest {
		return fmt.Sprintf("has %d KiB, and the state keeps it once for each server; give a file of more than %d KiB by url and sha256", len(text)>>10, maxManifest>>10)
	}
	reader, objects := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text))), 0
	for document := 1; ; document++ {
		raw, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || !utf8Text(raw) {
			return "cannot be read as YAML"
		}
		if empty(raw) {
			continue
		}
		var object struct {
			APIVersion, Kind string
			Metadata         struct{ Name string }
			Items            []any
		}
		if err := sigs.Unmarshal(raw, &object); err != nil {
			return fmt.Sprintf("is not YAML in its document %d; check its indentation and quotes", document)
		}
		if object.APIVersion == "" || object.Kind == "" || object.Metadata.Name == "" && object.Items == nil {
			return fmt.Sprintf("is no manifest in its document %d: %s", document, maxObject)
		}
		objects++
	}
	if objects == 0 {
		return "holds no object; give it some, or take it out"
	}
	return ""
}

func utf8Text(raw []byte) bool { return !bytes.ContainsRune(raw, 0) }

// empty says whether a document has nothing but comments.
func empty(document []byte) bool {
	for line := range bytes.Lines(document) {
		text := bytes.TrimSpace(line)
		if len(text) > 0 && text[0] != '#' && string(text) != "---" {
			return false
		}
	}
	return true
}
