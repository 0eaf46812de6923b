package component

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// change is what this preview is about, as far as machines have changed.
func (b *bootstrap) change() (topology.Change, error) {
	ctx := b.ctx.Context()
	got, err := internals.UnsafeAwaitOutput(ctx, b.machines.Change)
	if err != nil {
		return topology.Change{}, err
	}
	c, _ := got.Value.(machineChange)
	names, err := b.renewed()
	return topology.Change{Joins: c.Joins, Leaves: c.Leaves, Renewed: names, VMs: c.VMs, K3s: c.K3s, Reloads: c.Reloads, Uninstalls: c.Uninstalls}, err
}

// announce says in the component's row of a preview what the update will do to whom.
func (b *bootstrap) announce() {
	if !b.ctx.DryRun() {
		return
	}
	b.coming.ApplyT(func(snapshot string) (string, error) {
		c, err := b.change()
		if err != nil {
			return "", nil //nolint:nilerr // what everything depends on has failed, and says so itself
		}
		c.Restores, c.Adopts = snapshot, b.adopts()
		if text := b.plan.Announce(c); text != "" {
			_ = b.ctx.Log.Info(text, &pulumi.LogArgs{Resource: b.cluster})
		}
		return "", nil
	})
}

// adopts are the machines that bring their k3s and have not been met yet.
func (b *bootstrap) adopts() []string {
	var out []string
	for _, n := range b.plan.Nodes {
		if !n.Adopt {
			continue
		}
		if id, err := internals.UnsafeAwaitOutput(b.ctx.Context(), b.met[n.Name].MachineID); err == nil && !id.Known {
			out = append(out, n.Name)
		}
	}
	return out
}

// mayRoll refuses at preview to restart servers while another one is known to be gone: it has to be back first. That is known of a server
// whose VM this update makes, though it is none that joins, or that a generation makes anew.
func (b *bootstrap) mayRoll() error {
	c, err := b.change()
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	restarts := slices.Concat(c.VMs, c.K3s, c.Renewed)
	var gone, stay []string
	for _, n := range b.plan.Servers() {
		if slices.Contains(c.Joins, n.Name) || slices.Contains(c.Renewed, n.Name) {
			continue
		}
		of := b.vms[n.Name].Instance
		if there := b.met[n.Name]; there != nil { // one that joins is not known either, and has nothing to do with the others
			of = there.MachineID
		}
		instance, err := internals.UnsafeAwaitOutput(b.ctx.Context(), of)
		if err == nil && !instance.Known {
			gone = append(gone, n.Name)
		}
	}
	for _, n := range b.plan.Servers() {
		if slices.Contains(restarts, n.Name) && !slices.Contains(gone, n.Name) {
			stay = append(stay, n.Name)
		}
	}
	if len(gone) == 0 || len(stay) == 0 {
		return nil
	}
	return fmt.Errorf("%s is away until this update has made it anew, and the update would restart %s too; bring the first back before, by an update without other changes",
		strings.Join(gone, ", "), strings.Join(stay, ", "))
}

// whenItMayRoll is a value that comes at a preview when mayRoll agrees.
func (b *bootstrap) whenItMayRoll(value pulumi.IntOutput) pulumi.IntInput {
	if !b.ctx.DryRun() {
		return value
	}
	out, resolve := pulumi.DeferredOutput[int](b.ctx.Context())
	go func() {
		err := b.mayRoll()
		resolve(value.ApplyT(func(v int) (int, error) { return v, err }).(pulumi.IntOutput))
	}()
	return pulumi.IntOutput(out)
}
