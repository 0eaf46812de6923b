package provider

import (
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// bootstrap turns a plan's steps into resources, in the plan's order.
type bootstrap struct {
	ctx      *pulumi.Context
	cluster  *K3sHaCluster
	name     string
	args     K3sHaClusterArgs
	plan     topology.Plan
	identity *identity
	progress *progress

	machines    pulumi.Resource
	commands    pulumi.ProviderResource
	publicKeys  pulumi.StringArrayOutput
	vms         map[string]virtualMachine
	hostKeys    map[string]pulumi.StringOutput
	done        map[string]pulumi.Resource
	credentials credentials
}

// credentials are what the read step's output holds, one by one.
type credentials struct {
	kubeconfig, ca, caHash, token pulumi.StringOutput
}

func (b *bootstrap) run() error {
	var err error
	if b.machines, err = b.newMachines(); err != nil {
		return err
	}
	if b.commands, err = newCommandProvider(b.ctx, b.cluster, b.name); err != nil {
		return err
	}
	b.publicKeys = b.args.SSH.publicKeys()
	b.vms, b.hostKeys, b.done = map[string]virtualMachine{}, map[string]pulumi.StringOutput{}, map[string]pulumi.Resource{}
	for _, step := range b.plan.Steps {
		if step.Verb == topology.VM {
			vm, err := b.newVM(step)
			if err != nil {
				return err
			}
			b.vms[step.Node.Name] = vm
			b.finish(step, vm.Resource, vm.ProxmoxNode)
			continue
		}
		if step.Verb == topology.Contact {
			contact, err := b.newContact(step)
			if err != nil {
				return err
			}
			b.hostKeys[step.Node.Name] = contact.HostKey
			b.finish(step, contact, contact.HostKey)
			continue
		}
		if step.Verb == topology.Converge && b.identity == nil {
			if err := b.newIdentity(); err != nil {
				return err
			}
		}
		command, err := b.newCommand(step, b.stdin(step))
		if err != nil {
			return err
		}
		if step.Verb == topology.Read {
			b.credentials = b.readCredentials(command.Stdout)
		}
		b.finish(step, command, command.Stdout)
	}
	return nil
}

func (b *bootstrap) newIdentity() error {
	var prepared []pulumi.Resource
	for _, server := range b.plan.Servers() {
		prepared = append(prepared, b.done[topology.StepName(topology.Prepare, server.Name)])
	}
	id, err := newIdentity(b.ctx, b.cluster, b.name, b.plan, b.args.K3s, prepared)
	b.identity = id
	return err
}

func (b *bootstrap) finish(step topology.Step, r pulumi.Resource, output pulumi.StringOutput) {
	b.done[step.Name()] = r
	b.progress.watch(step, output)
}

func (b *bootstrap) predecessors(step topology.Step) []pulumi.Resource {
	resources := make([]pulumi.Resource, 0, len(step.After))
	for _, name := range step.After {
		resources = append(resources, b.done[name])
	}
	return resources
}

// stdin is a step's script with the secrets that it needs, and no others: what a step doesn't need must neither delay
// it nor make it run again.
func (b *bootstrap) stdin(step topology.Step) pulumi.StringOutput {
	script := func(s render.Secrets) string { return render.Script(b.plan, step, s) }
	switch {
	case step.Verb == topology.Authorize:
		return b.publicKeys.ApplyT(func(keys []string) string {
			return script(render.Secrets{AuthorizedKeys: strings.Join(keys, "\n") + "\n"})
		}).(pulumi.StringOutput)
	case step.Verb == topology.Trust:
		return b.credentials.ca.ApplyT(func(ca string) string { return script(render.Secrets{CA: ca}) }).(pulumi.StringOutput)
	case step.Verb == topology.Converge && step.Node.Role == topology.Server:
		return pulumi.All(b.identity.Token, b.identity.AgentToken).ApplyT(func(v []any) string {
			return script(render.Secrets{Token: v[0].(string), AgentToken: v[1].(string)})
		}).(pulumi.StringOutput)
	case step.Node.Role == topology.Worker && (step.Verb == topology.Join || step.Verb == topology.Converge):
		return pulumi.All(b.identity.AgentToken, b.credentials.ca, b.credentials.caHash).ApplyT(func(v []any) string {
			return script(render.Secrets{AgentToken: v[0].(string), CA: v[1].(string), CAHash: v[2].(string)})
		}).(pulumi.StringOutput)
	}
	return pulumi.String(script(render.Secrets{})).ToStringOutput()
}

// readCredentials takes the read step's output apart. The CA is public; the rest stays secret.
func (b *bootstrap) readCredentials(stdout pulumi.StringOutput) credentials {
	part := func(get func(render.Credentials) (string, error)) pulumi.StringOutput {
		return pulumi.ToSecret(stdout.ApplyT(func(text string) (string, error) {
			c, err := render.ParseCredentials(text)
			if err != nil {
				return "", err
			}
			return get(c)
		})).(pulumi.StringOutput)
	}
	return credentials{
		kubeconfig: part(func(c render.Credentials) (string, error) { return render.Kubeconfig(b.plan.Spec, c), nil }),
		token:      part(func(c render.Credentials) (string, error) { return c.Token, nil }),
		ca:         pulumi.Unsecret(part(render.Credentials.CAPEM)).(pulumi.StringOutput),
		caHash:     pulumi.Unsecret(part(func(c render.Credentials) (string, error) { return c.CAHash(), nil })).(pulumi.StringOutput),
	}
}
