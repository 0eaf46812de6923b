package resources

import (
	"context"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// ClusterRelease is the k3s release that servers may start. It comes after their downloads, so that a release that cannot be had never
// becomes the cluster's, and refuses releases to which k3s cannot go from those that have come up on servers: so a release that no server could
// start, or has started yet, can be taken back. It creates nothing outside of the state.
type ClusterRelease struct{ config *Config }

// ClusterReleaseArgs is the release.
type ClusterReleaseArgs struct {
	// "version" alone would be taken for the package's own.
	Version string `pulumi:"k3sVersion"`
}

// ClusterReleaseState is the release as the state keeps it.
type ClusterReleaseState struct {
	Version string `pulumi:"k3sVersion"`
}

var (
	_ infer.CustomCreate[ClusterReleaseArgs, ClusterReleaseState] = ClusterRelease{}
	_ infer.CustomUpdate[ClusterReleaseArgs, ClusterReleaseState] = ClusterRelease{}
)

// Create keeps the release.
func (ClusterRelease) Create(_ context.Context, req infer.CreateRequest[ClusterReleaseArgs]) (infer.CreateResponse[ClusterReleaseState], error) {
	return infer.CreateResponse[ClusterReleaseState]{ID: "release", Output: ClusterReleaseState(req.Inputs)}, nil
}

// Update moves to another release, if every server can: those that cannot be reached are asked when their turn comes.
func (r ClusterRelease) Update(ctx context.Context, req infer.UpdateRequest[ClusterReleaseArgs, ClusterReleaseState]) (infer.UpdateResponse[ClusterReleaseState], error) {
	resp := infer.UpdateResponse[ClusterReleaseState]{Output: ClusterReleaseState(req.Inputs)}
	if req.DryRun {
		return resp, nil
	}
	access, err := r.config.get()
	if err != nil {
		return resp, err
	}
	return resp, atOnce(access.ways(false), func(server Way) error {
		runs, err := access.run(ctx, topology.Release, server, render.ReachedScript(server.Node), stateWaits)
		if runs = strings.TrimSpace(runs); err != nil || runs == "" {
			return nil //nolint:nilerr // it is asked again when its turn comes
		}
		if err := topology.CheckUpgrade(runs, req.Inputs.Version); err != nil {
			return fmt.Errorf("k3s.version: %s: %w", server.Node, err)
		}
		return nil
	})
}
