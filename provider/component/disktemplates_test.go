package component_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/component"
)

// Options of a first disk: VMs are cloned from a template that has them, one for each template, datastore and set of options; what is said of
// them is looked at from then on, and nothing else of the disk is.
func TestDiskOptions(t *testing.T) {
	t.Parallel()
	private, _ := newKey(t)
	args := reference(private)
	args.Proxmox.API = &component.ProxmoxAPIArgs{Endpoint: ptr("https://pve.example.org:8006"), APIToken: pulumi.String("root@pam!k3s=SECRET")}
	args.Servers.DiskOptions = &component.DiskOptionsArgs{Discard: ptr(true), SSD: ptr(true)}
	args.Servers.Nodes = map[string]component.NodeArgs{
		"2": {DiskOptions: &component.DiskOptionsArgs{Cache: ptr("writeback"), SSD: ptr(false)}},
		"3": {TemplateID: pulumi.Int(9100)},
	}
	all, _, err := construct(t, args)
	if err != nil {
		t.Fatal(err)
	}
	templates := map[string]recorded{}
	for name, r := range all {
		if strings.HasSuffix(r.token, ":DiskTemplate") {
			templates[name] = r
		}
	}
	if len(templates) != 3 {
		t.Fatalf("templates: %v", templates)
	}
	for node, want := range map[string]struct {
		template int
		options  resource.PropertyMap
		looked   []string
	}{
		"prod-vm-k3s-server-01": {9000, resource.NewPropertyMapFromMap(map[string]any{"discard": "on", "ssd": "1"}), []string{"discard", "ssd"}},
		"prod-vm-k3s-server-02": {9000, resource.NewPropertyMapFromMap(map[string]any{"discard": "on", "ssd": "0", "cache": "writeback"}), []string{"cache", "discard", "ssd"}},
		"prod-vm-k3s-server-03": {9100, resource.NewPropertyMapFromMap(map[string]any{"discard": "on", "ssd": "1"}), []string{"discard", "ssd"}},
		"prod-vm-k3s-lb-01":     {9000, nil, nil},
	} {
		vm := all[node]
		cloned := vm.inputs["clone"].ObjectValue()["vmId"].NumberValue()
		if want.options == nil {
			if cloned != float64(want.template) {
				t.Errorf("%s is a clone of %v", node, cloned)
			}
		} else {
			found := false
			for _, r := range templates {
				if r.inputs["vmId"].NumberValue() == cloned {
					found = r.inputs["templateId"].NumberValue() == float64(want.template) && r.inputs["options"].ObjectValue().DeepEquals(want.options) &&
						r.inputs["api"].ObjectValue()["apiToken"].IsSecret()
				}
			}
			if !found {
				t.Errorf("%s is a clone of %v", node, cloned)
			}
		}
		ignored := vm.rpc.RegisterRPC.GetIgnoreChanges()
		for _, name := range []string{"aio", "backup", "cache", "discard", "iothread", "replicate", "speed", "ssd"} {
			if slices.Contains(ignored, "disks[0]."+name) == slices.Contains(want.looked, name) {
				t.Errorf("%s ignores %v", node, ignored)
			}
		}
		disk := vm.inputs["disks"].ArrayValue()[0].ObjectValue()
		for name, value := range map[string]any{"discard": "on", "ssd": want.options["ssd"] == resource.NewStringProperty("1"), "cache": "writeback"} {
			if got := disk[resource.PropertyKey(name)]; slices.Contains(want.looked, name) && got != resource.NewPropertyValue(value) || !slices.Contains(want.looked, name) && !got.IsNull() {
				t.Errorf("%s: %s is %v", node, name, got)
			}
		}
	}
}
