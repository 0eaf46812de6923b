package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider"
)

func read(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// squeezed is a text without what formatting alone decides.
func squeezed(text string) string { return strings.Join(strings.Fields(text), " ") }

var codeBlock = regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```")

// The programs in the documents are the examples, which are run.
func TestDocumentsShowTheExamples(t *testing.T) {
	t.Parallel()
	minimal := map[string]string{
		"typescript": read(t, "examples/typescript/minimal/index.ts"),
		"python":     read(t, "examples/python/minimal/__main__.py"),
		"go":         read(t, "examples/go/minimal/main.go"),
		"java":       read(t, "examples/java/minimal/src/main/java/App.java"),
		"yaml":       read(t, "examples/yaml/minimal/Pulumi.yaml"),
	}
	shown := map[string]bool{}
	for _, block := range codeBlock.FindAllStringSubmatch(read(t, "docs/_index.md"), -1) {
		shown[block[1]] = true
		if !strings.Contains(squeezed(minimal[block[1]]), squeezed(block[2])) {
			t.Errorf("docs/_index.md: the %s program is not in the example", block[1])
		}
	}
	if len(shown) != len(minimal) {
		t.Errorf("docs/_index.md shows %v", shown)
	}
	program := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(read(t, "README.md"))[1]
	for line := range strings.Lines(program) {
		if !strings.Contains(minimal["yaml"], line) {
			t.Errorf("README's program has a line that the example has not: %s", line)
		}
	}
}

// One version, wherever it has to be written.
func TestOneVersion(t *testing.T) {
	t.Parallel()
	v := provider.Version
	for file, want := range map[string]string{
		"schema.json":                                             `"version": "` + v + `"`,
		"sdk/nodejs/package.json":                                 `"version": "` + v + `"`,
		"sdk/python/pyproject.toml":                               `version = "` + v + `"`,
		"sdk/java/pom.xml":                                        "<version>" + v + "</version>",
		"sdk/go/k3sha/pulumi-plugin.json":                         `"version": "` + v + `"`,
		"sdk/go/k3sha/internal/pulumiUtilities.go":                v,
		"sdk/java/src/main/resources/io/github/k3sha/version.txt": v,
		"examples/typescript/firewall/package.json":               `"@k3sha/pulumi-k3sha": "` + v + `"`,
		"examples/typescript/existing/package.json":               `"@k3sha/pulumi-k3sha": "` + v + `"`,
		"examples/typescript/adopt/package.json":                  `"@k3sha/pulumi-k3sha": "` + v + `"`,
		"examples/typescript/template/package.json":               `"@k3sha/pulumi-k3sha": "` + v + `"`,
		"examples/typescript/minimal/package.json":                `"@k3sha/pulumi-k3sha": "` + v + `"`,
		"examples/typescript/production/package.json":             `"@k3sha/pulumi-k3sha": "` + v + `"`,
		"examples/typescript/reference/package.json":              `"@k3sha/pulumi-k3sha": "` + v + `"`,
		"examples/typescript/outputs/package.json":                `"@k3sha/pulumi-k3sha": "` + v + `"`,
		"examples/python/firewall/requirements.txt":               "pulumi-k3sha==" + v,
		"examples/python/existing/requirements.txt":               "pulumi-k3sha==" + v,
		"examples/python/adopt/requirements.txt":                  "pulumi-k3sha==" + v,
		"examples/python/template/requirements.txt":               "pulumi-k3sha==" + v,
		"examples/python/minimal/requirements.txt":                "pulumi-k3sha==" + v,
		"examples/python/production/requirements.txt":             "pulumi-k3sha==" + v,
		"examples/python/reference/requirements.txt":              "pulumi-k3sha==" + v,
		"examples/python/outputs/requirements.txt":                "pulumi-k3sha==" + v,
		"examples/go/firewall/go.mod":                             "sdk/go/k3sha v" + v,
		"examples/go/existing/go.mod":                             "sdk/go/k3sha v" + v,
		"examples/go/adopt/go.mod":                                "sdk/go/k3sha v" + v,
		"examples/go/template/go.mod":                             "sdk/go/k3sha v" + v,
		"examples/go/minimal/go.mod":                              "sdk/go/k3sha v" + v,
		"examples/go/production/go.mod":                           "sdk/go/k3sha v" + v,
		"examples/go/reference/go.mod":                            "sdk/go/k3sha v" + v,
		"examples/go/outputs/go.mod":                              "sdk/go/k3sha v" + v,
		"examples/java/minimal/pom.xml":                           "<version>" + v + "</version>",
		"examples/java/production/pom.xml":                        "<version>" + v + "</version>",
		"examples/java/reference/pom.xml":                         "<version>" + v + "</version>",
		"docs/installation-configuration.md":                      "pulumi plugin install resource k3sha " + v + " ",
		"docs/deployments.md":                                     "pulumi plugin install resource k3sha " + v,
		"examples/deployments/Pulumi.production.deploy.yaml":      "pulumi-with-k3sha:" + v,
	} {
		if !strings.Contains(read(t, file), want) {
			t.Errorf("%s does not have %s", file, want)
		}
	}
}

// A release made by goreleaser and one made by tests/release.sh, which is tested, are the same in what Pulumi relies on.
func TestReleaseIsWhatIsTested(t *testing.T) {
	t.Parallel()
	goreleaser, script, makefile := read(t, ".goreleaser.yml"), read(t, "tests/release.sh"), read(t, "Makefile")
	const linker = "-s -w -X github.com/k3sha/pulumi-k3sha/provider.Version="
	for file, pieces := range map[string][]string{
		goreleaser: {
			linker + "{{ .Version }}", `"pulumi-resource-k3sha-v{{ .Version }}-{{ .Os }}-{{ .Arch }}"`, "binary: pulumi-resource-k3sha\n", "formats: [tar.gz]",
			"main: ./provider/cmd/pulumi-resource-k3sha", "goos: [linux, darwin, windows]", "goarch: [amd64, arm64]", "flags: [-trimpath]", `"pulumi-k3sha_{{ .Version }}_checksums.txt"`,
		},
		script:   {linker + "$version", "pulumi-resource-k3sha-v$version-$os-$arch.tar.gz", "./provider/cmd/pulumi-resource-k3sha", "-trimpath", `pulumi-k3sha_${version}_checksums.txt`},
		makefile: {"linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64"},
	} {
		for _, piece := range pieces {
			if !strings.Contains(file, piece) {
				t.Errorf("no %s in\n%s", piece, file)
			}
		}
	}
	if strings.TrimSpace(regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(read(t, "provider/cmd/pulumi-resource-k3sha/PulumiPlugin.yaml"), "")) != "runtime: go" {
		t.Error("PulumiPlugin.yaml does not say runtime: go")
	}
}
