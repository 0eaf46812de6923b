package component

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// bootstrap turns a plan's steps into resources, in the plan's order.
type bootstrap struct {
	ctx      *pulumi.Context
	version  string // of this package
	cluster  *K3sHaCluster
	name     string
	args     K3sHaClusterArgs
	config   map[string]pulumi.StringInput // leaves of serverConfig and workerConfig, by property path
	plan     topology.Plan
	progress *progress

	machines      *machineSet
	settled       *settled
	identity      *identity
	commands      pulumi.ProviderResource
	access        pulumi.ProviderResource
	ssh           pulumi.ProviderResource // of machines that are there
	accessText    pulumi.StringOutput     // the configuration of access
	turns         pulumi.ResourceOption
	publicKeys    pulumi.StringArrayOutput
	vms           map[string]virtualMachine
	diskTemplates map[string]pulumi.IntOutput // by key
	met           map[string]*existingMachine // by node
	hostKeys      pulumi.StringMapOutput      // by node
	done          map[string]pulumi.Resource
	ends          ends
	snapshots     SnapshotArrayOutput
	coming        pulumi.StringOutput // the snapshot that this update goes back to
}

func (b *bootstrap) run() error {
	var err error
	b.publicKeys = b.args.SSH.publicKeys()
	if b.machines, err = b.newMachines(); err != nil {
		return err
	}
	if b.commands, err = newCommandProvider(b.ctx, b.cluster, b.name); err != nil {
		return err
	}
	if err = b.newDiskTemplates(); err != nil {
		return err
	}
	b.coming = pulumi.String("").ToStringOutput()
	b.vms, b.done, b.met = map[string]virtualMachine{}, map[string]pulumi.Resource{}, map[string]*existingMachine{}
	b.ends = newEnds(b.plan)
	for _, step := range b.plan.Steps {
		if err := b.step(step); err != nil {
			return err
		}
	}
	b.announce()
	return b.newOutputs()
}

// step makes a step's resource.
func (b *bootstrap) step(step topology.Step) error {
	switch step.Verb {
	case topology.VM:
		vm, err := b.newVM(step)
		if err != nil {
			return err
		}
		b.vms[step.Node.Name] = vm
		b.finish(step, vm.Resource, vm.ProxmoxNode)
	case topology.Meet:
		return b.meet(step)
	case topology.Contact:
		contact, err := b.newContact(step)
		if err != nil {
			return err
		}
		b.finish(step, contact, contact.Instance)
	case topology.Release:
		r, err := b.newRelease(step)
		if err != nil {
			return err
		}
		b.finish(step, r, r.Version)
	case topology.Access:
		var err error
		if b.identity, err = b.newIdentity(); err != nil {
			return err
		}
		b.settleInstances()
		b.hostKeys = b.newHostKeys()
		access, err := b.newAccess(step)
		if err != nil {
			return err
		}
		b.access = access
		if b.turns, err = b.newTurns(); err != nil {
			return err
		}
		b.finish(step, access, idOf(access))
	case topology.Start:
		start, err := b.newStart(step)
		if err != nil {
			return err
		}
		b.finish(step, start, start.Node)
	case topology.Balance:
		balanced, err := b.newBalanced(step)
		if err != nil {
			return err
		}
		b.finish(step, balanced, idOf(balanced))
	case topology.Settle:
		settled, err := b.newSettled(step)
		if err != nil {
			return err
		}
		b.settled = settled
		b.finish(step, settled, idOf(settled))
	case topology.Snapshot, topology.Restore, topology.Backup:
		return b.ofSnapshots(step)
	case topology.Admit:
		seat, err := b.newSeat(step)
		if err != nil {
			return err
		}
		b.finish(step, seat, seat.MachineID)
	case topology.Restart: // no step
	case topology.Prepare, topology.Converge, topology.Reach:
		command, err := b.newCommand(step, b.stdin(step))
		if err != nil {
			return err
		}
		b.finish(step, command, command.Stdout)
	}
	return nil
}

func idOf(r pulumi.CustomResource) pulumi.StringOutput {
	return r.ID().ApplyT(func(id pulumi.ID) string { return string(id) }).(pulumi.StringOutput)
}

func (b *bootstrap) finish(step topology.Step, r pulumi.Resource, output pulumi.StringOutput) {
	b.done[step.Name()] = r
	b.ends.registered(step, output)
	b.progress.watch(step, output)
}

func (b *bootstrap) predecessors(step topology.Step) []pulumi.Resource {
	resources := make([]pulumi.Resource, 0, len(step.After))
	for _, name := range step.After {
		resources = append(resources, b.done[name])
	}
	return resources
}

// stdin is what a step sends to its node, with the secrets that it needs, and no others: what a step doesn't need must neither delay
// it nor make it run again.
func (b *bootstrap) stdin(step topology.Step) pulumi.StringOutput {
	script := func(s render.Secrets) string { return render.Step(b.plan, step, s) }
	id := b.identity
	switch {
	case step.Verb == topology.Converge && step.Node.Role == topology.LoadBalancer:
		return pulumi.All(id.CACertificate, b.statsCertificate(), b.leaves("loadBalancers.stats.")).ApplyT(func(v []any) string {
			return script(render.Secrets{CA: v[0].(string), StatsCertificate: v[1].(string), Leaves: v[2].(map[string]string)})
		}).(pulumi.StringOutput)
	case step.Verb == topology.Converge && step.Node.Role == topology.Server:
		access, secret := b.s3Keys()
		return pulumi.All(id.Token, id.AgentToken, id.CACertificate, id.CAHash, b.machines.K3sChanges, access, secret, b.leaves("network.proxy.", "k3s.registries.", "k3s.manifests.", "k3s.serverConfig."), b.machines.ManifestChanges, b.machines.RegistryChanges).ApplyT(func(v []any) string {
			return script(render.Secrets{
				Token: v[0].(string), AgentToken: v[1].(string), CA: v[2].(string), CAHash: v[3].(string), Change: v[4].(map[string]int)[step.Node.Name],
				S3AccessKey: v[5].(string), S3SecretKey: v[6].(string), Leaves: v[7].(map[string]string), ManifestChange: v[8].(int), RegistryChange: v[9].(int),
			})
		}).(pulumi.StringOutput)
	case step.Verb == topology.Converge && step.Node.Role == topology.Worker:
		return pulumi.All(id.AgentToken, id.CACertificate, id.CAHash, b.machines.K3sChanges, b.leaves("network.proxy.", "k3s.registries.", "k3s.workerConfig."), b.machines.RegistryChanges).ApplyT(func(v []any) string {
			return script(render.Secrets{
				AgentToken: v[0].(string), CA: v[1].(string), CAHash: v[2].(string), Change: v[3].(map[string]int)[step.Node.Name], Leaves: v[4].(map[string]string), RegistryChange: v[5].(int),
			})
		}).(pulumi.StringOutput)
	case step.Verb == topology.Prepare:
		return b.leaves("network.proxy.").ApplyT(func(leaves map[string]string) string { return script(render.Secrets{Leaves: leaves}) }).(pulumi.StringOutput)
	}
	return pulumi.String(script(render.Secrets{})).ToStringOutput()
}

// statsCertificate is what load balancers show their statistics page with, its key behind it; "" where there is none.
func (b *bootstrap) statsCertificate() pulumi.StringOutput {
	if b.plan.Spec.LoadBalancers.Stats == nil {
		return pulumi.String("").ToStringOutput()
	}
	return b.identity.RecoveryBundle.ApplyT(func(text string) (string, error) {
		bundle, err := pki.Decode(text)
		if err != nil {
			return "", err
		}
		pair, err := bundle.Serving("load-balancer", render.StatsNames(b.plan))
		return pair.Certificate + pair.Key, err
	}).(pulumi.StringOutput)
}
