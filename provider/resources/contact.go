package resources

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Contact is the first contact with a VM: waits until it has booted, runs the first script, and gives it the host key to which every
// later connection is pinned. It happens once in a VM's life; later it comes again only to bring other parts of scripts or other keys.
type Contact struct{ config *Config }

// ContactArgs are the inputs of a first contact.
type ContactArgs struct {
	Node     string    `pulumi:"node"`
	Address  string    `pulumi:"address"`
	VM       ContactVM `pulumi:"vm"`
	Instance string    `pulumi:"instance"`
	Toolkit  string    `pulumi:"toolkit"`
	Keys     []string  `pulumi:"authorizedKeys"`
	// With another network cloud-init puts the keys of the VM's creation back.
	Network string `pulumi:"network"`
}

// ContactVM is what Proxmox VE says of the VM.
type ContactVM struct {
	ID          int    `pulumi:"id"`
	ProxmoxNode string `pulumi:"proxmoxNode"`
	Running     bool   `pulumi:"running"`
	Resource    string `pulumi:"resource"`
}

// ContactState is what a contact has brought, and to which instance of the machine.
type ContactState struct {
	Instance string   `pulumi:"instance"`
	Toolkit  string   `pulumi:"toolkit"`
	Keys     []string `pulumi:"authorizedKeys"`
	Network  string   `pulumi:"network"`
}

var (
	_ infer.CustomCreate[ContactArgs, ContactState] = Contact{}
	_ infer.CustomUpdate[ContactArgs, ContactState] = Contact{}
	_ infer.CustomDiff[ContactArgs, ContactState]   = Contact{}
)

// Create makes the contact.
func (c Contact) Create(ctx context.Context, req infer.CreateRequest[ContactArgs]) (infer.CreateResponse[ContactState], error) {
	resp := infer.CreateResponse[ContactState]{ID: req.Inputs.Node}
	if req.DryRun {
		return resp, nil
	}
	in := req.Inputs
	if in.VM.ID == 0 {
		_, err := c.meet(ctx, in, true, stepWaits)
		resp.Output = ContactState{Instance: in.Instance, Toolkit: in.Toolkit, Keys: in.Keys, Network: in.Network}
		return resp, explained(in.Node, topology.Contact, err)
	}
	if !in.VM.Running {
		return resp, fmt.Errorf("%s: contact: VM %d on Proxmox node %s is there, but does not run: an earlier update left it half-made (its tasks in Proxmox VE say why). "+
			"Nothing is on it yet, so make it anew: pulumi up --replace '**::%s'", in.Node, in.VM.ID, in.VM.ProxmoxNode, in.VM.Resource)
	}
	said, err := c.meet(ctx, in, false, contact.DefaultWaits)
	if err != nil {
		if at := new(contact.JumpError); errors.As(err, &at) {
			return resp, explained(in.Node, topology.Contact, err)
		}
		return resp, fmt.Errorf("%s: contact: %s\nProxmox VE shows VM %d on node %s as running: look at its console there. Then run pulumi up again; "+
			"a VM that cannot be mended is made anew by pulumi up --replace '**::%s'", in.Node, ownWords(in.Node, topology.Contact, err), in.VM.ID, in.VM.ProxmoxNode, in.VM.Resource)
	}
	if warning := upgradeWarning(in, said); warning != "" {
		p.GetLogger(ctx).Warning(warning)
	}
	resp.Output = ContactState{Instance: in.Instance, Toolkit: in.Toolkit, Keys: in.Keys, Network: in.Network}
	return resp, nil
}

// meet runs the contact's script on the machine: on one that nobody has met whatever host key it shows is taken.
func (c Contact) meet(ctx context.Context, in ContactArgs, met bool, waits contact.Waits) (string, error) {
	access, err := c.config.get()
	if err != nil {
		return "", err
	}
	host := access.host(Way{Node: in.Node, Address: in.Address})
	existing := slices.Contains(access.Existing, in.Node)
	if !met && !existing {
		host.HostKey = ""
	}
	script := render.ContactScript(render.ContactInput{
		Node: in.Node, IP: in.Address, User: host.User, Port: host.Port, AuthorizedKeys: in.Keys, HostKey: access.Bundle.HostKey(in.Node), Existing: existing,
	})
	return contact.Run(ctx, host, access.Jump, render.Command(host.User, render.Deadline(topology.Contact)), script, waits)
}

// upgradeWarning says what a boot has waited for, if the contact's script has seen it.
func upgradeWarning(in ContactArgs, said string) string {
	var seconds int
	if _, err := fmt.Sscanf(said, "upgraded %d", &seconds); err != nil {
		return ""
	}
	return fmt.Sprintf("%s: contact: its first boot has upgraded all packages before anything else could begin, which took %d s: so does cloud-init wherever Proxmox VE is not told otherwise. "+
		"In the template it can be turned off: qm set <template's id> --ciupgrade 0", in.Node, seconds)
}

// Update brings another toolkit or other keys to a machine that has been met: it is pinned to its host key.
func (c Contact) Update(ctx context.Context, req infer.UpdateRequest[ContactArgs, ContactState]) (infer.UpdateResponse[ContactState], error) {
	resp := infer.UpdateResponse[ContactState]{Output: req.State}
	resp.Output.Toolkit, resp.Output.Keys, resp.Output.Network = req.Inputs.Toolkit, req.Inputs.Keys, req.Inputs.Network
	if req.DryRun {
		return resp, nil
	}
	_, err := c.meet(ctx, req.Inputs, true, stepWaits)
	return resp, explained(req.Inputs.Node, topology.Contact, err)
}

// ownWords is an error without the node and the step, which a script puts in front itself.
func ownWords(node string, verb topology.Verb, err error) string {
	return strings.TrimPrefix(err.Error(), fmt.Sprintf("%s: %s: ", node, verb))
}

// explained is an error of a script on a node, or of the way to it: with node and step, and with what to do. A script says that itself.
func explained(node string, verb topology.Verb, err error) error {
	if err == nil {
		return nil
	}
	text := ownWords(node, verb, err)
	todo := ""
	if at := new(contact.JumpError); errors.As(err, &at) {
		todo = "; check ssh.bastion, then run pulumi up again"
	} else if text == err.Error() {
		todo = "; see that the node runs and lets user and key in by SSH, then run pulumi up again"
	}
	return fmt.Errorf("%s: %s: %s%s", node, verb, text, todo)
}

// Diff says that a contact that was made stays as it is, as long as the machine does: another private key or jump host must not bring back a
// connection that isn't pinned.
func (Contact) Diff(_ context.Context, req infer.DiffRequest[ContactArgs, ContactState]) (infer.DiffResponse, error) {
	diff := replacedWith("instance", req.Inputs.Instance, req.State.Instance)
	if diff.HasChanges {
		return diff, nil
	}
	changed := map[string]p.PropertyDiff{}
	if req.Inputs.Toolkit != req.State.Toolkit {
		changed["toolkit"] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
	}
	if !slices.Equal(req.Inputs.Keys, req.State.Keys) {
		changed["authorizedKeys"] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
	}
	if req.Inputs.Network != req.State.Network {
		changed["network"] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
	}
	return infer.DiffResponse{HasChanges: len(changed) > 0, DetailedDiff: changed}, nil
}

// replacedWith says that a resource is made anew when its machine is another one.
func replacedWith(property, now, before string) infer.DiffResponse {
	if now == before {
		return infer.DiffResponse{}
	}
	return infer.DiffResponse{HasChanges: true, DeleteBeforeReplace: true, DetailedDiff: map[string]p.PropertyDiff{property: {Kind: p.UpdateReplace}}}
}
