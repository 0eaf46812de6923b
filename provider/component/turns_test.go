package component

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
	"github.com/k3sha/pulumi-k3sha/provider/resources"
)

// site is what nodes and cluster would answer, and what they were asked.
type site struct {
	mu     sync.Mutex
	log    []string
	refuse map[string]error // by node: why it cannot go
	lost   error            // why the next one does not come back
	dead   string           // the node that was lost before
	holder string
	proven bool // of the last that came back
}

func (s *site) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, text)
}

func (s *site) did() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

func (s *site) Holds(_ context.Context, lb topology.Node) bool { return lb.Name == s.holder }

func (s *site) Pause(_ context.Context, n topology.Node, drain bool) (resources.Absence, error) {
	s.note("pause " + n.Name + map[bool]string{true: ", drained"}[drain])
	return resources.Absence{Dead: n.Name == s.dead}, s.refuse[n.Name]
}

func (s *site) Resume(_ context.Context, absence resources.Absence, failed bool) error {
	s.proven = absence.Proven
	s.note("resume" + map[bool]string{true: " after a failure"}[failed])
	return s.lost
}

func turnsOf(t *testing.T, s *site, change func(*topology.Spec)) *turns {
	t.Helper()
	count := 4
	spec := topology.Spec{
		ClusterName: "k3s", Proxmox: topology.Proxmox{Given: true, Nodes: []string{"pve1"}}, K3s: topology.K3s{Version: "v1.31.6+k3s1"},
		Workers: map[string]topology.Pool{"worker": {Group: topology.Group{Count: &count}}},
	}
	if change != nil {
		change(&spec)
	}
	turns := newTurns(t.Context(), "prod", topology.NewPlan(topology.ApplyDefaults(spec)), func() (machines, error) { return s, nil }, func(text string) { s.note("tell " + text[:13]) })
	turns.wait = 500 * time.Millisecond
	return turns
}

func memory(mib float64) resource.PropertyMap {
	return resource.PropertyMap{"memory": resource.NewObjectProperty(resource.PropertyMap{"dedicated": resource.NewNumberProperty(mib)}), "tags": resource.NewStringProperty("a")}
}

func (t *turns) begin(name string) error {
	return t.before(&pulumi.ResourceHookArgs{Name: name, OldInputs: memory(1), NewInputs: memory(2)})
}

// shown is a VM as Proxmox VE shows it.
func shown(name, mac string) resource.PropertyMap {
	card := resource.NewObjectProperty(resource.PropertyMap{"macAddress": resource.NewStringProperty(mac)})
	return resource.PropertyMap{"name": resource.NewStringProperty(name), "networkDevices": resource.NewArrayProperty([]resource.PropertyValue{card})}
}

func (t *turns) end(name string) error { return t.after(&pulumi.ResourceHookArgs{Name: name}) }

// soon says whether something happens, if it is given time.
func soon(what <-chan error) (error, bool) {
	select {
	case err := <-what:
		return err, true
	case <-time.After(10 * time.Second):
		return nil, false
	}
}

// waits says whether something has not happened after a moment.
func waits(what <-chan error) bool {
	select {
	case <-what:
		return false
	case <-time.After(150 * time.Millisecond):
		return true
	}
}

func running(f func() error) <-chan error {
	out := make(chan error, 1)
	go func() { out <- f() }()
	return out
}

// At most one server, one load balancer and maxUnavailable workers of a pool are away at a time; groups do not wait for each other.
func TestTurns(t *testing.T) {
	t.Parallel()
	s := &site{}
	turns := turnsOf(t, s, func(spec *topology.Spec) {
		pool := spec.Workers["worker"]
		pool.MaxUnavailable = 2
		spec.Workers["worker"] = pool
	})
	for _, name := range []string{"prod-vm-k3s-server-01", "prod-vm-k3s-lb-01", "prod-vm-k3s-worker-01", "prod-vm-k3s-worker-02"} {
		if err, now := soon(running(func() error { return turns.begin(name) })); err != nil || !now {
			t.Fatalf("%s does not get its turn: %v", name, err)
		}
	}
	waiting := map[string]<-chan error{}
	for _, name := range []string{"prod-converge-k3s-server-02", "prod-vm-k3s-lb-02", "prod-vm-k3s-worker-03"} {
		if name == "prod-converge-k3s-server-02" {
			waiting[name] = running(func() error {
				return turns.before(&pulumi.ResourceHookArgs{Name: name, OldInputs: stdin("v1.31.6+k3s1", ""), NewInputs: stdin("v1.32.0+k3s1", "")})
			})
		} else {
			waiting[name] = running(func() error { return turns.begin(name) })
		}
		if !waits(waiting[name]) {
			t.Fatalf("%s does not wait", name)
		}
	}
	for first, next := range map[string]string{"prod-vm-k3s-server-01": "prod-converge-k3s-server-02", "prod-vm-k3s-lb-01": "prod-vm-k3s-lb-02", "prod-vm-k3s-worker-02": "prod-vm-k3s-worker-03"} {
		if err := turns.end(first); err != nil {
			t.Error(err)
		}
		if err, now := soon(waiting[next]); err != nil || !now {
			t.Errorf("%s does not get its turn after %s: %v", next, first, err)
		}
	}
	if err := turns.end("prod-vm-k3s-server-01"); err != nil || len(turns.groups["k3s-server-01"].turns) != 1 {
		t.Error("a turn is given back twice")
	}
}

// What restarts nothing takes no turn and asks nobody.
func TestNothingRestarts(t *testing.T) {
	t.Parallel()
	s := &site{}
	turns := turnsOf(t, s, nil)
	tagged := memory(1)
	tagged["tags"], tagged["timeoutClone"] = resource.NewStringProperty("b"), resource.NewNumberProperty(5)
	for name, args := range map[string]*pulumi.ResourceHookArgs{
		"other tags":        {Name: "prod-vm-k3s-server-01", OldInputs: memory(1), NewInputs: tagged},
		"the same release":  {Name: "prod-converge-k3s-server-01", OldInputs: stdin("v1.31.6+k3s1", "a: b"), NewInputs: stdin("v1.31.6+k3s1", "a: b")},
		"a load balancer's": {Name: "prod-converge-k3s-lb-01", OldInputs: memory(1), NewInputs: memory(2)},
		"another resource":  {Name: "prod-prepare-k3s-server-01", OldInputs: memory(1), NewInputs: memory(2)},
	} {
		if err := turns.before(args); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := turns.end(args.Name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := s.did(); len(got) > 0 {
		t.Errorf("did %v", got)
	}
}

// A VM that has taken the id of one that was lost is left as it is, whatever would be changed, and whether VMs take turns or not. One that was
// given another name, or another card, by hand is still the cluster's.
func TestForeignVM(t *testing.T) {
	t.Parallel()
	for _, together := range []bool{false, true} {
		turns := turnsOf(t, &site{}, func(spec *topology.Spec) { spec.Proxmox.RestartTogether = together })
		n := turns.nodes["k3s-server-01"]
		want := "k3s-server-01: vm: VM " + fmt.Sprint(n.VMID) + ` in Proxmox VE, "db", is not the one that was made here (its network card is another one, too): it has taken the id, and is left as it is. ` +
			`If it is somebody else's, give it another id (by a backup that is restored) or take it away, then run pulumi up --refresh: k3s-server-01 is made anew`
		for name, c := range map[string]struct {
			vm   resource.PropertyMap
			want string
		}{
			"another card":  {shown("db", "BC:24:11:00:00:01"), want},
			"no card":       {resource.PropertyMap{"name": resource.NewStringProperty("db")}, want},
			"renamed":       {shown("db", strings.ToLower(n.MAC)), ""},
			"a card anew":   {shown("k3s-server-01", "BC:24:11:00:00:01"), ""},
			"nothing known": {resource.PropertyMap{}, ""},
		} {
			err := turns.before(&pulumi.ResourceHookArgs{Name: "prod-vm-k3s-server-01", OldInputs: memory(1), NewInputs: memory(1), OldOutputs: c.vm})
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("%s: got  %q\nwant %q", name, got, c.want)
			}
		}
	}
}

// Where VMs restart together nobody is asked.
func TestTogether(t *testing.T) {
	t.Parallel()
	s := &site{}
	turns := turnsOf(t, s, func(spec *topology.Spec) { spec.Proxmox.RestartTogether = true })
	for _, name := range []string{"prod-vm-k3s-server-01", "prod-vm-k3s-server-02"} {
		if err := turns.begin(name); err != nil {
			t.Error(err)
		}
		if err := turns.end(name); err != nil {
			t.Error(err)
		}
	}
	if got := s.did(); len(got) > 0 {
		t.Errorf("did %v", got)
	}
}

// stdin is what a server's step sends.
func stdin(version, extra string) resource.PropertyMap {
	return sent(topology.K3s{Version: version, ServerConfig: map[string]any{"kubelet-arg": []any{"it's=" + extra}}}, topology.Servers{}, 0)
}

// marked is that of a server with a label and a taint.
func marked(value string) resource.PropertyMap {
	return sent(topology.K3s{Version: "v1.31.6+k3s1"}, topology.Servers{Labels: map[string]string{"a": value}, Taints: []string{"a=" + value + ":NoSchedule"}}, 0)
}

// counted is that of a server whose configuration has changed so often.
func counted(changes int) resource.PropertyMap {
	return sent(topology.K3s{Version: "v1.31.6+k3s1"}, topology.Servers{}, changes)
}

func sent(k3s topology.K3s, servers topology.Servers, changes int) resource.PropertyMap {
	count := 1
	servers.Count = &count
	spec := topology.ApplyDefaults(topology.Spec{ClusterName: "k3s", Proxmox: topology.Proxmox{Given: true, Nodes: []string{"pve1"}}, K3s: k3s, Servers: servers})
	plan := topology.NewPlan(spec)
	for _, step := range plan.Steps {
		if step.Name() == "converge-k3s-server-01" {
			text := render.Step(plan, step, render.Secrets{Token: "t", CA: "c", Change: changes})
			return resource.PropertyMap{"stdin": resource.MakeSecret(resource.NewStringProperty(text))}
		}
	}
	panic("no such step")
}

// k3s restarts with another release or configuration; the release alone decides about a drain.
func TestRestartsOfK3s(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		drain    topology.Drain
		from, to resource.PropertyMap
		want     []string
	}{
		"a patch":                 {"minor", stdin("v1.31.6+k3s1", "a"), stdin("v1.31.7+k3s1", "a"), []string{"pause k3s-server-01"}},
		"a minor version":         {"minor", stdin("v1.31.6+k3s1", "a"), stdin("v1.32.6+k3s1", "a"), []string{"pause k3s-server-01, drained"}},
		"a configuration":         {"minor", stdin("v1.31.6+k3s1", "a"), stdin("v1.31.6+k3s1", "b"), []string{"pause k3s-server-01"}},
		"a configuration, always": {"always", stdin("v1.31.6+k3s1", "a"), stdin("v1.31.6+k3s1", "b"), []string{"pause k3s-server-01, drained"}},
		"a minor version, never":  {"never", stdin("v1.31.6+k3s1", "a"), stdin("v1.32.6+k3s1", "a"), []string{"pause k3s-server-01"}},
		"labels and taints":       {"always", marked("b"), marked("c"), nil},
		"taken back":              {"minor", counted(1), counted(2), []string{"pause k3s-server-01"}},
		"nothing, always":         {"always", stdin("v1.31.6+k3s1", "a"), stdin("v1.31.6+k3s1", "a"), nil},
	} {
		s := &site{}
		turns := turnsOf(t, s, func(spec *topology.Spec) { spec.K3s.Drain = c.drain })
		if err := turns.before(&pulumi.ResourceHookArgs{Name: "prod-converge-k3s-server-01", OldInputs: c.from, NewInputs: c.to}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := s.did(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// A step that restarts k3s waits itself until the new process has shown life; after a restart of a VM somebody has to.
func TestWhoWaitsForASignOfLife(t *testing.T) {
	t.Parallel()
	s := &site{}
	turns := turnsOf(t, s, nil)
	if err := turns.begin("prod-vm-k3s-server-01"); err != nil {
		t.Fatal(err)
	}
	if err := turns.end("prod-vm-k3s-server-01"); err != nil || s.proven {
		t.Errorf("a restart of a VM: proven %t (%v)", s.proven, err)
	}
	if err := turns.before(&pulumi.ResourceHookArgs{Name: "prod-converge-k3s-server-01", OldInputs: stdin("v1.31.6+k3s1", "a"), NewInputs: stdin("v1.31.6+k3s1", "b")}); err != nil {
		t.Fatal(err)
	}
	if err := turns.end("prod-converge-k3s-server-01"); err != nil || !s.proven {
		t.Errorf("a restart of k3s: proven %t (%v)", s.proven, err)
	}
}

// One that cannot go gives its turn back; one that has not come back stops the others of its group, also those that wait already.
func TestTurnsThatFail(t *testing.T) {
	t.Parallel()
	s := &site{refuse: map[string]error{"k3s-server-01": errors.New("a budget")}}
	turns := turnsOf(t, s, nil)
	if err := turns.begin("prod-vm-k3s-server-01"); err == nil || err.Error() != "a budget" {
		t.Errorf("%v", err)
	}
	if err, now := soon(running(func() error { return turns.begin("prod-vm-k3s-server-02") })); err != nil || !now {
		t.Fatalf("the turn was not given back: %v", err)
	}
	third := running(func() error { return turns.begin("prod-vm-k3s-server-03") })
	if !waits(third) {
		t.Fatal("two are away")
	}
	s.lost = errors.New("it does not boot")
	if err := turns.end("prod-vm-k3s-server-02"); err == nil {
		t.Error("that it is not back is not told")
	}
	const want = "k3s-server-03: restart: not done, for another one of its group is not back: it does not boot"
	if err, now := soon(third); !now || err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := turns.begin("prod-vm-k3s-server-03"); err == nil || err.Error() != want {
		t.Errorf("a later one: %v", err)
	}
	s.lost = nil
	if err := turns.begin("prod-vm-k3s-worker-01"); err != nil {
		t.Errorf("another group: %v", err)
	}
	// A failed update of a node that is well gives its turn back, and is not tried again.
	if retry, err := turns.failed(&pulumi.ErrorHookArgs{Name: "prod-vm-k3s-worker-01", FailedOperation: "update"}); retry || err != nil || !slices.Equal(s.did()[len(s.did())-2:], []string{"resume after a failure", "tell k3s-worker-01"}) {
		t.Errorf("%t %v, did %v", retry, err, s.did())
	}
	// One that could not be made is known to nobody.
	said := len(s.did())
	if _, err := turns.failed(&pulumi.ErrorHookArgs{Name: "prod-vm-k3s-worker-01", FailedOperation: "create"}); err != nil || len(s.did()) != said {
		t.Errorf("%v, did %v", err, s.did())
	}
	if err, now := soon(running(func() error { return turns.begin("prod-vm-k3s-worker-02") })); err != nil || !now {
		t.Errorf("after a failed update: %v", err)
	}
}

// The load balancer with the VIP goes last: the VIP moves once.
func TestTheHolderGoesLast(t *testing.T) {
	t.Parallel()
	s := &site{holder: "k3s-lb-01"}
	turns := turnsOf(t, s, nil)
	first := running(func() error { return turns.begin("prod-vm-k3s-lb-01") })
	time.Sleep(20 * time.Millisecond)
	if err := turns.begin("prod-vm-k3s-lb-02"); err != nil {
		t.Fatal(err)
	}
	if !waits(first) {
		t.Fatal("two are away")
	}
	if err := turns.end("prod-vm-k3s-lb-02"); err != nil {
		t.Fatal(err)
	}
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if want := []string{"pause k3s-lb-02, drained", "resume", "pause k3s-lb-01, drained"}; !slices.Equal(s.did(), want) {
		t.Errorf("did %v", s.did())
	}
}

// A worker that was dead before does not stop the others of its pool when its update fails, as it must; a server does.
func TestTurnOfADeadNode(t *testing.T) {
	t.Parallel()
	for node, stops := range map[string]bool{"k3s-worker-01": false, "k3s-server-01": true} {
		s := &site{dead: node, lost: errors.New("not Ready")}
		turns := turnsOf(t, s, nil)
		if err := turns.begin("prod-vm-" + node); err != nil {
			t.Fatal(err)
		}
		if _, err := turns.failed(&pulumi.ErrorHookArgs{Name: "prod-vm-" + node}); err != nil {
			t.Fatal(err)
		}
		other := strings.Replace(node, "-01", "-02", 1)
		err, ended := soon(running(func() error { return turns.begin("prod-vm-" + other) }))
		if !ended || (err != nil) != stops {
			t.Errorf("after %s: %v", node, err)
		}
	}
}
