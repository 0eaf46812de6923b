// Package cri does what k3s does with containerd: it reads registries.yaml once, when it starts, writes containerd's configuration and the
// hosts of each registry from it, and starts containerd. That reads its configuration once, too, but a registry's hosts at every pull.
// It follows k3s v1.31 and v1.32.
package cri

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/rancher/wharfie/pkg/registries"
)

// Settings are a node's.
type Settings struct {
	DataDir           string
	SELinux           bool
	Systemd           bool // is over the cgroups
	NoFlannel         bool
	NoDefaultEndpoint bool
	BeforeV2          bool                                    // containerd is v1.7: k3s before v1.31.6 and v1.32.2
	Program           func() (string, error)                  // is where the program is that pulls
	Log               func(level, format string, args ...any) // is k3s' own log
}

func (s Settings) agent(name string) string { return filepath.Join(s.DataDir, "agent", name) }

func (s Settings) hosts() string { return s.agent("etc/containerd/certs.d") }

// ReadRegistries reads registries.yaml, which need not be there.
func ReadRegistries(file string) (*registries.Registry, error) {
	private, err := registries.GetPrivateRegistries(file)
	if err != nil {
		return nil, err
	}
	return private.Registry, nil
}

// Containerd stands for a containerd that runs.
type Containerd struct {
	settings Settings
	config   string // as it was at the start
}

// ErrExited is a containerd that cannot read its configuration; its log says more.
var ErrExited = errors.New("containerd exited: exit status 1")

// Start writes everything anew, over what has been changed by hand since, and starts containerd.
func Start(s Settings, registry *registries.Registry) (*Containerd, error) {
	config, err := s.writeConfig(registry)
	if err != nil {
		return nil, err
	}
	if err := s.writeHosts(registry); err != nil {
		return nil, err
	}
	c := &Containerd{settings: s, config: config}
	if wrong := toml.Unmarshal([]byte(config), &map[string]any{}); wrong != nil {
		log, err := c.log()
		if err != nil {
			return nil, err
		}
		defer log.Close()
		fmt.Fprintf(log, "containerd: failed to load TOML: %v\n", wrong)
		return nil, ErrExited
	}
	return c, nil
}

// HasHosts says whether there is anything for a registry, which has no port, in the folder that containerd would look into.
func (c *Containerd) HasHosts(registry string) bool {
	for _, name := range []string{registry, "_default"} {
		dir := filepath.Join(c.settings.hosts(), name)
		if _, err := os.Stat(dir); err == nil {
			_, err := os.Stat(filepath.Join(dir, hostsFile))
			return err == nil
		}
	}
	return false
}

// Pull has containerd pull an image.
func (c *Containerd) Pull(ctx context.Context, image string) error {
	program, err := c.settings.Program()
	if err != nil {
		return err
	}
	request, err := json.Marshal(map[string]string{"config": c.config, "image": image})
	if err != nil {
		return err
	}
	log, err := c.log()
	if err != nil {
		return err
	}
	defer log.Close()
	var wrong bytes.Buffer
	cmd := exec.CommandContext(ctx, program)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(request), log, &wrong
	err = cmd.Run()
	if text := strings.TrimSpace(wrong.String()); err != nil && text != "" {
		return errors.New(text)
	}
	return err
}

// log is containerd's own, which k3s keeps out of its journal.
func (c *Containerd) log() (*os.File, error) {
	file := c.settings.agent("containerd/containerd.log")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
}
