package cluster

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// Machine is who wants or has a seat.
type Machine struct {
	Node      string // the node's name
	Server    bool
	MachineID string // as in /etc/machine-id, and as its kubelet reports it
}

// comesBack is how often a Node that registers again while it leaves is removed again.
const comesBack = 3

// Take frees the seat of a node for a machine, before it joins: the Node of another machine is removed with its etcd member and its
// password, the machine's own Node stays. It returns in words what it did, "" if nothing had to be done.
func (c *Cluster) Take(ctx context.Context, m Machine) (string, error) {
	if m.MachineID == "" {
		return "", fmt.Errorf("node %s: the id of its machine is not known", m.Node)
	}
	node, err := c.node(ctx, m.Node)
	switch {
	case err != nil:
		return "", err
	case node == nil:
		return "", c.forget(ctx, m.Node)
	case machineOf(node) == m.MachineID:
		return "", nil
	}
	var did string
	err = c.alone(ctx, m.Node, func(ctx context.Context) error {
		node, err := c.node(ctx, m.Node) // again: the wait may have been long
		if err != nil || node != nil && machineOf(node) == m.MachineID {
			return err
		}
		if node != nil {
			if err := c.removeStale(ctx, node, m); err != nil {
				return err
			}
			did = "removed the stale node " + m.Node + " of another machine"
		}
		return c.forget(ctx, m.Node)
	})
	return did, err
}

// removeStale removes the Node of another machine. That machine is gone: there is nothing to drain.
func (c *Cluster) removeStale(ctx context.Context, node *corev1.Node, m Machine) error {
	// One that is not in etcd any more takes no vote away: after a restore all servers but one are such.
	if (m.Server || isServer(node)) && node.DeletionTimestamp == nil && c.isMember(ctx, node.Name) {
		if err := c.mayGo(ctx, node.Name, false); err != nil {
			return err
		}
	}
	c.giveUp(ctx, node.Name)
	_, err := c.remove(ctx, node)
	return err
}

// Leave takes a node out: cordoned and drained if it is alive, removed from Kubernetes and from etcd, its password gone. A Node of the
// name that belongs to another machine is a newer one, and stays.
func (c *Cluster) Leave(ctx context.Context, m Machine) error {
	node, err := c.node(ctx, m.Node)
	switch {
	case err != nil:
		return err
	case node == nil:
		return c.forget(ctx, m.Node)
	case isNewer(node, m):
		return nil
	}
	return c.alone(ctx, m.Node, func(ctx context.Context) error {
		node, err := c.node(ctx, m.Node) // again: the wait may have been long
		if err != nil {
			return err
		}
		for times := 0; ; times++ {
			switch {
			case node == nil:
				return c.forget(ctx, m.Node)
			case isNewer(node, m):
				return nil
			case times > comesBack:
				return errors.New("node " + m.Node + " comes back each time it is removed, for k3s still runs there; stop k3s on it, then run pulumi up again")
			}
			if node, err = c.takeOut(ctx, node, m.Server || isServer(node)); err != nil {
				return err
			}
		}
	})
}

// takeOut drains and removes a node. It returns the Node that has come back under the name, if one has. A server is drained first and
// loses its member second: without a member its kubelet has no API to tell that a pod has ended.
func (c *Cluster) takeOut(ctx context.Context, node *corev1.Node, server bool) (back *corev1.Node, err error) {
	if node.DeletionTimestamp != nil {
		return c.remove(ctx, node)
	}
	alive, err := c.alive(ctx, node)
	if err != nil {
		return nil, err
	}
	if server { // before anything is disturbed
		if err := c.mayGo(ctx, node.Name, alive); err != nil {
			return nil, err
		}
	}
	if alive {
		already, err := c.Cordon(ctx, node.Name)
		if err != nil {
			return nil, err
		}
		if err := c.empty(ctx, node.Name, already); err != nil {
			return nil, err
		}
		if server { // a drain takes minutes
			if err := c.mayGo(ctx, node.Name, true); err != nil {
				return nil, c.giveBack(ctx, node.Name, already, err)
			}
		}
	}
	return c.remove(ctx, node)
}

// machineOf is the id of the machine that a Node runs on, as its kubelet reported it.
func machineOf(node *corev1.Node) string { return node.Status.NodeInfo.MachineID }

// isNewer says whether a Node belongs to another machine than the one that leaves.
func isNewer(node *corev1.Node, m Machine) bool {
	id := machineOf(node)
	return m.MachineID != "" && id != "" && id != m.MachineID
}
