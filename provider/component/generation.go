package component

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Machines that a higher generation makes anew go one of a group at a time. That takes many operations of the engine each, which no hook can
// hold together: so the program itself registers a VM only when the one before it in its group serves again. Nothing of that is a dependency
// that the state keeps, and at creation, or in a preview, nobody waits.

// ends are the steps of a plan by name: what they give when they have ended, also to those that ask before a step is registered.
type ends map[string]*end

type end struct {
	known  chan struct{} // closed when the step is registered
	result pulumi.StringOutput
}

func newEnds(p topology.Plan) ends {
	e := ends{}
	for _, step := range p.Steps {
		e[step.Name()] = &end{known: make(chan struct{})}
	}
	return e
}

func (e ends) registered(step topology.Step, result pulumi.StringOutput) {
	s := e[step.Name()]
	s.result = result
	close(s.known)
}

// output is what a registered step gives.
func (e ends) output(v topology.Verb, node string) pulumi.StringOutput {
	return e[topology.StepName(v, node)].result
}

// wait waits until a step has ended; its failure is an error.
func (e ends) wait(ctx context.Context, step string) error {
	s := e[step]
	select {
	case <-s.known:
	case <-ctx.Done():
		return ctx.Err()
	}
	_, err := internals.UnsafeAwaitOutput(ctx, s.result)
	return err
}

// renewed are the machines that this change makes anew.
func (b *bootstrap) renewed() ([]string, error) {
	got, err := internals.UnsafeAwaitOutput(b.ctx.Context(), b.machines.Renewed)
	names, _ := got.Value.([]string)
	return names, err
}

// whenItsTurn is a value that comes when a VM may be made or updated: after the one before it in its lane, and, if both are made anew, after
// the one before it in its group serves again.
func (b *bootstrap) whenItsTurn(step topology.Step, value string) pulumi.StringInput {
	if b.ctx.DryRun() {
		return pulumi.String(value)
	}
	ctx := b.ctx.Context()
	out, resolve := pulumi.DeferredOutput[string](ctx)
	go func() {
		err := b.itsTurn(ctx, step)
		resolve(pulumi.String(value).ToStringOutput().ApplyT(func(v string) (string, error) { return v, err }).(pulumi.StringOutput))
	}()
	return pulumi.StringOutput(out)
}

func (b *bootstrap) itsTurn(ctx context.Context, step topology.Step) error {
	names, err := b.renewed()
	if err != nil {
		return nil //nolint:nilerr // what all VMs depend on has failed
	}
	// One that is made anew comes when others serve, and they may wait for this very one.
	if behind := strings.TrimPrefix(step.Behind, topology.StepName(topology.VM, "")); behind != "" && !slices.Contains(names, behind) {
		_ = b.ends.wait(ctx, step.Behind) // one that has failed is out of the way, too
	}
	before := b.plan.Before(step.Node, names)
	if before == "" {
		return nil
	}
	if err := b.ends.wait(ctx, topology.StepName(topology.Converge, before)); err != nil {
		return fmt.Errorf("%s: not made anew, for %s does not serve again", step.Node.Name, before)
	}
	return nil
}

// fetched is what the release waits for: all servers have fetched it, but those that are made anew, one after the other, after it.
func (b *bootstrap) fetched(step topology.Step) pulumi.ResourceOption {
	before := b.predecessors(step) // as step.After lists them
	all := pulumi.DependsOn(append(slices.Clone(before), b.machines))
	if b.ctx.DryRun() {
		return all
	}
	return pulumi.DependsOnInputs(b.machines.Renewed.ApplyT(func(names []string) []pulumi.Resource {
		var out []pulumi.Resource
		for i, name := range step.After {
			if !slices.ContainsFunc(names, func(n string) bool { return name == topology.StepName(topology.Prepare, n) }) {
				out = append(out, before[i])
			}
		}
		return out
	}).(pulumi.ResourceArrayOutput))
}

// seed is what a VM is made from.
type seed struct {
	templateID   pulumi.IntOutput
	templateNode pulumi.StringOutput
	datastore    pulumi.StringOutput
	retries      pulumi.IntOutput
}

// seed is the program's for a new machine, and for one that is made anew what the program said then: it may say something else meanwhile,
// which is of no concern to a VM that exists. That comes from another resource, on which nothing of a VM shall hang: so it is taken by value.
func (b *bootstrap) seed(n topology.Node) seed {
	ctx := b.ctx.Context()
	id, setID := pulumi.DeferredOutput[int](ctx)
	node, setNode := pulumi.DeferredOutput[string](ctx)
	datastore, setDatastore := pulumi.DeferredOutput[string](ctx)
	retries, setRetries := pulumi.DeferredOutput[int](ctx)
	go func() {
		p := b.plan.Spec.Proxmox
		from := machineSeed{TemplateNode: p.TemplateNode, Datastore: n.Datastore, Retries: p.CloneRetries}
		template := b.template(n).ToIntOutput()
		if names, err := b.renewed(); err == nil && slices.Contains(names, n.Name) {
			if seed, err := b.renewedFrom(ctx, n.Name); err == nil {
				from, template = seed, pulumi.Int(seed.TemplateID).ToIntOutput()
			}
		}
		template, from.TemplateNode = b.cloned(n, template, from.TemplateNode)
		setID(template)
		setNode(pulumi.String(from.TemplateNode).ToStringOutput())
		setDatastore(pulumi.String(from.Datastore).ToStringOutput())
		setRetries(pulumi.Int(from.Retries).ToIntOutput())
	}()
	return seed{pulumi.IntOutput(id), pulumi.StringOutput(node), pulumi.StringOutput(datastore), pulumi.IntOutput(retries)}
}

// renewedFrom is what a machine is made anew from.
func (b *bootstrap) renewedFrom(ctx context.Context, name string) (machineSeed, error) {
	own, err := internals.UnsafeAwaitOutput(ctx, b.machines.Seeds)
	if err != nil {
		return machineSeed{}, err
	}
	if seeds, _ := own.Value.(map[string]machineSeed); seeds[name] != (machineSeed{}) {
		return seeds[name], nil
	}
	got, err := internals.UnsafeAwaitOutput(ctx, b.machines.Seed)
	if err == nil && !got.Known {
		err = errors.New("it is not known yet")
	}
	seed, _ := got.Value.(machineSeed)
	return seed, err
}

// template is that of a node: its slot's, its group's, or that of all.
func (b *bootstrap) template(n topology.Node) pulumi.IntInput {
	slots, own := value(b.args.Servers).Nodes, value(b.args.Servers).TemplateID
	switch n.Role {
	case topology.Server:
	case topology.LoadBalancer:
		slots, own = value(b.args.LoadBalancers).Nodes, value(b.args.LoadBalancers).TemplateID
	case topology.Worker:
		slots, own = b.args.Workers[n.Pool].Nodes, b.args.Workers[n.Pool].TemplateID
	}
	for _, id := range []pulumi.IntInput{slots[strconv.Itoa(n.Slot)].TemplateID, own} {
		if id != nil {
			return id
		}
	}
	return b.templateOfAll()
}

// templateOfAll is that of VMs for which nothing else is said.
func (b *bootstrap) templateOfAll() pulumi.IntInput {
	if template := value(b.args.Proxmox).TemplateID; template != nil {
		return template
	}
	return pulumi.Int(0) // there are no VMs
}

// reseeded has a VM that is made anew take another template than the one that it had. Everything else that seeds a VM stays ignored: its
// Proxmox node may be another one by now, and its instance, as all that a replacement makes known only later, has its steps done again anyway.
func (b *bootstrap) reseeded(n topology.Node) pulumi.ResourceTransform {
	return func(_ context.Context, args *pulumi.ResourceTransformArgs) *pulumi.ResourceTransformResult {
		names, err := b.renewed()
		if err != nil || !slices.Contains(names, n.Name) {
			return nil
		}
		opts := args.Opts
		opts.IgnoreChanges = slices.DeleteFunc(slices.Clone(opts.IgnoreChanges), func(path string) bool { return path == "clone" })
		return &pulumi.ResourceTransformResult{Props: args.Props, Opts: opts}
	}
}
