package resources

import (
	"context"
	"reflect"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// ClusterWays are the nodes through whose SSH the cluster can be reached. All seats come after it: whoever leaves one, leaves it through
// today's nodes. It is not a part of the provider's configuration, which has to be known at preview, and a new node's host key is not.
type ClusterWays struct{ config *Config }

// ClusterWaysArgs are the nodes, the likeliest first.
type ClusterWaysArgs struct {
	Ways []Way `pulumi:"ways"`
}

// ClusterWaysState is the nodes as the state keeps them.
type ClusterWaysState struct {
	Ways []Way `pulumi:"ways"`
}

// Way is a node that leads into the cluster's network.
type Way struct {
	Node    string `pulumi:"node"`
	Address string `pulumi:"address"`
	HostKey string `pulumi:"hostKey"`
}

var (
	_ infer.CustomCheck[ClusterWaysArgs]                    = ClusterWays{}
	_ infer.CustomCreate[ClusterWaysArgs, ClusterWaysState] = ClusterWays{}
	_ infer.CustomUpdate[ClusterWaysArgs, ClusterWaysState] = ClusterWays{}
	_ infer.CustomDiff[ClusterWaysArgs, ClusterWaysState]   = ClusterWays{}
)

// Check learns the ways. It is called in every update, also when nothing of this resource changes.
func (w ClusterWays) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[ClusterWaysArgs], error) {
	args, failures, err := infer.DefaultCheck[ClusterWaysArgs](ctx, req.NewInputs)
	if err == nil && len(failures) == 0 && !req.NewInputs.Get("ways").HasComputed() {
		w.config.learn(args.Ways)
	}
	return infer.CheckResponse[ClusterWaysArgs]{Inputs: args, Failures: failures}, err
}

// Create keeps the ways.
func (ClusterWays) Create(_ context.Context, req infer.CreateRequest[ClusterWaysArgs]) (infer.CreateResponse[ClusterWaysState], error) {
	return infer.CreateResponse[ClusterWaysState]{ID: "ways", Output: ClusterWaysState(req.Inputs)}, nil
}

// Update keeps today's.
func (ClusterWays) Update(_ context.Context, req infer.UpdateRequest[ClusterWaysArgs, ClusterWaysState]) (infer.UpdateResponse[ClusterWaysState], error) {
	return infer.UpdateResponse[ClusterWaysState]{Output: ClusterWaysState(req.Inputs)}, nil
}

// Diff compares.
func (ClusterWays) Diff(_ context.Context, req infer.DiffRequest[ClusterWaysArgs, ClusterWaysState]) (infer.DiffResponse, error) {
	if reflect.DeepEqual(req.Inputs.Ways, req.State.Ways) {
		return infer.DiffResponse{}, nil
	}
	return infer.DiffResponse{HasChanges: true, DetailedDiff: map[string]p.PropertyDiff{"ways": {Kind: p.Update, InputDiff: true}}}, nil
}
