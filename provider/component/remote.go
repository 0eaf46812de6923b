package component

import (
	"fmt"
	"maps"

	"github.com/pulumi/pulumi-command/sdk/go/command"
	"github.com/pulumi/pulumi-command/sdk/go/command/remote"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

const (
	commandVersion     = "1.2.1"
	commandDownloadURL = "github://api.github.com/pulumi/pulumi-command"

	// dialErrorLimit: tries to connect to a node that has been reached before, about two minutes.
	dialErrorLimit = 30
	// stepDeadline is beyond what a step's own waits and the tries to connect can take.
	stepDeadline = "25m"
)

// newCommandProvider is the provider of the commands, an explicit one that VMs come after: replacing a VM deletes its
// commands first, and the engine cannot do so before it has met their provider in that very update.
func newCommandProvider(ctx *pulumi.Context, c *K3sHaCluster, name string) (pulumi.ProviderResource, error) {
	return command.NewProvider(ctx, name+"-command", &command.ProviderArgs{},
		pulumi.Parent(c), pulumi.Version(commandVersion), pulumi.PluginDownloadURL(commandDownloadURL))
}

// newCommand is the one constructor of remote commands, so that all of them treat secrets, logs, deadlines and
// retries alike:
//   - the script travels on standard input, always secret; the command line is a constant without secrets
//   - nothing is streamed to the engine; a failed command's error has its output, from which scripts keep secrets away
//   - an update runs what a creation does, as a command without one of its own: every script converges
//   - no delete: what runs on a VM goes with the VM
func (b *bootstrap) newCommand(step topology.Step, stdin pulumi.StringInput) (*remote.Command, error) {
	run := pulumi.String(render.Command(b.plan.Spec.SSH.User, render.Deadline(step.Verb)))
	return remote.NewCommand(b.ctx, b.childName(step), &remote.CommandArgs{
		Connection:             b.connection(step),
		Create:                 run,
		Stdin:                  pulumi.ToSecret(stdin).(pulumi.StringOutput),
		Triggers:               b.triggers(step),
		Logging:                remote.LoggingNone,
		AddPreviousOutputInEnv: pulumi.Bool(false),
	}, b.commandOptions(step)...)
}

func (b *bootstrap) commandOptions(step topology.Step) []pulumi.ResourceOption {
	opts := []pulumi.ResourceOption{
		pulumi.Parent(b.cluster), pulumi.Provider(b.commands),
		pulumi.Version(commandVersion), pulumi.PluginDownloadURL(commandDownloadURL),
		pulumi.AdditionalSecretOutputs([]string{"stdout", "stderr"}),
		pulumi.DeleteBeforeReplace(true),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: stepDeadline, Update: stepDeadline}),
		pulumi.DependsOn(b.predecessors(step)),
	}
	opts = append(opts, b.ofVM(step)...)
	if step.Verb == topology.Converge {
		opts = append(opts, b.turns)
	}
	if ignored := b.ignored(step); len(ignored) > 0 {
		opts = append(opts, pulumi.IgnoreChanges(ignored))
	}
	return opts
}

// ofVM ties a step to its VM: a new VM has none of what its steps did; a deleted one needs none of it undone.
func (b *bootstrap) ofVM(step topology.Step) []pulumi.ResourceOption {
	vm, found := b.vms[step.Node.Name]
	if !found {
		return nil
	}
	return []pulumi.ResourceOption{pulumi.DeletedWith(vm.Resource), pulumi.ReplaceWith([]pulumi.Resource{vm.Resource})}
}

// ignored lists the inputs that don't make a finished step run again.
func (b *bootstrap) ignored(step topology.Step) []string {
	switch step.Verb {
	case topology.Reach:
		// Once per cluster, so that the kubeconfig stays known and the same.
		return []string{"connection", "create", "stdin"}
	default:
		return nil
	}
}

// triggers have a step run again on another instance of its machine.
func (b *bootstrap) triggers(step topology.Step) pulumi.ArrayInput {
	vm, found := b.vms[step.Node.Name]
	if !found {
		return nil
	}
	return pulumi.Array{vm.Instance}
}

// newHostKeys are the SSH host keys of all nodes: public, and known in every preview of a cluster that exists.
func (b *bootstrap) newHostKeys() pulumi.StringMapOutput {
	return pulumi.Unsecret(pulumi.All(b.identity.RecoveryBundle, b.ownHostKeys()).ApplyT(func(v []any) (map[string]string, error) {
		bundle, err := pki.Decode(v[0].(string))
		if err != nil {
			return nil, err
		}
		keys := make(map[string]string, len(b.plan.Nodes))
		for _, n := range b.plan.Nodes {
			keys[n.Name] = bundle.HostKey(n.Name).Public
		}
		own, _ := v[1].(map[string]string)
		maps.Copy(keys, own)
		return keys, nil
	})).(pulumi.StringMapOutput)
}

// connection reaches a node by SSH, pinned to the host key that first contact gave it.
func (b *bootstrap) connection(step topology.Step) remote.ConnectionArgs {
	ssh, node := b.plan.Spec.SSH, step.Node
	if step.Verb == topology.Reach {
		node = b.plan.Looks()
	}
	c := remote.ConnectionArgs{
		Host:           pulumi.String(step.Node.IP),
		Port:           pulumi.Float64(node.SSHPort),
		User:           pulumi.String(ssh.User),
		PrivateKey:     pulumi.ToSecret(b.args.SSH.PrivateKey).(pulumi.StringOutput),
		DialErrorLimit: pulumi.Int(dialErrorLimit),
		PerDialTimeout: pulumi.Int(10),
	}
	c.HostKey = b.hostKeys.MapIndex(pulumi.String(node.Name))
	if bastion := ssh.Bastion; bastion != nil {
		c.Proxy = remote.ProxyConnectionArgs{
			Host:           pulumi.String(bastion.Host),
			Port:           pulumi.Float64(bastion.Port),
			User:           pulumi.String(bastion.User),
			PrivateKey:     pulumi.ToSecret(b.args.SSH.Bastion.PrivateKey).(pulumi.StringOutput),
			HostKey:        b.args.SSH.Bastion.HostKey.ToStringOutput(),
			DialErrorLimit: pulumi.Int(dialErrorLimit),
			PerDialTimeout: pulumi.Int(10),
		}
	}
	return c
}

func (b *bootstrap) childName(step topology.Step) string {
	return fmt.Sprintf("%s-%s", b.name, step.Name())
}
