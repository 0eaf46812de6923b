package resources

import (
	"context"
	"fmt"
	"maps"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// ClusterSnapshot has the first server take a snapshot before what cannot be taken back: another release, VMs made anew, machines that go. All
// VMs come after it. At creation there is nothing to keep yet.
type ClusterSnapshot struct{ config *Config }

// ClusterSnapshotArgs are what snapshots are taken before.
type ClusterSnapshotArgs struct {
	// "version" alone would be taken for the package's own.
	Version     string         `pulumi:"k3sVersion"`
	Generations map[string]int `pulumi:"generations"` // by node; load balancers hold no data
	Folder      string         `pulumi:"folder"`
	Node        string         `pulumi:"node"`
	Address     string         `pulumi:"address"`
}

// ClusterSnapshotState is what was there when the last one was taken.
type ClusterSnapshotState struct {
	Version     string         `pulumi:"k3sVersion"`
	Generations map[string]int `pulumi:"generations"`
	Last        string         `pulumi:"last"`
}

var (
	_ infer.CustomCreate[ClusterSnapshotArgs, ClusterSnapshotState] = ClusterSnapshot{}
	_ infer.CustomUpdate[ClusterSnapshotArgs, ClusterSnapshotState] = ClusterSnapshot{}
	_ infer.CustomDiff[ClusterSnapshotArgs, ClusterSnapshotState]   = ClusterSnapshot{}
)

// Create takes none.
func (ClusterSnapshot) Create(_ context.Context, req infer.CreateRequest[ClusterSnapshotArgs]) (infer.CreateResponse[ClusterSnapshotState], error) {
	return infer.CreateResponse[ClusterSnapshotState]{ID: "snapshot", Output: ClusterSnapshotState{Version: req.Inputs.Version, Generations: req.Inputs.Generations}}, nil
}

// before is what is about to happen, as a part of the snapshot's name; "" for what needs none.
func before(old ClusterSnapshotState, in ClusterSnapshotArgs) string {
	for _, name := range slices.Sorted(maps.Keys(old.Generations)) {
		generation, stays := in.Generations[name]
		switch {
		case !stays:
			return "removal"
		case generation > old.Generations[name]:
			return "rebuild"
		}
	}
	if in.Version != old.Version {
		return "upgrade"
	}
	return ""
}

// Diff knows two inputs; where the way leads changes nothing.
func (ClusterSnapshot) Diff(_ context.Context, req infer.DiffRequest[ClusterSnapshotArgs, ClusterSnapshotState]) (infer.DiffResponse, error) {
	changed := map[string]p.PropertyDiff{}
	if req.Inputs.Version != req.State.Version {
		changed["k3sVersion"] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
	}
	if !maps.Equal(req.Inputs.Generations, req.State.Generations) {
		changed["generations"] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
	}
	return infer.DiffResponse{HasChanges: len(changed) > 0, DetailedDiff: changed}, nil
}

// Update takes one, if there is a reason.
func (s ClusterSnapshot) Update(ctx context.Context, req infer.UpdateRequest[ClusterSnapshotArgs, ClusterSnapshotState]) (infer.UpdateResponse[ClusterSnapshotState], error) {
	in := req.Inputs
	resp := infer.UpdateResponse[ClusterSnapshotState]{Output: ClusterSnapshotState{Version: in.Version, Generations: in.Generations, Last: req.State.Last}}
	why := before(req.State, in)
	if req.DryRun || why == "" {
		return resp, nil
	}
	access, err := s.config.get()
	if err != nil {
		return resp, err
	}
	way := Way{Node: in.Node, Address: in.Address}
	// Without the keys of S3: k3s itself has them, and whether they are right was found out when they came.
	resp.Output.Last, err = access.run(ctx, topology.Snapshot, way, render.TakeSnapshotScript(in.Node, topology.Snapshot, "before-"+why, render.Snapshots{Folder: in.Folder}), stepWaits)
	if err != nil {
		resp.Output = req.State
		return resp, fmt.Errorf("%w. Nothing was changed; to go on without a snapshot set backup.beforeChanges to false for this update", err)
	}
	return resp, nil
}
