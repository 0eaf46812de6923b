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
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// ClusterSettled is the end of every update that takes nodes out of service: all of them are back, and none stays cordoned, also when an
// update before this one was interrupted. It creates nothing outside of the state.
type ClusterSettled struct{ config *Config }

// ClusterSettledArgs are what takes each node out of service when it changes, as a hash by node.
type ClusterSettledArgs struct {
	Nodes map[string]SettledNode `pulumi:"nodes"`
}

// SettledNode is a node.
type SettledNode struct {
	Role    string `pulumi:"role"`
	Address string `pulumi:"address"`
	Hash    string `pulumi:"hash"`
}

// ClusterSettledState is what was reached.
type ClusterSettledState struct {
	Nodes map[string]SettledNode `pulumi:"nodes"`
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
	if reflect.DeepEqual(req.Inputs.Nodes, req.State.Nodes) {
		return infer.DiffResponse{}, nil
	}
	return infer.DiffResponse{HasChanges: true, DetailedDiff: map[string]p.PropertyDiff{"nodes": {Kind: p.Update, InputDiff: true}}}, nil
}

// Update looks at the nodes that have changed.
func (s ClusterSettled) Update(ctx context.Context, req infer.UpdateRequest[ClusterSettledArgs, ClusterSettledState]) (infer.UpdateResponse[ClusterSettledState], error) {
	resp := infer.UpdateResponse[ClusterSettledState]{Output: ClusterSettledState(req.Inputs)}
	if req.DryRun {
		return resp, nil
	}
	access, err := s.config.get()
	if err != nil {
		return resp, err
	}
	var missing []error
	for _, name := range slices.Sorted(maps.Keys(req.Inputs.Nodes)) {
		n, old := req.Inputs.Nodes[name], req.State.Nodes[name]
		if n == old || old.Hash == "" {
			continue
		}
		if topology.Role(n.Role) == topology.LoadBalancer {
			missing = append(missing, access.Resume(ctx, Absence{node: topology.Node{Name: name, Role: topology.LoadBalancer, IP: n.Address}, serves: true}))
		} else {
			missing = append(missing, access.settle(ctx, name, req.Inputs.Nodes))
		}
	}
	return resp, errors.Join(missing...)
}

// settle waits until a node is right, whenever it was restarted, and has pods and connections come to it again if this package has kept them away.
func (a Access) settle(ctx context.Context, name string, nodes map[string]SettledNode) error {
	c, err := cluster.Reach(ctx, a.toCluster(), reachWait)
	if err != nil {
		return fmt.Errorf("%s: settle: %w", name, err)
	}
	defer c.Close()
	if err := c.Settle(ctx, name); err != nil {
		return fmt.Errorf("%s: settle: %w", name, err)
	}
	if topology.Role(nodes[name].Role) == topology.Server {
		absence := Absence{node: topology.Node{Name: name}}
		for lb, n := range nodes {
			if topology.Role(n.Role) == topology.LoadBalancer {
				absence.steered = append(absence.steered, topology.Node{Name: lb, IP: n.Address})
			}
		}
		a.steer(ctx, absence, true)
	}
	return nil
}
