package topology_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// What an update would take from data disks is refused, and what it may do to them is not.
func TestDataDisksAreNotLost(t *testing.T) {
	t.Parallel()
	plan := func(generation, count int, disks ...topology.DataDisk) map[string]topology.Machine {
		s := reference()
		s.Workers["worker"] = topology.Pool{Group: topology.Group{Count: ptr(count), FirstAddress: "192.168.1.211", Generation: generation, DataDisks: disks}}
		return topology.NewPlan(topology.ApplyDefaults(s)).Machines()
	}
	data, kept, more := topology.DataDisk{Name: "data", Size: 10}, topology.DataDisk{Name: "data", Size: 10, Keep: true}, topology.DataDisk{Name: "more", Size: 5}
	bigger, smaller := data, data
	bigger.Size, smaller.Size = 20, 9
	const path, keep = "workers.worker.dataDisks: ", "would be destroyed, and its disk data is to be kept (keep: true), which Proxmox VE destroys with it; move the data away and take keep out in an update of its own first"
	for name, c := range map[string]struct {
		before, after map[string]topology.Machine
		want          []string
	}{
		"nothing":                     {plan(0, 1, data), plan(0, 1, data), nil},
		"the first":                   {plan(0, 1), plan(0, 1, data), nil},
		"one behind it":               {plan(0, 1, data), plan(0, 1, data, more), nil},
		"larger":                      {plan(0, 1, data), plan(0, 1, bigger), nil},
		"to be kept from now on":      {plan(0, 1, data), plan(0, 1, kept), nil},
		"made anew without it":        {plan(0, 1, data), plan(1, 1), nil},
		"a node less":                 {plan(0, 2, data), plan(0, 1, data), nil},
		"smaller":                     {plan(0, 1, data), plan(0, 1, smaller), []string{path + "the disk data of k3s-worker-01 has 10 GiB and cannot shrink to 9; give at least 10"}},
		"taken out":                   {plan(0, 1, data), plan(0, 1), []string{path + "the disk data of k3s-worker-01 would be destroyed; it goes with its VM alone: set it back, or give a higher generation, too"}},
		"one before it":               {plan(0, 1, data), plan(0, 1, more, data), []string{path + "the disk data of k3s-worker-01 would become more; disks keep their places in the list: put new ones behind those that there are"}},
		"made anew, to be kept":       {plan(0, 1, kept), plan(1, 1, kept), []string{path + "the VM of k3s-worker-01 " + keep}},
		"a node less, to be kept":     {plan(0, 2, kept), plan(0, 1, kept), []string{path + "the VM of k3s-worker-02 " + keep}},
		"kept no more, and made anew": {plan(0, 1, kept), plan(1, 1, data), []string{path + "the VM of k3s-worker-01 " + keep}},
	} {
		if got := lines(topology.CheckChange(c.before, c.after)); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}
