package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/remotes/docker/config"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
)

// pull fetches an image's manifest, as the CRI plugin would: the hosts of a registry are read anew, who logs in there is known from the start.
func (r *registry) pull(ctx context.Context, image string) error {
	named, err := reference.ParseDockerRef(image)
	if err != nil {
		return fmt.Errorf("failed to parse image reference %q: %w", image, err)
	}
	ref := named.String()
	resolver := docker.NewResolver(docker.ResolverOptions{
		Headers: r.Headers,
		Hosts: config.ConfigureHosts(ctx, config.HostOptions{
			HostDir:        hostDir(filepath.SplitList(r.ConfigPath)),
			Credentials:    r.credentials,
			AuthorizerOpts: []docker.AuthorizerOpt{docker.WithAuthHeader(r.Headers)},
		}),
	})
	failed := func(err error) error { return fmt.Errorf("failed to pull and unpack image %q: %w", ref, err) }
	name, manifest, err := resolver.Resolve(ctx, ref)
	if err != nil {
		return failed(fmt.Errorf("failed to resolve reference %q: %w", ref, err))
	}
	fetcher, err := resolver.Fetcher(ctx, name)
	if err != nil {
		return failed(err)
	}
	body, err := fetcher.Fetch(ctx, manifest)
	if err != nil {
		return failed(fmt.Errorf("failed to copy: %w", err))
	}
	defer body.Close()
	verifier := manifest.Digest.Verifier()
	if _, err := io.Copy(verifier, body); err != nil {
		return failed(fmt.Errorf("failed to copy: %w", err))
	}
	if !verifier.Verified() {
		return failed(fmt.Errorf("unexpected digest of the manifest, %s was expected: %w", manifest.Digest, errdefs.ErrFailedPrecondition))
	}
	return nil
}

// hostDir finds a registry's folder in the first of the roots that has one.
func hostDir(roots []string) func(string) (string, error) {
	return func(host string) (string, error) {
		for _, root := range roots {
			if dir, err := config.HostDirFromRoot(root)(host); !errdefs.IsNotFound(err) {
				return dir, err
			}
		}
		return "", errdefs.ErrNotFound
	}
}
