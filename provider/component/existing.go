package component

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
	"github.com/k3sha/pulumi-k3sha/provider/resources"
)

// meet makes the resource of a machine that is there: what its steps depend on, in the place of a VM.
func (b *bootstrap) meet(step topology.Step) error {
	if b.ssh == nil {
		if err := b.newSSH(); err != nil {
			return err
		}
	}
	n := step.Node
	inputs := pulumi.Map{
		"node": pulumi.String(n.Name), "role": pulumi.String(string(n.Role)), "address": pulumi.String(n.IP), "port": pulumi.Int(n.SSHPort), "keep": pulumi.Bool(n.Keep),
	}
	if n.HostKey != "" {
		inputs["hostKey"] = pulumi.String(n.HostKey)
	}
	var r existingMachine
	if err := b.register(resources.ExistingMachineToken, b.childName(step), inputs, &r, pulumi.Provider(b.ssh),
		pulumi.DependsOn(append(b.predecessors(step), b.machines, b.commands)),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: stepDeadline, Update: stepDeadline, Delete: stepDeadline})); err != nil {
		return err
	}
	b.met[n.Name] = &r
	b.vms[n.Name] = virtualMachine{Resource: &r, ProxmoxNode: pulumi.String("").ToStringOutput(), Running: pulumi.Bool(true).ToBoolOutput(), Instance: r.MachineID}
	b.finish(step, &r, r.MachineID)
	return nil
}

// newSSH is the provider of the machines that are there: it knows how to log in, and nothing of the cluster yet.
func (b *bootstrap) newSSH() error {
	s := b.plan.Spec
	base := resources.Access{Cluster: s.ClusterName, User: s.SSH.User, Port: s.SSH.Port}
	text := pulumi.All(b.args.SSH.PrivateKey, b.jump()).ApplyT(func(v []any) string {
		a := base
		a.PrivateKey = v[0].(string)
		a.Jump, _ = v[1].(*contact.Host)
		return a.Text()
	})
	var r pulumi.ProviderResourceState
	b.ssh = &r
	return b.register("pulumi:providers:"+Package, b.name+"-ssh", pulumi.Map{resources.AccessKey: pulumi.ToSecret(text)}, &r)
}

// settleInstances: two machines with one id are one machine, or copies of one, of which k3s and systemd would take the second for the first.
// Nothing is done on any of them then.
func (b *bootstrap) settleInstances() {
	names := slices.Sorted(maps.Keys(b.met))
	if len(names) == 0 {
		return
	}
	var ids []any
	for _, name := range names {
		ids = append(ids, b.met[name].MachineID)
	}
	apart := pulumi.All(ids...).ApplyT(func(v []any) ([]string, error) {
		seen, out := map[string]string{}, make([]string, len(v))
		for i, id := range v {
			out[i], _ = id.(string)
			if other := seen[out[i]]; other != "" && out[i] != "" {
				err := fmt.Errorf("%s and %s have the same id in /etc/machine-id, %s: they are one machine, or copies of one; on a copy, empty that file and run systemd-machine-id-setup, then run pulumi up again", other, names[i], out[i])
				_ = b.ctx.Log.Error(err.Error(), &pulumi.LogArgs{Resource: b.cluster}) // what the engine makes of it comes last, after all that waited
				return nil, err
			}
			seen[out[i]] = names[i]
		}
		return out, nil
	}).(pulumi.StringArrayOutput)
	for i, name := range names {
		vm := b.vms[name]
		vm.Instance = apart.Index(pulumi.Int(i))
		b.vms[name] = vm
	}
}

// ownHostKeys are the host keys of the machines that are there, which keep theirs.
func (b *bootstrap) ownHostKeys() pulumi.StringMapOutput {
	keys := pulumi.StringMap{}
	for name, machine := range b.met {
		keys[name] = machine.HostKey
	}
	return keys.ToStringMapOutput()
}
