package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// controllerLeases are those of k3s' controllers: their holder carries out what the finalizers of a Node wait for.
var controllerLeases = []string{"k3s", "k3s-etcd"}

// giveUp gives up the leases of k3s' controllers in the place of a server that is gone, in the form in which a server that is stopped does it
// itself: another one takes them at once, and not after 45 s. One that has lost its member has had no API to do so. Time is all that is won,
// so nothing is made of a failure.
func (c *Cluster) giveUp(ctx context.Context, server string) {
	leases := c.kube.CoordinationV1().Leases(system)
	for _, name := range controllerLeases {
		lease, err := leases.Get(ctx, name, metav1.GetOptions{})
		if err != nil || !strings.EqualFold(ptr.Deref(lease.Spec.HolderIdentity, ""), server) {
			continue
		}
		now := metav1.NewMicroTime(c.now())
		lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = ptr.To(""), ptr.To(int32(1))
		lease.Spec.AcquireTime, lease.Spec.RenewTime = &now, &now
		_, _ = leases.Update(ctx, lease, metav1.UpdateOptions{})
	}
}

// remove deletes a Node and waits until it is gone: k3s' finalizers hold it until its etcd member is removed, so its end proves the
// member's. It returns the Node that has come back under the name, if one has.
func (c *Cluster) remove(ctx context.Context, node *corev1.Node) (back *corev1.Node, err error) {
	nodes, last := c.kube.CoreV1().Nodes(), node
	err = c.until(ctx, "removing node "+node.Name, c.waits.Gone, func(ctx context.Context) (bool, error) {
		if last.DeletionTimestamp == nil {
			err := nodes.Delete(ctx, node.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &node.UID}})
			if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) { // a conflict: another Node by now
				return false, err
			}
		}
		found, err := nodes.Get(ctx, node.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return true, nil
		case err != nil:
			return false, err
		case found.UID != node.UID:
			back = found
			return true, nil
		}
		last = found
		if gone, err := c.gone(ctx, found); err == nil && gone {
			c.giveUp(ctx, node.Name)
		}
		return false, nil
	})
	var late *lateError
	if errors.As(err, &late) && last.DeletionTimestamp != nil {
		return nil, fmt.Errorf("node %s hangs in Terminating for %s: finalizers [%s]; the k3s lease's holder is %s, the k3s-etcd lease's holder is %s: "+
			"see the log of k3s there for %s, and bring that server back if it is away; then run pulumi up again",
			node.Name, span(c.waits.Gone), strings.Join(last.Finalizers, " "), c.holder(ctx, controllerLeases[0]), c.holder(ctx, controllerLeases[1]), node.Name)
	}
	return back, err
}

// holder is who holds one of the leases of k3s' controllers.
func (c *Cluster) holder(ctx context.Context, lease string) string {
	found, err := c.kube.CoordinationV1().Leases(system).Get(ctx, lease, metav1.GetOptions{})
	switch {
	case err != nil:
		return fmt.Sprintf("unknown (%v)", err)
	case found.Spec.HolderIdentity == nil || *found.Spec.HolderIdentity == "":
		return "nobody"
	default:
		return *found.Spec.HolderIdentity
	}
}

// forget deletes the password of a node, by which k3s would refuse another machine of that name. Newer releases leave it to a sweep that
// comes after minutes.
func (c *Cluster) forget(ctx context.Context, node string) error {
	name := strings.ToLower(node) + passwordSuffix
	return c.until(ctx, "deleting the password of node "+node, c.waits.Ask, func(ctx context.Context) (bool, error) {
		err := c.kube.CoreV1().Secrets(system).Delete(ctx, name, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			err = nil
		}
		return true, err
	})
}
