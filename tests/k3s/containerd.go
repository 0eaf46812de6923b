package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/rancher/wharfie/pkg/registries"
	utilversion "k8s.io/apimachinery/pkg/util/version"
	"k8s.io/component-base/version"

	"github.com/k3sha/pulumi-k3sha/tests/k3s/cri"
)

const registriesFile = "/etc/rancher/k3s/registries.yaml"

// embedded has the program that stands for containerd. It is not there unless build.sh has made it.
//
//go:embed all:embedded
var embedded embed.FS

// startContainerd starts containerd by what registries.yaml has said.
func startContainerd(o *options, registry *registries.Registry) (*cri.Containerd, error) {
	c, err := cri.Start(cri.Settings{
		DataDir: o.dataDir(), SELinux: o.is("selinux"), Systemd: os.Getenv("INVOCATION_ID") != "", NoFlannel: o.get("flannel-backend", "") == "none",
		NoDefaultEndpoint: o.is("disable-default-registry-endpoint"), BeforeV2: containerdBeforeV2(version.Get().GitVersion),
		Program: sync.OnceValues(func() (string, error) { return unpackContainerd(o.dataDir()) }),
		Log:     func(level, format string, args ...any) { logAt(level, format, args) },
	}, registry)
	if errors.Is(err, cri.ErrExited) {
		errorf("%v", err)
		os.Exit(1)
	}
	return c, err
}

// containerdBeforeV2 says whether a release has containerd v1.7.
func containerdBeforeV2(release string) bool {
	v, err := utilversion.ParseGeneric(release)
	if err != nil {
		return false
	}
	first := "1.32.2"
	if v.Minor() == 31 {
		first = "1.31.6"
	}
	return v.LessThan(utilversion.MustParseGeneric(first))
}

// unpackContainerd puts the program where k3s unpacks what it has in it. Another process may be running it just now, so it is put in place at once.
func unpackContainerd(dataDir string) (string, error) {
	program, err := embedded.ReadFile("embedded/containerd")
	if err != nil {
		return "", fmt.Errorf("this k3s was not built by build.sh: %w", err)
	}
	file := filepath.Join(dataDir, "data/current/bin/containerd")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	fresh := file + ".new"
	if err := os.WriteFile(fresh, program, 0o755); err != nil {
		return "", err
	}
	return file, os.Rename(fresh, file)
}

// readRegistries waits for a registries.yaml that can be read, as k3s does: it tells what is wrong, and tries again.
func readRegistries(ctx context.Context) (registry *registries.Registry, err error) {
	err = retrieve(ctx, func() error {
		registry, err = cri.ReadRegistries(registriesFile)
		return err
	})
	return registry, err
}
