package topology

import "strings"

// Spread says what becomes of servers, or load balancers, that would share a Proxmox node although there are enough of those.
type Spread string

// The values of proxmox.spread.
const (
	SpreadRequire Spread = "require" // an error
	SpreadPrefer  Spread = "prefer"  // a warning
)

// Spreads are all of them.
var Spreads = []Spread{SpreadRequire, SpreadPrefer}

// Crowded says where one Proxmox node has several servers, or several load balancers, that others could have: it takes more than it must with
// it when it fails.
func (s Spec) Crowded() []Problem {
	v := &validator{spec: s}
	for _, role := range []Role{LoadBalancer, Server} {
		on := map[string][]string{}
		path, all := "", 0
		for _, n := range s.Nodes() {
			if n.Role == role && !n.Existing {
				on[n.ProxmoxNode] = append(on[n.ProxmoxNode], n.Name)
				path = n.Path
				all++
			}
		}
		if len(s.Proxmox.Nodes) == 0 {
			continue
		}
		most := (all + len(s.Proxmox.Nodes) - 1) / len(s.Proxmox.Nodes)
		for _, node := range s.Proxmox.Nodes {
			if len(on[node]) > most {
				v.add(path+".nodes", "%s would all be on Proxmox node %s, and go with it, though %d nodes can have %d each at most; set proxmoxNode of their slots, or proxmox.spread: %s",
					strings.Join(on[node], ", "), node, len(s.Proxmox.Nodes), most, SpreadPrefer)
			}
		}
	}
	return v.problems
}
