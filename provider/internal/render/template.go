package render

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// TemplateInput is a template as its Proxmox host makes it.
type TemplateInput struct {
	Node, Name, Image, Checksum string // the image is a volume of a storage
	ID, Memory, VLAN            int
	Datastore, Bridge, SCSI     string
	Disk                        string // options of the disk, each with a comma before it
	Pool                        string
	Tags                        []string
	CIUpgrade                   bool
}

// hash tells one template from another that was made from something else.
func (in TemplateInput) hash() string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%+v", in)))[:12]
}

func (in TemplateInput) script(file string) string {
	net := "virtio,bridge=" + in.Bridge
	if in.VLAN != 0 {
		net += fmt.Sprintf(",tag=%d", in.VLAN)
	}
	upgrade := "0"
	if in.CIUpgrade {
		upgrade = "1"
	}
	mark := "k3sha template " + in.hash()
	return compose([]string{"lib.sh", "lib-template.sh", file}, []variable{
		{"NODE", in.Name},
		{"STEP", "template"},
		{"PVE_NODE", in.Node},
		{"ID", fmt.Sprint(in.ID)},
		{"NAME", in.Name},
		{"IMAGE", in.Image},
		{"MEMORY", fmt.Sprint(in.Memory)},
		{"NET", net},
		{"SCSIHW", in.SCSI},
		{"DATASTORE", in.Datastore},
		{"DISK", in.Disk},
		{"POOL", in.Pool},
		{"TAGS", strings.Join(in.Tags, ";")},
		{"CIUPGRADE", upgrade},
		{"DONE", mark},
		{"BEGUN", mark + " begun"},
	})
}

// MakeTemplateScript makes it.
func MakeTemplateScript(in TemplateInput) string { return in.script("make-template.sh") }

// FindTemplateScript says whether it is there.
func FindTemplateScript(in TemplateInput) string { return in.script("find-template.sh") }

// RemoveTemplateScript takes it away.
func RemoveTemplateScript(in TemplateInput) string { return in.script("remove-template.sh") }

// TemplateDeadline is how many seconds a host may take for a template: an image is copied to a storage.
const TemplateDeadline = 1200
