package cluster

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
)

func TestAnotherRunRemoves(t *testing.T) {
	t.Parallel()
	machine := Machine{Node: "k3s-Worker-01", MachineID: "machine-w"}
	held := newWorld(1, all(server("1"), worker(dead), lease(turnLease, "somebody", moment.Add(-time.Minute), moment.Add(-59*time.Second)))...)
	held.waits.Turn = 50 * time.Millisecond
	says(t, held.Leave(t.Context(), machine), "node k3s-Worker-01 cannot be removed, for another run removes one: lease kube-system/k3sha-removal is held by somebody "+
		"since 2026-05-01T11:59:00Z, and was waited for 50ms; let that run end, then run pulumi up again")
	held.did(t)

	for name, objects := range map[string][]runtime.Object{
		"expired": lease(turnLease, "somebody", moment.Add(-time.Hour), moment.Add(-61*time.Second)),
		"nobody":  lease(turnLease, "", moment, moment),
	} {
		w := newWorld(1, all(server("1"), worker(dead), objects)...)
		if err := w.Leave(t.Context(), machine); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		w.has(t, "k3s-Worker-01", false)
	}
}

// Two removals at once in one process, each with a connection of its own: the second begins when the first has ended.
func TestRemovalsOneByOne(t *testing.T) {
	t.Parallel()
	w := newWorld(1, all(server("1"), server("2"), server("3"), pod("web-2", "k3s-server-02"), pod("web-3", "k3s-server-03"))...)
	other := *w.Cluster
	var busy, most atomic.Int32
	w.fake.PrependReactor("patch", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
		most.Store(max(most.Load(), busy.Add(1)))
		return false, nil, nil
	})
	w.fake.PrependReactor("delete", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
		time.Sleep(20 * time.Millisecond)
		busy.Add(-1)
		return false, nil, nil
	})
	var both sync.WaitGroup
	both.Go(func() { says(t, w.Leave(t.Context(), Machine{"k3s-server-02", true, "machine-2"}), "") })
	both.Go(func() { says(t, other.Leave(t.Context(), Machine{"k3s-server-03", true, "machine-3"}), "") })
	both.Wait()
	if most.Load() != 1 {
		t.Errorf("%d removals at once", most.Load())
	}
}

// The wait for another removal of this process ends with the run.
func TestTurnCanBeStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(1, all(server("1"), worker(dead))...)
	err := w.alone(t.Context(), "first", func(context.Context) error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return w.Leave(ctx, Machine{Node: "k3s-Worker-01", MachineID: "machine-w"})
	})
	says(t, err, "stopped while node k3s-Worker-01 waited for another removal of this run: context deadline exceeded")
}

func TestTurnIsRenewedAndLost(t *testing.T) {
	t.Parallel()
	w := newWorld(1)
	var clock atomic.Int64
	w.now = func() time.Time { return moment.Add(time.Duration(clock.Add(1)) * time.Second) }
	leases := w.fake.CoordinationV1().Leases("kube-system")
	read := func() *coordinationv1.Lease {
		found, err := leases.Get(t.Context(), turnLease, metav1.GetOptions{})
		if err != nil {
			t.Error(err)
			return &coordinationv1.Lease{}
		}
		return found
	}
	err := w.alone(t.Context(), "n", func(ctx context.Context) error {
		first := read()
		if s := first.Spec; *s.LeaseDurationSeconds != 60 || *s.HolderIdentity == "" {
			t.Errorf("%+v", s)
		}
		for range 200 {
			if read().Spec.RenewTime.After(first.Spec.RenewTime.Time) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if !read().Spec.RenewTime.After(first.Spec.RenewTime.Time) {
			t.Error("the lease was not renewed")
		}
		// Another run takes it over: from now on our renewals are refused.
		w.fake.PrependReactor("update", "leases", func(action clienttesting.Action) (bool, runtime.Object, error) {
			if object := action.(clienttesting.UpdateAction).GetObject().(*coordinationv1.Lease); *object.Spec.HolderIdentity == "thief" {
				return false, nil, nil
			}
			return true, nil, context.DeadlineExceeded
		})
		stolen, thief := read(), "thief"
		stolen.Spec.HolderIdentity, stolen.UID = &thief, types.UID("x")
		if _, err := leases.Update(t.Context(), stolen, metav1.UpdateOptions{}); err != nil {
			t.Error(err)
		}
		return w.until(ctx, "working", 5*time.Second, func(context.Context) (bool, error) { return false, nil })
	})
	says(t, err, "stopped while working: another run took lease kube-system/k3sha-removal over; let it end, then run pulumi up again")
	if holder := *read().Spec.HolderIdentity; holder != "thief" {
		t.Errorf("the thief's lease was given back: %q", holder)
	}
}

func TestHoldersDiffer(t *testing.T) {
	t.Parallel()
	w := newWorld(1)
	var holders []string
	for range 2 {
		err := w.alone(t.Context(), "n", func(ctx context.Context) error {
			found, err := w.fake.CoordinationV1().Leases("kube-system").Get(ctx, turnLease, metav1.GetOptions{})
			holders = append(holders, *found.Spec.HolderIdentity)
			return err
		})
		says(t, err, "")
	}
	if strings.EqualFold(holders[0], holders[1]) {
		t.Error(holders)
	}
}
