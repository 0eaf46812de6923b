package resources

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// ClusterBalanced is the proof that a load balancer which is not the program's leads to every server. It is looked through again whenever
// machines have changed, and by a refresh. It creates nothing outside of the state.
type ClusterBalanced struct{ config *Config }

// ClusterBalancedArgs are what it has to lead to.
type ClusterBalancedArgs struct {
	Servers  map[string]string `pulumi:"servers"` // addresses by name
	Endpoint string            `pulumi:"endpoint"`
	Changes  int               `pulumi:"changes"`
	Reapply  string            `pulumi:"reapply,optional"`
}

// ClusterBalancedState is what was seen.
type ClusterBalancedState struct {
	Servers  []string `pulumi:"servers"` // those that have answered
	Endpoint string   `pulumi:"endpoint"`
	Changes  int      `pulumi:"changes"`
	Reapply  string   `pulumi:"reapply,optional"`
}

// at is where the servers take connections, by name.
func (in ClusterBalancedArgs) at() map[string]string {
	out := make(map[string]string, len(in.Servers))
	for name, address := range in.Servers {
		out[name] = net.JoinHostPort(address, strconv.Itoa(topology.ServerPort))
	}
	return out
}

// A balancer's own checks need their time, and a person who puts a server into its pool only now.
const (
	balanceWait = 2 * time.Minute
	glanceWait  = 15 * time.Second // of a refresh
)

var (
	_ infer.CustomCreate[ClusterBalancedArgs, ClusterBalancedState] = ClusterBalanced{}
	_ infer.CustomUpdate[ClusterBalancedArgs, ClusterBalancedState] = ClusterBalanced{}
	_ infer.CustomDiff[ClusterBalancedArgs, ClusterBalancedState]   = ClusterBalanced{}
	_ infer.CustomRead[ClusterBalancedArgs, ClusterBalancedState]   = ClusterBalanced{}
)

// Create looks.
func (b ClusterBalanced) Create(ctx context.Context, req infer.CreateRequest[ClusterBalancedArgs]) (infer.CreateResponse[ClusterBalancedState], error) {
	out, err := b.look(ctx, req.Inputs, req.DryRun)
	return infer.CreateResponse[ClusterBalancedState]{ID: "balanced", Output: out}, err
}

// Update looks again.
func (b ClusterBalanced) Update(ctx context.Context, req infer.UpdateRequest[ClusterBalancedArgs, ClusterBalancedState]) (infer.UpdateResponse[ClusterBalancedState], error) {
	out, err := b.look(ctx, req.Inputs, req.DryRun)
	return infer.UpdateResponse[ClusterBalancedState]{Output: out}, err
}

// Diff asks for a look where something has changed, or a refresh has missed a server.
func (ClusterBalanced) Diff(_ context.Context, req infer.DiffRequest[ClusterBalancedArgs, ClusterBalancedState]) (infer.DiffResponse, error) {
	in, was := req.Inputs, req.State
	changed := map[string]p.PropertyDiff{}
	for property, differs := range map[string]bool{
		"servers":  !slices.Equal(slices.Sorted(maps.Keys(in.Servers)), was.Servers),
		"endpoint": in.Endpoint != was.Endpoint, "changes": in.Changes != was.Changes, "reapply": in.Reapply != was.Reapply,
	} {
		if differs {
			changed[property] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
		}
	}
	return infer.DiffResponse{HasChanges: len(changed) > 0, DetailedDiff: changed}, nil
}

// Read has a look at what it leads to now. Where no server can be reached the state stays as it was.
func (b ClusterBalanced) Read(ctx context.Context, req infer.ReadRequest[ClusterBalancedArgs, ClusterBalancedState]) (infer.ReadResponse[ClusterBalancedArgs, ClusterBalancedState], error) {
	resp := infer.ReadResponse[ClusterBalancedArgs, ClusterBalancedState](req)
	access, err := b.config.get()
	if err != nil {
		return resp, err
	}
	if found, _, err := access.toCluster().Balanced(ctx, req.Inputs.at(), glanceWait); err == nil || len(found) > 0 {
		resp.State.Servers = found
	}
	return resp, nil
}

func (b ClusterBalanced) look(ctx context.Context, in ClusterBalancedArgs, dry bool) (ClusterBalancedState, error) {
	out := ClusterBalancedState{Servers: slices.Sorted(maps.Keys(in.Servers)), Endpoint: in.Endpoint, Changes: in.Changes, Reapply: in.Reapply}
	if dry {
		return out, nil
	}
	access, err := b.config.get()
	if err != nil {
		return out, err
	}
	reached, away, err := access.toCluster().Balanced(ctx, in.at(), balanceWait)
	if err != nil {
		return out, fmt.Errorf("%s: %s: %w", access.Cluster, topology.Balance, err)
	}
	out.Servers = reached
	if len(away) > 0 { // the next update looks again
		p.GetLogger(ctx).Warning(fmt.Sprintf("%s: %s: whether the external load balancer leads to %s is not known", access.Cluster, topology.Balance, strings.Join(away, ", ")))
	}
	return out, nil
}
