package resources

import (
	"context"
	"errors"
	"fmt"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
)

// Contact is the first contact with a VM: waits until it has booted, runs the first script, and keeps the host key to which every
// later connection is pinned. It happens once in a VM's life, so nothing but the VM's replacement changes it.
type Contact struct{}

// ContactArgs are the inputs of a first contact.
type ContactArgs struct {
	Node     string           `pulumi:"node"`
	VM       ContactVM        `pulumi:"vm"`
	Host     ContactHost      `pulumi:"host"`
	Jump     *ContactJumpHost `pulumi:"jump,optional"`
	Instance string           `pulumi:"instance"`
	Command  string           `pulumi:"command"`
	Script   string           `pulumi:"script"`
}

// ContactVM is what Proxmox VE says of the VM.
type ContactVM struct {
	ID          int    `pulumi:"id"`
	ProxmoxNode string `pulumi:"proxmoxNode"`
	Running     bool   `pulumi:"running"`
	Resource    string `pulumi:"resource"`
}

// ContactHost is how the VM is logged in to.
type ContactHost struct {
	Address    string `pulumi:"address"`
	Port       int    `pulumi:"port"`
	User       string `pulumi:"user"`
	PrivateKey string `pulumi:"privateKey" provider:"secret"`
}

// ContactJumpHost is the bastion.
type ContactJumpHost struct {
	Address    string `pulumi:"address"`
	Port       int    `pulumi:"port"`
	User       string `pulumi:"user"`
	PrivateKey string `pulumi:"privateKey" provider:"secret"`
	HostKey    string `pulumi:"hostKey"`
}

// ContactState is what a first contact found, and on which instance of the machine.
type ContactState struct {
	HostKey  string `pulumi:"hostKey"`
	Instance string `pulumi:"instance"`
}

var (
	_ infer.CustomCreate[ContactArgs, ContactState] = Contact{}
	_ infer.CustomDiff[ContactArgs, ContactState]   = Contact{}
)

// Create makes the contact.
func (Contact) Create(ctx context.Context, req infer.CreateRequest[ContactArgs]) (infer.CreateResponse[ContactState], error) {
	resp := infer.CreateResponse[ContactState]{ID: req.Inputs.Node}
	if req.DryRun {
		return resp, nil
	}
	in := req.Inputs
	if !in.VM.Running {
		return resp, fmt.Errorf("%s: contact: VM %d on Proxmox node %s is there, but does not run: an earlier update left it half-made (its tasks in Proxmox VE say why). "+
			"Nothing is on it yet, so make it anew: pulumi up --replace '**::%s'", in.Node, in.VM.ID, in.VM.ProxmoxNode, in.VM.Resource)
	}
	h := in.Host
	host := contact.Host{Address: h.Address, Port: h.Port, User: h.User, PrivateKey: h.PrivateKey}
	var jump *contact.Host
	if j := in.Jump; j != nil {
		jump = &contact.Host{Address: j.Address, Port: j.Port, User: j.User, PrivateKey: j.PrivateKey, HostKey: j.HostKey}
	}
	out, err := contact.Run(ctx, host, jump, in.Command, in.Script, contact.DefaultWaits)
	if err != nil {
		text := strings.TrimPrefix(err.Error(), in.Node+": contact: ")
		if at := new(contact.JumpError); errors.As(err, &at) {
			return resp, fmt.Errorf("%s: contact: %s; check ssh.bastion, then run pulumi up again", in.Node, text)
		}
		return resp, fmt.Errorf("%s: contact: %s\nProxmox VE shows VM %d on node %s as running: look at its console there. Then run pulumi up again; "+
			"a VM that cannot be mended is made anew by pulumi up --replace '**::%s'", in.Node, text, in.VM.ID, in.VM.ProxmoxNode, in.VM.Resource)
	}
	resp.Output = ContactState{HostKey: out, Instance: in.Instance}
	return resp, nil
}

// Diff says that a contact that was made stays as it is, as long as the machine does: another key or jump host must not bring back a
// connection that isn't pinned.
func (Contact) Diff(_ context.Context, req infer.DiffRequest[ContactArgs, ContactState]) (infer.DiffResponse, error) {
	return replacedWith("instance", req.Inputs.Instance, req.State.Instance), nil
}

// replacedWith says that a resource is made anew when its machine is another one.
func replacedWith(property, now, before string) infer.DiffResponse {
	if now == before {
		return infer.DiffResponse{}
	}
	return infer.DiffResponse{HasChanges: true, DeleteBeforeReplace: true, DetailedDiff: map[string]p.PropertyDiff{property: {Kind: p.UpdateReplace}}}
}
