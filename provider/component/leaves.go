package component

import (
	"errors"
	"fmt"
	"maps"
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

// TakeConfigLeaves takes texts out of serverConfig and workerConfig that are secrets, or outputs of other resources: only keys decide what
// there is. It returns the inputs with a mark in the place of each, and the values by property path.
func TakeConfigLeaves(inputs resource.PropertyMap) (resource.PropertyMap, map[string]resource.PropertyValue) {
	leaves := map[string]resource.PropertyValue{}
	var walk func(path string, v resource.PropertyValue) resource.PropertyValue
	walk = func(path string, v resource.PropertyValue) resource.PropertyValue {
		inner, known := plain(v)
		switch {
		case isLeaf(v) && (!known || inner.IsString()):
			leaves[path] = v
			return resource.NewStringProperty(topology.LeafMark + path)
		case v.IsObject():
			out := resource.PropertyMap{}
			for key, item := range v.ObjectValue() {
				if topology.FixedOption(string(key)) {
					out[key] = item // data in etcd depend on it
				} else {
					out[key] = walk(join(path, string(key)), item)
				}
			}
			return resource.NewObjectProperty(out)
		case v.IsArray():
			out := make([]resource.PropertyValue, len(v.ArrayValue()))
			for i, item := range v.ArrayValue() {
				out[i] = walk(fmt.Sprintf("%s[%d]", path, i), item)
			}
			return resource.NewArrayProperty(out)
		}
		return v
	}
	if !inputs["k3s"].IsObject() { // as a whole it is refused
		return inputs, nil
	}
	k3s := inputs["k3s"].ObjectValue()
	out, changed := inputs.Copy(), k3s.Copy()
	for _, key := range []resource.PropertyKey{"serverConfig", "workerConfig"} {
		if config := k3s[key]; config.IsObject() {
			changed[key] = walk("k3s."+string(key), config)
		}
	}
	out["k3s"] = resource.NewObjectProperty(changed)
	return out, leaves
}

// CheckConfigLeaves finds what is wrong with leaves whose values are known. No message quotes one.
func CheckConfigLeaves(args K3sHaClusterArgs, leaves map[string]resource.PropertyValue) []topology.Problem {
	known := map[string]string{}
	for path, v := range leaves {
		if text, given := knownText(v); given {
			known[path] = text
		}
	}
	var out []topology.Problem
	for _, p := range topology.CheckLeaves(args.Spec(), known) {
		out = append(out, topology.Problem{Path: p.Path, Reason: "is not what k3s takes here (it is a secret, so it is not quoted): give it in plain for a moment, and the preview says what is wrong with it"})
	}
	return out
}

// isLeaf says whether a value is a secret or an output.
func isLeaf(v resource.PropertyValue) bool { return v.IsSecret() || v.IsComputed() || v.IsOutput() }

// ConfigLeaves are the values of leaves as a program's own resources need them.
func ConfigLeaves(leaves map[string]resource.PropertyValue) map[string]pulumi.StringInput {
	out := map[string]pulumi.StringInput{}
	for path, v := range leaves {
		if text, given := knownText(v); given {
			out[path] = pulumi.ToSecret(pulumi.String(text)).(pulumi.StringOutput)
		} else {
			out[path] = pulumi.UnsafeUnknownOutput(nil).ApplyT(func(any) string { return "" }).(pulumi.StringOutput)
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
	case strings.ContainsAny(text, "\r\n") && strings.Contains(path, "Config."):
		return "has a line break, which no option of k3s takes; take it out"
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
	given, all := pulumi.StringMap{}, b.args.leaves()
	maps.Copy(all, b.config)
	for path, leaf := range all {
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
