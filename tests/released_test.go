package tests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"

	"github.com/k3sha/pulumi-k3sha/provider"
)

// lastReleased is the schema of the newest version in recorded/, and that version.
func lastReleased(t *testing.T) (schema.PackageSpec, semver.Version) {
	t.Helper()
	files, err := filepath.Glob("recorded/*/schema.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded schema: %v", err)
	}
	var newest schema.PackageSpec
	var version semver.Version
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var spec schema.PackageSpec
		if err := json.Unmarshal(data, &spec); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if v := semver.MustParse(filepath.Base(filepath.Dir(file))); v.GTE(version) {
			newest, version = spec, v
		}
	}
	return newest, version
}

// TestContract fails on what breaks users, unless the version says that it does: a new major one, or a new minor one before 1.0.
func TestContract(t *testing.T) {
	t.Parallel()
	released, was := lastReleased(t)
	breaking, other := changes(released, packageSpec(t))
	is := semver.MustParse(provider.Version)
	if is.LT(was) {
		t.Errorf("version %s is older than the released %s", is, was)
	}
	if allowed := is.Major > was.Major || is.Major == 0 && is.Minor > was.Minor; !allowed && len(breaking) > 0 {
		t.Errorf("breaks what was written for %s:\n%s", was, strings.Join(breaking, "\n"))
	}
	t.Logf("since %s: %d changes that break, %d others\n%s", was, len(breaking), len(other), strings.Join(append(breaking, other...), "\n"))
}

// Each kind of change is seen as what it is.
func TestChanges(t *testing.T) {
	t.Parallel()
	const cluster, k3s, node, role = "k3sha:index:K3sHaCluster", "k3sha:index:K3s", "k3sha:index:NodeInfo", "k3sha:index:NodeRole"
	for _, test := range []struct {
		name            string
		edit            func(*schema.PackageSpec)
		breaking, other []string
	}{
		{"nothing", func(*schema.PackageSpec) {}, nil, nil},
		{"an input goes", func(s *schema.PackageSpec) { delete(s.Types[k3s].Properties, "mirror") }, []string{"input " + k3s + ".mirror is gone"}, nil},
		{"an input comes", func(s *schema.PackageSpec) { s.Types[k3s].Properties["x"] = schema.PropertySpec{} }, nil, []string{"input " + k3s + ".x is new"}},
		{"an input changes its type", func(s *schema.PackageSpec) {
			s.Types[k3s].Properties["mirror"] = schema.PropertySpec{TypeSpec: schema.TypeSpec{Type: "integer", Plain: true}}
		}, []string{k3s + ".mirror was plain string, and is plain integer"}, nil},
		{"an input is plain no longer", func(s *schema.PackageSpec) {
			s.Types[k3s].Properties["mirror"] = schema.PropertySpec{TypeSpec: schema.TypeSpec{Type: "string"}}
		}, []string{k3s + ".mirror was plain string, and is string"}, nil},
		{"a secret is one no longer", func(s *schema.PackageSpec) {
			s.Types[k3s].Properties["token"] = schema.PropertySpec{TypeSpec: schema.TypeSpec{Type: "string"}}
		}, []string{"input " + k3s + ".token is secret no longer"}, nil},
		{"an input is required", func(s *schema.PackageSpec) {
			k := s.Types[k3s]
			k.Required = append(slices.Clone(k.Required), "mirror")
			s.Types[k3s] = k
		}, []string{"input " + k3s + ".mirror is required now"}, nil},
		{"an input is optional", func(s *schema.PackageSpec) {
			r := s.Resources[cluster]
			r.RequiredInputs = slices.DeleteFunc(slices.Clone(r.RequiredInputs), func(n string) bool { return n == "ssh" })
			s.Resources[cluster] = r
		}, nil, []string{"input " + cluster + ".ssh is optional now"}},
		{"an output goes", func(s *schema.PackageSpec) { delete(s.Resources[cluster].Properties, "token") }, []string{"output " + cluster + ".token is gone"}, nil},
		{"an output may be missing", func(s *schema.PackageSpec) {
			n := s.Types[node]
			n.Required = nil
			s.Types[node] = n
		}, []string{
			"output " + node + ".ip may be missing now", "output " + node + ".mac may be missing now", "output " + node + ".proxmoxNode may be missing now",
			"output " + node + ".role may be missing now", "output " + node + ".vmId may be missing now",
		}, nil},
		{"a value goes", func(s *schema.PackageSpec) {
			r := s.Types[role]
			r.Enum = r.Enum[:2]
			s.Types[role] = r
		}, []string{"value LoadBalancer of " + role + " is gone or another"}, nil},
		{"a type goes", func(s *schema.PackageSpec) { delete(s.Types, role) }, []string{"type " + role + " is gone"}, nil},
		{"a resource goes", func(s *schema.PackageSpec) { delete(s.Resources, cluster) }, []string{"resource " + cluster + " is gone"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			now := packageSpec(t)
			test.edit(&now)
			breaking, other := changes(packageSpec(t), now)
			if !slices.Equal(breaking, test.breaking) || !slices.Equal(other, test.other) {
				t.Errorf("breaking %q, other %q", breaking, other)
			}
		})
	}
}
