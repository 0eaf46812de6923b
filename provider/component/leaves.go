package component

import (
	"errors"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// leaves are the inputs that may be unknown at preview, or secret, and that nodes are sent as they are; by property path.
func (a K3sHaClusterArgs) leaves() map[string]pulumi.StringInput {
	out := map[string]pulumi.StringInput{}
	add := func(path string, leaf pulumi.StringInput) {
		if leaf != nil {
			out[path] = leaf
		}
	}
	if p := a.Network.Proxy; p != nil {
		add(topology.ProxyHTTPLeaf, p.HTTP)
		add(topology.ProxyHTTPSLeaf, p.HTTPS)
	}
	if lb := a.LoadBalancers; lb != nil && lb.Stats != nil {
		add(topology.StatsPasswordLeaf, lb.Stats.Password)
	}
	for name, m := range a.K3s.Manifests {
		add(topology.ManifestLeaf(name), m.Content)
	}
	if r := a.K3s.Registries; r != nil {
		for host, c := range r.Configs {
			auth, tls := value(c.Auth), value(c.TLS)
			for i, leaf := range []pulumi.StringInput{auth.Username, auth.Password, auth.IdentityToken, tls.Key} {
				add(topology.RegistryLeaf(host, topology.RegistryLeaves[i]), leaf)
			}
		}
	}
	return out
}

// leafProblem says what is wrong with a leaf's text; no answer quotes it.
func leafProblem(path, text string) string {
	switch {
	case strings.HasPrefix(path, "network.proxy."):
		return topology.ProxyProblem(text)
	case path == topology.StatsPasswordLeaf:
		return topology.PasswordProblem(text)
	case strings.HasPrefix(path, "k3s.manifests."):
		return topology.ManifestProblem(text)
	case text == "":
		return "is empty; give a value, or take it out"
	case strings.HasSuffix(path, ".tls.key") && !strings.Contains(text, "PRIVATE KEY-----"):
		return "is not a private key in PEM; give the whole file, as a secret"
	}
	return ""
}

// knownLeaves finds what is wrong with leaves that are known at preview.
func knownLeaves(args K3sHaClusterArgs, inputs resource.PropertyMap) []topology.Problem {
	var out []topology.Problem
	for path := range args.leaves() {
		if text, given := knownText(at(inputs, path)); given {
			if reason := leafProblem(path, text); reason != "" {
				out = append(out, topology.Problem{Path: path, Reason: reason})
			}
		}
	}
	return out
}

// at is the value at a property path. Names of registries have dots themselves.
func at(inputs resource.PropertyMap, path string) resource.PropertyValue {
	for key, v := range inputs {
		if string(key) == path {
			return v
		}
		if rest, found := strings.CutPrefix(path, string(key)+"."); found {
			if v := at(object(v), rest); !v.IsNull() {
				return v
			}
		}
	}
	return resource.NewNullProperty()
}

// leaves are those with one of the prefixes, for a step. What is wrong with one that was unknown at preview ends the step before it runs.
func (b *bootstrap) leaves(prefixes ...string) pulumi.StringMapOutput {
	given := pulumi.StringMap{}
	for path, leaf := range b.args.leaves() {
		for _, prefix := range prefixes {
			if strings.HasPrefix(path, prefix) {
				given[path] = leaf
			}
		}
	}
	return given.ToStringMapOutput().ApplyT(func(texts map[string]string) (map[string]string, error) {
		for path, text := range texts {
			if reason := leafProblem(path, text); reason != "" {
				return nil, errors.New(path + ": " + reason)
			}
		}
		return texts, nil
	}).(pulumi.StringMapOutput)
}
