package topology_test

import (
	"reflect"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// What a slot says comes before what its group says, that before proxmox, that before the defaults; tags are all of theirs.
func TestHardware(t *testing.T) {
	t.Parallel()
	on, off := true, false
	s := reference()
	s.Proxmox.TemplateID, s.Proxmox.Tags, s.Proxmox.Bridge = 9000, []string{"all"}, "vmbr3"
	s.Workers["worker"] = topology.Pool{Group: topology.Group{
		Count: ptr(3), FirstAddress: "192.168.1.211",
		Hardware: topology.Hardware{
			CPUType: "host", Balloon: 1024, OnBoot: &off, Protection: &on, Startup: &topology.Startup{Order: 7, UpDelay: 5}, TemplateID: 9100, Template: true,
			Datastore: "ceph", VLAN: 20, Firewall: &on, Tags: []string{"gpu"},
		},
		Nodes: map[string]topology.Override{
			"2": {Hardware: topology.Hardware{CPUType: "custom-x", OnBoot: &on, Protection: &off, Startup: &topology.Startup{DownDelay: 9}, Bridge: "vmbr9", Firewall: &off, Tags: []string{"A100"}}},
			"3": {Hardware: topology.Hardware{Template: true}}, // an output that is not known yet
		},
	}}
	s.Servers.Startup = &topology.Startup{}
	own := topology.Hardware{
		CPUType: "host", Agent: &off, Balloon: 1024, OnBoot: &off, Protection: &on, Startup: &topology.Startup{Order: 7, UpDelay: 5}, TemplateID: 9100, Template: true,
		Datastore: "ceph", Bridge: "vmbr3", VLAN: 20, Firewall: &on, Tags: []string{"all", "gpu"},
	}
	slot := own
	slot.CPUType, slot.OnBoot, slot.Protection, slot.Bridge, slot.Firewall, slot.Tags = "custom-x", &on, &off, "vmbr9", &off, []string{"all", "gpu", "A100"}
	slot.Startup = &topology.Startup{Order: 7, UpDelay: 5, DownDelay: 9}
	unknown := own
	unknown.TemplateID = 0
	rest := func(startup *topology.Startup) topology.Hardware {
		return topology.Hardware{
			CPUType: "x86-64-v2-AES", Agent: &off, OnBoot: &on, Protection: &off, Startup: startup, TemplateID: 9000,
			Datastore: "local-lvm", Bridge: "vmbr3", Firewall: &off, Tags: []string{"all"},
		}
	}
	want := map[string]topology.Hardware{"k3s-worker-01": own, "k3s-worker-02": slot, "k3s-worker-03": unknown, "k3s-lb-01": rest(nil), "k3s-server-03": rest(&topology.Startup{Order: 2})}
	for _, n := range topology.ApplyDefaults(s).Nodes() {
		if w, looked := want[n.Name]; looked && !reflect.DeepEqual(n.Hardware, w) {
			t.Errorf("%s: %+v, want %+v", n.Name, n.Hardware, w)
		}
		delete(want, n.Name)
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
}
