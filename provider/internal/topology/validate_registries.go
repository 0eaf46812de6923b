package topology

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// registries checks what goes into registries.yaml.
func (v *validator) registries() {
	r := v.spec.K3s.Registries
	if r == nil {
		return
	}
	if len(r.Mirrors) == 0 && len(r.Configs) == 0 {
		v.add("k3s.registries", "has neither mirrors nor configs; give one of them, or take it out")
	}
	for _, host := range sortedKeys(r.Mirrors) {
		m, path := r.Mirrors[host], "k3s.registries.mirrors."+host
		if host != EveryRegistry {
			v.registryHost(path, host)
		}
		if len(m.Endpoint) == 0 && len(m.Rewrite) == 0 {
			v.add(path, "names no endpoint; list the URLs at which its images are, like https://mirror.example.org")
		}
		for i, endpoint := range m.Endpoint {
			v.fileURL(fmt.Sprintf("%s.endpoint[%d]", path, i), endpoint, "https://mirror.example.org", "k3s.registries.configs has a place for them")
		}
		for _, pattern := range sortedKeys(m.Rewrite) {
			if _, err := regexp.Compile(pattern); err != nil {
				v.add(path+".rewrite", "%q is not a regular expression; write it like ^rancher/(.*), its replacement like mirrored/$1", pattern)
			}
			for _, text := range []string{pattern, m.Rewrite[pattern]} {
				if strings.ContainsAny(text, "\"\\\r\n") {
					v.add(path+".rewrite", "%q has a quote or a backslash, which k3s hands on as they are, and containerd then reads none of the registry's mirrors; write a dot as [.], a digit as [0-9]", text)
				}
			}
		}
	}
	for _, host := range sortedKeys(r.Configs) {
		c, path := r.Configs[host], "k3s.registries.configs."+host
		has := func(name string) bool { return v.spec.Leaves.Has(RegistryLeaf(host, name)) }
		v.registryHost(path, host)
		switch {
		case has("auth.username") != has("auth.password"):
			v.add(path+".auth", "username and password belong together; give both, or identityToken alone")
		case has("auth.username") && has("auth.identityToken"):
			v.add(path+".auth", "has a password and an identityToken; give one of them")
		}
		if (c.Certificate != "") != has("tls.key") {
			v.add(path+".tls", "certificate and key belong together; give both or neither")
		}
		for _, text := range []struct{ name, pem string }{{"ca", c.CA}, {"certificate", c.Certificate}} {
			if text.pem != "" && !isCertificate(text.pem) {
				v.add(path+".tls."+text.name, "is not a certificate in PEM; give the whole file, with its first and last line")
			}
		}
		if c.CA != "" && c.InsecureSkipVerify {
			v.add(path+".tls.insecureSkipVerify", "verifies nothing, and ca is there to verify; give one of them")
		}
	}
}

// registryHost checks the name of a registry as images have it: a host, and a port if it is not 443.
func (v *validator) registryHost(path, text string) {
	const remedy = "write it as images name it, like registry.example.org or registry.example.org:5000"
	host, port, hasPort := strings.Cut(text, ":")
	number, err := strconv.Atoi(port)
	_, notAddress := netip.ParseAddr(host)
	switch {
	case strings.Contains(text, "/"):
		v.add(path, "%q has a scheme or a path; %s", text, remedy)
	case notAddress != nil && !hostName(host) || hasPort && (err != nil || number < 1 || number > 65535):
		v.add(path, "%q is not the name of a registry; %s", text, remedy)
	}
}

// fileURL checks a URL of which every preview shows all.
func (v *validator) fileURL(path, text, like, credentials string) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		v.add(path, "is missing; write it like %s", like)
	case strings.TrimSpace(text) != text || strings.ContainsAny(text, " \t\r\n'\"\\`<>{}|^"):
		v.add(path, "has characters that no URL has; write it like %s", like)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		v.add(path, "is not an http or https URL; write it like %s", like)
	case u.User != nil:
		v.add(path, "carries a user or password, which every preview would show; %s", credentials)
	}
}

func isCertificate(text string) bool {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return false
	}
	_, err := x509.ParseCertificate(block.Bytes)
	return err == nil
}
