package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	turnLease = "k3sha-removal"
	turnLasts = 60 * time.Second // a run that died is waited for so long
)

// turn keeps the removals of this process apart.
var turn = make(chan struct{}, 1)

// alone does its work while nobody else removes a node: neither this process, nor another run, which the Lease keeps out. Two removals at
// once would each find the other's server healthy, and together lose quorum.
func (c *Cluster) alone(ctx context.Context, node string, work func(context.Context) error) error {
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return fmt.Errorf("stopped while node %s waited for another removal of this run: %w", node, context.Cause(ctx))
	}
	lease, err := c.takeTurn(ctx, node, rand.Text())
	if err != nil {
		return err
	}
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	renewed := make(chan *coordinationv1.Lease)
	ended := make(chan struct{})
	go func() { renewed <- c.keepTurn(working, ended, stop, lease) }()
	err = work(working)
	close(ended)
	c.endTurn(ctx, <-renewed)
	return err
}

// takeTurn waits for the Lease.
func (c *Cluster) takeTurn(ctx context.Context, node, holder string) (*coordinationv1.Lease, error) {
	leases := c.kube.CoordinationV1().Leases(system)
	var ours, theirs *coordinationv1.Lease
	err := c.until(ctx, "waiting for lease "+system+"/"+turnLease+" before node "+node+" is removed", c.waits.Turn, func(ctx context.Context) (bool, error) {
		theirs = nil
		lease, err := leases.Get(ctx, turnLease, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: turnLease, Namespace: system}}
			c.claim(lease, holder)
			ours, err = leases.Create(ctx, lease, metav1.CreateOptions{})
			if apierrors.IsAlreadyExists(err) {
				return false, nil // somebody was faster
			}
			return err == nil, err
		}
		if err != nil {
			return false, err
		}
		if !c.free(lease, holder) {
			theirs = lease
			return false, nil
		}
		c.claim(lease, holder)
		ours, err = leases.Update(ctx, lease, metav1.UpdateOptions{}) // a conflict: somebody was faster
		return err == nil, err
	})
	var late *lateError
	if errors.As(err, &late) && theirs != nil {
		since := "an unknown time"
		if at := theirs.Spec.AcquireTime; at != nil {
			since = at.UTC().Format(time.RFC3339)
		}
		return nil, fmt.Errorf("node %s cannot be removed, for another run removes one: lease %s/%s is held by %s since %s, and was waited for %s; let that run end, then run pulumi up again",
			node, system, turnLease, *theirs.Spec.HolderIdentity, since, span(c.waits.Turn))
	}
	return ours, err
}

// free says whether the Lease may be taken: nobody's, ours (a request whose answer was lost), or one that its holder no longer renews.
func (c *Cluster) free(lease *coordinationv1.Lease, holder string) bool {
	s := lease.Spec
	if s.HolderIdentity == nil || *s.HolderIdentity == "" || *s.HolderIdentity == holder || s.RenewTime == nil {
		return true
	}
	lasts := turnLasts
	if s.LeaseDurationSeconds != nil {
		lasts = time.Duration(*s.LeaseDurationSeconds) * time.Second
	}
	return c.now().After(s.RenewTime.Add(lasts))
}

func (c *Cluster) claim(lease *coordinationv1.Lease, holder string) {
	now, seconds := metav1.NewMicroTime(c.now()), int32(turnLasts/time.Second)
	lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds, lease.Spec.AcquireTime, lease.Spec.RenewTime = &holder, &seconds, &now, &now
}

// keepTurn renews the Lease until the work has ended. If that fails for too long, or another run has taken it over, it stops the work.
func (c *Cluster) keepTurn(ctx context.Context, ended <-chan struct{}, stop context.CancelCauseFunc, lease *coordinationv1.Lease) *coordinationv1.Lease {
	leases, holder, last := c.kube.CoordinationV1().Leases(system), *lease.Spec.HolderIdentity, time.Now()
	for {
		select {
		case <-ended:
			return lease
		case <-ctx.Done():
			return lease
		case <-time.After(c.waits.Renew):
		}
		now := metav1.NewMicroTime(c.now())
		renewal := lease.DeepCopy()
		renewal.Spec.RenewTime = &now
		started := time.Now()
		updated, err := leases.Update(ctx, renewal, metav1.UpdateOptions{})
		if err == nil {
			lease, last = updated, started
			continue
		}
		found, reading := leases.Get(ctx, turnLease, metav1.GetOptions{})
		switch {
		case reading == nil && (found.Spec.HolderIdentity == nil || *found.Spec.HolderIdentity != holder), apierrors.IsNotFound(reading):
			stop(fmt.Errorf("another run took lease %s/%s over; let it end, then run pulumi up again", system, turnLease))
			return nil
		case reading == nil:
			lease = found // an update whose answer was lost
		}
		if time.Since(last)+c.waits.Renew+requestTimeout > turnLasts {
			stop(fmt.Errorf("lease %s/%s could not be renewed (%w); when the cluster's API answers again, run pulumi up again", system, turnLease, err))
			return lease
		}
	}
}

// endTurn gives the Lease back. If that fails it runs out by itself.
func (c *Cluster) endTurn(ctx context.Context, lease *coordinationv1.Lease) {
	if lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.waits.Undo)
	defer cancel()
	_ = c.kube.CoordinationV1().Leases(system).Delete(ctx, turnLease, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &lease.UID, ResourceVersion: &lease.ResourceVersion},
	})
}
