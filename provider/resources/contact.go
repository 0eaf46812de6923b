package resources

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Contact is the first contact with a VM: waits until it has booted, runs the first script, and keeps the host key to which every
// later connection is pinned. It happens once in a VM's life; later it comes again only to bring other parts of scripts or other keys.
type Contact struct{}

// ContactArgs are the inputs of a first contact.
type ContactArgs struct {
	Node     string           `pulumi:"node"`
	VM       ContactVM        `pulumi:"vm"`
	Host     ContactHost      `pulumi:"host"`
	Jump     *ContactJumpHost `pulumi:"jump,optional"`
	Instance string           `pulumi:"instance"`
	Toolkit  string           `pulumi:"toolkit"`
	Keys     []string         `pulumi:"authorizedKeys"`
	// With another network cloud-init puts the keys of the VM's creation back.
	Network string `pulumi:"network"`
}

// login is a hash of who may log in: the keys have to be brought again when it changes.
func (c ContactArgs) login() string {
	sum := sha256.Sum256([]byte(strings.Join(append([]string{c.Host.User, c.Network}, c.Keys...), "\n")))
	return hex.EncodeToString(sum[:8])
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
	Toolkit  string `pulumi:"toolkit"`
	Login    string `pulumi:"login"`
}

var (
	_ infer.CustomCreate[ContactArgs, ContactState] = Contact{}
	_ infer.CustomUpdate[ContactArgs, ContactState] = Contact{}
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
	out, err := in.meet(ctx, "", contact.DefaultWaits)
	if err != nil {
		if at := new(contact.JumpError); errors.As(err, &at) {
			return resp, explained(in.Node, topology.Contact, err)
		}
		return resp, fmt.Errorf("%s: contact: %s\nProxmox VE shows VM %d on node %s as running: look at its console there. Then run pulumi up again; "+
			"a VM that cannot be mended is made anew by pulumi up --replace '**::%s'", in.Node, ownWords(in.Node, topology.Contact, err), in.VM.ID, in.VM.ProxmoxNode, in.VM.Resource)
	}
	resp.Output = ContactState{HostKey: out, Instance: in.Instance, Toolkit: in.Toolkit, Login: in.login()}
	return resp, nil
}

// meet runs the contact's script on the machine.
func (c ContactArgs) meet(ctx context.Context, hostKey string, waits contact.Waits) (string, error) {
	h := c.Host
	host := contact.Host{Address: h.Address, Port: h.Port, User: h.User, PrivateKey: h.PrivateKey, HostKey: hostKey}
	var jump *contact.Host
	if j := c.Jump; j != nil {
		jump = &contact.Host{Address: j.Address, Port: j.Port, User: j.User, PrivateKey: j.PrivateKey, HostKey: j.HostKey}
	}
	script := render.ContactScript(render.ContactInput{Node: c.Node, IP: h.Address, User: h.User, AuthorizedKeys: c.Keys})
	return contact.Run(ctx, host, jump, render.Command(h.User, render.Deadline(topology.Contact)), script, waits)
}

// Update brings another toolkit or other keys to a machine that has been met: its host key is pinned.
func (Contact) Update(ctx context.Context, req infer.UpdateRequest[ContactArgs, ContactState]) (infer.UpdateResponse[ContactState], error) {
	resp := infer.UpdateResponse[ContactState]{Output: req.State}
	resp.Output.Toolkit, resp.Output.Login = req.Inputs.Toolkit, req.Inputs.login()
	if req.DryRun {
		return resp, nil
	}
	_, err := req.Inputs.meet(ctx, req.State.HostKey, stepWaits)
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

// WireDependencies keeps the host key known in the preview of another toolkit or other keys.
func (Contact) WireDependencies(f infer.FieldSelector, args *ContactArgs, state *ContactState) {
	f.OutputField(&state.HostKey).DependsOn(f.InputField(&args.Instance))
	f.OutputField(&state.Instance).DependsOn(f.InputField(&args.Instance))
	f.OutputField(&state.Toolkit).DependsOn(f.InputField(&args.Toolkit))
	f.OutputField(&state.Login).DependsOn(f.InputField(&args.Keys), f.InputField(&args.Network))
	f.OutputField(&state.HostKey).NeverSecret()
	f.OutputField(&state.Login).NeverSecret()
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
	if req.Inputs.login() != req.State.Login {
		changed["authorizedKeys"] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
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
