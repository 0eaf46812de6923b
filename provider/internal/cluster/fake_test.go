package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

var (
	moment     = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	nodesGVR   = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	podsGVR    = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	shortWaits = waits{
		Ask: 300 * time.Millisecond, Health: 60 * time.Millisecond, Back: 60 * time.Millisecond, Recover: 20 * time.Millisecond, Gone: 60 * time.Millisecond, Turn: 5 * time.Second, Renew: 20 * time.Millisecond,
		Undo: time.Second, Pause: 5 * time.Millisecond,
	}
)

// world is a fake cluster: evictions end pods unless a budget forbids it, and what is asked of it is written down.
type world struct {
	*Cluster
	fake   *fake.Clientset
	mutex  sync.Mutex
	log    []string        // evictions, deletions and cordons, in order
	block  map[string]bool // pods that a budget keeps
	linger map[string]bool // pods that accept an eviction and stay
	mute   map[string]bool // addresses of servers whose API does not answer
	lost   map[string]bool // addresses at which no kubelet listens
	etcd   map[string]bool // nodes that are in etcd; nobody knows them if there are none
}

func newWorld(servers int, objects ...runtime.Object) *world {
	w := &world{fake: fake.NewClientset(objects...), block: map[string]bool{}, linger: map[string]bool{}, mute: map[string]bool{}, lost: map[string]bool{}}
	w.Cluster = &Cluster{
		servers: servers, drainFor: 100 * time.Millisecond, kube: w.fake, waits: shortWaits, now: func() time.Time { return moment }, close: func() {},
		answers: func(_ context.Context, ip string) error {
			if w.mute[ip] {
				return errors.New("connection refused")
			}
			return nil
		},
		kubelet: func(_ context.Context, ip string) bool { return !w.lost[ip] },
		members: func(context.Context) (map[string]bool, error) { return w.etcd, nil },
	}
	w.fake.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.GetSubresource() != "eviction" {
			return false, nil, nil
		}
		eviction := action.(clienttesting.CreateAction).GetObject().(*policyv1.Eviction)
		w.note("evict " + eviction.Name)
		switch {
		case eviction.DeleteOptions.Preconditions.UID == nil:
			return true, nil, errors.New("an eviction without a UID")
		case w.block[eviction.Name]:
			return true, nil, apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
		case w.linger[eviction.Name]:
			return true, eviction, nil
		}
		return true, eviction, w.fake.Tracker().Delete(podsGVR, eviction.Namespace, eviction.Name)
	})
	for _, resource := range []string{"nodes", "secrets"} {
		w.fake.PrependReactor("delete", resource, func(action clienttesting.Action) (bool, runtime.Object, error) {
			w.note("delete " + action.(clienttesting.DeleteAction).GetName())
			return false, nil, nil
		})
	}
	w.fake.PrependReactor("patch", "nodes", func(action clienttesting.Action) (bool, runtime.Object, error) {
		switch patch := string(action.(clienttesting.PatchAction).GetPatch()); {
		case strings.Contains(patch, `"unschedulable":true`):
			w.note("cordon")
		case strings.Contains(patch, `"unschedulable":null`):
			w.note("uncordon")
		case strings.Contains(patch, `":null`):
			w.note("unmark")
		default:
			w.note("mark")
		}
		return false, nil, nil
	})
	return w
}

func (w *world) note(text string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.log = append(w.log, text)
}

// did checks what was asked of the cluster. Repetitions of a line count once.
func (w *world) did(t *testing.T, want ...string) {
	t.Helper()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if got := slices.Compact(slices.Clone(w.log)); !slices.Equal(got, want) {
		t.Errorf("did %q, want %q", got, want)
	}
}

// has checks whether a Node is there.
func (w *world) has(t *testing.T, node string, want bool) {
	t.Helper()
	if _, err := w.fake.Tracker().Get(nodesGVR, "", node); (err == nil) != want {
		t.Errorf("node %s: %v, want it there: %v", node, err, want)
	}
}

func (w *world) cordoned(t *testing.T, node string, want bool) {
	t.Helper()
	object, err := w.fake.Tracker().Get(nodesGVR, "", node)
	if err != nil {
		t.Fatal(err)
	}
	if got := object.(*corev1.Node).Spec.Unschedulable; got != want {
		t.Errorf("node %s cordoned: %v, want %v", node, got, want)
	}
}

// hang keeps deleted Nodes in Terminating.
func (w *world) hang(finalizers ...string) {
	w.fake.PrependReactor("delete", "nodes", func(action clienttesting.Action) (bool, runtime.Object, error) {
		object, err := w.fake.Tracker().Get(nodesGVR, "", action.(clienttesting.DeleteAction).GetName())
		if err != nil {
			return true, nil, err
		}
		node := object.(*corev1.Node).DeepCopy()
		node.DeletionTimestamp, node.Finalizers = &metav1.Time{Time: moment}, finalizers
		return true, nil, w.fake.Tracker().Update(nodesGVR, node, "")
	})
}

// seat is a Node and its lease.
type seat struct {
	name, ip, machine string
	server            bool
	ready, voter      corev1.ConditionStatus
	age               time.Duration // of its lease; negative: none
	cordoned          bool
}

func server(n string, change ...func(*seat)) []runtime.Object {
	return made(seat{name: "k3s-server-0" + n, ip: "10.0.0.1" + n, machine: "machine-" + n, server: true, ready: "True", voter: "True", age: 5 * time.Second}, change)
}

func worker(change ...func(*seat)) []runtime.Object {
	return made(seat{name: "k3s-Worker-01", ip: "10.0.0.21", machine: "machine-w", ready: "True", age: 5 * time.Second}, change)
}

func made(s seat, change []func(*seat)) []runtime.Object {
	for _, f := range change {
		f(&s)
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.name, UID: types.UID("uid-" + s.name)}, Spec: corev1.NodeSpec{Unschedulable: s.cordoned}}
	node.Status.NodeInfo.MachineID = s.machine
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: s.name}, {Type: corev1.NodeInternalIP, Address: s.ip}}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: s.ready}}
	if s.server {
		node.Labels = map[string]string{etcdLabel: "true"}
	}
	if s.voter != "" {
		node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{Type: votes, Status: s.voter})
	}
	objects := []runtime.Object{node}
	if s.age >= 0 {
		at := metav1.NewMicroTime(moment.Add(-s.age))
		objects = append(objects, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: s.name, Namespace: nodeLeases}, Spec: coordinationv1.LeaseSpec{RenewTime: &at}})
	}
	return objects
}

func dead(s *seat)  { s.ready, s.age = "Unknown", 95*time.Second }
func stale(s *seat) { s.machine = "gone" }

func password(node string) []runtime.Object {
	return []runtime.Object{&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: node + ".node-password.k3s", Namespace: "kube-system"}}}
}

func lease(name, holder string, since, renewed time.Time) []runtime.Object {
	acquire, renew, lasts := metav1.NewMicroTime(since), metav1.NewMicroTime(renewed), int32(60)
	return []runtime.Object{&coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "kube-system"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, AcquireTime: &acquire, RenewTime: &renew, LeaseDurationSeconds: &lasts},
	}}
}

func pod(name, node string, change ...func(*corev1.Pod)) []runtime.Object {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID("uid-" + name), Labels: map[string]string{"app": "web"}}}
	p.Spec.NodeName, p.Status.Phase = node, corev1.PodRunning
	for _, f := range change {
		f(p)
	}
	return []runtime.Object{p}
}

func budget(name, app string, allowed int32) []runtime.Object {
	return []runtime.Object{&policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}},
		Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: allowed},
	}}
}

func all(parts ...[]runtime.Object) []runtime.Object { return slices.Concat(parts...) }

// says checks an error's words; "" wants none.
func says(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("got the error\n%s\nwant\n%s", got, want)
	}
}
