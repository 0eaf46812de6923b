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
	node    topology.Node
	boot    string          // which boot of the machine it was
	serves  bool            // it did something before
	steered []topology.Node // the load balancers
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
	out, err := a.tell(ctx, n, render.StateScript(n.Name, vip, a.StatusPort, do), waits)
	return strings.TrimSpace(out), err
}

func (a Access) tell(ctx context.Context, n topology.Node, script string, waits contact.Waits) (string, error) {
	out, err := contact.Run(ctx, a.host(Way{Node: n.Name, Address: n.IP}), a.Jump, render.Command(a.User, render.Deadline(topology.Restart)), script, waits)
	return out, explained(n.Name, topology.Restart, err)
}

// Holds says whether a load balancer has the VIP now.
func (a Access) Holds(ctx context.Context, n topology.Node) bool {
	out, err := a.state(ctx, n, render.Nothing, stateWaits)
	return err == nil && strings.HasSuffix(out, " holds")
}

// Pause prepares a node for its absence: the others of its group must be able to carry on, pods are moved away if that is asked for, and no new
// connections come. A machine that has not begun to serve needs none of that: nothing lives there yet.
func (a Access) Pause(ctx context.Context, n topology.Node, nodes []topology.Node, drain bool) (Absence, error) {
	absence := Absence{node: n, steered: ofRole(nodes, topology.LoadBalancer)}
	out, err := a.state(ctx, n, render.Nothing, stateWaits)
	if err == nil && out == "" {
		return absence, nil
	}
	absence.serves = true
	if n.Role == topology.LoadBalancer {
		if err != nil {
			return absence, nil //nolint:nilerr // one that cannot be reached carries nothing
		}
		return absence, a.yield(ctx, n, ofRole(nodes, topology.LoadBalancer))
	}
	c, err := cluster.Reach(ctx, a.toCluster(), reachWait)
	if err != nil {
		return absence, fmt.Errorf("%s: restart: %w; if the cluster is down anyway, set proxmox.restartTogether for this update", n.Name, err)
	}
	defer c.Close()
	absence.boot, err = c.Pause(ctx, n.Name, drain)
	if err != nil {
		return absence, fmt.Errorf("%s: restart: %w", n.Name, err)
	}
	if n.Role == topology.Server {
		a.steer(ctx, absence, false)
	}
	return absence, nil
}

// yield has another load balancer take the VIP, if this one has it.
func (a Access) yield(ctx context.Context, n topology.Node, lbs []topology.Node) error {
	for _, other := range lbs {
		if other.Name == n.Name {
			continue
		}
		if out, err := a.state(ctx, other, render.Nothing, stateWaits); err != nil || out == "" {
			return fmt.Errorf("%s: restart: will not take this load balancer away, for nobody would hold the VIP: %s does not serve%s; bring that one back first, then run pulumi up again",
				n.Name, other.Name, because(err))
		}
	}
	if len(lbs) < 2 {
		return nil
	}
	_, err := a.state(ctx, n, render.Yield, stateWaits)
	return err
}

// steer tells all load balancers whether a server gets new connections. One that cannot be reached sends none, and one that comes back looks
// itself: no failure of this is worth ending an update.
func (a Access) steer(ctx context.Context, absence Absence, ready bool) {
	var all sync.WaitGroup
	for _, lb := range absence.steered {
		all.Go(func() { _, _ = a.tell(ctx, lb, render.SteerScript(lb.Name, absence.node.Name, ready), stateWaits) })
	}
	all.Wait()
	if !ready {
		select { // requests that are on their way
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

func ofRole(nodes []topology.Node, role topology.Role) []topology.Node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n topology.Node) bool { return n.Role != role })
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return " (" + err.Error() + ")"
}

// Resume ends an absence: it waits until the node is back, and lets pods come again.
func (a Access) Resume(ctx context.Context, absence Absence) error {
	n := absence.node
	if !absence.serves {
		return nil
	}
	if n.Role == topology.LoadBalancer {
		out, err := a.state(ctx, n, render.Serve, backWaits)
		if err == nil && out == "" {
			err = fmt.Errorf("%s: restart: HAProxy and Keepalived do not run there 300 s after the restart; see their journals, then run pulumi up again", n.Name)
		}
		return err
	}
	c, err := cluster.Reach(ctx, a.toCluster(), reachWait)
	if err != nil {
		return fmt.Errorf("%s: restart: %w", n.Name, err)
	}
	defer c.Close()
	if err := c.Resume(ctx, n.Name, absence.boot); err != nil {
		return fmt.Errorf("%s: restart: %w", n.Name, err)
	}
	if n.Role == topology.Server {
		a.steer(ctx, absence, true)
	}
	return nil
}
