package topology

import "slices"

const (
	// CheckTCP is a check that only connects.
	CheckTCP = "tcp"
	// ServersPool stands for the servers among the pools of a forward.
	ServersPool = "servers"
)

// Target is the port on nodes to which a forward sends.
func (f Forward) Target() int {
	switch {
	case f.TargetPort != 0:
		return f.TargetPort
	case f.NodePort != 0:
		return f.NodePort
	}
	return f.Port
}

// HTTPCheck is the path that a check asks for; "" for one that only connects.
func (f Forward) HTTPCheck() string {
	if f.Check == CheckTCP {
		return ""
	}
	return f.Check
}

// withDefaults fills forwards in: without pools they go to all workers, or to the servers where there are none.
func withDefaults(forwards []Forward, workers map[string]Pool) []Forward {
	if forwards == nil {
		return nil
	}
	out := slices.Clone(forwards)
	for i := range out {
		setDefault(&out[i].Check, CheckTCP)
		if out[i].Pools != nil {
			continue
		}
		out[i].Pools = sortedKeys(workers)
		if len(workers) == 0 {
			out[i].Pools = []string{ServersPool}
		}
	}
	return out
}

// Targets are the nodes to which a forward sends.
func (p Plan) Targets(f Forward) []Node {
	var out []Node
	for _, n := range p.Nodes {
		if n.Role == Worker && slices.Contains(f.Pools, n.Pool) || n.Role == Server && slices.Contains(f.Pools, ServersPool) {
			out = append(out, n)
		}
	}
	return out
}

// MoreVIPs are the virtual addresses besides the API's, by name.
func (l LoadBalancers) MoreVIPs() []VIP {
	var out []VIP
	for _, name := range sortedKeys(l.VIPs) {
		out = append(out, l.VIPs[name])
	}
	return out
}

// Forwards says whether any port is forwarded.
func (l LoadBalancers) Forwards() bool {
	if len(l.Forward) > 0 {
		return true
	}
	for _, vip := range l.VIPs {
		if len(vip.Forward) > 0 {
			return true
		}
	}
	return false
}
