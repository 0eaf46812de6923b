package component

import (
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// EnumDescriptions are what the framework has no place for.
var EnumDescriptions = map[string]string{
	"k3sha:index:Balance":  "How HAProxy chooses a server for a connection. Values are those of HAProxy's `balance`.",
	"k3sha:index:Drain":    "When a node is drained before k3s restarts on it.",
	"k3sha:index:Machines": "Where the machines of a group come from.",
	"k3sha:index:NodeRole": "What a machine of the cluster is for.",
	"k3sha:index:Spread":   "What becomes of servers, or load balancers, that would share a Proxmox node.",
}

// Balance is how HAProxy chooses a server for a connection.
type Balance string

// Annotate names the set.
func (*Balance) Annotate(a infer.Annotator) {
	a.SetToken("index", "Balance")
}

// Values are all there are.
func (Balance) Values() []infer.EnumValue[Balance] {
	return []infer.EnumValue[Balance]{
		{Name: "RandomOfTwo", Value: "random(2)", Description: "The less loaded of two random servers."},
		{Name: "Random", Value: "random", Description: "A random server, weighted by HAProxy's consistent hash."},
		{Name: "LeastConn", Value: "leastconn", Description: "The server with the fewest connections."},
		{Name: "RoundRobin", Value: "roundrobin", Description: "Each server in turn."},
		{Name: "StaticRoundRobin", Value: "static-rr", Description: "Each server in turn, by weights that cannot change while HAProxy runs."},
		{Name: "First", Value: "first", Description: "The first server that has a free connection slot; the others are in reserve."},
		{Name: "Source", Value: "source", Description: "By hash of the client's address: a client stays with its server."},
	}
}

// Drain is when a node is drained before k3s restarts on it.
type Drain string

// Annotate names the set.
func (*Drain) Annotate(a infer.Annotator) {
	a.SetToken("index", "Drain")
}

// Values are all there are.
func (Drain) Values() []infer.EnumValue[Drain] {
	return []infer.EnumValue[Drain]{
		{Name: "Always", Value: Drain(topology.DrainAlways), Description: "Before every restart of k3s."},
		{Name: "Minor", Value: Drain(topology.DrainMinor), Description: "Before k3s goes to another minor version."},
		{Name: "Never", Value: Drain(topology.DrainNever), Description: "Pods stay while k3s restarts; they go on running."},
	}
}

// Spread is what becomes of servers, or load balancers, that would share a Proxmox node although there are enough of those.
type Spread string

// Annotate names the set.
func (*Spread) Annotate(a infer.Annotator) {
	a.SetToken("index", "Spread")
}

// Values are all there are.
func (Spread) Values() []infer.EnumValue[Spread] {
	return []infer.EnumValue[Spread]{
		{Name: "Require", Value: Spread(topology.SpreadRequire), Description: "It is an error, at preview."},
		{Name: "Prefer", Value: Spread(topology.SpreadPrefer), Description: "It is a warning."},
	}
}

// Machines says where the machines of a group come from.
type Machines string

// Annotate names the set.
func (*Machines) Annotate(a infer.Annotator) {
	a.SetToken("index", "Machines")
}

// Values are all there are.
func (Machines) Values() []infer.EnumValue[Machines] {
	return []infer.EnumValue[Machines]{
		{Name: "Proxmox", Value: Machines(topology.ProxmoxMachines), Description: "VMs on Proxmox VE, which are made, changed and destroyed."},
		{Name: "Existing", Value: Machines(topology.ExistingMachines), Description: "Machines that are there, bare metal or anybody's VMs."},
	}
}

// NodeRole is what a machine of the cluster is for.
type NodeRole string

// Annotate names the set.
func (*NodeRole) Annotate(a infer.Annotator) {
	a.SetToken("index", "NodeRole")
}

// Values are all there are.
func (NodeRole) Values() []infer.EnumValue[NodeRole] {
	return []infer.EnumValue[NodeRole]{
		{Name: "Server", Value: NodeRole(topology.Server), Description: "Runs k3s' control plane and an etcd member."},
		{Name: "Worker", Value: NodeRole(topology.Worker), Description: "Runs pods."},
		{Name: "LoadBalancer", Value: NodeRole(topology.LoadBalancer), Description: "Runs HAProxy and Keepalived; it is no Kubernetes node."},
	}
}
