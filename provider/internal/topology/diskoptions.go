package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DiskOptions are those of the first disk of a VM, or of a template. What is left out is the template's, or Proxmox VE's own.
type DiskOptions struct {
	Discard  *bool
	SSD      *bool
	IOThread *bool
	Backup   *bool
	Cache    string
}

// Given says whether any is.
func (o DiskOptions) Given() bool { return o != DiskOptions{} }

func (o DiskOptions) over(below DiskOptions) DiskOptions {
	replace(&below.Discard, o.Discard)
	replace(&below.SSD, o.SSD)
	replace(&below.IOThread, o.IOThread)
	replace(&below.Backup, o.Backup)
	replace(&below.Cache, o.Cache)
	return below
}

// Settings are those that are given, as Proxmox VE has them in a VM's configuration.
func (o DiskOptions) Settings() map[string]string {
	out := map[string]string{}
	for _, s := range []struct {
		name    string
		given   *bool
		yes, no string
	}{{"discard", o.Discard, "on", "ignore"}, {"ssd", o.SSD, "1", "0"}, {"iothread", o.IOThread, "1", "0"}, {"backup", o.Backup, "1", "0"}} {
		switch {
		case s.given == nil:
		case *s.given:
			out[s.name] = s.yes
		default:
			out[s.name] = s.no
		}
	}
	if o.Cache != "" {
		out["cache"] = o.Cache
	}
	return out
}

// DiskDefaults are what a disk has of which nothing is said.
var DiskDefaults = map[string]string{"discard": "ignore", "ssd": "0", "iothread": "0", "cache": "none", "backup": "1"}

// Suffix is what a disk is made with, each with a comma before it; what it has by default is not said.
func (o DiskOptions) Suffix() string {
	settings, out := o.Settings(), ""
	for _, name := range []string{"discard", "ssd", "iothread", "cache", "backup"} {
		if value, given := settings[name]; given && (value != DiskDefaults[name] || name == "cache") {
			out += "," + name + "=" + value
		}
	}
	return out
}

// String lists them as Proxmox VE does.
func (o DiskOptions) String() string {
	settings, out := o.Settings(), []string{}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		out = append(out, name+"="+settings[name])
	}
	return strings.Join(out, ",")
}

// DiskTemplate is a template for VMs whose first disk has other options than the template that they are made from: a clone is given none
// by the plugin, so it must have them from its template.
type DiskTemplate struct {
	Key       string
	Name      string // in Proxmox VE
	VMID      int
	Datastore string
	Options   map[string]string
	Of        Node // whose template it is made from
}

// DiskTemplate is the one that a node's VM is cloned from; nil if that is just its template.
func (s Spec) DiskTemplate(n Node) *DiskTemplate {
	if n.Existing || !n.DiskOptions.Given() {
		return nil
	}
	key := Digest(fmt.Sprintln(n.TemplateAt, n.Datastore, n.DiskOptions))[:8]
	name := s.ClusterName + "-template-" + key
	return &DiskTemplate{Key: key, Name: name, VMID: vmID(0, 1, name), Datastore: n.Datastore, Options: n.DiskOptions.Settings(), Of: n}
}

// DiskTemplates are all of them.
func (p Plan) DiskTemplates() []DiskTemplate {
	var out []DiskTemplate
	for _, n := range p.Nodes {
		if t := p.Spec.DiskTemplate(n); t != nil && !slices.ContainsFunc(out, func(o DiskTemplate) bool { return o.Key == t.Key }) {
			out = append(out, *t)
		}
	}
	return out
}
