package topology

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Drain says when a node is drained before k3s restarts on it. Before its VM restarts or goes, it always is.
type Drain string

// The values of k3s.drain.
const (
	DrainAlways Drain = "always" // before every restart of k3s
	DrainMinor  Drain = "minor"  // before k3s goes to another minor version
	DrainNever  Drain = "never"
)

// Drains are all of them.
var Drains = []Drain{DrainAlways, DrainMinor, DrainNever}

// DrainsBetween says whether a node is drained before its k3s restarts at another release, or with another configuration.
func (k K3s) DrainsBetween(from, to string) bool {
	if k.Drain != DrainMinor {
		return k.Drain == DrainAlways
	}
	old, err := ParseVersion(from)
	if err != nil {
		return true
	}
	now, err := ParseVersion(to)
	return err != nil || old.Minor != now.Minor
}

// MaxUnavailable is how many machines of a node's group may be out of service at a time.
func (s Spec) MaxUnavailable(n Node) int {
	if n.Role == Worker {
		return max(1, s.Workers[n.Pool].MaxUnavailable)
	}
	return 1 // etcd's quorum; the VIP
}

// Restarts are the settings whose change restarts a node's VM.
func (p Plan) Restarts(n Node) string {
	if n.Existing {
		return ""
	}
	s := p.Spec
	settings := map[string]string{
		"cores": strconv.Itoa(n.Cores), "memory": strconv.Itoa(n.Memory), "disk": strconv.Itoa(n.Disk), "mac": n.MAC,
		"bridge": n.Bridge, "vlan": strconv.Itoa(n.VLAN), "firewall": strconv.FormatBool(*n.Firewall), "datastore": n.Datastore,
		"cpuType": n.CPUType, "balloon": strconv.Itoa(n.Balloon),
		"gateway": s.Network.Gateway, "cidr": s.Network.CIDR, "dns": strings.Join(s.Network.DNS, " "),
	}
	if s.Network.SearchDomain != "" { // taken out, it stays on the VMs
		settings["searchDomain"] = s.Network.SearchDomain
	}
	if n.SCSI != "" {
		settings["scsiHardware"] = n.SCSI
	}
	if n.DiskOptions.Given() {
		settings["diskOptions"] = n.DiskOptions.String()
	}
	if *n.Agent {
		settings["agent"] = "true"
	}
	for i, d := range n.DataDisks {
		settings[fmt.Sprintf("dataDisk%d", i)] = fmt.Sprintf("%s %d %s %t %t %t %s %t", d.Name, d.Size, d.Datastore, d.Discard, d.SSD, d.IOThread, d.Cache, *d.Backup)
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		out = append(out, name+" "+settings[name])
	}
	return strings.Join(out, "\n")
}

// Before is the machine that must serve again before another one of its group is made anew: the last of those before it of which so many may
// be away at a time; "" if there is none.
func (p Plan) Before(n Node, renewed []string) string {
	if !slices.Contains(renewed, n.Name) {
		return ""
	}
	var group []string
	for _, other := range slices.Concat(p.LoadBalancers(), p.Servers(), p.Workers()) {
		if other.Name == n.Name {
			break
		}
		if other.Path == n.Path && slices.Contains(renewed, other.Name) {
			group = append(group, other.Name)
		}
	}
	at := len(group) - p.Spec.MaxUnavailable(n)
	if at < 0 {
		return ""
	}
	return group[at]
}
