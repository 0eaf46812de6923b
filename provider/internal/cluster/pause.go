package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// pauseMark is the annotation of a node that Pause has prepared: since when, and whether the cordon is Pause's own. Resume takes it away, with
// that cordon and no other.
const pauseMark = "k3sha.io/paused"

const (
	withCordon = "cordoned since "
	asItWas    = "since "
	byRun      = " by "
	// pauseLasts is how long a mark says that a node may be away. One that an interrupted run has left must not stop everybody for ever.
	pauseLasts = 20 * time.Minute
)

// Run names this run of Pulumi for the marks on nodes: whose it is, and which. One owner has one run at a time, so the marks of another run of
// the same owner are what an interrupted one has left. All plugins of a run have the same parent.
func Run(owner string) string {
	host, _ := os.Hostname() // without one, as good as on one
	return fmt.Sprintf("%s#%s-%d", owner, host, os.Getppid())
}

// Pause prepares a node for a moment of absence. A server goes only while the others carry the cluster, and says so first: of two that ask at
// the same time none goes, rather than both. To be drained, the node is cordoned and its pods are moved away as their budgets allow; when that
// fails the node is given back. A node that is gone, or that the cluster does not know, needs nothing. It returns which boot of the machine
// this is, and whether its kubelet lives.
func (c *Cluster) Pause(ctx context.Context, name string, drain bool) (boot string, alive bool, err error) {
	node, err := c.node(ctx, name)
	if err != nil || node == nil {
		return "", false, err
	}
	boot = node.Status.NodeInfo.BootID
	alive, err = c.alive(ctx, node)
	if err != nil {
		return boot, alive, err
	}
	server := isServer(node)
	if !alive && !server || !drain && !server {
		return boot, alive, nil
	}
	drain = drain && alive
	// A cordon that is not Pause's own stays; one that an interrupted run has left is its own.
	own := drain && !node.Spec.Unschedulable || strings.HasPrefix(node.Annotations[pauseMark], withCordon)
	if err := c.mark(ctx, name, own); err != nil {
		return boot, alive, err
	}
	for _, step := range []struct {
		needed bool
		do     func() error
	}{
		{server, func() error { return c.othersCarry(ctx, name, "restart server "+name) }},
		{drain, func() error { return c.evictAll(ctx, name) }},
		{server && drain, func() error { return c.othersCarry(ctx, name, "restart server "+name) }}, // a drain takes minutes
	} {
		if !step.needed {
			continue
		}
		if err := step.do(); err != nil {
			return boot, alive, c.unmarkAfter(ctx, name, own, err)
		}
	}
	return boot, alive, nil
}

// beingPaused says whether a node may be away in this moment.
func (c *Cluster) beingPaused(node *corev1.Node) bool {
	_, text, found := strings.Cut(node.Annotations[pauseMark], asItWas)
	text, run, _ := strings.Cut(text, byRun)
	owner, _, _ := strings.Cut(run, "#")
	if own, _, _ := strings.Cut(c.run, "#"); own == owner && run != c.run {
		return false // left by an interrupted run
	}
	since, err := time.Parse(time.RFC3339, text)
	return found && err == nil && c.now().Sub(since) < pauseLasts
}

// Paused lists the nodes that Pause has prepared, and nobody has resumed.
func (c *Cluster) Paused(ctx context.Context) ([]string, error) {
	var names []string
	err := c.until(ctx, "listing nodes", c.waits.Ask, func(ctx context.Context) (bool, error) {
		list, err := c.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		names = nil
		for i := range list.Items {
			if list.Items[i].Annotations[pauseMark] != "" {
				names = append(names, list.Items[i].Name)
			}
		}
		return true, nil
	})
	return names, err
}

// Resume waits until a node is back after a moment of absence, and lets pods come to it again if Pause has cordoned it. It is back when its
// kubelet reports another boot of the machine than the one before, or has shown life since this began; a server also answers and votes.
func (c *Cluster) Resume(ctx context.Context, name, boot string) error {
	return c.back(ctx, name, boot, c.now(), c.waits.Back)
}

// Recover is Resume after a failure: the node is as it was in a moment, or it is not.
func (c *Cluster) Recover(ctx context.Context, name, boot string) error {
	return c.back(ctx, name, boot, c.now(), c.waits.Recover)
}

// Settle is Resume for a node whose restart may have been long ago.
func (c *Cluster) Settle(ctx context.Context, name string) error {
	return c.back(ctx, name, "", time.Time{}, c.waits.Back)
}

func (c *Cluster) back(ctx context.Context, name, boot string, since time.Time, within time.Duration) error {
	var ill []string
	var found *corev1.Node
	err := c.until(ctx, "waiting until node "+name+" is back", within, func(ctx context.Context) (bool, error) {
		node, err := c.kube.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			found = nil
			return true, nil // one that never was a part of the cluster
		}
		if err != nil {
			return false, err
		}
		found = node
		if isServer(node) {
			ill = slices.DeleteFunc(c.ailments(ctx, node), func(what string) bool { return what == away })
		} else {
			ill = c.sick(ctx, node)
		}
		if len(ill) == 0 && node.Status.NodeInfo.BootID == boot {
			lease, err := c.kube.CoordinationV1().Leases(nodeLeases).Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return false, err
			}
			if lease.Spec.RenewTime == nil || lease.Spec.RenewTime.Time.Before(since) {
				ill = []string{"its kubelet has not been heard of since"}
			}
		}
		return len(ill) == 0, nil
	})
	var late *lateError
	if errors.As(err, &late) && late.last == nil {
		return fmt.Errorf("node %s is not back after %s: %s; bring it back, then run pulumi up again", name, span(within), strings.Join(ill, ", "))
	}
	if err != nil || found == nil || found.Annotations[pauseMark] == "" {
		return err
	}
	return c.unmark(ctx, name, strings.HasPrefix(found.Annotations[pauseMark], withCordon))
}

// sick is what is wrong with a worker.
func (c *Cluster) sick(ctx context.Context, node *corev1.Node) []string {
	var what []string
	if condition(node, corev1.NodeReady) != string(corev1.ConditionTrue) {
		what = append(what, "not Ready")
	}
	reason, err := c.silent(ctx, node.Name)
	if err != nil {
		reason = fmt.Sprintf("its lease cannot be read (%v)", err)
	}
	if reason != "" {
		what = append(what, reason)
	}
	return what
}

// mark says that a node may be away from now on, and cordons it.
func (c *Cluster) mark(ctx context.Context, name string, cordon bool) error {
	value, spec := asItWas, ""
	if cordon {
		value, spec = withCordon, `,"spec":{"unschedulable":true}`
	}
	value += c.now().UTC().Format(time.RFC3339) + byRun + c.run
	return c.patch(ctx, "cordoning", name, `{"metadata":{"annotations":{"`+pauseMark+`":"`+value+`"}}`+spec+`}`)
}

// unmark takes that back.
func (c *Cluster) unmark(ctx context.Context, name string, cordoned bool) error {
	spec := ""
	if cordoned {
		spec = `,"spec":{"unschedulable":null}`
	}
	return c.patch(ctx, "uncordoning", name, `{"metadata":{"annotations":{"`+pauseMark+`":null}}`+spec+`}`)
}

func (c *Cluster) patch(ctx context.Context, doing, name, patch string) error {
	return c.until(ctx, doing+" node "+name, c.waits.Ask, func(ctx context.Context) (bool, error) {
		_, err := c.kube.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		if apierrors.IsNotFound(err) {
			err = nil
		}
		return true, err
	})
}

// unmarkAfter gives a node back after a failure, also when the run was stopped. It returns the failure.
func (c *Cluster) unmarkAfter(ctx context.Context, name string, cordoned bool, failure error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.waits.Undo)
	defer cancel()
	if err := c.unmark(ctx, name, cordoned); err != nil {
		return fmt.Errorf("%w; node %s stays cordoned (%w)", failure, name, err)
	}
	return failure
}
