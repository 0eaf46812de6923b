package cri

import (
	"bufio"
	"embed"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/rancher/wharfie/pkg/registries"
)

//go:embed files
var files embed.FS

// generation is a version of containerd's configuration. Whoever has a template has its version by the template's name.
type generation struct{ template, base string }

var (
	v3 = generation{"config-v3.toml.tmpl", "files/config-v3.toml.tmpl"}
	v2 = generation{"config.toml.tmpl", "files/config-v2.toml.tmpl"}
)

func (s Settings) generations() []generation {
	if s.BeforeV2 {
		return []generation{v2}
	}
	return []generation{v3, v2}
}

// values are what templates, those of users too, are filled with: as k3s names them, without what this node never has.
type values struct {
	Program               string
	NodeConfig            node
	DisableCgroup         bool
	SystemdCgroup         bool
	IsRunningInUserNS     bool
	EnableUnprivileged    bool
	NoDefaultEndpoint     bool
	NonrootDevices        bool
	PrivateRegistryConfig *registries.Registry
	ExtraRuntimes         map[string]struct{ RuntimeType, BinaryName string }
}

type node struct {
	SELinux, NoFlannel bool
	DefaultRuntime     string
	Containerd         struct{ Address, Log, Root, State, Config, Opt, Template, Registry, BlockIOConfig, RDTConfig string }
	AgentConfig        struct {
		PauseImage, Snapshotter, CNIBinDir, CNIConfDir, ImageServiceSocket string
		Systemd                                                            bool
	}
}

func (s Settings) values(registry *registries.Registry) values {
	v := values{
		Program: "k3s", SystemdCgroup: s.Systemd, EnableUnprivileged: true, NoDefaultEndpoint: s.NoDefaultEndpoint, PrivateRegistryConfig: registry,
		NodeConfig: node{SELinux: s.SELinux, NoFlannel: s.NoFlannel},
	}
	c := &v.NodeConfig.Containerd
	c.Root, c.Opt, c.Log = s.agent("containerd"), s.agent("containerd"), s.agent("containerd/containerd.log")
	c.State, c.Address = "/run/k3s/containerd", "/run/k3s/containerd/containerd.sock"
	c.Template, c.Config, c.Registry = s.agent("etc/containerd"), s.agent("etc/containerd/config.toml"), s.hosts()
	a := &v.NodeConfig.AgentConfig
	a.PauseImage, a.Snapshotter, a.Systemd = "rancher/mirrored-pause:3.6", "overlayfs", s.Systemd
	if !s.NoFlannel {
		a.CNIBinDir, a.CNIConfDir = filepath.Join(s.DataDir, "data/cni"), s.agent("etc/cni/net.d")
	}
	return v
}

// writeConfig writes config.toml, from the user's template if there is one.
func (s Settings) writeConfig(registry *registries.Registry) (string, error) {
	used := s.generations()[0]
	text := `{{ template "base" . }}`
	for _, g := range s.generations() {
		file := s.agent(filepath.Join("etc/containerd", g.template))
		given, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		s.Log("info", "Using containerd config template at %s", file)
		used, text = g, string(given)
		break
	}
	config, err := used.render(text, s.values(registry))
	if err != nil {
		return "", err
	}
	return config, write(s.agent("etc/containerd/config.toml"), config)
}

func (g generation) render(text string, v values) (string, error) {
	t, err := template.New("compiled_template").Funcs(template.FuncMap{"deschemify": func(s string) string { return s }}).Parse(text)
	if err != nil {
		return "", err
	}
	for name, file := range map[string]string{"base": g.base, "auth": "files/auth.tmpl"} {
		content, err := files.ReadFile(file)
		if err != nil {
			return "", err
		}
		if _, err := t.New(name).Parse(string(content)); err != nil {
			return "", err
		}
	}
	var out strings.Builder
	if err := t.Execute(&out, v); err != nil {
		return "", err
	}
	return spaced(out.String()), nil
}

// spaced has an empty line before each table, and none elsewhere.
func spaced(text string) string {
	var out strings.Builder
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		if strings.TrimSpace(line) == "" {
			continue
		}
		if strings.HasPrefix(line, "[") {
			out.WriteString("\n")
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}

// write writes as k3s does, for everybody to read.
func write(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}
