package topology_test

import (
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// What a slot says of its disk goes over what its group says, option by option; another option takes its turn, as whatever restarts a VM.
func TestDiskOptions(t *testing.T) {
	t.Parallel()
	on, off := true, false
	options := func(group, slot topology.DiskOptions) topology.Plan {
		s := reference()
		s.Servers.DiskOptions = group
		s.Servers.Nodes = map[string]topology.Override{"2": {Hardware: topology.Hardware{DiskOptions: slot}}}
		return topology.NewPlan(topology.ApplyDefaults(s))
	}
	plan := options(topology.DiskOptions{Discard: &on, Backup: &off}, topology.DiskOptions{Discard: &off, SSD: &on, IOThread: &on, Cache: "unsafe"})
	for i, want := range []string{"backup=0,discard=on", "backup=0,cache=unsafe,discard=ignore,iothread=1,ssd=1"} {
		n := plan.Servers()[i]
		if got := n.DiskOptions.String(); got != want {
			t.Errorf("%s: %s, want %s", n.Name, got, want)
		}
	}
	none := options(topology.DiskOptions{}, topology.DiskOptions{})
	for i, n := range none.Servers() {
		if none.Restarts(n) == plan.Restarts(plan.Servers()[i]) || n.DiskOptions.Given() {
			t.Errorf("%s: nothing restarts", n.Name)
		}
	}
	if len(plan.DiskTemplates()) != 2 || len(none.DiskTemplates()) != 0 {
		t.Errorf("templates: %v, %v", plan.DiskTemplates(), none.DiskTemplates())
	}
}

// A template's disk is made with what was asked for, and not with what it has anyway.
func TestSuffix(t *testing.T) {
	t.Parallel()
	on, off := true, false
	for want, o := range map[string]topology.DiskOptions{
		"": {Discard: &off, SSD: &off, IOThread: &off, Backup: &on}, ",backup=0": {Backup: &off}, ",cache=none": {Cache: "none"},
		",discard=on,ssd=1,iothread=1,cache=unsafe,backup=0": {Discard: &on, SSD: &on, IOThread: &on, Cache: "unsafe", Backup: &off},
	} {
		if got := o.Suffix(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
