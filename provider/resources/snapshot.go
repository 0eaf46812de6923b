package resources

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// ClusterSnapshot has a server take a snapshot before what cannot be taken back: another release, VMs made anew, machines that go. All
// VMs come after it. At creation there is nothing to keep yet.
type ClusterSnapshot struct{ config *Config }

// ClusterSnapshotArgs are what snapshots are taken before.
type ClusterSnapshotArgs struct {
	// "version" alone would be taken for the package's own.
	Version     string         `pulumi:"k3sVersion"`
	Generations map[string]int `pulumi:"generations"` // by node; load balancers hold no data
	Folder      string         `pulumi:"folder"`
	S3          *S3Args        `pulumi:"s3,optional"`
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
	resp.Output.Last, err = access.saved(ctx, "before-"+why, where(in.Folder, in.S3))
	if err != nil {
		resp.Output = req.State
		return resp, fmt.Errorf("%w. Nothing was changed; to go on without a snapshot set backup.beforeChanges to false for this update", err)
	}
	return resp, nil
}

// snapshotWaits fit a machine that should answer now, and leave k3s time for a large snapshot.
var snapshotWaits = contact.Waits{Answer: stateWaits.Answer, Login: stateWaits.Login, Script: 12 * time.Minute, Dial: stateWaits.Dial, Pause: stateWaits.Pause}

// saved has the first server that can take a snapshot, and returns its name: one may be lost, or be none yet.
func (a Access) saved(ctx context.Context, name string, at render.Snapshots) (string, error) {
	var seen []error
	for _, server := range a.ways(false) {
		out, err := a.run(ctx, topology.Snapshot, server, render.TakeSnapshotScript(server.Node, topology.Snapshot, name, at), snapshotWaits)
		if err == nil {
			return strings.TrimSpace(out), nil
		}
		seen = append(seen, err)
	}
	return "", errors.Join(seen...)
}
