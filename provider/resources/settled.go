package resources

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/cluster"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// ClusterSettled is the end of every update that takes nodes out of service: all of them are back, and none stays cordoned or without
// connections, also when an update before this one was interrupted, or taken back. It creates nothing outside of the state.
type ClusterSettled struct{ config *Config }

// ClusterSettledArgs are what takes each node out of service when it changes, as a hash by node, and how often machines have changed.
type ClusterSettledArgs struct {
	Nodes   map[string]SettledNode `pulumi:"nodes"`
	Changes int                    `pulumi:"changes"`
}

// SettledNode is a node.
type SettledNode struct {
	Role    string `pulumi:"role"`
	Address string `pulumi:"address"`
	Hash    string `pulumi:"hash"`
}

// ClusterSettledState is what was reached.
type ClusterSettledState struct {
	Nodes   map[string]SettledNode `pulumi:"nodes"`
	Changes int                    `pulumi:"changes"`
}

var (
	_ infer.CustomCreate[ClusterSettledArgs, ClusterSettledState] = ClusterSettled{}
	_ infer.CustomUpdate[ClusterSettledArgs, ClusterSettledState] = ClusterSettled{}
	_ infer.CustomDiff[ClusterSettledArgs, ClusterSettledState]   = ClusterSettled{}
)

// Create has nothing to look at: every node has just come up.
func (ClusterSettled) Create(_ context.Context, req infer.CreateRequest[ClusterSettledArgs]) (infer.CreateResponse[ClusterSettledState], error) {
	return infer.CreateResponse[ClusterSettledState]{ID: "settled", Output: ClusterSettledState(req.Inputs)}, nil
}

// Diff compares.
func (ClusterSettled) Diff(_ context.Context, req infer.DiffRequest[ClusterSettledArgs, ClusterSettledState]) (infer.DiffResponse, error) {
	changed := map[string]p.PropertyDiff{}
	if !reflect.DeepEqual(req.Inputs.Nodes, req.State.Nodes) {
		changed["nodes"] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
	}
	if req.Inputs.Changes != req.State.Changes {
		changed["changes"] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
	}
	return infer.DiffResponse{HasChanges: len(changed) > 0, DetailedDiff: changed}, nil
}

// Update looks at all nodes that there were before, if any of them has changed: those that are new have just come up.
func (s ClusterSettled) Update(ctx context.Context, req infer.UpdateRequest[ClusterSettledArgs, ClusterSettledState]) (infer.UpdateResponse[ClusterSettledState], error) {
	resp := infer.UpdateResponse[ClusterSettledState]{Output: ClusterSettledState(req.Inputs)}
	if req.DryRun {
		return resp, nil
	}
	changed := req.Inputs.Changes != req.State.Changes
	for name, n := range req.Inputs.Nodes {
		old, existed := req.State.Nodes[name]
		changed = changed || existed && old != n
	}
	if !changed {
		return resp, nil
	}
	access, err := s.config.get()
	if err != nil {
		return resp, err
	}
	var wrong []error
	members, lives := map[string]bool{}, false // whether it has changed; whether there is a cluster
	for _, name := range slices.Sorted(maps.Keys(req.Inputs.Nodes)) {
		n, old := req.Inputs.Nodes[name], req.State.Nodes[name]
		switch {
		case old.Hash == "":
		case topology.Role(n.Role) == topology.LoadBalancer:
			wrong = append(wrong, access.Resume(ctx, Absence{node: topology.Node{Name: name, Role: topology.LoadBalancer, IP: n.Address}, serves: true}, false))
		default:
			members[name] = n != old
			if topology.Role(n.Role) == topology.Server && !lives {
				out, err := access.state(ctx, topology.Node{Name: name, Role: topology.Server, IP: n.Address}, render.Nothing, stateWaits)
				lives = err != nil || out != ""
			}
		}
	}
	if lives {
		wrong = append(wrong, access.settle(ctx, members))
		for name := range members {
			if topology.Role(req.Inputs.Nodes[name].Role) == topology.Server {
				access.steer(ctx, name, true)
			}
		}
	}
	return resp, errors.Join(wrong...)
}

// settle waits until nodes are right, whenever they were restarted, and has pods come to them again if this package has kept them away.
func (a Access) settle(ctx context.Context, members map[string]bool) error {
	c, err := cluster.Reach(ctx, a.toCluster(), reachWait)
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	defer c.Close()
	paused, err := c.Paused(ctx)
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !members[name] && !slices.Contains(paused, name) {
			continue
		}
		if err := c.Settle(ctx, name); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: settle: %w", name, err))
		}
	}
	return errors.Join(wrong...)
}
