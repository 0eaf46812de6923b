// Package component is K3sHaCluster: its inputs as users give them, and the resources that it is made of.
//
//	args.go, describe.go   inputs and outputs, and what the schema says of them; enums.go the closed sets
//	shape.go, inputs.go    inputs as they arrive, all that is wrong with them in one list
//	keys.go, spec.go       keys looked at; the rest turned into plain values
//	cluster.go             the component from end to end
//	bootstrap.go           walks the plan; vms.go, remote.go and own.go make its resources
//	turns.go               one machine of a group at a time when it restarts; generation.go when it is made anew
//	progress.go            what the component's row says meanwhile
//
// Secrets travel in the standard input of remote commands and nowhere else. At preview nothing is contacted: everything
// that decides which resources there are is a plain input.
package component

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// New is the component from end to end: args to spec, problems, plan, resources, outputs.
// Nothing is registered before the whole spec has been found good.
func New(ctx *pulumi.Context, version, name string, args K3sHaClusterArgs, opts ...pulumi.ResourceOption) (*K3sHaCluster, error) {
	return NewWith(ctx, version, name, args, nil, opts...)
}

// NewWith is New with the leaves that were taken out of the args' configurations.
func NewWith(ctx *pulumi.Context, version, name string, args K3sHaClusterArgs, config map[string]pulumi.StringInput, opts ...pulumi.ResourceOption) (*K3sHaCluster, error) {
	if problems := args.problems(); len(problems) > 0 {
		return nil, ProblemsError(name, problems)
	}
	spec := args.Spec()
	spec.Name = name
	plan := topology.NewPlan(spec)

	c := &K3sHaCluster{}
	if err := ctx.RegisterComponentResource(Token, name, c, opts...); err != nil {
		return nil, err
	}
	if spec.Proxmox.Spread == topology.SpreadPrefer {
		for _, problem := range spec.Crowded() {
			_ = ctx.Log.Warn(problem.String(), &pulumi.LogArgs{Resource: c})
		}
	}
	b := &bootstrap{ctx: ctx, version: version, cluster: c, name: name, args: args, config: config, plan: plan, progress: newProgress(ctx, c, plan)}
	if err := b.run(); err != nil {
		return nil, err
	}
	return c, nil
}
