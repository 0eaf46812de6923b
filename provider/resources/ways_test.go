package resources

import (
	"slices"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// The ways are learned in every update, also in one that changes none of them; a preview that does not know them yet forgets nothing.
func TestWaysAreLearned(t *testing.T) {
	t.Parallel()
	config := &Config{access: &Access{Cluster: "k3s", User: "ubuntu", Port: 2222, PrivateKey: "K"}}
	inputs := func(hostKey property.Value) property.Map {
		return property.NewMap(map[string]property.Value{"ways": property.New([]property.Value{
			property.New(map[string]property.Value{"node": property.New("k3s-lb-01"), "address": property.New("192.168.1.221"), "hostKey": property.New("ssh-ed25519 A")}),
			property.New(map[string]property.Value{"node": property.New("k3s-server-01"), "address": property.New("192.168.1.201"), "hostKey": hostKey}),
		})})
	}
	check := func(hostKey property.Value, want ...string) {
		t.Helper()
		if resp, err := (ClusterWays{config}).Check(t.Context(), infer.CheckRequest{Name: "k3s", OldInputs: inputs(hostKey), NewInputs: inputs(hostKey)}); err != nil || len(resp.Failures) > 0 {
			t.Fatal(resp.Failures, err)
		}
		access, err := config.get()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, way := range access.toCluster(Way{Node: "k3s-server-02", Address: "192.168.1.202", HostKey: "ssh-ed25519 C"}).Ways {
			got = append(got, way.Node+" "+way.Host.Address+" "+way.Host.HostKey)
			if way.Host.User != "ubuntu" || way.Host.Port != 2222 || way.Host.PrivateKey != "K" {
				t.Errorf("%s is logged in to as %s, on %d", way.Node, way.Host.User, way.Host.Port)
			}
		}
		if want = append([]string{"k3s-server-02 192.168.1.202 ssh-ed25519 C"}, want...); !slices.Equal(got, want) {
			t.Errorf("ways %q, want %q", got, want)
		}
	}
	const lb = "k3s-lb-01 192.168.1.221 ssh-ed25519 A"
	check(property.New(property.Computed))
	check(property.New("ssh-ed25519 B"), lb, "k3s-server-01 192.168.1.201 ssh-ed25519 B")
	check(property.New(property.Computed), lb, "k3s-server-01 192.168.1.201 ssh-ed25519 B")
	check(property.New("ssh-ed25519 D"), lb, "k3s-server-01 192.168.1.201 ssh-ed25519 D")
}

// Ways change in place: a replacement would have all seats left and taken anew.
func TestWaysChangeInPlace(t *testing.T) {
	t.Parallel()
	before := []Way{{"k3s-lb-01", "192.168.1.221", "ssh-ed25519 A"}, {"k3s-lb-02", "192.168.1.222", "ssh-ed25519 B"}}
	for name, c := range map[string]struct {
		now  []Way
		kind p.DiffKind
	}{
		"none":            {slices.Clone(before), ""},
		"another machine": {[]Way{before[0], {"k3s-lb-02", "192.168.1.222", "ssh-ed25519 C"}}, p.Update},
		"one less":        {before[:1], p.Update},
		"another order":   {[]Way{before[1], before[0]}, p.Update},
	} {
		diff, err := ClusterWays{}.Diff(t.Context(), infer.DiffRequest[ClusterWaysArgs, ClusterWaysState]{Inputs: ClusterWaysArgs{c.now}, State: ClusterWaysState{before}})
		if err != nil || diff.HasChanges != (c.kind != "") || diff.DetailedDiff["ways"].Kind != c.kind || diff.DeleteBeforeReplace {
			t.Errorf("%s: %+v %v", name, diff, err)
		}
	}
}
