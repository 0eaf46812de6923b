package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
)

// Cordon keeps new pods away from a node. It says whether the node was cordoned already: then somebody else wants it so.
func (c *Cluster) Cordon(ctx context.Context, node string) (already bool, err error) {
	first := true
	err = c.until(ctx, "cordoning node "+node, c.waits.Ask, func(ctx context.Context) (bool, error) {
		found, err := c.kube.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		if first { // later it may be our own request whose answer was lost
			already, first = found.Spec.Unschedulable, false
		}
		return true, c.setUnschedulable(ctx, node, "true")
	})
	return already, err
}

// Uncordon lets pods come to a node again. A node that is gone needs nothing.
func (c *Cluster) Uncordon(ctx context.Context, node string) error {
	return c.until(ctx, "uncordoning node "+node, c.waits.Ask, func(ctx context.Context) (bool, error) {
		err := c.setUnschedulable(ctx, node, "null")
		if apierrors.IsNotFound(err) {
			err = nil
		}
		return true, err
	})
}

func (c *Cluster) setUnschedulable(ctx context.Context, node, value string) error {
	_, err := c.kube.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, []byte(`{"spec":{"unschedulable":`+value+`}}`), metav1.PatchOptions{})
	return err
}

// empty moves the pods of a cordoned node away.
func (c *Cluster) empty(ctx context.Context, node string, already bool) error {
	if err := c.evictAll(ctx, node); err != nil {
		return c.giveBack(ctx, node, already, err)
	}
	return nil
}

// giveBack uncordons a node after a failure, also when the run was stopped, unless it was cordoned before. It returns the failure.
func (c *Cluster) giveBack(ctx context.Context, node string, already bool, failure error) error {
	if already {
		return failure
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.waits.Undo)
	defer cancel()
	if err := c.Uncordon(ctx, node); err != nil {
		return fmt.Errorf("%w; node %s stays cordoned (%w)", failure, node, err)
	}
	return failure
}

// evictAll evicts the pods that a node has now and waits until they are gone, or the node is lost: nobody ends its pods then.
func (c *Cluster) evictAll(ctx context.Context, node string) error {
	var left []corev1.Pod
	var wanted map[types.UID]bool
	refusals := map[types.UID]error{}
	deadline := time.Now().Add(c.drainFor)
	err := c.until(ctx, "draining node "+node, c.drainFor, func(ctx context.Context) (bool, error) {
		pods, err := c.podsOn(ctx, node)
		if err != nil {
			return false, err
		}
		if wanted == nil {
			wanted = map[types.UID]bool{}
			for i := range pods {
				wanted[pods[i].UID] = moves(&pods[i])
			}
		}
		left = nil
		for _, pod := range pods {
			if wanted[pod.UID] {
				left = append(left, pod)
			}
		}
		for i := range left {
			if ctx.Err() != nil || i > 0 && time.Now().After(deadline) {
				break
			}
			refusals[left[i].UID] = c.evict(ctx, &left[i])
		}
		if len(left) == 0 {
			return true, nil
		}
		reason, err := c.silent(ctx, node)
		return reason != "", err
	})
	var late *lateError
	if !errors.As(err, &late) || len(left) == 0 {
		return err
	}
	if c.force && c.deleted(ctx, node, left) {
		return nil
	}
	return c.blocked(ctx, left, refusals)
}

// deleted deletes the pods that were left, whatever their budgets say, and waits as long as before until they have ended.
func (c *Cluster) deleted(ctx context.Context, node string, left []corev1.Pod) bool {
	err := c.until(ctx, "deleting the pods of node "+node, c.drainFor, func(ctx context.Context) (bool, error) {
		there := 0
		for i := range left {
			pod := &left[i]
			err := c.kube.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}})
			if !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
				there++
			}
		}
		return there == 0, nil
	})
	return err == nil
}

func (c *Cluster) podsOn(ctx context.Context, node string) ([]corev1.Pod, error) {
	list, err := c.kube.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("spec.nodeName", node).String()})
	if err != nil {
		return nil, err
	}
	var pods []corev1.Pod
	for _, pod := range list.Items {
		if pod.Spec.NodeName == node {
			pods = append(pods, pod)
		}
	}
	return pods, nil
}

// moves says whether a pod has to leave before its node does. A static pod and a DaemonSet's belong to the node, and one that has ended
// does nothing any more. A pod with an emptyDir moves like any other: what is in it is lost with the machine anyway.
func moves(pod *corev1.Pod) bool {
	if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
		return false
	}
	if owner := metav1.GetControllerOf(pod); owner != nil && owner.Kind == "DaemonSet" {
		return false
	}
	return pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

// evict asks a pod to go; the error is why it was not accepted. The UID keeps a pod of the same name on another node safe.
func (c *Cluster) evict(ctx context.Context, pod *corev1.Pod) error {
	if pod.DeletionTimestamp != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := c.kube.PolicyV1().Evictions(pod.Namespace).Evict(ctx, &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}},
	})
	// Gone, another pod by now, or one that goes with its namespace.
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil
	}
	return err
}
