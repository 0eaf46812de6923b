package topology

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const (
	maxOrder      = 999_999
	maxStartDelay = 3600 // s
)

// CPUTypes are Proxmox VE's own, as the plugin takes them. A model that an administrator has made is called custom-<name>.
var CPUTypes = strings.Fields(`host max x86-64-v2 x86-64-v2-AES x86-64-v3 x86-64-v4 kvm32 kvm64 qemu32 qemu64
486 athlon pentium pentium2 pentium3 coreduo core2duo phenom Opteron_G1 Opteron_G2 Opteron_G3 Opteron_G4 Opteron_G5
EPYC EPYC-IBPB EPYC-Milan EPYC-Rome EPYC-Rome-v2 EPYC-v3 EPYC-v4 Conroe Penryn Nehalem Nehalem-IBRS Westmere Westmere-IBRS KnightsMill
SandyBridge SandyBridge-IBRS IvyBridge IvyBridge-IBRS Haswell Haswell-IBRS Haswell-noTSX Haswell-noTSX-IBRS
Broadwell Broadwell-IBRS Broadwell-noTSX Broadwell-noTSX-IBRS Cascadelake-Server Cascadelake-Server-noTSX Cascadelake-Server-v2 Cascadelake-Server-v4
Cascadelake-Server-v5 Cooperlake Cooperlake-v2 Icelake-Client Icelake-Client-noTSX Icelake-Server Icelake-Server-noTSX Icelake-Server-v3 Icelake-Server-v4
Icelake-Server-v5 Icelake-Server-v6 SapphireRapids Skylake-Client Skylake-Client-IBRS Skylake-Client-noTSX-IBRS Skylake-Client-v4
Skylake-Server Skylake-Server-IBRS Skylake-Server-noTSX-IBRS Skylake-Server-v4 Skylake-Server-v5`)

// SCSIControllers are Proxmox VE's own that a clone can be given by the plugin, whose own default among them it does not set.
var SCSIControllers = []string{"virtio-scsi-single", "lsi", "lsi53c810", "megasas", "pvscsi"}

var customCPU = regexp.MustCompile(`^custom-[A-Za-z0-9][A-Za-z0-9_-]*$`)

// hardware checks what groups and slots say of their VMs, where they say it.
func (v *validator) hardware() {
	groups := map[string]Group{"servers": v.spec.Servers.Group, "loadBalancers": v.spec.LoadBalancers.Group}
	for name, pool := range v.spec.Workers {
		groups["workers."+name] = pool.Group
	}
	for _, path := range sortedKeys(groups) {
		g := groups[path]
		if g.Existing {
			continue // none of it is given
		}
		v.hardwareOf(path, g.Hardware, g.Memory)
		v.dataDisks(path, g.DataDisks)
		for _, slot := range sortedKeys(g.Nodes) {
			o := g.Nodes[slot]
			if o.Adopt {
				continue // likewise
			}
			memory := g.Memory
			replace(&memory, o.Memory)
			v.hardwareOf(path+".nodes."+slot, o.Hardware, memory)
		}
	}
	v.api()
}

// spread looks where servers and load balancers would be, if everything else is right.
func (v *validator) spread() {
	switch p := v.spec.Proxmox; {
	case p.Spread != "" && !slices.Contains(Spreads, p.Spread):
		v.add("proxmox.spread", "%q is neither %s nor %s; with %[2]s it is an error when servers, or load balancers, share a Proxmox node that need not, with %[3]s a warning", p.Spread, SpreadRequire, SpreadPrefer)
	case p.Spread != SpreadPrefer && len(v.problems) == 0:
		v.problems = append(v.problems, v.spec.Crowded()...)
	}
}

func (v *validator) hardwareOf(path string, h Hardware, memory int) {
	if h.CPUType != "" && !slices.Contains(CPUTypes, h.CPUType) && !customCPU.MatchString(h.CPUType) {
		v.add(path+".cpuType", "%q is not a CPU type of Proxmox VE;%s give one that its web interface lists, like host or %s, or custom-<name>", h.CPUType, suggest(h.CPUType, CPUTypes), DefaultCPUType)
	}
	if h.SCSI != "" && !slices.Contains(SCSIControllers, h.SCSI) {
		remedy := suggest(h.SCSI, SCSIControllers) + " give one of " + strings.Join(SCSIControllers, ", ") + ", or leave it out for the template's"
		if h.SCSI == "virtio-scsi-pci" {
			remedy = " the plugin leaves a clone what its template has where this is asked for; leave it out, and have it in the template"
		}
		v.add(path+".scsiHardware", "%q cannot be given;%s", h.SCSI, remedy)
	}
	switch b := h.Balloon; {
	case b != 0 && b <= 256 && memory > 256:
		v.add(path+".balloon", "%d MiB is too little; it is in MiB: %d GiB are %d", b, b, b*1024)
	case b > 0 && b > memory:
		v.add(path+".balloon", "%d MiB are more than the VM's memory, %d MiB; it is what the VM keeps when its host needs memory, give less", b, memory)
	}
	s := cmp.Or(h.Startup, &Startup{})
	for _, f := range []struct {
		name      string
		value, to int
		unit      string
	}{
		{"order", s.Order, maxOrder, ""}, {"upDelay", s.UpDelay, maxStartDelay, " seconds"}, {"downDelay", s.DownDelay, maxStartDelay, " seconds"},
	} {
		if f.value < 0 || f.value > f.to {
			v.add(path+".startup."+f.name, "%d is out of range; give 1 to %d%s", f.value, f.to, f.unit)
		}
	}
	v.diskOptions(path+".diskOptions", h.DiskOptions)
	if h.TemplateID != 0 {
		v.templateID(path+".templateId", h.TemplateID)
	}
	if h.Datastore != "" {
		v.datastore(path+".datastore", h.Datastore)
	}
	if h.Bridge != "" {
		v.bridge(path+".bridge", h.Bridge)
	}
	if h.VLAN != 0 {
		v.vlan(path+".vlan", h.VLAN)
	}
	v.tags(path+".tags", h.Tags)
}

func (v *validator) diskOptions(path string, o DiskOptions) {
	v.cache(path+".cache", o.Cache)
	if o.Given() {
		v.wantsAPI = append(v.wantsAPI, path)
	}
}

func (v *validator) cache(path, cache string) {
	if cache != "" && !slices.Contains(DiskCaches, cache) {
		v.add(path, "%q is not a way to cache;%s use one of: %s", cache, suggest(cache, DiskCaches), strings.Join(DiskCaches, ", "))
	}
}

func (v *validator) templateID(path string, id int) {
	if id < minVMID || id > maxVMID {
		v.add(path, "%d is not a VM id; Proxmox VE has %d to %d, the template's is shown in its web interface", id, minVMID, maxVMID)
	}
}

func (v *validator) datastore(path, name string) {
	if !storagePattern.MatchString(name) {
		v.add(path, "%q is not the id of a storage; use it as the Proxmox web interface shows it, like %s", name, DefaultDatastore)
	}
}

func (v *validator) vlan(path string, id int) {
	if id < 0 || id > maxVLAN {
		v.add(path, "%d is not a VLAN id; give 1 to %d, or leave it out for an untagged network", id, maxVLAN)
	}
}

func (v *validator) tags(path string, tags []string) {
	for i, tag := range tags {
		if !tagPattern.MatchString(tag) {
			v.add(fmt.Sprintf("%s[%d]", path, i), "%q is not a Proxmox tag; use letters, digits and - _ . +, one tag an entry", tag)
		}
	}
}
