// sdkgen writes the SDKs of every language from schema.json, without any language plugin:
//
//	sdkgen schema.json sdk            Go, Node.js, Python, Java
//	sdkgen --dotnet schema.json sdk   .NET alone, for a release
package main

import (
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/hashicorp/hcl/v2"
	dotnet "github.com/pulumi/pulumi-dotnet/pulumi-language-dotnet/v3/codegen"
	"github.com/pulumi/pulumi-java/pkg/codegen/java"
	golang "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

const tool = "sdkgen"

// What the generators don't write and every SDK needs to be published.
//
//go:embed files
var files embed.FS

func main() {
	dotnet := flag.Bool("dotnet", false, "write the .NET SDK, and only that")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: sdkgen [--dotnet] schema.json FOLDER")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Arg(1), *dotnet); err != nil {
		fmt.Fprintln(os.Stderr, "sdkgen:", err)
		os.Exit(1)
	}
}

func run(schemaFile, out string, dotnet bool) error {
	data, err := os.ReadFile(schemaFile)
	if err != nil {
		return err
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal(data, &spec); err != nil {
		return fmt.Errorf("%s: %w", schemaFile, err)
	}
	languages := map[string]func(*schema.Package) (map[string][]byte, error){
		"go": goSDK, "nodejs": nodeSDK, "python": pythonSDK, "java": javaSDK,
	}
	if dotnet {
		languages = map[string]func(*schema.Package) (map[string][]byte, error){"dotnet": func(pkg *schema.Package) (map[string][]byte, error) {
			return dotnetSDK(pkg, filepath.Join(filepath.Dir(schemaFile), "docs", "logo.png"))
		}}
	}
	for _, language := range slices.Sorted(maps.Keys(languages)) {
		// Bound anew for each: generators change what they are given.
		pkg, diags, err := schema.BindSpec(spec, noPackages{}, schema.ValidationOptions{})
		if err != nil {
			return err
		}
		if diags.HasErrors() {
			return errors.Join(diags.Errs()...)
		}
		for _, d := range diags {
			if d.Severity == hcl.DiagWarning {
				fmt.Fprintln(os.Stderr, "sdkgen: warning:", d.Summary)
			}
		}
		generated, err := languages[language](pkg)
		if err != nil {
			return fmt.Errorf("%s: %w", language, err)
		}
		if err := addFiles(generated, language, spec); err != nil {
			return fmt.Errorf("%s: %w", language, err)
		}
		if err := replace(filepath.Join(out, language), generated); err != nil {
			return err
		}
	}
	return nil
}

func goSDK(pkg *schema.Package) (map[string][]byte, error) {
	return golang.GeneratePackage(tool, pkg, nil)
}

// nodeSDK has no source maps: they name sources that the package does not ship, and Node.js looks for those at every error, for minutes.
func nodeSDK(pkg *schema.Package) (map[string][]byte, error) {
	files, err := nodejs.GeneratePackage(tool, pkg, nil, nil, false, noPackages{})
	if err != nil {
		return nil, err
	}
	config := string(files["tsconfig.json"])
	for _, option := range []string{`"declarationMap": `, `"sourceMap": `} {
		if !strings.Contains(config, option+"true,") {
			return nil, fmt.Errorf("tsconfig.json has no %strue", option)
		}
		config = strings.Replace(config, option+"true,", option+"false,", 1)
	}
	files["tsconfig.json"] = []byte(config)
	return files, nil
}

func pythonSDK(pkg *schema.Package) (map[string][]byte, error) {
	return python.GeneratePackage(tool, pkg, nil, noPackages{})
}

// javaSDK leaves out that a component's outputs are secret: the generator writes an option for it that components don't have
// in Java, and the values arrive marked as secret anyway.
func javaSDK(pkg *schema.Package) (map[string][]byte, error) {
	for _, r := range pkg.Resources {
		for _, p := range r.Properties {
			p.Secret = p.Secret && !r.IsComponent
		}
	}
	return java.GeneratePackage(tool, pkg, nil, nil, false, false)
}

// dotnetSDK serves the package's logo itself: the generator always downloads it.
func dotnetSDK(pkg *schema.Package, logoFile string) (map[string][]byte, error) {
	logo, err := os.ReadFile(logoFile)
	if err != nil {
		return nil, err
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(logo)
	}))
	defer server.Close()
	pkg.LogoURL = server.URL + "/logo.png"
	return dotnet.GeneratePackage(tool, pkg, nil, nil)
}

// addFiles adds files/<language>, with the version filled in.
func addFiles(generated map[string][]byte, language string, spec schema.PackageSpec) error {
	root := "files/" + language
	entries, err := files.ReadDir(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		text, err := template.New("").Option("missingkey=error").ParseFS(files, root+"/"+entry.Name())
		if err != nil {
			return err
		}
		var b strings.Builder
		if err := text.ExecuteTemplate(&b, entry.Name(), spec); err != nil {
			return err
		}
		generated[strings.TrimSuffix(entry.Name(), ".tmpl")] = []byte(b.String())
	}
	return nil
}

// The Go SDK's module files are kept: go mod tidy writes them.
var kept = []string{"k3sha/go.mod", "k3sha/go.sum"}

// replace makes a folder hold the files and what is kept, and nothing else.
func replace(dir string, files map[string][]byte) error {
	for _, name := range kept {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			files[name] = data
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
