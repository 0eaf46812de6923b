package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// What k3s reads besides its own configuration: the proxy, archives of images, credentials of registries. A change of it restarts k3s.

// hidden stands for what no preview shows.
const hidden = topology.HiddenOption

// ProxyFile renders the environment of k3s' unit.
func ProxyFile(s topology.Spec, leaves map[string]string) string {
	if s.Network.Proxy == nil {
		return ""
	}
	type variable struct{ Name, Value string }
	var variables []variable
	for _, v := range []struct{ name, leaf string }{{"HTTP_PROXY", topology.ProxyHTTPLeaf}, {"HTTPS_PROXY", topology.ProxyHTTPSLeaf}} {
		switch {
		case !s.Leaves.Has(v.leaf):
		case leaves == nil:
			variables = append(variables, variable{v.name, hidden})
		default:
			variables = append(variables, variable{v.name, leaves[v.leaf]})
		}
	}
	variables = append(variables, variable{"NO_PROXY", strings.Join(s.WithoutProxy(), ",")})
	return fill("k3s-environment.tmpl", struct {
		Cluster   string
		Variables []variable
	}{s.ClusterName, variables})
}

// proxyVars are by what a step's own downloads go.
func proxyVars(s topology.Spec, leaves map[string]string) []variable {
	if s.Network.Proxy == nil {
		return nil
	}
	return []variable{{"PROXY_HTTP", leaves[topology.ProxyHTTPLeaf]}, {"PROXY_HTTPS", leaves[topology.ProxyHTTPSLeaf]}, {"WITHOUT_PROXY", strings.Join(s.WithoutProxy(), ",")}}
}

// mounts lists data disks that are mounted as "name filesystem folder".
func mounts(n topology.Node) string {
	var out []string
	for _, d := range n.DataDisks {
		if d.MountPoint != "" {
			out = append(out, fmt.Sprintf("%s %s %s %d", d.Name, d.FileSystem, d.MountPoint, d.Size))
		}
	}
	return strings.Join(out, "\n")
}

// fetched are the files that a node's prepare step fetches besides the release.
func fetched(s topology.Spec, n topology.Node) []variable {
	var vars []variable
	if list := mounts(n); list != "" {
		vars = append(vars, variable{"DISKS", list}, variable{"UNIT", unitOf(n)})
	}
	if s.K3s.Airgap {
		vars = append(vars, variable{"AIRGAP", "yes"})
	}
	if list := images(s); list != "" {
		vars = append(vars, variable{"IMAGES", list})
	}
	if list := ManifestFiles(s); list != "" && n.Role == topology.Server {
		vars = append(vars, variable{"MANIFEST_FILES", list})
	}
	return vars
}

// aroundVars are what a node's k3s reads besides its configuration; nothing where it is not used. AROUND is a hash of all that it reads when it
// starts alone.
func aroundVars(s topology.Spec, secrets Secrets) []variable {
	var vars []variable
	leaves := secrets.Leaves
	add := func(name, value string) {
		if value != "" {
			vars = append(vars, variable{name, value})
		}
	}
	add("AROUND_SECRETS", secretsOf(leaves))
	add("PROXY", ProxyFile(s, leaves))
	if s.K3s.Airgap {
		add("AIRGAP", "yes")
		add("RESOLV", resolvConf(s))
	}
	add("IMAGES", images(s))
	add("REGISTRIES_AT_START", RegistriesAtStart(s, leaves))
	registries := registryVars(s, secrets)
	if len(vars) == 0 {
		return registries
	}
	var all strings.Builder
	for _, v := range vars {
		if v.name == "IMAGES" { // the same file from elsewhere is the same
			v.value = imageSums(s)
		}
		if v.name != "AROUND_SECRETS" {
			fmt.Fprintf(&all, "%s\n%s\n", v.name, v.value)
		}
	}
	vars = slices.DeleteFunc(vars, func(v variable) bool { return v.name == "REGISTRIES_AT_START" })
	return append(append(vars, variable{"AROUND", topology.Digest(all.String())}), registries...)
}

// secretsOf lists what no journal line may show. k3s prints the arguments of its components, in which the part behind the sign is the secret.
func secretsOf(leaves map[string]string) string {
	var out []string
	for path, leaf := range leaves {
		if leaf == "" || strings.HasPrefix(path, "k3s.manifests.") || strings.HasSuffix(path, ".tls.key") {
			continue // neither is printed by anything
		}
		out = append(out, leaf)
		if _, value, found := strings.Cut(leaf, "="); found && value != "" && strings.Contains(path, "Config.") {
			out = append(out, value)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// around is what a preview can know of it.
func around(s topology.Spec) string {
	out := RegistriesAtStart(s, nil) + ProxyFile(s, nil) + imageSums(s)
	if s.K3s.Airgap {
		out += resolvConf(s)
	}
	return out
}

// images lists archives of images as "name ending sha256 url".
func images(s topology.Spec) string {
	return imageList(s, func(image topology.RemoteFile) string { return " " + image.URL })
}

// imageSums is what is in them.
func imageSums(s topology.Spec) string {
	return imageList(s, func(topology.RemoteFile) string { return "" })
}

func imageList(s topology.Spec, more func(topology.RemoteFile) string) string {
	var out []string
	for name, image := range s.K3s.Images {
		out = append(out, name+" "+topology.Archive(image.URL)+" "+image.SHA256+more(image))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// resolvFile is what pods' name resolution is made of where the node's own file may point to the node itself.
const resolvFile = "/etc/rancher/k3s/resolv.conf"

func resolvConf(s topology.Spec) string {
	return fill("resolv.conf.tmpl", struct {
		Cluster, Search string
		Servers         []string
	}{s.ClusterName, s.Network.SearchDomain, s.Network.DNS})
}

// manifestVars are what k3s' deploy controller applies: texts, and files that the prepare step has fetched.
func manifestVars(s topology.Spec, secrets Secrets) []variable {
	var again []variable
	if secrets.ManifestChange > 0 { // has the step run again where it has failed, and was taken back
		again = []variable{{"MANIFEST_CHANGE", fmt.Sprint(secrets.ManifestChange)}}
	}
	if len(s.K3s.Manifests) == 0 {
		return again
	}
	leaves, texts := secrets.Leaves, map[string]string{}
	for name, m := range s.K3s.Manifests {
		if m.URL == "" {
			texts[name+".yaml"] = leaves[topology.ManifestLeaf(name)]
		}
	}
	return append(again, variable{"MANIFESTS", archive(texts)}, variable{"MANIFEST_FILES", ManifestFiles(s)})
}

// ManifestFiles lists those that servers fetch as "name sha256 url".
func ManifestFiles(s topology.Spec) string {
	var out []string
	for name, m := range s.K3s.Manifests {
		if m.URL != "" {
			out = append(out, strings.Join([]string{name, m.SHA256, m.URL}, " "))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}
