package topology

import (
	"cmp"
	"slices"
)

// Hardware is what a VM has besides its size. What a slot leaves out is its group's, what a group leaves out is proxmox', or the default.
type Hardware struct {
	CPUType     string
	SCSI        string // the controller; "": the template's
	Agent       *bool
	Balloon     int // MiB; 0: no ballooning
	OnBoot      *bool
	Protection  *bool
	Startup     *Startup    // nil: nothing is said of it
	TemplateID  int         // 0 while it is not known
	Template    bool        // whether one of its own was given
	DiskOptions DiskOptions // of the first disk
	Datastore   string
	Bridge      string
	VLAN        int // 0: untagged
	Firewall    *bool
	Tags        []string // besides those of the group, and of proxmox
}

// Startup is when Proxmox VE starts a VM with its host, and stops it.
type Startup struct {
	Order     int
	UpDelay   int // seconds after it, before the next one is started
	DownDelay int // seconds that it may take to stop
}

// DefaultCPUType has all that k3s and its workloads use, and lives on any host of the last ten years.
const DefaultCPUType = "x86-64-v2-AES"

// Balancing comes first, then the control plane, then what joins it.
var defaultOrder = map[Role]int{LoadBalancer: 1, Server: 2, Worker: 3}

// over returns what a slot has, or a group, in the place of what is below it.
func (h Hardware) over(below Hardware) Hardware {
	replace(&below.CPUType, h.CPUType)
	replace(&below.SCSI, h.SCSI)
	replace(&below.Agent, h.Agent)
	replace(&below.Balloon, h.Balloon)
	replace(&below.OnBoot, h.OnBoot)
	replace(&below.Protection, h.Protection)
	below.Startup = h.Startup.over(below.Startup)
	if h.Template {
		below.TemplateID, below.Template = h.TemplateID, true
	}
	below.DiskOptions = h.DiskOptions.over(below.DiskOptions)
	replace(&below.Datastore, h.Datastore)
	replace(&below.Bridge, h.Bridge)
	replace(&below.VLAN, h.VLAN)
	replace(&below.Firewall, h.Firewall)
	below.Tags = slices.Concat(below.Tags, h.Tags)
	return below
}

func (s *Startup) over(below *Startup) *Startup {
	if s == nil || below == nil {
		return cmp.Or(s, below)
	}
	merged := *below
	replace(&merged.Order, s.Order)
	replace(&merged.UpDelay, s.UpDelay)
	replace(&merged.DownDelay, s.DownDelay)
	return &merged
}

// inOrder is a startup with the order of its role, if it has none of its own.
func (s *Startup) inOrder(r Role) *Startup {
	if s == nil || s.Order != 0 {
		return s
	}
	out := *s
	out.Order = defaultOrder[r]
	return &out
}

// hardware is what all VMs have where nothing else is said.
func (p Proxmox) hardware() Hardware {
	on, off := true, false
	return Hardware{
		CPUType: DefaultCPUType, Agent: &off, OnBoot: &on, Protection: &off,
		TemplateID: p.TemplateID, Datastore: p.Datastore, Bridge: p.Bridge, VLAN: p.VLAN, Firewall: &p.Firewall, Tags: p.Tags,
	}
}
