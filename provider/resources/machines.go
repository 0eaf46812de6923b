package resources

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// ClusterMachines remembers what a cluster's VMs were last meant to be. All VMs come after it, so that a change that would destroy a
// cluster is refused before anything is touched. It creates nothing outside of the state.
type ClusterMachines struct{}

// ClusterMachinesArgs are the VMs by name.
type ClusterMachinesArgs struct {
	Machines map[string]MachineArgs `pulumi:"machines"`
	Seed     MachineSeed            `pulumi:"seed"`
}

// MachineSeed is what a VM is made from, and keeps for its life.
type MachineSeed struct {
	TemplateID   int    `pulumi:"templateId"`
	TemplateNode string `pulumi:"templateNode"`
	Datastore    string `pulumi:"datastore"`
	Retries      int    `pulumi:"retries"`
}

// MachineArgs is a VM.
type MachineArgs struct {
	Role       string `pulumi:"role"`
	Path       string `pulumi:"path"`
	Slot       int    `pulumi:"slot"`
	IP         string `pulumi:"ip"`
	VMID       int    `pulumi:"vmId"`
	Disk       int    `pulumi:"disk"`
	Generation int    `pulumi:"generation"`
	Hash       string `pulumi:"hash"`
}

// ClusterMachinesState is the VMs as the state keeps them.
type ClusterMachinesState struct {
	Machines map[string]MachineArgs `pulumi:"machines"`
	// Changes counts the changes of machines that there were: what was begun and taken back again is one, too.
	Changes int `pulumi:"changes"`
	// Renewed are those that the last change makes anew, and Seed what from. They stay until the next change, for an update that was interrupted.
	Renewed []string    `pulumi:"renewed"`
	Seed    MachineSeed `pulumi:"seed"`
}

var (
	_ infer.CustomCreate[ClusterMachinesArgs, ClusterMachinesState] = ClusterMachines{}
	_ infer.CustomUpdate[ClusterMachinesArgs, ClusterMachinesState] = ClusterMachines{}
	_ infer.CustomDiff[ClusterMachinesArgs, ClusterMachinesState]   = ClusterMachines{}
)

func machines(args map[string]MachineArgs) map[string]topology.Machine {
	out := make(map[string]topology.Machine, len(args))
	for name, m := range args {
		out[name] = topology.Machine{Role: topology.Role(m.Role), Path: m.Path, Slot: m.Slot, IP: m.IP, VMID: m.VMID, Disk: m.Disk, Generation: m.Generation}
	}
	return out
}

// Create keeps the VMs.
func (ClusterMachines) Create(_ context.Context, req infer.CreateRequest[ClusterMachinesArgs]) (infer.CreateResponse[ClusterMachinesState], error) {
	return infer.CreateResponse[ClusterMachinesState]{ID: "machines", Output: ClusterMachinesState{Machines: req.Inputs.Machines, Seed: req.Inputs.Seed, Renewed: []string{}}}, nil
}

// Diff looks at the VMs alone, and refuses what would destroy a living cluster. Not Check: a forced replacement of this
// resource passes by here, which is the way out where no cluster has come up yet.
func (ClusterMachines) Diff(_ context.Context, req infer.DiffRequest[ClusterMachinesArgs, ClusterMachinesState]) (infer.DiffResponse, error) {
	if problems := topology.CheckChange(machines(req.State.Machines), machines(req.Inputs.Machines)); len(problems) > 0 {
		var lines strings.Builder
		for _, problem := range problems {
			lines.WriteString("\n  " + problem.String())
		}
		return infer.DiffResponse{}, fmt.Errorf("this would destroy a living cluster:%s\nIf none has come up here yet: pulumi up --replace '**-machines'", lines.String())
	}
	if reflect.DeepEqual(req.Inputs.Machines, req.State.Machines) {
		return infer.DiffResponse{}, nil
	}
	return infer.DiffResponse{HasChanges: true, DetailedDiff: map[string]p.PropertyDiff{"machines": {Kind: p.Update}}}, nil
}

// Update keeps the VMs as they are meant to be now.
func (ClusterMachines) Update(_ context.Context, req infer.UpdateRequest[ClusterMachinesArgs, ClusterMachinesState]) (infer.UpdateResponse[ClusterMachinesState], error) {
	return infer.UpdateResponse[ClusterMachinesState]{Output: ClusterMachinesState{
		Machines: req.Inputs.Machines, Seed: req.Inputs.Seed, Changes: req.State.Changes + changes(req.State.Machines, req.Inputs.Machines),
		Renewed: topology.Renewed(machines(req.State.Machines), machines(req.Inputs.Machines)),
	}}, nil
}

// changes is 1 if a machine that stays has changed.
func changes(before, now map[string]MachineArgs) int {
	for name, m := range now {
		if old, existed := before[name]; existed && old != m {
			return 1
		}
	}
	return 0
}

// WireDependencies has a preview know which machines are made anew.
func (ClusterMachines) WireDependencies(f infer.FieldSelector, args *ClusterMachinesArgs, state *ClusterMachinesState) {
	f.OutputField(&state.Machines).DependsOn(f.InputField(&args.Machines))
	f.OutputField(&state.Seed).DependsOn(f.InputField(&args.Seed))
	f.OutputField(&state.Renewed).AlwaysKnown()
	f.OutputField(&state.Changes).AlwaysKnown()
}
