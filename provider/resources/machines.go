package resources

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// ClusterMachines remembers what a cluster's VMs were last meant to be. All VMs come after it, so that a change that would destroy a
// cluster is refused before anything is touched. It creates nothing outside of the state.
type ClusterMachines struct{}

// ClusterMachinesArgs are the VMs by name.
type ClusterMachinesArgs struct {
	Machines map[string]MachineArgs `pulumi:"machines"`
	Seed     MachineSeed            `pulumi:"seed"`
	Seeds    map[string]MachineSeed `pulumi:"seeds,optional"` // of those machines that have another one
	// Configuration is what HAProxy, Keepalived and k3s run with, by file: it holds no secrets, so a preview can show what changes in it.
	Configuration map[string]string `pulumi:"configuration"`
	// Sent are hashes of what nodes are sent besides it, secrets too, by whom it concerns.
	Sent map[string]string `pulumi:"sent,optional" provider:"secret"`
}

// Whom it concerns what nodes are sent.
const (
	SentToServers = "servers"
	SentToWorkers = "workers"
	SentManifests = "manifests"

	SentRegistries = "registries"
)

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
	Protected  bool   `pulumi:"protected,optional"`
	Data       string `pulumi:"data,optional"`
	Keep       bool   `pulumi:"keep,optional"` // k3s stays on it when it leaves
	VM         string `pulumi:"vm"`
	K3s        string `pulumi:"k3s"`
}

// MachineChange is what an update does to machines.
type MachineChange struct {
	Joins   []string `pulumi:"joins"`
	Leaves  []string `pulumi:"leaves"`
	VMs     []string `pulumi:"vms"`
	K3s     []string `pulumi:"k3s"`
	Reloads []string `pulumi:"reloads"`

	Uninstalls []string `pulumi:"uninstalls,optional"`
}

// ClusterMachinesState is the VMs as the state keeps them.
type ClusterMachinesState struct {
	Machines map[string]MachineArgs `pulumi:"machines"`
	// Changes counts the changes of machines that there were: what was begun and taken back again is one, too.
	Changes int `pulumi:"changes"`
	// Renewed are those that the last change makes anew, and Seed what from. They stay until the next change, for an update that was interrupted.
	Renewed []string               `pulumi:"renewed"`
	Seed    MachineSeed            `pulumi:"seed"`
	Seeds   map[string]MachineSeed `pulumi:"seeds,optional"`
	// K3sChanges counts, by node, how often what k3s is started with has changed: so a change that failed and is taken back is done, too.
	K3sChanges map[string]int `pulumi:"k3sChanges"`
	// ManifestChanges counts, in the same way, changes of manifests, for which nothing restarts.
	ManifestChanges int               `pulumi:"manifestChanges,optional"`
	RegistryChanges int               `pulumi:"registryChanges,optional"` // likewise
	Sent            map[string]string `pulumi:"sent,optional" provider:"secret"`
	// Hashes of the configuration, by file.
	Hashes map[string]string `pulumi:"hashes"`
	// Change is what is about to happen, in a preview; nothing afterwards.
	Change MachineChange `pulumi:"change"`
}

var (
	_ infer.CustomCreate[ClusterMachinesArgs, ClusterMachinesState] = ClusterMachines{}
	_ infer.CustomUpdate[ClusterMachinesArgs, ClusterMachinesState] = ClusterMachines{}
	_ infer.CustomDiff[ClusterMachinesArgs, ClusterMachinesState]   = ClusterMachines{}
)

func machines(args map[string]MachineArgs) map[string]topology.Machine {
	out := make(map[string]topology.Machine, len(args))
	for name, m := range args {
		out[name] = topology.Machine{Role: topology.Role(m.Role), Path: m.Path, Slot: m.Slot, IP: m.IP, VMID: m.VMID, Disk: m.Disk, Generation: m.Generation, Protected: m.Protected, Data: m.Data, Keep: m.Keep, VM: m.VM, K3s: m.K3s}
	}
	return out
}

// Create keeps the VMs.
func (ClusterMachines) Create(_ context.Context, req infer.CreateRequest[ClusterMachinesArgs]) (infer.CreateResponse[ClusterMachinesState], error) {
	in := req.Inputs
	return infer.CreateResponse[ClusterMachinesState]{ID: "machines", Output: ClusterMachinesState{
		Machines: in.Machines, Seed: in.Seed, Seeds: in.Seeds, Renewed: []string{}, K3sChanges: map[string]int{}, Hashes: hashes(in.Configuration), Sent: in.Sent, Change: MachineChange{}.whole(),
	}}, nil
}

// hashes are those of texts, by name.
func hashes(texts map[string]string) map[string]string {
	out := make(map[string]string, len(texts))
	for name, text := range texts {
		out[name] = topology.Digest(text)
	}
	return out
}

// whole has no list that is not there.
func (c MachineChange) whole() MachineChange {
	for _, list := range []*[]string{&c.Joins, &c.Leaves, &c.VMs, &c.K3s, &c.Reloads, &c.Uninstalls} {
		if *list == nil {
			*list = []string{}
		}
	}
	return c
}

// Diff looks at the VMs and their configuration, and refuses what would destroy a living cluster. Not Check: a forced replacement of this
// resource passes by here, which is the way out where no cluster has come up yet.
func (ClusterMachines) Diff(_ context.Context, req infer.DiffRequest[ClusterMachinesArgs, ClusterMachinesState]) (infer.DiffResponse, error) {
	if problems := topology.CheckChange(machines(req.State.Machines), machines(req.Inputs.Machines)); len(problems) > 0 {
		var lines strings.Builder
		for _, problem := range problems {
			lines.WriteString("\n  " + problem.String())
		}
		return infer.DiffResponse{}, fmt.Errorf("this would destroy a living cluster:%s\nIf none has come up here yet: pulumi up --replace '**-machines'", lines.String())
	}
	changed := map[string]p.PropertyDiff{}
	if !reflect.DeepEqual(req.Inputs.Machines, req.State.Machines) {
		changed["machines"] = p.PropertyDiff{Kind: p.Update}
	}
	now := hashes(req.Inputs.Configuration)
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if old, existed := req.State.Hashes[name]; !existed || now[name] != old {
			changed[fmt.Sprintf("configuration[%q]", name)] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
		}
	}
	if !maps.Equal(req.Inputs.Sent, req.State.Sent) {
		changed["sent"] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
	}
	for name := range req.State.Hashes {
		if _, stays := now[name]; !stays {
			changed[fmt.Sprintf("configuration[%q]", name)] = p.PropertyDiff{Kind: p.Delete, InputDiff: true}
		}
	}
	return infer.DiffResponse{HasChanges: len(changed) > 0, DetailedDiff: changed}, nil
}

// Update keeps the VMs as they are meant to be now.
func (ClusterMachines) Update(_ context.Context, req infer.UpdateRequest[ClusterMachinesArgs, ClusterMachinesState]) (infer.UpdateResponse[ClusterMachinesState], error) {
	old, in := req.State, req.Inputs
	change := topology.Compare(machines(old.Machines), machines(in.Machines))
	out := ClusterMachinesState{
		Machines: in.Machines, Seed: in.Seed, Seeds: in.Seeds, Changes: old.Changes + changes(old.Machines, in.Machines), Renewed: change.Renewed,
		K3sChanges: map[string]int{}, Hashes: hashes(in.Configuration), ManifestChanges: old.ManifestChanges, RegistryChanges: old.RegistryChanges, Sent: in.Sent,
	}
	if in.Sent[SentManifests] != old.Sent[SentManifests] {
		out.ManifestChanges++
	}
	if in.Sent[SentRegistries] != old.Sent[SentRegistries] {
		out.RegistryChanges++
	}
	for name, m := range in.Machines {
		count := old.K3sChanges[name]
		if before, existed := old.Machines[name]; existed && (before.K3s != m.K3s || sentAnew(old, in, m)) {
			count++
			if !slices.Contains(change.K3s, name) && !slices.Contains(change.Renewed, name) {
				change.K3s = append(change.K3s, name) // what it is sent may be secret, that it restarts is not
			}
		}
		if count > 0 {
			out.K3sChanges[name] = count
		}
	}
	if reflect.DeepEqual(old.Machines, in.Machines) {
		out.Renewed, out.Seed, out.Seeds = append([]string{}, old.Renewed...), old.Seed, old.Seeds // it may go on yet
	}
	slices.Sort(change.K3s)
	if req.DryRun {
		out.Change = MachineChange{Joins: change.Joins, Leaves: change.Leaves, VMs: change.VMs, K3s: change.K3s, Reloads: reloads(old, in), Uninstalls: change.Uninstalls}
	}
	out.Change = out.Change.whole()
	return infer.UpdateResponse[ClusterMachinesState]{Output: out}, nil
}

// sentAnew says whether a machine is sent something else besides its configuration, for which k3s restarts.
func sentAnew(old ClusterMachinesState, in ClusterMachinesArgs, m MachineArgs) bool {
	whom := map[topology.Role]string{topology.Server: SentToServers, topology.Worker: SentToWorkers}[topology.Role(m.Role)]
	return in.Sent[whom] != old.Sent[whom]
}

// reloads are the load balancers that take another configuration over as they run.
func reloads(old ClusterMachinesState, in ClusterMachinesArgs) []string {
	var out []string
	now := hashes(in.Configuration)
	for _, name := range slices.Sorted(maps.Keys(in.Machines)) {
		before, existed := old.Machines[name]
		if !existed || before.Generation != in.Machines[name].Generation || topology.Role(before.Role) != topology.LoadBalancer {
			continue
		}
		for _, file := range []string{render.HAProxyFile, render.KeepalivedFile(name)} {
			if now[file] != old.Hashes[file] {
				out = append(out, name)
				break
			}
		}
	}
	return out
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
	f.OutputField(&state.Seeds).DependsOn(f.InputField(&args.Seeds))
	f.OutputField(&state.Renewed).AlwaysKnown()
	f.OutputField(&state.Changes).AlwaysKnown()
	f.OutputField(&state.K3sChanges).AlwaysKnown()
	f.OutputField(&state.ManifestChanges).AlwaysKnown()
	f.OutputField(&state.RegistryChanges).AlwaysKnown()
	f.OutputField(&state.Sent).DependsOn(f.InputField(&args.Sent))
	f.OutputField(&state.Sent).AlwaysSecret()
	f.OutputField(&state.Hashes).DependsOn(f.InputField(&args.Configuration))
	f.OutputField(&state.Change).AlwaysKnown()
}
