package main

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// registry is the part of containerd's configuration that says how images are pulled.
type registry struct {
	ConfigPath string              `toml:"config_path"`
	Configs    map[string]access   `toml:"configs"`
	Headers    map[string][]string `toml:"headers"`
}

// access is how to log in at a registry.
type access struct {
	Auth *struct {
		Username      string `toml:"username"`
		Password      string `toml:"password"`
		Auth          string `toml:"auth"`
		IdentityToken string `toml:"identitytoken"`
	} `toml:"auth"`
}

// pluginOf is where the versions of the configuration have it. containerd v2 reads the older one as well.
var pluginOf = map[int]string{2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.images"}

func readConfig(text string) (*registry, error) {
	var config struct {
		Version int `toml:"version"`
		Plugins map[string]struct {
			Registry registry `toml:"registry"`
		} `toml:"plugins"`
	}
	if err := toml.Unmarshal([]byte(text), &config); err != nil {
		return nil, fmt.Errorf("failed to load TOML: %w", err)
	}
	plugin, known := pluginOf[config.Version]
	if !known {
		return nil, fmt.Errorf("unsupported config version: %d", config.Version)
	}
	r := config.Plugins[plugin].Registry
	return &r, nil
}

// credentials are a host's: its own alone, there are none for every host.
func (r *registry) credentials(host string) (user, secret string, err error) {
	names := []string{host}
	if host == "registry-1.docker.io" {
		names = append(names, "docker.io", "index.docker.io")
	}
	for _, name := range names {
		auth := r.Configs[name].Auth
		switch {
		case auth == nil:
			continue
		case auth.Username != "":
			return auth.Username, auth.Password, nil
		case auth.IdentityToken != "":
			return "", auth.IdentityToken, nil
		case auth.Auth == "":
			return "", "", nil
		}
		decoded, err := base64.StdEncoding.DecodeString(auth.Auth)
		if err != nil {
			return "", "", err
		}
		user, secret, found := strings.Cut(string(decoded), ":")
		if !found {
			return "", "", fmt.Errorf("invalid decoded auth: %q", decoded)
		}
		return user, secret, nil
	}
	return "", "", nil
}
