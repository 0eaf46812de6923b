package topology

import "slices"

// Verb names what a step does to its node. Children are named `<component>-<verb>-<node>`.
type Verb string

// The verbs, in the order in which a node goes through them.
const (
	VM       Verb = "vm"       // create the virtual machine
	Meet     Verb = "meet"     // in the place of that: meet the machine that is there
	Contact  Verb = "contact"  // wait for cloud-init, bring the SSH host key, authorized_keys and the parts of scripts
	Prepare  Verb = "prepare"  // packages and downloads; changes nothing that runs
	Admit    Verb = "admit"    // take the node's seat in the cluster; it is left when the node goes
	Converge Verb = "converge" // configure, start, join or upgrade what the node is for

	// These are the cluster's, once each.
	Release Verb = "release" // the release that servers may start
	Access  Verb = "access"  // how nodes and cluster are reached, and what lets us in
	Start   Verb = "start"   // the one right to start the cluster, given to one machine
	Reach   Verb = "reach"   // wait until the API answers through the VIP
	Balance Verb = "balance" // an external load balancer leads to every server
	Settle  Verb = "settle"  // all nodes that were restarted are back

	// These, too, where the program asks for them.
	Snapshot Verb = "snapshot" // a snapshot before machines change
	Restore  Verb = "restore"  // put a snapshot in the place of the data
	Backup   Verb = "backup"   // a snapshot can be taken and read again; which there are

	// Restart is no step: it is what an update of a VM or of k3s is to its node.
	Restart Verb = "restart"
)

// Origin is what a node begins with.
func (n Node) Origin() Verb {
	if n.Existing {
		return Meet
	}
	return VM
}

// Cluster stands for the cluster as a whole in the names of its own steps.
const Cluster = "cluster"

// Step is one unit of work on one node. After lists the steps that must be done before it. Behind is a step that has nothing to do with it,
// and only goes first: a dependency on it would have one machine's fate hang on another's, and a destroy wait in line.
type Step struct {
	Verb   Verb
	Node   Node
	After  []string
	Behind string
}

// Name is the step's name within the cluster, unique and the same in every plan that has the node.
func (s Step) Name() string { return StepName(s.Verb, s.Node.Name) }

// StepName is the name of a verb's step on a node.
func StepName(v Verb, node string) string { return string(v) + "-" + node }

// Plan is the whole cluster as work in order.
type Plan struct {
	Spec  Spec
	Nodes []Node
	Steps []Step
}

// NewPlan orders the work. This is the whole bootstrap in one list:
//
//  1. every VM is created and reached, and fetches what it needs: side by side, apart from the clone lanes
//  2. load balancers are configured, one after the other, so that the VIP answers
//  3. beside them the first server starts: it has the right to, and the cluster's CAs
//  4. the API answers through the VIP
//  5. the other servers join through the VIP one at a time: etcd takes one learner at a time
//  6. workers join through the VIP, all together, when all servers have: only then may they run a newer version
//
// Before a server or a worker joins, it takes its seat: what another machine of its name has left in the cluster goes. Later updates go
// through the same list, so a version rolls through servers one by one, then workers.
func NewPlan(s Spec) Plan {
	p := Plan{Spec: s, Nodes: s.Nodes()}
	var met []string
	for _, n := range p.Nodes {
		if n.Existing {
			p.add(Meet, n)
			met = append(met, StepName(Meet, n.Name))
		}
	}
	p.add(Access, Node{Name: Cluster}, met...)
	var saved []string
	if s.Backup != nil && *s.Backup.Before {
		p.add(Snapshot, Node{Name: Cluster}, StepName(Access, Cluster))
		saved = []string{StepName(Snapshot, Cluster)}
	}
	for _, n := range p.createVMs(saved) {
		p.add(Contact, n, StepName(n.Origin(), n.Name), StepName(Access, Cluster))
		p.add(Prepare, n, StepName(Contact, n.Name))
	}
	servers := p.Servers()
	first := servers[0]
	for _, lb := range p.LoadBalancers() {
		p.add(Admit, lb, StepName(Prepare, lb.Name))
	}
	balanced := p.chain(p.LoadBalancers(), Admit, nil)

	// A release that one server cannot fetch becomes nobody's.
	p.add(Release, Node{Name: Cluster}, p.each(Prepare, servers)...)
	p.add(Start, Node{Name: Cluster, IP: first.IP}, StepName(Prepare, first.Name))
	mayStart := []string{StepName(Start, Cluster)}
	if s.Restore != nil {
		p.add(Restore, Node{Name: Cluster, IP: first.IP}, StepName(Start, Cluster), StepName(Release, Cluster))
		mayStart = []string{StepName(Restore, Cluster)}
	}
	p.add(Admit, first, mayStart...)
	p.add(Converge, first, StepName(Admit, first.Name), StepName(Release, Cluster))
	p.add(Reach, Node{Name: Cluster, IP: p.Looks().IP}, append([]string{StepName(Converge, first.Name)}, balanced...)...)
	serves := []string{StepName(Reach, Cluster)}

	for _, n := range slices.Concat(servers[1:], p.Workers()) {
		p.add(Admit, n, append([]string{StepName(Prepare, n.Name)}, serves...)...)
	}
	joined := p.chain(servers[1:], Admit, serves)
	if s.LoadBalancers.External != nil {
		p.add(Balance, Node{Name: Cluster}, joined...)
	}
	for _, w := range p.Workers() {
		p.add(Converge, w, append([]string{StepName(Admit, w.Name)}, joined...)...)
	}
	settled := p.each(Converge, p.Nodes)
	if s.LoadBalancers.External != nil {
		settled = append(settled, StepName(Balance, Cluster))
	}
	p.add(Settle, Node{Name: Cluster}, settled...)
	if s.Backup != nil {
		p.add(Backup, Node{Name: Cluster}, StepName(Settle, Cluster))
	}
	return p
}

// createVMs puts the VMs in lanes, so that no more than proxmox.cloneLanes clones run at a time. Load balancers and the
// first server stand at the front: everything else waits for them.
func (p *Plan) createVMs(after []string) []Node {
	order := slices.Concat(p.byRole(LoadBalancer), p.Servers(), p.byRole(Worker))
	lanes := p.Spec.Proxmox.CloneLanes
	var clones []Node
	for _, n := range order {
		if n.Existing { // met already, or it would have no key for its host
			continue
		}
		step := Step{Verb: VM, Node: n, After: after}
		if i := len(clones); i >= lanes {
			step.Behind = StepName(VM, clones[i-lanes].Name)
		}
		clones = append(clones, n)
		p.Steps = append(p.Steps, step)
	}
	return order
}

// chain converges several nodes, one after the other, each after a step of its own, and returns what is done last.
func (p *Plan) chain(nodes []Node, own Verb, after []string) []string {
	for _, n := range nodes {
		p.add(Converge, n, append(slices.Clone(after), StepName(own, n.Name))...)
		after = []string{StepName(Converge, n.Name)}
	}
	return after
}

// each lists the steps of one verb on several nodes.
func (p *Plan) each(v Verb, nodes []Node) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, StepName(v, n.Name))
	}
	return out
}

func (p *Plan) add(v Verb, n Node, after ...string) {
	p.Steps = append(p.Steps, Step{Verb: v, Node: n, After: after})
}

func (p Plan) byRole(r Role) []Node {
	var out []Node
	for _, n := range p.Nodes {
		if n.Role == r {
			out = append(out, n)
		}
	}
	return out
}

// Servers lists the servers in joining order: the one that may initialise a blank cluster, then by slot.
func (p Plan) Servers() []Node {
	servers := p.byRole(Server)
	i := slices.IndexFunc(servers, func(n Node) bool { return n.Slot == p.Spec.Servers.First })
	if i > 0 {
		first := servers[i]
		servers = append([]Node{first}, slices.Delete(slices.Clone(servers), i, i+1)...)
	}
	return servers
}

// ServerPort is where servers take connections for the API.
const ServerPort = 6443

// ServersBySlot lists the servers in an order that another first server does not change.
func (p Plan) ServersBySlot() []Node { return p.byRole(Server) }

// LoadBalancers lists the load balancers by slot; the first one has the highest priority.
func (p Plan) LoadBalancers() []Node { return p.byRole(LoadBalancer) }

// Looks is the node that looks whether the API answers through the VIP: a load balancer, or the first server where there is none.
func (p Plan) Looks() Node { return append(p.LoadBalancers(), p.Servers()...)[0] }

// Workers lists the workers by pool and slot.
func (p Plan) Workers() []Node { return p.byRole(Worker) }

// Priorities of the load balancers by position. Distinct, so that more than two agree on who takes over, and high: one that is told that the
// VIP is free takes it after (256 - priority) / 256 of the interval between adverts.
var priorities = []int{250, 240, 230}

// Priority is the VRRP priority of the load balancer at a position (0 to 2).
func Priority(position int) int { return priorities[position] }
