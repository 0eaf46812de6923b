package render

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Where nodes get images from. k3s reads registries.yaml when it starts, and writes from it what containerd reads whenever it pulls an image: so
// that is written here, too, and a change restarts nothing. Credentials are in containerd's own configuration, which it reads once: they do.

// registriesDir is where nodes have the certificates of registries.
const registriesDir = "/etc/rancher/k3s/k3sha-registries"

// Registries renders registries.yaml, and the files that it names. Without leaves it says that there are some.
func Registries(s topology.Spec, leaves map[string]string) (string, map[string]string) {
	r := s.K3s.Registries
	if r == nil {
		return "", nil
	}
	files := map[string]string{}
	keep := func(host, name, text string) string {
		if text == "" {
			return ""
		}
		file := certificateFile(host, name)
		files[path.Base(file)] = text
		return file
	}
	out := map[string]any{}
	if len(r.Mirrors) > 0 {
		mirrors := map[string]any{}
		for host, m := range r.Mirrors {
			mirror := map[string]any{}
			if len(m.Endpoint) > 0 {
				mirror["endpoint"] = m.Endpoint
			}
			if len(m.Rewrite) > 0 {
				mirror["rewrite"] = m.Rewrite
			}
			mirrors[host] = mirror
		}
		out["mirrors"] = mirrors
	}
	if len(r.Configs) > 0 {
		configs := map[string]any{}
		for host, c := range r.Configs {
			config, auth, tls := map[string]any{}, login(s, host, leaves), map[string]any{}
			set(tls, "ca_file", keep(host, "ca", c.CA))
			set(tls, "cert_file", keep(host, "cert", c.Certificate))
			set(tls, "key_file", keep(host, "key", registryLeaf(s, host, "tls.key", leaves)))
			if c.InsecureSkipVerify {
				tls["insecure_skip_verify"] = true
			}
			if len(auth) > 0 {
				config["auth"] = auth
			}
			if len(tls) > 0 {
				config["tls"] = tls
			}
			configs[host] = config
		}
		out["configs"] = configs
	}
	return configFile(s, out), files
}

// certificateFile is where a node has a certificate, or a key, of a registry.
func certificateFile(host, name string) string {
	return path.Join(registriesDir, notInFiles.ReplaceAllString(host, "_")+"-"+name+".pem")
}

var notInFiles = regexp.MustCompile(`[^A-Za-z0-9.-]`)

func set(m map[string]any, key, value string) {
	if value != "" {
		m[key] = value
	}
}

func registryLeaf(s topology.Spec, host, name string, leaves map[string]string) string {
	path := topology.RegistryLeaf(host, name)
	if leaves == nil && s.Leaves.Has(path) {
		return hidden
	}
	return leaves[path]
}

// login is what is shown to a registry.
func login(s topology.Spec, host string, leaves map[string]string) map[string]any {
	out := map[string]any{}
	set(out, "username", registryLeaf(s, host, "auth.username", leaves))
	set(out, "password", registryLeaf(s, host, "auth.password", leaves))
	set(out, "identity_token", registryLeaf(s, host, "auth.identityToken", leaves))
	return out
}

// atStart are options of k3s by which it makes something else of registries.yaml than what Hosts does.
var atStart = []string{"embedded-registry", "disable-default-registry-endpoint", "private-registry"}

// asItRuns says whether nodes take registries over as they run.
func asItRuns(s topology.Spec) bool {
	return topology.HasHosts(s.K3s.Version) && !slices.ContainsFunc(atStart, func(option string) bool {
		return s.K3s.ServerConfig[option] != nil || s.K3s.WorkerConfig[option] != nil
	})
}

// RegistriesAtStart are those parts of them that k3s reads when it starts alone.
func RegistriesAtStart(s topology.Spec, leaves map[string]string) string {
	r := s.K3s.Registries
	switch {
	case r == nil:
		return ""
	case !asItRuns(s):
		text, files := Registries(s, leaves)
		return text + archive(files)
	}
	out := ""
	for _, host := range slices.Sorted(maps.Keys(r.Configs)) {
		if l := login(s, host, leaves); len(l) > 0 {
			out += fmt.Sprintln(host, l)
		}
	}
	return out
}

// registryVars are registries.yaml, the files that it names, and what containerd makes of it.
func registryVars(s topology.Spec, secrets Secrets) []variable {
	var vars []variable
	if secrets.RegistryChange > 0 { // has the step run again where it has failed, and was taken back
		vars = append(vars, variable{"REGISTRY_CHANGE", fmt.Sprint(secrets.RegistryChange)})
	}
	text, files := Registries(s, secrets.Leaves)
	if text == "" {
		return vars
	}
	vars = append(vars, variable{"REGISTRIES", text})
	if len(files) > 0 {
		vars = append(vars, variable{"REGISTRY_FILES", archive(files)})
	}
	if hosts := Hosts(s); asItRuns(s) && len(hosts) > 0 {
		vars = append(vars, variable{"HOSTS", archive(hosts)})
	}
	return vars
}

// endpoint is where images of a registry are to be had.
type endpoint struct {
	URL                  string
	OverridePath         bool // the path of its URL is the API's
	CA, Certificate, Key string
	Insecure             bool
	Rewrite              map[string]string
	login                bool
}

// special says whether there is anything to say of a registry's own endpoint.
func (e *endpoint) special() bool {
	return e != nil && (e.OverridePath || e.login || e.CA != "" || e.Certificate != "" || e.Insecure || len(e.Rewrite) > 0)
}

// hostsOf is a registry as containerd has it: mirrors in turn, and its own endpoint, which comes last.
type hostsOf struct {
	Own       *endpoint
	Endpoints []endpoint
}

// Hosts renders what containerd reads of each registry, by the file below certs.d: as k3s does when it starts.
func Hosts(s topology.Spec) map[string]string {
	r, all := s.K3s.Registries, map[string]hostsOf{}
	for host := range r.Configs {
		own := endpointAt(s, ownURL(host))
		all[host] = hostsOf{Own: &own}
	}
	for host, mirror := range r.Mirrors {
		h, configured := all[host]
		switch {
		case configured:
		case host == topology.EveryRegistry:
			h.Own = &endpoint{} // whichever it is
		default:
			own := endpointAt(s, ownURL(host))
			h.Own = &own
		}
		for i, address := range mirror.Endpoint {
			e := endpointAt(s, address)
			e.Rewrite = mirror.Rewrite
			switch {
			case slices.ContainsFunc(h.Endpoints, func(other endpoint) bool { return other.URL == e.URL }):
			case i == len(mirror.Endpoint)-1 && h.Own != nil && h.Own.URL == e.URL:
				h.Own = &e
			default:
				h.Endpoints = append(h.Endpoints, e)
			}
		}
		all[host] = h
	}
	out := map[string]string{}
	for host, h := range all {
		if len(h.Endpoints) == 0 && !h.Own.special() {
			continue // containerd does it without being told
		}
		folder := host
		if host == topology.EveryRegistry {
			folder = "_default"
		}
		out[folder+"/hosts.toml"] = fill("hosts.toml.tmpl", h)
	}
	return out
}

// dockerHub is what images name, and hubHost where it is.
const (
	dockerHub = "docker.io"
	hubHost   = "registry-1.docker.io"
)

// ownURL is where a registry itself is. One on the node is asked without TLS, as by containerd.
func ownURL(host string) string {
	name, port, hasPort := strings.Cut(host, ":")
	address, notAddress := netip.ParseAddr(name)
	if hasPort && port != "443" && (name == "localhost" || notAddress == nil && address.IsLoopback()) {
		return "http://" + host
	}
	return "https://" + host
}

// endpointAt is the one at a URL, which has been validated, with what is said of its host.
func endpointAt(s topology.Spec, address string) endpoint {
	u, err := url.Parse(address)
	if err != nil {
		return endpoint{URL: address}
	}
	names := []string{u.Host}
	if u.Host == dockerHub || u.Host == hubHost {
		u.Host, names = hubHost, []string{hubHost, dockerHub}
	}
	e := endpoint{}
	switch u.Path {
	case "", "/", "/v2":
		u.Path = "/v2"
	default:
		e.OverridePath = true
	}
	e.URL = u.String()
	for _, name := range names {
		c, given := s.K3s.Registries.Configs[name]
		if !given {
			continue
		}
		e.Insecure, e.login = c.InsecureSkipVerify, len(login(s, name, nil)) > 0
		if c.CA != "" {
			e.CA = certificateFile(name, "ca")
		}
		if c.Certificate != "" {
			e.Certificate, e.Key = certificateFile(name, "cert"), certificateFile(name, "key")
		}
		break
	}
	return e
}

// RegistryCertificates are those that nodes are given, for a preview to show.
func RegistryCertificates(s topology.Spec) string {
	out := ""
	if r := s.K3s.Registries; r != nil {
		for _, host := range slices.Sorted(maps.Keys(r.Configs)) {
			for _, text := range []string{r.Configs[host].CA, r.Configs[host].Certificate} {
				if text != "" {
					out += host + "\n" + strings.TrimSpace(text) + "\n"
				}
			}
		}
	}
	return out
}
