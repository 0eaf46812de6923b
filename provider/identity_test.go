package provider_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/k3sha/pulumi-k3sha/provider"
)

// What a living cluster refuses, word for word.
func TestIdentityRefusesWhatWouldDestroyACluster(t *testing.T) {
	t.Parallel()
	prov, err := provider.New()
	if err != nil {
		t.Fatal(err)
	}
	server, err := integration.NewServer(t.Context(), provider.Name, semver.MustParse("0.1.0"), integration.WithProvider(prov))
	if err != nil {
		t.Fatal(err)
	}
	inputs := func(change map[string]property.Value) property.Map {
		m := map[string]property.Value{
			"clusterName": property.New("k3s"), "k3sVersion": property.New("v1.31.6+k3s1"),
			"token": property.New("a-token-of-the-servers").WithSecret(true),
			"fixed": property.New(map[string]property.Value{"ssh.user": property.New("ubuntu"), "k3s.secretsEncryption": property.New("true")}),
		}
		for key, v := range change {
			m[key] = v
		}
		return property.NewMap(m)
	}
	for name, c := range map[string]struct {
		change map[string]property.Value
		want   []string
	}{
		"nothing": {nil, nil},
		"upgrade": {map[string]property.Value{"k3sVersion": property.New("v1.32.0+k3s1")}, nil},
		"an option comes": {map[string]property.Value{"fixed": property.New(map[string]property.Value{
			"ssh.user": property.New("ubuntu"), "k3s.serverConfig.cluster-dns": property.New("10.43.0.10"), "k3s.secretsEncryption": property.New("true"),
		})}, nil},
		"another name": {map[string]property.Value{"clusterName": property.New("prod")}, []string{
			"clusterName: the cluster is called k3s, and its nodes, certificates and etcd members with it; set it back, or create another cluster beside it",
		}},
		"downgrade": {map[string]property.Value{"k3sVersion": property.New("v1.31.5+k3s1")}, []string{
			"k3s.version: v1.31.5+k3s1 is older than v1.31.6+k3s1, which this cluster runs or was being moved to; k3s cannot go back, give v1.31.6+k3s1 or a newer release",
		}},
		"skipped minor": {map[string]property.Value{"k3sVersion": property.New("v1.33.0+k3s1")}, []string{
			"k3s.version: v1.33.0+k3s1 skips a minor version after v1.31.6+k3s1; go through v1.32 first",
		}},
		"another token": {map[string]property.Value{"token": property.New("another-token-entirely").WithSecret(true)}, []string{
			"k3s.token: the cluster's token cannot change while it lives; set it back (or leave it out again)",
		}},
		"full token": {map[string]property.Value{"agentToken": property.New("K10abc::node:secretsecretsecret").WithSecret(true)}, []string{
			"k3s.agentToken: is a full token; give its password alone, what stands behind the last colon",
			"k3s.agentToken: the cluster's token cannot change while it lives; set it back (or leave it out again)",
		}},
		"user and encryption": {map[string]property.Value{"fixed": property.New(map[string]property.Value{
			"ssh.user": property.New("debian"), "k3s.secretsEncryption": property.New("false"),
		})}, []string{
			`k3s.secretsEncryption: is "true" on the living cluster and cannot become "false" without destroying what it is for; set it back`,
			`ssh.user: is "ubuntu" on the living cluster and cannot become "debian" without destroying what it is for; set it back`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, err := server.Check(p.CheckRequest{
				Urn: "urn:pulumi:stack::project::k3sha:index:ClusterIdentity::k3s-identity", State: inputs(nil), Inputs: inputs(c.change),
			})
			var got []string
			if err != nil && len(c.want) == 0 {
				t.Fatal(err)
			}
			for _, f := range resp.Failures {
				got = append(got, f.Reason)
				if strings.Contains(f.Reason, "secretsecret") {
					t.Errorf("a token is in the message: %s", f.Reason)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}
