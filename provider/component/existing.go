package component

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
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
	if n.Adopt {
		inputs["adopt"] = pulumi.Map{
			"path": pulumi.String(n.Path), "slot": pulumi.Int(n.Slot), "k3sVersion": pulumi.String(b.plan.Spec.K3s.Version), "options": pulumi.ToStringArrayMap(render.Options(b.plan.Spec, n)),
		}
	}
	var r existingMachine
	if err := b.register(resources.ExistingMachineToken, b.childName(step), inputs, &r, pulumi.Provider(b.ssh),
		pulumi.DependsOn(append(b.predecessors(step), b.machines, b.commands)), pulumi.AdditionalSecretOutputs([]string{"recoveryBundle"}),
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

// settleInstances: two machines with one id are one machine, or copies of one, of which k3s and systemd would take the second for the first. One
// that brings its k3s brings it from this cluster. Otherwise nothing is done on any of them.
func (b *bootstrap) settleInstances() {
	names := slices.Sorted(maps.Keys(b.met))
	if len(names) == 0 {
		return
	}
	all := []any{b.identity.CAHash}
	for _, name := range names {
		all = append(all, pulumi.ToArrayOutput([]pulumi.Output{b.met[name].MachineID, b.met[name].CAHash}))
	}
	apart := pulumi.All(all...).ApplyT(func(v []any) ([]string, error) {
		ids, err := apartFrom(names, v)
		if err != nil {
			_ = b.ctx.Log.Error(err.Error(), &pulumi.LogArgs{Resource: b.cluster}) // what the engine makes of it comes last, after all that waited
		}
		return ids, err
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

// apartFrom are the ids of machines, after the hash of the cluster's CA, each with that of the CA which it brought.
func apartFrom(names []string, v []any) ([]string, error) {
	seen, out := map[string]string{}, make([]string, len(names))
	for i, name := range names {
		said, _ := v[i+1].([]any)
		out[i], _ = said[0].(string)
		if other := seen[out[i]]; other != "" && out[i] != "" {
			return nil, fmt.Errorf("%s and %s have the same id in /etc/machine-id, %s: they are one machine, or copies of one; on a copy, empty that file and run systemd-machine-id-setup, and restart k3s if it runs there, then run pulumi up again", other, name, out[i])
		}
		seen[out[i]] = name
		if ca, _ := said[1].(string); ca != "" && ca != v[0] {
			return nil, fmt.Errorf("%s brings a k3s of another cluster: its CA is not this one's. Adopt machines of one cluster, its first server (servers.first) among them; those of another one leave that first", name)
		}
	}
	return out, nil
}
