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
// connections, also when an update before this one was interrupted, or taken back. Registered nodes have the labels and taints that they are
// meant to have; a VIP that has moved is given up. It creates nothing outside of the state.
type ClusterSettled struct{ config *Config }

// ClusterSettledArgs are what takes each node out of service when it changes, as a hash by node, and how often machines have changed.
type ClusterSettledArgs struct {
	Nodes    map[string]SettledNode `pulumi:"nodes"`
	Groups   map[string]SettledMark `pulumi:"groups"`
	Changes  int                    `pulumi:"changes"`
	Endpoint string                 `pulumi:"endpoint"`
	Version  string                 `pulumi:"k3sVersion"`
	Reapply  string                 `pulumi:"reapply,optional"`
}

// SettledMark is how the nodes of a group are marked.
type SettledMark struct {
	Labels map[string]string `pulumi:"labels"`
	Taints []string          `pulumi:"taints"`
}

// SettledNode is a node.
type SettledNode struct {
	Role    string `pulumi:"role"`
	Path    string `pulumi:"path"`
	Address string `pulumi:"address"`
	Hash    string `pulumi:"hash"`
}

// ClusterSettledState is what was reached.
type ClusterSettledState struct {
	Nodes    map[string]SettledNode `pulumi:"nodes"`
	Groups   map[string]SettledMark `pulumi:"groups"`
	Changes  int                    `pulumi:"changes"`
	Endpoint string                 `pulumi:"endpoint"`
	Version  string                 `pulumi:"k3sVersion"`
	Reapply  string                 `pulumi:"reapply,optional"`
	Holder   string                 `pulumi:"holder"` // of the VIP, at that time
}

// reached is a state in which the inputs are.
func (in ClusterSettledArgs) reached() ClusterSettledState {
	return ClusterSettledState{Nodes: in.Nodes, Groups: in.Groups, Changes: in.Changes, Endpoint: in.Endpoint, Version: in.Version, Reapply: in.Reapply}
}

var (
	_ infer.CustomCheck[ClusterSettledArgs]                       = ClusterSettled{}
	_ infer.CustomCreate[ClusterSettledArgs, ClusterSettledState] = ClusterSettled{}
	_ infer.CustomUpdate[ClusterSettledArgs, ClusterSettledState] = ClusterSettled{}
	_ infer.CustomDiff[ClusterSettledArgs, ClusterSettledState]   = ClusterSettled{}
)

// Check refuses, at preview, releases to which k3s cannot go from the one that the whole cluster has reached.
func (ClusterSettled) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[ClusterSettledArgs], error) {
	args, failures, err := infer.DefaultCheck[ClusterSettledArgs](ctx, req.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[ClusterSettledArgs]{Inputs: args, Failures: failures}, err
	}
	if old := req.OldInputs.Get("k3sVersion"); old.IsString() {
		if err := topology.CheckUpgrade(old.AsString(), args.Version); err != nil {
			failures = append(failures, p.CheckFailure{Property: "k3sVersion", Reason: "k3s.version: " + err.Error()})
		}
	}
	return infer.CheckResponse[ClusterSettledArgs]{Inputs: args, Failures: failures}, nil
}

// Create has nothing to look at but who has the VIP: every node has just come up.
func (s ClusterSettled) Create(ctx context.Context, req infer.CreateRequest[ClusterSettledArgs]) (infer.CreateResponse[ClusterSettledState], error) {
	resp := infer.CreateResponse[ClusterSettledState]{ID: "settled", Output: req.Inputs.reached()}
	if req.DryRun {
		return resp, nil
	}
	access, err := s.config.get()
	if err == nil {
		resp.Output.Holder = access.holder(ctx)
	}
	return resp, err
}

// Diff compares.
func (ClusterSettled) Diff(_ context.Context, req infer.DiffRequest[ClusterSettledArgs, ClusterSettledState]) (infer.DiffResponse, error) {
	in, was := req.Inputs, req.State
	changed := map[string]p.PropertyDiff{}
	for property, differs := range map[string]bool{
		"nodes": !reflect.DeepEqual(in.Nodes, was.Nodes), "groups": !reflect.DeepEqual(in.Groups, was.Groups), "changes": in.Changes != was.Changes,
		"endpoint": in.Endpoint != was.Endpoint, "k3sVersion": in.Version != was.Version, "reapply": in.Reapply != was.Reapply,
	} {
		if differs {
			changed[property] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
		}
	}
	return infer.DiffResponse{HasChanges: len(changed) > 0, DetailedDiff: changed}, nil
}

// Update looks at all nodes that there were before, if any of them has changed: those that are new have just come up.
func (s ClusterSettled) Update(ctx context.Context, req infer.UpdateRequest[ClusterSettledArgs, ClusterSettledState]) (infer.UpdateResponse[ClusterSettledState], error) {
	resp := infer.UpdateResponse[ClusterSettledState]{Output: req.Inputs.reached()}
	resp.Output.Holder = req.State.Holder
	if req.DryRun {
		return resp, nil
	}
	in, was := req.Inputs, req.State
	look, mark, arrive := in.toLookAt(was), in.toMark(was), in.Endpoint != was.Endpoint
	if !look && len(mark) == 0 && !arrive {
		return resp, nil
	}
	access, err := s.config.get()
	if err != nil {
		return resp, err
	}
	var wrong []error
	if look {
		wrong = append(wrong, access.lookAtAll(ctx, in, was))
	}
	if len(mark) > 0 {
		wrong = append(wrong, access.markAll(ctx, mark, in, was))
	}
	if arrive {
		wrong = append(wrong, access.arrive(ctx))
	}
	resp.Output.Holder = access.holder(ctx)
	return resp, errors.Join(wrong...)
}

// toLookAt says whether a node that was there before has changed, or some had and were changed back.
func (in ClusterSettledArgs) toLookAt(was ClusterSettledState) bool {
	changed := in.Changes != was.Changes
	for name, n := range in.Nodes {
		old, existed := was.Nodes[name]
		changed = changed || existed && old != n
	}
	return changed
}

// toMark lists the nodes that have registered before, and are to have other labels or taints.
func (in ClusterSettledArgs) toMark(was ClusterSettledState) []string {
	var nodes []string
	for _, name := range slices.Sorted(maps.Keys(in.Nodes)) {
		n := in.Nodes[name]
		if _, existed := was.Nodes[name]; !existed || topology.Role(n.Role) == topology.LoadBalancer {
			continue
		}
		if in.Reapply != "" && in.Reapply != was.Reapply || !reflect.DeepEqual(in.Groups[n.Path], was.Groups[n.Path]) {
			nodes = append(nodes, name)
		}
	}
	return nodes
}

// lookAtAll waits until all nodes that have changed are back.
func (a Access) lookAtAll(ctx context.Context, in ClusterSettledArgs, was ClusterSettledState) error {
	var wrong []error
	members, lives := map[string]bool{}, false // whether it has changed; whether there is a cluster
	for _, name := range slices.Sorted(maps.Keys(in.Nodes)) {
		n, old := in.Nodes[name], was.Nodes[name]
		switch {
		case old.Hash == "":
		case topology.Role(n.Role) == topology.LoadBalancer:
			wrong = append(wrong, a.Resume(ctx, Absence{node: topology.Node{Name: name, Role: topology.LoadBalancer, IP: n.Address}, serves: true}, false))
		default:
			members[name] = n != old
			if topology.Role(n.Role) == topology.Server && !lives {
				out, err := a.state(ctx, topology.Node{Name: name, Role: topology.Server, IP: n.Address}, render.Nothing, stateWaits)
				lives = err != nil || out != ""
			}
		}
	}
	if lives {
		wrong = append(wrong, a.settle(ctx, members))
		for name := range members {
			if topology.Role(in.Nodes[name].Role) == topology.Server {
				a.steer(ctx, name, back)
			}
		}
	}
	return errors.Join(wrong...)
}

// markAll gives registered nodes the labels and taints that they are meant to have. Those that are new have registered with them.
func (a Access) markAll(ctx context.Context, nodes []string, in ClusterSettledArgs, was ClusterSettledState) error {
	c, err := cluster.Reach(ctx, a.toCluster(), reachWait)
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	defer c.Close()
	var wrong []error
	for _, name := range nodes {
		path := in.Nodes[name].Path
		if err := c.Mark(ctx, name, cluster.Marks(was.Groups[path]), cluster.Marks(in.Groups[path])); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: settle: %w", name, err))
		}
	}
	return errors.Join(wrong...)
}

// arrive has all load balancers give up the VIP and port that there were before: at the same time, for what they announce to each other changes.
func (a Access) arrive(ctx context.Context) error {
	return atOnce(a.ways(true), func(lb Way) error {
		_, err := a.run(ctx, topology.Settle, lb, render.ArriveScript(lb.Node, a.VIP, a.APIPort), stepWaits)
		return err
	})
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
		} else if a.Forwards {
			a.steer(ctx, name, back)
		}
	}
	return errors.Join(wrong...)
}
