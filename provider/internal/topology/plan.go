package topology

import "slices"

// Verb names what a step does to its node. Children are named `<component>-<verb>-<node>`.
type Verb string

// The verbs, in the order in which a node goes through them.
const (
	VM        Verb = "vm"        // create the virtual machine
	Contact   Verb = "contact"   // wait for cloud-init, read the SSH host key
	Authorize Verb = "authorize" // keep authorized_keys
	Prepare   Verb = "prepare"   // packages and downloads; changes nothing that runs
	Converge  Verb = "converge"  // configure, start, join or upgrade what the node is for
	Read      Verb = "read"      // read the CA, the token and the admin's kubeconfig, once per cluster
	Trust     Verb = "trust"     // teach a load balancer the cluster's CA
	Join      Verb = "join"      // bring a new worker into the cluster
)

// Step is one unit of work on one node. After lists the steps that must be done before it.
type Step struct {
	Verb  Verb
	Node  Node
	After []string
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
//  3. the first server starts; the VIP tells it whether to initialise or to join
//  4. CA, token and kubeconfig are read; load balancers learn the CA, one after the other
//  5. the other servers join through the VIP one at a time: etcd takes one learner at a time
//  6. workers join through the VIP, all together, without waiting for step 5
//  7. workers converge when all servers have: only then may they run a newer version
//
// Later updates go through the same list, so a version rolls through servers one by one, then workers.
func NewPlan(s Spec) Plan {
	p := Plan{Spec: s, Nodes: s.Nodes()}
	vms := p.createVMs()
	for _, n := range vms {
		p.add(Contact, n, StepName(VM, n.Name))
		p.add(Authorize, n, StepName(Contact, n.Name))
		p.add(Prepare, n, StepName(Authorize, n.Name))
	}
	lbs, servers := p.byRole(LoadBalancer), p.Servers()

	balanced := p.chain(Converge, lbs, nil)
	first := servers[0]
	// A release that one server cannot fetch becomes nobody's.
	var fetched []string
	for _, n := range servers {
		fetched = append(fetched, StepName(Prepare, n.Name))
	}
	p.add(Converge, first, append(fetched, balanced...)...)
	p.add(Read, Node{Name: "cluster", Role: Server, IP: first.IP}, StepName(Converge, first.Name))
	trusted := p.chain(Trust, lbs, []string{StepName(Read, "cluster")})
	joined := p.chain(Converge, servers[1:], trusted)
	if len(joined) == 0 {
		joined = trusted
	}
	for _, w := range p.byRole(Worker) {
		p.add(Join, w, append([]string{StepName(Prepare, w.Name)}, trusted...)...)
		p.add(Converge, w, append([]string{StepName(Join, w.Name)}, joined...)...)
	}
	return p
}

// createVMs puts the VMs in lanes, so that no more than proxmox.cloneLanes clones run at a time. Load balancers and the
// first server stand at the front: everything else waits for them.
func (p *Plan) createVMs() []Node {
	lbs, servers := p.byRole(LoadBalancer), p.Servers()
	order := slices.Concat(lbs, servers, p.byRole(Worker))
	lanes := p.Spec.Proxmox.CloneLanes
	for i, n := range order {
		if i < lanes {
			p.add(VM, n)
		} else {
			p.add(VM, n, StepName(VM, order[i-lanes].Name))
		}
	}
	return order
}

// chain adds the same verb for several nodes, one after the other, and returns the last one's name.
func (p *Plan) chain(v Verb, nodes []Node, after []string) []string {
	for _, n := range nodes {
		edges := slices.Clone(after)
		if v == Converge {
			edges = append(edges, StepName(Prepare, n.Name))
		}
		p.add(v, n, edges...)
		after = []string{StepName(v, n.Name)}
	}
	if len(nodes) == 0 {
		return nil
	}
	return after
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

// LoadBalancers lists the load balancers by slot; the first one has the highest priority.
func (p Plan) LoadBalancers() []Node { return p.byRole(LoadBalancer) }

// Workers lists the workers by pool and slot.
func (p Plan) Workers() []Node { return p.byRole(Worker) }

// Priorities of the load balancers by position. Distinct, so that more than two agree on who takes over.
var priorities = []int{200, 100, 90}

// Priority is the VRRP priority of the load balancer at a position (0 to 2).
func Priority(position int) int { return priorities[position] }
