package resources

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/k3sha/pulumi-k3sha/provider/internal/cluster"
	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Absence is a node that is out of service for a moment: while its VM or its k3s restarts.
type Absence struct {
	node   topology.Node
	boot   string // which boot of the machine it was
	serves bool   // it did something before
	// Dead says that the node was lost before its absence: that it is not back afterwards is nothing new.
	Dead bool
	// Proven says that what has restarted k3s waits itself until the new process has shown life: nobody has to wait for the next sign of it.
	Proven bool
}

// stateWaits fit a machine that should answer now.
var stateWaits = contact.Waits{Answer: 20 * time.Second, Login: 10 * time.Second, Script: time.Minute, Dial: 5 * time.Second, Pause: time.Second}

// backWaits fit a machine that restarts.
var backWaits = contact.Waits{Answer: 10 * time.Minute, Login: time.Minute, Script: 6 * time.Minute, Dial: 5 * time.Second, Pause: time.Second}

// state asks a node what it does.
func (a Access) state(ctx context.Context, n topology.Node, do render.Do, waits contact.Waits) (string, error) {
	vip := ""
	if n.Role == topology.LoadBalancer {
		vip = a.VIP
	}
	out, err := a.run(ctx, topology.Restart, Way{Node: n.Name, Address: n.IP}, render.StateScript(n.Name, vip, a.StatusPort, do), waits)
	return strings.TrimSpace(out), err
}

// Holds says whether a load balancer has a VIP now, whichever.
func (a Access) Holds(ctx context.Context, n topology.Node) bool { return len(a.held(ctx, n)) > 0 }

// held are the virtual addresses that a load balancer has now.
func (a Access) held(ctx context.Context, n topology.Node) []string {
	out, err := a.state(ctx, n, render.Nothing, stateWaits)
	_, addresses, _ := strings.Cut(out, " holds ")
	if err != nil {
		return nil
	}
	return strings.Fields(addresses)
}

// holder is the load balancer that has the API's VIP; "" if none says so.
func (a Access) holder(ctx context.Context) string {
	lbs := a.loadBalancers()
	holds := make([]bool, len(lbs))
	var all sync.WaitGroup
	for i, lb := range lbs {
		all.Go(func() { holds[i] = slices.Contains(a.held(ctx, lb), a.VIP) })
	}
	all.Wait()
	if i := slices.Index(holds, true); i >= 0 {
		return lbs[i].Name
	}
	return ""
}

// Pause prepares a node for its absence: the others of its group must be able to carry on, pods are moved away if that is asked for, and no new
// connections come. A machine that has not begun to serve needs none of that: nothing lives there yet.
func (a Access) Pause(ctx context.Context, n topology.Node, drain bool) (Absence, error) {
	absence := Absence{node: n}
	out, err := a.state(ctx, n, render.Nothing, stateWaits)
	if err == nil && out == "" {
		return absence, nil
	}
	absence.serves = true
	if n.Role == topology.LoadBalancer {
		if err != nil || !strings.HasPrefix(out, "serves") {
			return absence, nil //nolint:nilerr // one that cannot be reached, or does not serve, carries nothing
		}
		return absence, a.yield(ctx, n, topology.Restart)
	}
	within := reachWait
	if err != nil {
		within = 10 * time.Second
	}
	met := err == nil
	c, err := cluster.Reach(ctx, a.toCluster(), within)
	if err != nil && !met {
		absence.serves = false // neither it nor a cluster can be reached: a machine that was left half-made, or one that carries nothing now
		return absence, nil
	}
	if err != nil {
		return absence, fmt.Errorf("%s: restart: %w; if the cluster is down anyway, set proxmox.restartTogether for this update", n.Name, err)
	}
	defer c.Close()
	if drain && a.Forwards { // before its pods go
		a.steer(ctx, n.Name, away)
	}
	var alive bool
	absence.boot, alive, err = c.Pause(ctx, n.Name, drain)
	absence.Dead = !alive
	if err != nil {
		if drain && a.Forwards {
			a.steer(context.WithoutCancel(ctx), n.Name, back)
		}
		return absence, fmt.Errorf("%s: restart: %w", n.Name, err)
	}
	switch {
	case n.Role == topology.Server:
		a.steer(ctx, n.Name, awayFromAPI)
		a.handOver(ctx, n)
	case !alive && drain && a.Forwards: // nobody waits until it is back; the check knows
		a.steer(ctx, n.Name, back)
	}
	return absence, nil
}

// yield has another load balancer take the VIP, if this one has it, and waits until there is one.
func (a Access) yield(ctx context.Context, n topology.Node, doing topology.Verb) error {
	others := slices.DeleteFunc(a.loadBalancers(), func(lb topology.Node) bool { return lb.Name == n.Name })
	if len(others) == 0 {
		return nil
	}
	for deadline := time.Now().Add(reachWait); ; {
		var seen []string
		for _, other := range others {
			out, err := a.state(ctx, other, render.Nothing, stateWaits)
			if err == nil && strings.HasPrefix(out, "serves") {
				_, err = a.state(ctx, n, render.Yield, stateWaits)
				return err
			}
			seen = append(seen, other.Name+" does not serve"+because(err))
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("%s: %s: will not take this load balancer away, for nobody would hold the VIP: %s; bring that back first, then run pulumi up again",
				n.Name, doing, strings.Join(seen, "; "))
		}
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
		}
	}
}

// leaveVIP is what a load balancer does before it goes for good. One that cannot be reached carries nothing.
func (a Access) leaveVIP(ctx context.Context, n topology.Node) error {
	out, err := a.state(ctx, n, render.Nothing, stateWaits)
	if err != nil || !strings.HasPrefix(out, "serves") {
		return nil //nolint:nilerr // see above
	}
	return a.yield(ctx, n, "leave")
}

// Where new connections go.
type course int

const (
	back        course = iota // to the node as to others
	away                      // from forwards not to the node
	awayFromAPI               // nor requests to its API
)

// steer tells all load balancers whether a node gets new connections. One that cannot be reached sends none, and one that comes back looks
// itself: no failure of this is worth ending an update.
func (a Access) steer(ctx context.Context, node string, to course) {
	_ = atOnce(a.ways(true), func(lb Way) error {
		_, err := a.run(ctx, topology.Restart, lb, render.SteerScript(lb.Node, node, to == back, to == awayFromAPI), stateWaits)
		return err
	})
	if to != back {
		select { // requests that are on their way
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// handOver has another server lead etcd. One that cannot be asked leads no more, or will be waited for by an election: that is worth no failure.
func (a Access) handOver(ctx context.Context, n topology.Node) {
	waits := stateWaits
	waits.Answer = 5 * time.Second
	_, _ = a.run(ctx, topology.Restart, Way{Node: n.Name, Address: n.IP}, render.YieldScript(n.Name), waits)
}

// loadBalancers are those that the cluster is meant to have.
func (a Access) loadBalancers() []topology.Node {
	var out []topology.Node
	for _, way := range a.ways(true) {
		out = append(out, topology.Node{Name: way.Node, Role: topology.LoadBalancer, IP: way.Address})
	}
	return out
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return " (" + err.Error() + ")"
}

// Resume ends an absence: it waits until the node is back, and lets pods and connections come again. After a failure it waits for a moment only.
func (a Access) Resume(ctx context.Context, absence Absence, failed bool) error {
	n := absence.node
	if !absence.serves {
		return nil
	}
	if n.Role == topology.LoadBalancer {
		waits := backWaits
		if failed {
			waits = stateWaits
		}
		out, err := a.state(ctx, n, render.Serve, waits)
		if err == nil && !strings.HasPrefix(out, "serves") && out != "" {
			err = fmt.Errorf("%s: restart: HAProxy and Keepalived do not run there; see their journals, then run pulumi up again", n.Name)
		}
		return err
	}
	c, err := cluster.Reach(ctx, a.toCluster(), reachWait)
	if err != nil {
		return fmt.Errorf("%s: restart: %w", n.Name, err)
	}
	defer c.Close()
	resume := c.Resume
	switch {
	case failed:
		resume = c.Recover
	case absence.Proven:
		resume = func(ctx context.Context, name, _ string) error { return c.Settle(ctx, name) }
	}
	if err := resume(ctx, n.Name, absence.boot); err != nil {
		return fmt.Errorf("%s: restart: %w", n.Name, err)
	}
	if n.Role == topology.Server || a.Forwards {
		a.steer(ctx, n.Name, back)
	}
	return nil
}
