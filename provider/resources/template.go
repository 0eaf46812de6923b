package resources

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
)

// Template is a VM template on a Proxmox node, made from an image that lies on one of its storages. It is made by the node's own shell: the
// plugin of Proxmox VE imports disks by SSH, too, and a VM that it had made and somebody else finished would differ at every refresh.
type Template struct{}

// TemplateArgs are what the template is made from, and how its host is reached.
type TemplateArgs struct {
	Node      string       `pulumi:"node"`
	VMID      int          `pulumi:"vmId"`
	Name      string       `pulumi:"name"`
	Image     string       `pulumi:"image"` // a volume
	Checksum  string       `pulumi:"checksum"`
	Datastore string       `pulumi:"datastore"`
	Bridge    string       `pulumi:"bridge"`
	VLAN      int          `pulumi:"vlan,optional"`
	Memory    int          `pulumi:"memory"`
	SCSI      string       `pulumi:"scsiHardware"`
	Disk      string       `pulumi:"diskOptions,optional"`
	Pool      string       `pulumi:"pool,optional"`
	Tags      []string     `pulumi:"tags,optional"`
	CIUpgrade bool         `pulumi:"ciUpgrade,optional"`
	Host      TemplateHost `pulumi:"host"`
}

// TemplateHost is the shell of a Proxmox node.
type TemplateHost struct {
	Address    string `pulumi:"address"`
	Port       int    `pulumi:"port"`
	User       string `pulumi:"user"`
	PrivateKey string `pulumi:"privateKey" provider:"secret"`
	HostKey    string `pulumi:"hostKey"`
}

// TemplateState is the template as the state keeps it.
type TemplateState TemplateArgs

var (
	_ infer.CustomCreate[TemplateArgs, TemplateState] = Template{}
	_ infer.CustomUpdate[TemplateArgs, TemplateState] = Template{}
	_ infer.CustomDiff[TemplateArgs, TemplateState]   = Template{}
	_ infer.CustomRead[TemplateArgs, TemplateState]   = Template{}
	_ infer.CustomDelete[TemplateState]               = Template{}
)

var (
	templateWaits = contact.Waits{Answer: time.Minute, Login: 10 * time.Second, Script: (render.TemplateDeadline + 30) * time.Second, Dial: 10 * time.Second, Pause: time.Second}
	glanceWaits   = contact.Waits{Answer: 20 * time.Second, Login: 5 * time.Second, Script: time.Minute, Dial: 5 * time.Second, Pause: time.Second}
)

func (in TemplateArgs) input() render.TemplateInput {
	return render.TemplateInput{
		Node: in.Node, Name: in.Name, Image: in.Image, Checksum: in.Checksum, ID: in.VMID, Memory: in.Memory, VLAN: in.VLAN,
		Datastore: in.Datastore, Bridge: in.Bridge, SCSI: in.SCSI, Disk: in.Disk, Pool: in.Pool, Tags: in.Tags, CIUpgrade: in.CIUpgrade,
	}
}

// run runs a script on the Proxmox node.
func (in TemplateArgs) run(ctx context.Context, script string, waits contact.Waits) (string, error) {
	host := contact.Host{Address: in.Host.Address, Port: in.Host.Port, User: in.Host.User, PrivateKey: in.Host.PrivateKey, HostKey: in.Host.HostKey}
	out, err := contact.Run(ctx, host, nil, render.Command(in.Host.User, int(waits.Script.Seconds())-30), script, waits)
	if err != nil && !strings.HasPrefix(err.Error(), in.Name+": ") {
		err = fmt.Errorf("%s: template: on the Proxmox node %s (%s): %w; see host, then run pulumi up again", in.Name, in.Node, in.Host.Address, err)
	}
	return out, err
}

// Create makes it, or goes on where an earlier try ended.
func (Template) Create(ctx context.Context, req infer.CreateRequest[TemplateArgs]) (infer.CreateResponse[TemplateState], error) {
	in := req.Inputs
	resp := infer.CreateResponse[TemplateState]{ID: fmt.Sprintf("%s/%d", in.Node, in.VMID), Output: TemplateState(in)}
	if req.DryRun {
		return resp, nil
	}
	_, err := in.run(ctx, render.MakeTemplateScript(in.input()), templateWaits)
	return resp, err
}

// Update changes nothing but how the host is reached.
func (Template) Update(_ context.Context, req infer.UpdateRequest[TemplateArgs, TemplateState]) (infer.UpdateResponse[TemplateState], error) {
	return infer.UpdateResponse[TemplateState]{Output: TemplateState(req.Inputs)}, nil
}

// Diff replaces the template for whatever it is made from. It keeps its id, so the former one goes first: clones are whole.
func (Template) Diff(_ context.Context, req infer.DiffRequest[TemplateArgs, TemplateState]) (infer.DiffResponse, error) {
	in, was := req.Inputs.input(), TemplateArgs(req.State).input()
	changed := map[string]p.PropertyDiff{}
	now, before := reflect.ValueOf(in), reflect.ValueOf(was)
	for i := range now.NumField() {
		if !reflect.DeepEqual(now.Field(i).Interface(), before.Field(i).Interface()) && (now.Field(i).Kind() != reflect.Slice || now.Field(i).Len()+before.Field(i).Len() > 0) {
			changed[names[now.Type().Field(i).Name]] = p.PropertyDiff{Kind: p.UpdateReplace, InputDiff: true}
		}
	}
	replace := len(changed) > 0
	if req.Inputs.Host != req.State.Host {
		changed["host"] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
	}
	return infer.DiffResponse{HasChanges: len(changed) > 0, DetailedDiff: changed, DeleteBeforeReplace: replace}, nil
}

// names are the inputs' by the fields of what scripts are made from.
var names = map[string]string{
	"Node": "node", "Name": "name", "Image": "image", "Checksum": "checksum", "ID": "vmId", "Memory": "memory", "VLAN": "vlan", "Datastore": "datastore",
	"Bridge": "bridge", "SCSI": "scsiHardware", "Disk": "diskOptions", "Pool": "pool", "Tags": "tags", "CIUpgrade": "ciUpgrade",
}

// Read looks whether it is there as it was made. Where the host cannot be reached the state stays as it was.
func (Template) Read(ctx context.Context, req infer.ReadRequest[TemplateArgs, TemplateState]) (infer.ReadResponse[TemplateArgs, TemplateState], error) {
	resp := infer.ReadResponse[TemplateArgs, TemplateState](req)
	was := TemplateArgs(req.State)
	found, err := was.run(ctx, render.FindTemplateScript(was.input()), glanceWaits)
	if err == nil && strings.TrimSpace(found) != "done" {
		resp.ID = ""
	}
	return resp, nil
}

// Delete takes it away. One that is somebody else's by now is left alone.
func (Template) Delete(ctx context.Context, req infer.DeleteRequest[TemplateState]) (infer.DeleteResponse, error) {
	was := TemplateArgs(req.State)
	_, err := was.run(ctx, render.RemoveTemplateScript(was.input()), templateWaits)
	return infer.DeleteResponse{}, err
}
