package provider

import (
	"context"
	"reflect"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

const machinesToken = "k3sha:index:ClusterMachines"

// ClusterMachines remembers what a cluster's VMs were last meant to be. All VMs come after it, so that a change that would take a
// cluster down is refused before anything is touched. It creates nothing outside of the state.
type ClusterMachines struct{}

// ClusterMachinesArgs are the VMs by name.
type ClusterMachinesArgs struct {
	Machines        map[string]MachineArgs `pulumi:"machines"`
	RestartTogether bool                   `pulumi:"restartTogether"`
}

// MachineArgs is a VM.
type MachineArgs struct {
	Role     string            `pulumi:"role"`
	Slot     int               `pulumi:"slot"`
	Disk     int               `pulumi:"disk"`
	Restarts map[string]string `pulumi:"restarts"`
}

// ClusterMachinesState is the VMs as the state keeps them.
type ClusterMachinesState struct {
	Machines map[string]MachineArgs `pulumi:"machines"`
}

var (
	_ infer.CustomCheck[ClusterMachinesArgs]                        = ClusterMachines{}
	_ infer.CustomCreate[ClusterMachinesArgs, ClusterMachinesState] = ClusterMachines{}
	_ infer.CustomUpdate[ClusterMachinesArgs, ClusterMachinesState] = ClusterMachines{}
	_ infer.CustomDiff[ClusterMachinesArgs, ClusterMachinesState]   = ClusterMachines{}
)

// Check refuses what would destroy a living cluster or take it down.
func (ClusterMachines) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[ClusterMachinesArgs], error) {
	args, failures, err := infer.DefaultCheck[ClusterMachinesArgs](ctx, req.NewInputs)
	if err != nil || len(failures) > 0 || req.OldInputs.Len() == 0 {
		return infer.CheckResponse[ClusterMachinesArgs]{Inputs: args, Failures: failures}, err
	}
	old, unreadable, err := infer.DefaultCheck[ClusterMachinesArgs](ctx, req.OldInputs)
	if err != nil || len(unreadable) > 0 {
		return infer.CheckResponse[ClusterMachinesArgs]{Inputs: args, Failures: unreadable}, err
	}
	for _, problem := range topology.CheckChange(old.machines(), args.machines(), args.RestartTogether) {
		failures = append(failures, p.CheckFailure{Reason: problem.String()})
	}
	return infer.CheckResponse[ClusterMachinesArgs]{Inputs: args, Failures: failures}, nil
}

func (a ClusterMachinesArgs) machines() map[string]topology.Machine {
	out := make(map[string]topology.Machine, len(a.Machines))
	for name, m := range a.Machines {
		out[name] = topology.Machine{Role: topology.Role(m.Role), Slot: m.Slot, Disk: m.Disk, Restarts: m.Restarts}
	}
	return out
}

// Create keeps the VMs.
func (ClusterMachines) Create(_ context.Context, req infer.CreateRequest[ClusterMachinesArgs]) (infer.CreateResponse[ClusterMachinesState], error) {
	return infer.CreateResponse[ClusterMachinesState]{ID: "machines", Output: ClusterMachinesState{Machines: req.Inputs.Machines}}, nil
}

// Diff looks at the VMs alone.
func (ClusterMachines) Diff(_ context.Context, req infer.DiffRequest[ClusterMachinesArgs, ClusterMachinesState]) (infer.DiffResponse, error) {
	if reflect.DeepEqual(req.Inputs.Machines, req.State.Machines) {
		return infer.DiffResponse{}, nil
	}
	return infer.DiffResponse{HasChanges: true, DetailedDiff: map[string]p.PropertyDiff{"machines": {Kind: p.Update}}}, nil
}

// Update keeps the VMs as they are meant to be now.
func (ClusterMachines) Update(_ context.Context, req infer.UpdateRequest[ClusterMachinesArgs, ClusterMachinesState]) (infer.UpdateResponse[ClusterMachinesState], error) {
	return infer.UpdateResponse[ClusterMachinesState]{Output: ClusterMachinesState{Machines: req.Inputs.Machines}}, nil
}

// newMachines is registered before anything else.
func (b *bootstrap) newMachines() (pulumi.Resource, error) {
	machines := pulumi.Map{}
	for name, m := range b.plan.Machines() {
		machines[name] = pulumi.Map{
			"role": pulumi.String(string(m.Role)), "slot": pulumi.Int(m.Slot),
			"disk": pulumi.Int(m.Disk), "restarts": pulumi.ToStringMap(m.Restarts),
		}
	}
	var r pulumi.CustomResourceState
	err := b.ctx.RegisterResource(machinesToken, b.name+"-machines", pulumi.Map{
		"machines": machines, "restartTogether": pulumi.Bool(b.plan.Spec.Proxmox.RestartTogether),
	}, &r, pulumi.Parent(b.cluster), pulumi.Version(Version), pulumi.PluginDownloadURL(downloadURL))
	return &r, err
}
