package cri

import (
	"net"
	"net/url"
	"strings"

	"github.com/rancher/wharfie/pkg/registries"
)

// endpoint is where a registry's images are to be had.
type endpoint struct {
	url          *url.URL
	overridePath bool // the URL's path is the API's
	rewrites     map[string]string
	config       registries.RegistryConfig
}

// hosts are a registry's endpoints, in turn; the registry's own is asked last.
type hosts struct {
	own       *endpoint
	endpoints []endpoint
}

// everyOther is the name, in registries.yaml, of all the registries that it does not name.
const everyOther = "*"

// folder is a registry's in certs.d. A port stays as it is.
func folder(registry string) string {
	if registry == everyOther {
		return "_default"
	}
	return registry
}

// hostsOf puts together what registries.yaml says of each registry, by folder.
func (s Settings) hostsOf(r *registries.Registry) map[string]hosts {
	out := map[string]hosts{}
	for registry, config := range r.Configs {
		if own, ok := s.own(registry, config); ok {
			if registry == everyOther {
				own.url = nil
			}
			out[folder(registry)] = hosts{own: own}
		}
	}
	for registry, mirror := range r.Mirrors {
		h, configured := out[registry]
		if !configured {
			own, ok := s.own(registry, configOf(r, registry))
			switch {
			case !ok:
				continue
			case s.NoDefaultEndpoint:
				own = nil
			case registry == everyOther:
				own = &endpoint{url: &url.URL{}} // makes containerd ask the registry itself; what is configured for all is lost
			}
			h = hosts{own: own}
		}
		s.mirror(&h, r, registry, mirror)
		out[folder(registry)] = h
	}
	for name, h := range out {
		if len(h.endpoints) == 0 && !h.own.special() {
			delete(out, name) // containerd does it without being told
		}
	}
	return out
}

// mirror adds a mirror's endpoints.
func (s Settings) mirror(h *hosts, r *registries.Registry, registry string, mirror registries.Mirror) {
	seen := map[string]bool{}
	for i, address := range mirror.Endpoints {
		host, u, override, err := parse(address)
		if err != nil {
			s.Log("warning", "Ignoring invalid endpoint URL %d=%s for %s: %v", i, address, registry, err)
			continue
		}
		if seen[u.String()] {
			s.Log("warning", "Skipping duplicate endpoint URL %d=%s for %s", i, address, registry)
			continue
		}
		seen[u.String()] = true
		e := endpoint{url: u, overridePath: override, rewrites: mirror.Rewrites, config: configOf(r, host)}
		if i == len(mirror.Endpoints)-1 && h.own.text() == u.String() {
			h.own = &e // the last one is the registry itself
		} else {
			h.endpoints = append(h.endpoints, e)
		}
	}
}

// own is a registry's own endpoint.
func (s Settings) own(registry string, config registries.RegistryConfig) (*endpoint, bool) {
	_, u, _, err := parse(registry)
	if err != nil {
		s.Log("error", "Failed to generate config for registry %s: %v", registry, err)
		return nil, false
	}
	return &endpoint{url: u, config: config}, true
}

func (e *endpoint) text() string {
	if e == nil || e.url == nil {
		return ""
	}
	return e.url.String()
}

// special says whether there is anything to say of a registry's own endpoint.
func (e *endpoint) special() bool {
	return e != nil && (e.overridePath || e.config.Auth != nil || e.config.TLS != nil || len(e.rewrites) > 0)
}

// Docker Hub, and where it really is.
const (
	hub     = "docker.io"
	hubHost = "registry-1.docker.io"
)

func realHost(registry string) string {
	if registry == hub {
		return hubHost
	}
	return registry
}

// configOf is a registry's login and TLS, which Docker Hub may have under either name.
func configOf(r *registries.Registry, registry string) registries.RegistryConfig {
	if config, ok := r.Configs[realHost(registry)]; ok {
		return config
	}
	return r.Configs[registry]
}

// parse reads an endpoint's address as containerd does: which registry it is, its URL, and whether that has a path of its own.
func parse(address string) (registry string, u *url.URL, override bool, err error) {
	if !strings.Contains(address, "://") {
		address = "//" + address
	}
	if u, err = url.Parse(address); err != nil {
		return "", nil, false, err
	}
	if u.Scheme == "" {
		u.Scheme = "https"
		if port := u.Port(); port != "" && port != "443" && isLocal(u.Host) {
			u.Scheme = "http"
		}
	}
	registry = u.Host
	u.Host = realHost(registry)
	if u.Host == hubHost {
		registry = hub
	}
	switch u.Path {
	case "", "/", "/v2":
		u.Path = "/v2"
	default:
		override = true
	}
	return registry, u, override, nil
}

func isLocal(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
