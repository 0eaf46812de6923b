package resources

import (
	"context"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// ClusterRelease is the k3s release that servers may start. It comes after their downloads, so that a release that cannot be had never
// becomes the cluster's, and refuses releases that k3s cannot go to. It creates nothing outside of the state.
type ClusterRelease struct{}

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
	_ infer.CustomCheck[ClusterReleaseArgs]                       = ClusterRelease{}
	_ infer.CustomCreate[ClusterReleaseArgs, ClusterReleaseState] = ClusterRelease{}
	_ infer.CustomUpdate[ClusterReleaseArgs, ClusterReleaseState] = ClusterRelease{}
)

// Check refuses downgrades and skipped minor releases.
func (ClusterRelease) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[ClusterReleaseArgs], error) {
	args, failures, err := infer.DefaultCheck[ClusterReleaseArgs](ctx, req.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[ClusterReleaseArgs]{Inputs: args, Failures: failures}, err
	}
	if old := req.OldInputs.Get("k3sVersion"); old.IsString() {
		if err := topology.CheckUpgrade(old.AsString(), args.Version); err != nil {
			failures = append(failures, p.CheckFailure{Property: "k3sVersion", Reason: "k3s.version: " + err.Error()})
		}
	}
	return infer.CheckResponse[ClusterReleaseArgs]{Inputs: args, Failures: failures}, nil
}

// Create keeps the release.
func (ClusterRelease) Create(_ context.Context, req infer.CreateRequest[ClusterReleaseArgs]) (infer.CreateResponse[ClusterReleaseState], error) {
	return infer.CreateResponse[ClusterReleaseState]{ID: "release", Output: ClusterReleaseState(req.Inputs)}, nil
}

// Update moves to another release.
func (ClusterRelease) Update(_ context.Context, req infer.UpdateRequest[ClusterReleaseArgs, ClusterReleaseState]) (infer.UpdateResponse[ClusterReleaseState], error) {
	return infer.UpdateResponse[ClusterReleaseState]{Output: ClusterReleaseState(req.Inputs)}, nil
}
