package component

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"

	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
	"github.com/k3sha/pulumi-k3sha/provider/resources"
)

// turns keeps the machines of a group apart when they restart: at most one server, one load balancer and maxUnavailable workers of a pool are
// out of service at a time, whatever restarts them. Each takes its turn, and is prepared, right before its VM or its k3s is updated, and gives
// the turn back when it serves again: hooks of the engine, which belong to the operation on one resource. So there are no edges between
// machines, at creation everything boots side by side, and with --parallel 1 nobody waits for one that cannot run.
type turns struct {
	name    string // of the component
	plan    topology.Plan
	nodes   map[string]topology.Node
	groups  map[string]*quorum // by the name of the node
	context context.Context
	reach   func() (machines, error)
	tell    func(string) // in the component's row
	// together: nobody is asked, and nobody waits.
	together bool
	wait     time.Duration // how long the load balancer with the VIP lets others of its group go first: then the VIP moves once

	mu   sync.Mutex
	away map[string]resources.Absence // by the name of the node
}

// quorum is a group of machines of which only so many may be away.
type quorum struct {
	nodes  []topology.Node
	turns  chan struct{}
	broken chan struct{} // closed when one has not come back
	why    error
	once   sync.Once
}

// turnWait is how long a machine may wait for the others of its group.
const turnWait = 6 * time.Hour

// patience is how long the load balancer with the VIP waits for others.
const patience = 4 * time.Second

// machines are what is asked of nodes and cluster.
type machines interface {
	Holds(ctx context.Context, lb topology.Node) bool
	Pause(ctx context.Context, n topology.Node, drain bool) (resources.Absence, error)
	Resume(ctx context.Context, absence resources.Absence, failed bool) error
}

func newTurns(ctx context.Context, name string, plan topology.Plan, reach func() (machines, error), tell func(string)) *turns {
	t := &turns{
		name: name, plan: plan, context: ctx, reach: reach, tell: tell, wait: patience,
		nodes: map[string]topology.Node{}, groups: map[string]*quorum{},
		away: map[string]resources.Absence{}, together: plan.Spec.Proxmox.RestartTogether,
	}
	byName := map[string]*quorum{}
	for _, n := range plan.Nodes {
		g := byName[n.Path]
		if g == nil {
			g = &quorum{turns: make(chan struct{}, plan.Spec.MaxUnavailable(n)), broken: make(chan struct{})}
			byName[n.Path] = g
		}
		g.nodes = append(g.nodes, n)
		t.nodes[n.Name], t.groups[n.Name] = n, g
	}
	return t
}

// newTurns is the option that has a VM or a command of a node take turns.
func (b *bootstrap) newTurns() (pulumi.ResourceOption, error) {
	ctx, text := b.ctx, b.accessText
	t := newTurns(ctx.Context(), b.name, b.plan, func() (machines, error) {
		got, err := internals.UnsafeAwaitOutput(ctx.Context(), text)
		if err != nil {
			return nil, err
		}
		access, _ := got.Value.(string)
		return resources.ParseAccess(access)
	}, func(text string) { _ = ctx.Log.Warn(text, &pulumi.LogArgs{Resource: b.cluster}) })
	before, err := ctx.RegisterResourceHook(t.name+"-turn", t.before, nil)
	if err != nil {
		return nil, err
	}
	after, err := ctx.RegisterResourceHook(t.name+"-back", t.after, nil)
	if err != nil {
		return nil, err
	}
	failed, err := ctx.RegisterErrorHook(t.name+"-failed", t.failed)
	if err != nil {
		return nil, err
	}
	return pulumi.ResourceHooks(&pulumi.ResourceHookBinding{
		BeforeUpdate: []*pulumi.ResourceHook{before}, AfterUpdate: []*pulumi.ResourceHook{after}, OnError: []*pulumi.ErrorHook{failed},
	}), nil
}

// node is the node of a resource of the component.
func (t *turns) node(resourceName string) (topology.Node, topology.Verb) {
	for _, verb := range []topology.Verb{topology.VM, topology.Converge} {
		if name, found := strings.CutPrefix(resourceName, t.name+"-"+string(verb)+"-"); found {
			return t.nodes[name], verb
		}
	}
	return topology.Node{}, ""
}

// before takes the node's turn and prepares it, if the update restarts something on it.
func (t *turns) before(args *pulumi.ResourceHookArgs) error {
	n, verb := t.node(args.Name)
	var drain bool
	switch {
	case n.Name == "":
		return nil
	case verb == topology.VM:
		if err := ours(n, args.OldOutputs); err != nil {
			return err
		}
		if !restartsVM(args.OldInputs, args.NewInputs) {
			return nil
		}
		drain = true
	default:
		old, now := launch(args.OldInputs), launch(args.NewInputs)
		if n.Role == topology.LoadBalancer || !now.After(old) {
			return nil
		}
		drain = t.plan.Spec.K3s.DrainsBetween(old.Version, now.Version)
	}
	if t.together {
		return nil
	}
	access, err := t.reach()
	if err != nil {
		return err
	}
	if n.Role == topology.LoadBalancer && len(t.groups[n.Name].nodes) > 1 && access.Holds(t.context, n) {
		t.sleep(t.wait)
	}
	if err := t.take(n); err != nil {
		return err
	}
	absence, err := access.Pause(t.context, n, drain)
	if err != nil {
		<-t.groups[n.Name].turns
		return err
	}
	absence.Proven = verb == topology.Converge
	t.mu.Lock()
	defer t.mu.Unlock()
	t.away[n.Name] = absence
	return nil
}

// after waits until the node is back, and gives its turn to the next one. With an error the update itself counts as done: the next one of
// the group is not restarted then, and the end of the update looks at the node again.
func (t *turns) after(args *pulumi.ResourceHookArgs) error { return t.back(args.Name, false) }

// failed does the same after a failed update: the node may be as it was.
func (t *turns) failed(args *pulumi.ErrorHookArgs) (bool, error) {
	_ = t.back(args.Name, true) // the failure itself is what is told
	if n, verb := t.node(args.Name); verb == topology.VM && n.Name != "" && args.FailedOperation == "update" {
		t.tell(n.Name + ": its VM was not changed as it should be (Proxmox VE's reason is with " + args.Name +
			"), but the plugin of Proxmox VE takes it for changed: mend that, then run pulumi up --refresh")
	}
	return false, nil
}

func (t *turns) back(resourceName string, failed bool) error {
	n, _ := t.node(resourceName)
	t.mu.Lock()
	absence, isAway := t.away[n.Name]
	delete(t.away, n.Name)
	t.mu.Unlock()
	if !isAway {
		return nil
	}
	g := t.groups[n.Name]
	if failed && n.Role == topology.Worker && absence.Dead {
		<-g.turns // one dead worker must not stop everybody else
		return nil
	}
	access, err := t.reach()
	if err == nil {
		err = access.Resume(t.context, absence, failed)
	}
	if err != nil {
		g.once.Do(func() { g.why = err; close(g.broken) })
		return err
	}
	<-g.turns
	return nil
}

// take waits until one more of the node's group may be away.
func (t *turns) take(n topology.Node) error {
	g := t.groups[n.Name]
	select {
	case <-g.broken:
	case g.turns <- struct{}{}:
		select {
		case <-g.broken:
		default:
			return nil
		}
	case <-t.context.Done():
		return fmt.Errorf("%s: restart: stopped while it waited for its turn", n.Name)
	case <-time.After(turnWait):
		return fmt.Errorf("%s: restart: the others of its group have not come back for %s; run pulumi up again", n.Name, turnWait)
	}
	return fmt.Errorf("%s: restart: not done, for another one of its group is not back: %w", n.Name, g.why)
}

func (t *turns) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.context.Done():
	}
}

// ours refuses to change a VM that is not the one that was made here, as a refresh has found it: of somebody who has taken the id of one that
// was lost. It has another name and another network card. (Its SMBIOS serial number would say it by itself, but of a clone the plugin reads none.)
func ours(n topology.Node, found resource.PropertyMap) error {
	name := found["name"]
	if !name.IsString() || name.StringValue() == n.Name || slices.Contains(cards(found), strings.ToUpper(n.MAC)) {
		return nil
	}
	return fmt.Errorf("%s: vm: VM %d in Proxmox VE, %q, is not the one that was made here (its network card is another one, too): it has taken the id, and is left as it is. "+
		"If it is somebody else's, give it another id (by a backup that is restored) or take it away, then run pulumi up --refresh: %s is made anew", n.Name, n.VMID, name.StringValue(), n.Name)
}

// cards are the MAC addresses of a VM.
func cards(found resource.PropertyMap) []string {
	var out []string
	if devices := found["networkDevices"]; devices.IsArray() {
		for _, device := range devices.ArrayValue() {
			if device.IsObject() && device.ObjectValue()["macAddress"].IsString() {
				out = append(out, strings.ToUpper(device.ObjectValue()["macAddress"].StringValue()))
			}
		}
	}
	return out
}

// quiet are the inputs of a VM whose change restarts nothing.
var quiet = []string{"description", "name", "onBoot", "poolId", "protection", "smbios", "startup", "stopOnDestroy", "tags"}

// restartsVM says whether an update of a VM may restart it: whatever is not known to be harmless may.
func restartsVM(old, now resource.PropertyMap) bool {
	keys := maps.Clone(old)
	maps.Copy(keys, now)
	for key := range keys {
		if slices.Contains(quiet, string(key)) || strings.HasPrefix(string(key), "timeout") || strings.HasPrefix(string(key), "__") {
			continue
		}
		if !old[key].DeepEquals(now[key]) {
			return true
		}
	}
	return false
}

// launch is what the step of these inputs starts k3s with.
func launch(inputs resource.PropertyMap) render.Launch {
	stdin := inputs["stdin"]
	if stdin.IsSecret() {
		stdin = stdin.SecretValue().Element
	}
	if stdin.IsOutput() {
		stdin = stdin.OutputValue().Element
	}
	if !stdin.IsString() {
		return render.Launch{}
	}
	return render.LaunchOf(stdin.StringValue())
}
