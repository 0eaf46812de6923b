package resources

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// ExistingMachine is a machine that is there: bare metal, or a VM of somebody else's. Its instance is the machine's own id: one that was installed
// anew has another, and its steps are done again. It is never replaced, for all that reaches nodes hangs on it. When it leaves, k3s is taken off it.
type ExistingMachine struct{ config *Config }

// ExistingMachineArgs are how it is reached, and what it is for.
type ExistingMachineArgs struct {
	Node    string `pulumi:"node"`
	Role    string `pulumi:"role"`
	Address string `pulumi:"address"`
	Port    int    `pulumi:"port"`
	HostKey string `pulumi:"hostKey,optional"` // "": the one that it shows first
	Keep    bool   `pulumi:"keep,optional"`
	// Adopt is what its k3s is to become, of a machine that brings one. It counts for the first meeting alone.
	Adopt *Adoption `pulumi:"adopt,optional"`
}

// ExistingMachineState is the machine that was met.
type ExistingMachineState struct {
	Node         string `pulumi:"node"`
	Role         string `pulumi:"role"`
	Address      string `pulumi:"address"`
	Port         int    `pulumi:"port"`
	Keep         bool   `pulumi:"keep,optional"`
	Given        string `pulumi:"givenHostKey,optional"`
	HostKey      string `pulumi:"hostKey"`
	MachineID    string `pulumi:"machineId"`
	Architecture string `pulumi:"architecture"`
	Meeting      string `pulumi:"meeting"` // made up: tells this meeting from another one of the same machine
	Met          bool   `pulumi:"met"`     // false where a refresh has seen another machine than the one that was met

	// What a machine has brought: the hash of its cluster's CA, and a server's identity as a whole.
	CAHash         string `pulumi:"caHash,optional"`
	RecoveryBundle string `pulumi:"recoveryBundle,optional" provider:"secret"`
}

var (
	_ infer.CustomCreate[ExistingMachineArgs, ExistingMachineState]         = ExistingMachine{}
	_ infer.CustomUpdate[ExistingMachineArgs, ExistingMachineState]         = ExistingMachine{}
	_ infer.CustomDiff[ExistingMachineArgs, ExistingMachineState]           = ExistingMachine{}
	_ infer.CustomRead[ExistingMachineArgs, ExistingMachineState]           = ExistingMachine{}
	_ infer.CustomDelete[ExistingMachineState]                              = ExistingMachine{}
	_ infer.ExplicitDependencies[ExistingMachineArgs, ExistingMachineState] = ExistingMachine{}
)

var (
	meetWaits  = contact.Waits{Answer: 2 * time.Minute, Login: 10 * time.Second, Script: 2 * time.Minute, Dial: 10 * time.Second, Pause: time.Second}
	leaveWaits = contact.Waits{Answer: 20 * time.Second, Login: 5 * time.Second, Script: 5 * time.Minute, Dial: 5 * time.Second, Pause: time.Second}
)

// meet asks the machine who it is. A host key that is not known is taken as it is shown, for this once.
func (a Access) meet(ctx context.Context, in ExistingMachineArgs, hostKey, meeting string, waits contact.Waits) (ExistingMachineState, error) {
	out := ExistingMachineState{Node: in.Node, Role: in.Role, Address: in.Address, Port: in.Port, Keep: in.Keep, Given: in.HostKey, Meeting: meeting, Met: true}
	host := contact.Host{Address: in.Address, Port: in.Port, User: a.User, PrivateKey: a.PrivateKey, HostKey: hostKey}
	script := render.MeetScript(a.Cluster, in.Node, meeting)
	if in.Adopt != nil {
		script = render.AdoptScript(a.Cluster, in.Node, in.Role, meeting)
	}
	said, err := contact.Run(ctx, host, a.Jump, render.Command(a.User, render.Deadline(topology.Meet)), script, waits)
	if err != nil {
		return out, explained(in.Node, topology.Meet, err)
	}
	said, brought, _ := strings.Cut(said, "\n")
	fields := strings.Fields(said)
	if len(fields) != 4 {
		return out, fmt.Errorf("%s: meet: it does not say who it is, but %q", in.Node, said)
	}
	out.MachineID, out.Architecture, out.HostKey = fields[0], fields[1], fields[2]+" "+fields[3]
	if in.Adopt != nil {
		out.CAHash, out.RecoveryBundle, err = in.Adopt.take(a.Cluster, in, brought)
	}
	return out, err
}

// Create meets it.
func (e ExistingMachine) Create(ctx context.Context, req infer.CreateRequest[ExistingMachineArgs]) (infer.CreateResponse[ExistingMachineState], error) {
	in := req.Inputs
	resp := infer.CreateResponse[ExistingMachineState]{ID: in.Node, Output: ExistingMachineState{Node: in.Node, Role: in.Role, Address: in.Address, Port: in.Port, Keep: in.Keep, Given: in.HostKey}}
	if req.DryRun {
		return resp, nil
	}
	access, err := e.config.get()
	if err != nil {
		return resp, err
	}
	random := make([]byte, 8)
	_, _ = rand.Read(random) // never fails
	resp.Output, err = access.meet(ctx, in, in.HostKey, hex.EncodeToString(random), meetWaits)
	return resp, err
}

// Update meets it again, by the key that is given now, or the one that it has shown.
func (e ExistingMachine) Update(ctx context.Context, req infer.UpdateRequest[ExistingMachineArgs, ExistingMachineState]) (infer.UpdateResponse[ExistingMachineState], error) {
	in, was := req.Inputs, req.State
	resp := infer.UpdateResponse[ExistingMachineState]{Output: was}
	resp.Output.Address, resp.Output.Port, resp.Output.Keep, resp.Output.Given, resp.Output.Met = in.Address, in.Port, in.Keep, in.HostKey, true
	if req.DryRun {
		return resp, nil
	}
	access, err := e.config.get()
	if err != nil {
		return resp, err
	}
	key := in.HostKey
	if key == "" && in.Address == was.Address {
		key = was.HostKey
	}
	in.Adopt = nil // what it has brought stays what it was
	resp.Output, err = access.meet(ctx, in, key, was.Meeting, meetWaits)
	resp.Output.CAHash, resp.Output.RecoveryBundle = was.CAHash, was.RecoveryBundle
	return resp, err
}

// Diff asks for another meeting where the way to it has changed, or a refresh has seen another machine.
func (ExistingMachine) Diff(_ context.Context, req infer.DiffRequest[ExistingMachineArgs, ExistingMachineState]) (infer.DiffResponse, error) {
	in, was := req.Inputs, req.State
	changed := map[string]p.PropertyDiff{}
	for property, differs := range map[string]bool{
		"address": in.Address != was.Address, "port": in.Port != was.Port, "keep": in.Keep != was.Keep, "hostKey": in.HostKey != was.Given, "met": !was.Met,
	} {
		if differs {
			changed[property] = p.PropertyDiff{Kind: p.Update, InputDiff: property != "met"}
		}
	}
	return infer.DiffResponse{HasChanges: len(changed) > 0, DetailedDiff: changed}, nil
}

// Read looks whether it still is the machine that was met. One that was installed anew is not: it has another id, and another host key, which is
// taken as it is shown only where the program names none. Where it cannot be reached the state stays as it was.
func (e ExistingMachine) Read(ctx context.Context, req infer.ReadRequest[ExistingMachineArgs, ExistingMachineState]) (infer.ReadResponse[ExistingMachineArgs, ExistingMachineState], error) {
	resp := infer.ReadResponse[ExistingMachineArgs, ExistingMachineState](req)
	access, err := e.config.get()
	if err != nil {
		return resp, err
	}
	was := req.State
	in := ExistingMachineArgs{Node: was.Node, Role: was.Role, Address: was.Address, Port: was.Port, HostKey: was.Given, Keep: was.Keep}
	found, err := access.meet(ctx, in, was.HostKey, "", stateWaits)
	if err != nil && strings.Contains(err.Error(), "not the pinned") {
		if was.Given != "" {
			resp.State.Met = false // the next update says so
			return resp, nil
		}
		found, err = access.meet(ctx, in, "", "", stateWaits)
	}
	if err == nil {
		found.Meeting, found.Met = was.Meeting, was.Met && found.MachineID == was.MachineID
		found.CAHash, found.RecoveryBundle = was.CAHash, was.RecoveryBundle
		resp.State = found
	}
	return resp, nil
}

// Delete takes the cluster off it. One that cannot be reached keeps what is on it.
func (e ExistingMachine) Delete(ctx context.Context, req infer.DeleteRequest[ExistingMachineState]) (infer.DeleteResponse, error) {
	access, err := e.config.get()
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	was := req.State
	host := contact.Host{Address: was.Address, Port: was.Port, User: access.User, PrivateKey: access.PrivateKey, HostKey: was.HostKey}
	_, err = contact.Run(ctx, host, access.Jump, render.Command(access.User, render.Deadline(topology.Meet)), render.LeaveScript(was.Node, was.Role, was.MachineID, was.Meeting, was.Keep), leaveWaits)
	if err != nil && !strings.HasPrefix(err.Error(), was.Node+": ") {
		p.GetLogger(ctx).Warning(fmt.Sprintf("%s: leave: the machine at %s cannot be reached (%v); what is on it stays there: k3s-uninstall.sh or k3s-agent-uninstall.sh takes it off", was.Node, was.Address, err))
		err = nil
	}
	return infer.DeleteResponse{}, err
}

// WireDependencies keeps secret what is.
func (ExistingMachine) WireDependencies(f infer.FieldSelector, _ *ExistingMachineArgs, state *ExistingMachineState) {
	f.OutputField(&state.RecoveryBundle).AlwaysSecret()
	f.OutputField(&state.CAHash).NeverSecret()
}
