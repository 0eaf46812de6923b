package topology

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

const (
	minVMID, maxVMID = 100, 999_999_999
	maxCloneLanes    = 100
	maxCloneRetries  = 20
	maxVLAN          = 4094
)

// Proxmox VE's own patterns: pve-storage-id, pve-poolid (nested since 8.1), pve-tag, and what its network page names bridges.
var (
	storagePattern = regexp.MustCompile(`^[A-Za-z]([-A-Za-z0-9_.]*[A-Za-z0-9])$`)
	poolPattern    = regexp.MustCompile(`^[-A-Za-z0-9._]+(/[-A-Za-z0-9._]+){0,2}$`)
	tagPattern     = regexp.MustCompile(`^[A-Za-z0-9_][-A-Za-z0-9_+.]*$`)
	bridgePattern  = regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9_]{0,14}$`)
	vmbrPattern    = regexp.MustCompile(`(?i)^vmbr(\d*)(?:\.(\d+))?$`)
	cardPattern    = regexp.MustCompile(`^(eth\d|en[opsx]\d|enx|wl[opsx]\d|wlan\d$|bond\d|lo$|tap\d|veth|fwbr|fwpr|fwln)`)
)

func (v *validator) proxmox() {
	p := v.spec.Proxmox
	if len(p.Nodes) == 0 {
		v.add("proxmox.nodes", "is empty; list at least one Proxmox node, like [pve1]")
	}
	seen := map[string]bool{}
	for i, node := range p.Nodes {
		path := fmt.Sprintf("proxmox.nodes[%d]", i)
		v.proxmoxNode(path, node)
		if seen[strings.ToLower(node)] {
			v.add(path, "%s is listed twice; list each Proxmox node once", node)
		}
		seen[strings.ToLower(node)] = true
	}
	if t := p.TemplateNode; t != "" && !slices.Contains(p.Nodes, t) {
		v.proxmoxNode("proxmox.templateNode", t)
	}
	if p.TemplateID != 0 {
		v.templateID("proxmox.templateId", p.TemplateID)
	}
	if p.CloneLanes < 1 || p.CloneLanes > maxCloneLanes {
		v.add("proxmox.cloneLanes", "%d is out of range; give 1 to %d clones at a time", p.CloneLanes, maxCloneLanes)
	}
	if p.CloneRetries < 1 || p.CloneRetries > maxCloneRetries {
		v.add("proxmox.cloneRetries", "%d is out of range; give 1 to %d tries", p.CloneRetries, maxCloneRetries)
	}
	v.vlan("proxmox.vlan", p.VLAN)
	v.tags("proxmox.tags", p.Tags)
	v.datastore("proxmox.datastore", p.Datastore)
	if p.Pool != "" && !poolPattern.MatchString(p.Pool) {
		v.add("proxmox.pool", "%q is not a resource pool; use letters, digits and - _ ., with / between the levels of a nested one, like k3s/prod", p.Pool)
	}
	v.bridge("proxmox.bridge", p.Bridge)
}

// api checks how Proxmox VE itself is reached, if anything needs it.
func (v *validator) api() {
	p := v.spec.Proxmox
	if len(v.wantsAPI) == 0 || !p.Given {
		return
	}
	if e := p.API.Endpoint; e != "" && !webURL(e) {
		v.add("proxmox.api.endpoint", "%q, given here or as PROXMOX_VE_ENDPOINT in the environment, is not the URL of Proxmox VE; write it as the plugin has it, like https://pve.example.org:8006", e)
	}
	for _, f := range []struct {
		name, variable string
		given          bool
	}{{"endpoint", "PROXMOX_VE_ENDPOINT", p.API.Endpoint != ""}, {"apiToken", "PROXMOX_VE_API_TOKEN", p.API.Token}} {
		if !f.given {
			v.add("proxmox.api."+f.name, "is missing, and so is %s in the environment; %s needs a template with these options, which Proxmox VE's API is asked to make: give it as the plugin has it, or have the options in the template", f.variable, v.wantsAPI[0])
		}
	}
}

func (v *validator) proxmoxNode(path, node string) {
	const remedy = "use the name that the Proxmox web interface shows, like pve1"
	_, notAddress := netip.ParseAddr(node)
	short, _, dotted := strings.Cut(node, ".")
	switch {
	case notAddress == nil:
		v.add(path, "%s is an address, and Proxmox VE knows its nodes by name; %s", node, remedy)
	case dotted && labelPattern.MatchString(short) && hostName(node):
		v.add(path, "%q is a name with its domain, and Proxmox VE knows its nodes by the first part alone; write %s", node, short)
	case !labelPattern.MatchString(node):
		v.add(path, "%q is not a Proxmox node's name; %s", node, remedy)
	}
}

func (v *validator) bridge(path, bridge string) {
	if m := vmbrPattern.FindStringSubmatch(bridge); m != nil {
		switch plain := "vmbr" + m[1]; {
		case m[1] == "":
			v.add(path, "%q has no number; Proxmox VE's bridges are called %s and so on", bridge, DefaultBridge)
		case m[2] != "":
			v.add(path, "%q names a VLAN of a bridge; write %s, and proxmox.vlan: %s", bridge, plain, m[2])
		case bridge != plain:
			v.add(path, "%q is written in another case than Proxmox VE does; write %s", bridge, plain)
		case len(m[1]) > 4:
			v.add(path, "%q is not a bridge; Proxmox VE numbers them from 0 to 4094", bridge)
		}
		return
	}
	switch {
	case cardPattern.MatchString(bridge):
		v.add(path, "%q is a network card or an interface, not a bridge; use the bridge that it is a port of, like %s", bridge, DefaultBridge)
	case !bridgePattern.MatchString(bridge):
		v.add(path, "%q is not a bridge or a virtual network; use its name as the Proxmox web interface shows it, like %s", bridge, DefaultBridge)
	}
}
