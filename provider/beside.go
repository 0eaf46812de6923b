package provider

import (
	"strconv"
	"strings"
	"sync"

	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// clusters remembers the clusters of one program, to find what two of them would both use. The plugin's process serves all of
// them; another run of the engine has another monitor.
type clusters struct {
	mu      sync.Mutex
	monitor string
	specs   map[string]neighbour
}

type neighbour struct {
	name, proxmox string
	spec          topology.Spec
}

// check compares a cluster with those that the program has made before it, on the same Proxmox VE.
func (c *clusters) check(req *rpc.ConstructRequest, spec topology.Spec) []topology.Problem {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.monitor != req.GetMonitorEndpoint() || c.specs == nil {
		c.monitor, c.specs = req.GetMonitorEndpoint(), map[string]neighbour{}
	}
	me := neighbour{name: req.GetName(), proxmox: req.GetProviders()["proxmoxve"], spec: spec}
	var out []topology.Problem
	for key, other := range c.specs {
		if key != req.GetParent()+" "+req.GetName() && other.proxmox == me.proxmox {
			for _, p := range topology.CheckBeside(spec, other.spec) {
				out = append(out, topology.Problem{Path: p.Path, Reason: strings.ReplaceAll(p.Reason, "{other}", strconv.Quote(other.name))})
			}
		}
	}
	c.specs[req.GetParent()+" "+req.GetName()] = me
	return out
}
