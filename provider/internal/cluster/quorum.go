package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// mayGo waits until the cluster can do without a server, or says why it cannot. etcd itself refuses a removal in a bad moment, but k3s
// then tries it for ever, and carries it out hours later: so the moment is chosen before the Node is deleted. A dead server counts for
// nothing any more, so that the others must be healthy is all that is asked.
func (c *Cluster) mayGo(ctx context.Context, server string, alive bool) error {
	return c.whenHealthy(ctx, server, "take server "+server+" away", func(others int) error { return c.enough(server, others, alive) })
}

// othersCarry waits until all other servers are healthy, so that one may be away for a moment.
func (c *Cluster) othersCarry(ctx context.Context, server, doing string) error {
	return c.whenHealthy(ctx, server, doing, func(int) error { return nil })
}

// whenHealthy waits until all servers but one are healthy.
func (c *Cluster) whenHealthy(ctx context.Context, server, doing string, enough func(others int) error) error {
	var ill []string
	err := c.until(ctx, "waiting until the other servers are healthy, before "+server+" goes", c.waits.Health, func(ctx context.Context) (bool, error) {
		list, err := c.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: etcdLabel + "=true"})
		if err != nil {
			return false, err
		}
		var others []corev1.Node
		for _, node := range list.Items {
			if node.Name != server {
				others = append(others, node)
			}
		}
		if err := enough(len(others)); err != nil {
			return false, err
		}
		ill = nil
		for i := range others {
			if what := c.ailments(ctx, &others[i]); len(what) > 0 {
				ill = append(ill, others[i].Name+": "+strings.Join(what, ", "))
			}
		}
		return len(ill) == 0, nil
	})
	var late *lateError
	if errors.As(err, &late) && late.last == nil && len(ill) > 0 {
		return fmt.Errorf("will not %s, for quorum would be lost: %s; bring that back first, then run pulumi up again", doing, strings.Join(ill, "; "))
	}
	return err
}

// enough says whether so many servers are enough to stay.
func (c *Cluster) enough(server string, stay int, alive bool) error {
	if stay == 0 {
		return finalError(server + ": the last server cannot leave; to end the cluster destroy it as a whole")
	}
	if need := c.servers/2 + 1; alive && stay < need {
		return finalError(fmt.Sprintf("only %d of %d servers would stay; etcd needs %d, so server %s is not taken away; run pulumi up again when the others are back",
			stay, c.servers, need, server))
	}
	return nil
}

// away is what is wrong with a server that restarts, or is about to.
const away = "is being restarted"

// ailments is what is wrong with a server that has to carry the cluster.
func (c *Cluster) ailments(ctx context.Context, node *corev1.Node) []string {
	var what []string
	if node.DeletionTimestamp != nil {
		what = append(what, "is being removed")
	}
	if c.beingPaused(node) {
		what = append(what, away)
	}
	if condition(node, corev1.NodeReady) != string(corev1.ConditionTrue) {
		what = append(what, "not Ready")
	}
	if status := condition(node, votes); status != string(corev1.ConditionTrue) {
		what = append(what, "does not vote in etcd (condition EtcdIsVoter: "+status+")")
	}
	reason, err := c.silent(ctx, node.Name)
	if err != nil {
		reason = fmt.Sprintf("its lease cannot be read (%v)", err)
	}
	if reason != "" {
		what = append(what, reason)
	}
	ip := internalIP(node)
	if ip == "" {
		return append(what, "has no InternalIP")
	}
	if err := c.answers(ctx, ip); err != nil {
		what = append(what, fmt.Sprintf("its API at %s does not answer (%v)", ip, err))
	}
	return what
}
