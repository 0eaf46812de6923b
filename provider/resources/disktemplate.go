package resources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/proxmox"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// DiskTemplate is a template whose first disk has the options that VMs are to have: the one that it is made from, if that has them, else a
// clone of it that has. The plugin of Proxmox VE gives a clone's disk none.
type DiskTemplate struct{}

// DiskTemplateArgs are what it is made from, and how.
type DiskTemplateArgs struct {
	Node       string            `pulumi:"node"`
	TemplateID int               `pulumi:"templateId"`
	VMID       int               `pulumi:"vmId"`
	Name       string            `pulumi:"name"`
	Datastore  string            `pulumi:"datastore"`
	Pool       string            `pulumi:"pool,optional"`
	Options    map[string]string `pulumi:"options"`
	API        ProxmoxAPI        `pulumi:"api"`
}

// ProxmoxAPI is Proxmox VE's API. What is left out, the environment has.
type ProxmoxAPI struct {
	Endpoint string `pulumi:"endpoint,optional"`
	APIToken string `pulumi:"apiToken,optional" provider:"secret"`
	Insecure *bool  `pulumi:"insecure,optional"`
}

// DiskTemplateState is what the state keeps of it.
type DiskTemplateState struct {
	DiskTemplateArgs

	CloneID int `pulumi:"cloneId"`
}

var (
	_ infer.CustomCreate[DiskTemplateArgs, DiskTemplateState] = DiskTemplate{}
	_ infer.CustomUpdate[DiskTemplateArgs, DiskTemplateState] = DiskTemplate{}
	_ infer.CustomDiff[DiskTemplateArgs, DiskTemplateState]   = DiskTemplate{}
	_ infer.CustomRead[DiskTemplateArgs, DiskTemplateState]   = DiskTemplate{}
	_ infer.CustomDelete[DiskTemplateState]                   = DiskTemplate{}
)

const (
	cloneDeadline  = 30 * time.Minute // a whole disk is copied
	glanceDeadline = 20 * time.Second
	lockPause      = time.Second
	firstDisk      = "scsi0"
)

func (in DiskTemplateArgs) api() proxmox.API {
	return proxmox.API{Endpoint: in.API.Endpoint, Token: in.API.APIToken, Insecure: in.API.Insecure}.OrEnvironment()
}

// mark tells it from anybody else's VM.
func (in DiskTemplateArgs) mark() string {
	return fmt.Sprintf("Made from template %d for %s, managed by Pulumi", in.TemplateID, in.Name)
}

func (in DiskTemplateArgs) at(id int) string { return fmt.Sprintf("nodes/%s/qemu/%d", in.Node, id) }

// vmConfig is what matters of a VM's configuration.
type vmConfig struct {
	Description string `json:"description"`
	Template    int    `json:"template"`
	Lock        string `json:"lock"`
	Disk        string `json:"scsi0"`
}

func (in DiskTemplateArgs) config(ctx context.Context, id int) (vmConfig, error) {
	var c vmConfig
	err := in.api().Call(ctx, http.MethodGet, in.at(id)+"/config", nil, &c)
	return c, err
}

// has says whether a disk has the options.
func (in DiskTemplateArgs) has(disk string) bool {
	got := maps.Clone(topology.DiskDefaults)
	for _, part := range strings.Split(disk, ",")[1:] {
		if name, value, found := strings.Cut(part, "="); found {
			got[name] = cmp.Or(map[string]string{"yes": "1", "true": "1", "no": "0", "false": "0"}[value], value)
		}
	}
	for name, value := range in.Options {
		if got[name] != value {
			return false
		}
	}
	return true
}

// with is a disk with the options in the place of its own.
func (in DiskTemplateArgs) with(disk string) string {
	parts := slices.DeleteFunc(strings.Split(disk, ","), func(part string) bool {
		name, _, _ := strings.Cut(part, "=")
		_, own := in.Options[name]
		return own
	})
	for _, name := range slices.Sorted(maps.Keys(in.Options)) {
		parts = append(parts, name+"="+in.Options[name])
	}
	return strings.Join(parts, ",")
}

// make returns the template to clone, which is there then.
func (in DiskTemplateArgs) make(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, cloneDeadline)
	defer cancel()
	from, err := in.config(ctx, in.TemplateID)
	switch {
	case err != nil:
		return 0, fmt.Errorf("template %d: %w", in.TemplateID, err)
	case from.Disk == "":
		return 0, fmt.Errorf("template %d has no disk %s; give a template that has", in.TemplateID, firstDisk)
	case in.has(from.Disk):
		return in.TemplateID, in.remove(ctx) // a former one is of no use any more
	}
	own, err := in.own(ctx)
	switch {
	case err != nil:
		return 0, err
	case own == nil:
	case own.Template == 1 && in.has(own.Disk) && strings.TrimSpace(own.Description) == in.mark():
		return in.VMID, nil
	default: // half of it, from an update that was interrupted
		if err := in.remove(ctx); err != nil {
			return 0, err
		}
	}
	form := url.Values{"newid": {fmt.Sprint(in.VMID)}, "full": {"1"}, "name": {in.Name}, "storage": {in.Datastore}, "description": {in.mark()}}
	if in.Pool != "" {
		form.Set("pool", in.Pool)
	}
	if err := in.api().Task(ctx, http.MethodPost, in.at(in.TemplateID)+"/clone", form); err != nil {
		return 0, fmt.Errorf("cannot clone template %d to %d, which is derived from the name %s: %w", in.TemplateID, in.VMID, in.Name, err)
	}
	made, err := in.config(ctx, in.VMID)
	if err != nil {
		return 0, err
	}
	if err := in.api().Call(ctx, http.MethodPut, in.at(in.VMID)+"/config", url.Values{firstDisk: {in.with(made.Disk)}}, nil); err != nil {
		return 0, fmt.Errorf("cannot give the disk of %d its options: %w", in.VMID, err)
	}
	if err := in.api().Task(ctx, http.MethodPost, in.at(in.VMID)+"/template", nil); err != nil {
		return 0, fmt.Errorf("cannot make %d a template: %w", in.VMID, err)
	}
	return in.VMID, nil
}

// own is what has the id; nil if nothing has. What somebody else has there is an error. A clone that is being made says nothing of itself, so it is
// waited for.
func (in DiskTemplateArgs) own(ctx context.Context) (*vmConfig, error) {
	for {
		found, err := in.api().Find(ctx, in.VMID)
		if err != nil || found == nil {
			return nil, err
		}
		theirs := fmt.Errorf("VM %d (%s, on %s) is not what was made there; its id is derived from the name %s, so give that VM another one", in.VMID, found.Name, found.Node, in.Name)
		if found.Node != in.Node {
			return nil, theirs
		}
		c, err := in.config(ctx, in.VMID)
		switch {
		case proxmox.Missing(err):
			return nil, nil
		case err != nil:
			return nil, err
		case c.Lock == "":
			if !strings.HasSuffix(strings.TrimSpace(c.Description), "for "+in.Name+", managed by Pulumi") {
				return nil, theirs
			}
			return &c, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("VM %d is locked (%s); if no task of Proxmox VE works on it, take it away by: qm unlock %[1]d && qm destroy %[1]d", in.VMID, c.Lock)
		case <-time.After(lockPause):
		}
	}
}

// remove takes the own one away, if it is there. What is not ours is left alone.
func (in DiskTemplateArgs) remove(ctx context.Context) error {
	if own, err := in.own(ctx); err != nil || own == nil {
		return err
	}
	if err := in.api().Task(ctx, http.MethodDelete, in.at(in.VMID), nil); err != nil {
		return fmt.Errorf("cannot take %d away: %w", in.VMID, err)
	}
	return nil
}

// said is an error with what it is about, and what to do.
func (in DiskTemplateArgs) said(err error) error {
	if err == nil {
		return nil
	}
	where := in.api().Endpoint
	if where == "" {
		err = errors.New("its address is not known (" + proxmox.EndpointVariable + " is not set)")
	}
	return fmt.Errorf("%s: template: on the Proxmox node %s, by Proxmox VE's API at %s: %w; see proxmox.api, then run pulumi up again", in.Name, in.Node, where, err)
}

// Create makes it, or goes on where an earlier try ended.
func (DiskTemplate) Create(ctx context.Context, req infer.CreateRequest[DiskTemplateArgs]) (infer.CreateResponse[DiskTemplateState], error) {
	in := req.Inputs
	resp := infer.CreateResponse[DiskTemplateState]{ID: fmt.Sprintf("%s/%d", in.Node, in.VMID), Output: DiskTemplateState{DiskTemplateArgs: in}}
	if req.DryRun {
		return resp, nil
	}
	id, err := in.make(ctx)
	resp.Output.CloneID = id
	return resp, in.said(err)
}

// Update makes it anew where it is made from another one; its id stays.
func (DiskTemplate) Update(ctx context.Context, req infer.UpdateRequest[DiskTemplateArgs, DiskTemplateState]) (infer.UpdateResponse[DiskTemplateState], error) {
	in, was := req.Inputs, req.State.DiskTemplateArgs
	resp := infer.UpdateResponse[DiskTemplateState]{Output: DiskTemplateState{DiskTemplateArgs: in, CloneID: req.State.CloneID}}
	if req.DryRun || !in.another(was) {
		return resp, nil
	}
	was.API = in.API
	err := was.remove(ctx)
	if err == nil {
		resp.Output.CloneID, err = in.make(ctx)
	}
	return resp, in.said(err)
}

// changed are the inputs that are others than they were.
func (in DiskTemplateArgs) changed(was DiskTemplateArgs) map[string]p.PropertyDiff {
	out := map[string]p.PropertyDiff{}
	for name, differs := range map[string]bool{
		"node": in.Node != was.Node, "templateId": in.TemplateID != was.TemplateID, "vmId": in.VMID != was.VMID, "name": in.Name != was.Name,
		"datastore": in.Datastore != was.Datastore, "pool": in.Pool != was.Pool, "options": !maps.Equal(in.Options, was.Options), "api": !reflect.DeepEqual(in.API, was.API),
	} {
		if differs {
			out[name] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
		}
	}
	return out
}

// another says whether it is made from something else, or elsewhere: anything but how Proxmox VE is reached.
func (in DiskTemplateArgs) another(was DiskTemplateArgs) bool {
	was.API = in.API
	return len(in.changed(was)) > 0
}

// Diff never replaces it: that would have the engine look at what all VMs were cloned from.
func (DiskTemplate) Diff(_ context.Context, req infer.DiffRequest[DiskTemplateArgs, DiskTemplateState]) (infer.DiffResponse, error) {
	changed := req.Inputs.changed(req.State.DiskTemplateArgs)
	return infer.DiffResponse{HasChanges: len(changed) > 0, DetailedDiff: changed}, nil
}

// Read looks whether the template to clone is there, and as it should be. Where Proxmox VE cannot be reached the state stays as it was.
func (DiskTemplate) Read(ctx context.Context, req infer.ReadRequest[DiskTemplateArgs, DiskTemplateState]) (infer.ReadResponse[DiskTemplateArgs, DiskTemplateState], error) {
	resp, was := infer.ReadResponse[DiskTemplateArgs, DiskTemplateState](req), req.State
	ctx, cancel := context.WithTimeout(ctx, glanceDeadline)
	defer cancel()
	found, err := was.api().Find(ctx, was.CloneID)
	if err != nil {
		return resp, nil //nolint:nilerr // see above
	}
	if found == nil {
		resp.ID = ""
		return resp, nil
	}
	c, err := was.config(ctx, was.CloneID)
	if proxmox.Missing(err) || err == nil && (!was.has(c.Disk) || c.Template != 1) {
		resp.ID = ""
	}
	return resp, nil
}

// Delete takes the own one away.
func (DiskTemplate) Delete(ctx context.Context, req infer.DeleteRequest[DiskTemplateState]) (infer.DeleteResponse, error) {
	in := req.State.DiskTemplateArgs
	ctx, cancel := context.WithTimeout(ctx, cloneDeadline)
	defer cancel()
	err := in.said(in.remove(ctx))
	if err != nil { // what the program says by now of the API is not known here
		err = fmt.Errorf("%w. It was asked as the last update knew how; to give it another token, put diskOptions and proxmox.api back for one update", err)
	}
	return infer.DeleteResponse{}, err
}
