package provider

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// NewK3sHaCluster is the component from end to end: args to spec, problems, plan, resources, outputs.
// Nothing is registered before the whole spec has been found good.
func NewK3sHaCluster(ctx *pulumi.Context, name string, args K3sHaClusterArgs, opts ...pulumi.ResourceOption) (*K3sHaCluster, error) {
	if problems := args.problems(); len(problems) > 0 {
		return nil, problemsError(name, problems)
	}
	spec := args.spec()
	spec.Name = name
	plan := topology.NewPlan(spec)

	c := &K3sHaCluster{}
	if err := ctx.RegisterComponentResource(clusterToken, name, c, opts...); err != nil {
		return nil, err
	}
	b := &bootstrap{ctx: ctx, cluster: c, name: name, args: args, plan: plan, progress: newProgress(ctx, c, plan)}
	if err := b.run(); err != nil {
		return nil, err
	}
	return c, nil
}
