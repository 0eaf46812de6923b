package resources

import (
	"fmt"
	"testing"

	"github.com/pulumi/pulumi-go-provider/infer"
)

func TestDiskTemplateKnowsOptions(t *testing.T) {
	t.Parallel()
	const disk = "local-lvm:base-9000-disk-0,backup=no,discard=on,iothread=1,size=3584M"
	for _, c := range []struct {
		options map[string]string
		has     bool
		with    string
	}{
		{map[string]string{"discard": "on"}, true, "local-lvm:base-9000-disk-0,backup=no,iothread=1,size=3584M,discard=on"},
		{map[string]string{"discard": "on", "iothread": "1", "ssd": "0", "cache": "none", "backup": "0"}, true, "local-lvm:base-9000-disk-0,size=3584M,backup=0,cache=none,discard=on,iothread=1,ssd=0"},
		{map[string]string{"discard": "ignore"}, false, "local-lvm:base-9000-disk-0,backup=no,iothread=1,size=3584M,discard=ignore"},
		{map[string]string{"ssd": "1"}, false, "local-lvm:base-9000-disk-0,backup=no,discard=on,iothread=1,size=3584M,ssd=1"},
		{map[string]string{"backup": "1"}, false, "local-lvm:base-9000-disk-0,discard=on,iothread=1,size=3584M,backup=1"},
	} {
		in := DiskTemplateArgs{Options: c.options}
		if in.has(disk) != c.has || in.with(disk) != c.with {
			t.Errorf("%v: has %t, with %s", c.options, in.has(disk), in.with(disk))
		}
		if !in.has(in.with(disk)) {
			t.Errorf("%v is not had by %s", c.options, in.with(disk))
		}
	}
}

// Nothing of it is replaced: the engine would look at what all VMs were cloned from.
func TestDiskTemplateIsNeverReplaced(t *testing.T) {
	t.Parallel()
	was := DiskTemplateArgs{Node: "pve1", TemplateID: 9000, VMID: 100_001, Name: "k3s-template-a", Datastore: "local-lvm", Options: map[string]string{"ssd": "1"}, API: ProxmoxAPI{APIToken: "a"}}
	for name, change := range map[string]func(*DiskTemplateArgs){
		"node": func(a *DiskTemplateArgs) { a.Node = "pve2" }, "templateId": func(a *DiskTemplateArgs) { a.TemplateID = 9001 }, "vmId": func(a *DiskTemplateArgs) { a.VMID++ },
		"name": func(a *DiskTemplateArgs) { a.Name = "b" }, "datastore": func(a *DiskTemplateArgs) { a.Datastore = "ceph" }, "pool": func(a *DiskTemplateArgs) { a.Pool = "k3s" },
		"options": func(a *DiskTemplateArgs) { a.Options = nil }, "api": func(a *DiskTemplateArgs) { a.API.APIToken = "b" },
	} {
		in := was
		change(&in)
		diff, err := DiskTemplate{}.Diff(t.Context(), infer.DiffRequest[DiskTemplateArgs, DiskTemplateState]{Inputs: in, State: DiskTemplateState{DiskTemplateArgs: was}})
		if got := fmt.Sprint(diff.DetailedDiff); err != nil || got != fmt.Sprintf("map[%s:{update true}]", name) || diff.DeleteBeforeReplace {
			t.Errorf("%s: %s %v", name, got, err)
		}
		if in.another(was) != (name != "api") {
			t.Errorf("%s: made anew: %t", name, in.another(was))
		}
	}
}
