package resources

import (
	"context"
	"fmt"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// ClusterRestore puts a snapshot in the place of the cluster's data, once for each id: on machines that are blank, and on a living cluster. It
// leaves k3s stopped; the steps after it start it, first on the first server, which has the data, then on the others, which join.
type ClusterRestore struct{ config *Config }

// ClusterRestoreArgs are the snapshot and where it is.
type ClusterRestoreArgs struct {
	Snapshot  string  `pulumi:"snapshot"`
	RestoreID string  `pulumi:"restoreId"`
	Version   string  `pulumi:"k3sVersion"`
	Folder    string  `pulumi:"folder"`
	S3        *S3Args `pulumi:"s3,optional"`
	Node      string  `pulumi:"node"`
	Address   string  `pulumi:"address"`
}

// ClusterRestoreState is what was restored.
type ClusterRestoreState struct {
	RestoreID string `pulumi:"restoreId"`
	Snapshot  string `pulumi:"snapshot"`
	// Coming is the snapshot that a preview's update goes back to; nothing afterwards.
	Coming string `pulumi:"coming"`
}

// WireDependencies has a preview know what is about to happen.
func (ClusterRestore) WireDependencies(f infer.FieldSelector, args *ClusterRestoreArgs, state *ClusterRestoreState) {
	f.OutputField(&state.RestoreID).DependsOn(f.InputField(&args.RestoreID))
	f.OutputField(&state.Snapshot).DependsOn(f.InputField(&args.Snapshot))
	f.OutputField(&state.Coming).AlwaysKnown()
}

var (
	_ infer.CustomCreate[ClusterRestoreArgs, ClusterRestoreState] = ClusterRestore{}
	_ infer.CustomUpdate[ClusterRestoreArgs, ClusterRestoreState] = ClusterRestore{}
	_ infer.CustomDiff[ClusterRestoreArgs, ClusterRestoreState]   = ClusterRestore{}
)

// Create restores.
func (r ClusterRestore) Create(ctx context.Context, req infer.CreateRequest[ClusterRestoreArgs]) (infer.CreateResponse[ClusterRestoreState], error) {
	resp := infer.CreateResponse[ClusterRestoreState]{ID: "restore", Output: ClusterRestoreState{RestoreID: req.Inputs.RestoreID, Snapshot: req.Inputs.Snapshot}}
	if req.DryRun {
		resp.Output.Coming = req.Inputs.Snapshot
		return resp, nil
	}
	return resp, r.restore(ctx, req.Inputs)
}

// Diff knows the id alone.
func (ClusterRestore) Diff(_ context.Context, req infer.DiffRequest[ClusterRestoreArgs, ClusterRestoreState]) (infer.DiffResponse, error) {
	if req.Inputs.RestoreID == req.State.RestoreID {
		return infer.DiffResponse{}, nil
	}
	return infer.DiffResponse{HasChanges: true, DetailedDiff: map[string]p.PropertyDiff{"restoreId": {Kind: p.Update, InputDiff: true}}}, nil
}

// Update restores again.
func (r ClusterRestore) Update(ctx context.Context, req infer.UpdateRequest[ClusterRestoreArgs, ClusterRestoreState]) (infer.UpdateResponse[ClusterRestoreState], error) {
	resp := infer.UpdateResponse[ClusterRestoreState]{Output: ClusterRestoreState{RestoreID: req.Inputs.RestoreID, Snapshot: req.Inputs.Snapshot}}
	if req.DryRun {
		resp.Output.Coming = req.Inputs.Snapshot
		return resp, nil
	}
	return resp, r.restore(ctx, req.Inputs)
}

// restore goes on where an interrupted one stopped: each part does nothing when it is done.
func (r ClusterRestore) restore(ctx context.Context, in ClusterRestoreArgs) error {
	access, err := r.config.get()
	if err != nil {
		return err
	}
	do := func(server Way, part render.RestorePart) (string, error) {
		waits := snapshotWaits
		if part == render.RestoreLook {
			waits = stateWaits // it should answer now
		}
		script := render.RestoreScript(part, render.RestoreInput{
			Node: server.Node, IP: server.Address, Version: in.Version, Snapshot: in.Snapshot, ID: in.RestoreID, Start: access.StartOver,
			Token: access.Bundle.Token, AgentToken: access.Bundle.AgentToken, CA: access.Bundle.Authorities.Server.Certificate,
		}, where(in.Folder, in.S3))
		out, err := access.run(ctx, topology.Restore, server, script, waits)
		return strings.TrimSpace(out), err
	}
	each := func(part render.RestorePart) error {
		return atOnce(access.ways(false), func(server Way) error {
			_, err := do(server, part)
			return err
		})
	}
	first := Way{Node: in.Node, Address: in.Address}
	if err := each(render.RestoreLook); err != nil {
		return fmt.Errorf("%w. Nothing was stopped: a server that is away would come back with the data of before; bring it back or take it out first", err)
	}
	if found, err := do(first, render.RestoreCheck); err != nil || found == "restored" {
		return err
	}
	if err = each(render.RestoreStop); err == nil {
		_, err = do(first, render.RestoreSwap)
	}
	if err != nil {
		return fmt.Errorf("%w. k3s is stopped on servers; mend that, then run pulumi up again, it goes on here", err)
	}
	return nil
}
