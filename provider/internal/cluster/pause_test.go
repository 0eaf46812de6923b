package cluster

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func foreign(s *seat) { s.cordoned = true }

// renew renews a node's lease.
func (w *world) renew(t *testing.T, node string) {
	t.Helper()
	lease, err := w.fake.CoordinationV1().Leases(nodeLeases).Get(t.Context(), node, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	at := metav1.NewMicroTime(w.now())
	lease.Spec.RenewTime = &at
	if _, err := w.fake.CoordinationV1().Leases(nodeLeases).Update(t.Context(), lease, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) set(t *testing.T, node string, change func(*corev1.Node)) {
	t.Helper()
	object, err := w.fake.Tracker().Get(nodesGVR, "", node)
	if err != nil {
		t.Fatal(err)
	}
	changed := object.(*corev1.Node).DeepCopy()
	change(changed)
	if err := w.fake.Tracker().Update(nodesGVR, changed, ""); err != nil {
		t.Fatal(err)
	}
}

// What is asked of the cluster before a node goes for a moment.
func TestPause(t *testing.T) {
	t.Parallel()
	three := func(change ...func(*seat)) []runtime.Object {
		return all(server("1"), server("2"), server("3", change...))
	}
	for name, c := range map[string]struct {
		objects []runtime.Object
		node    string
		drain   bool
		blocked bool
		want    string
		did     []string
		stays   bool // cordoned
	}{
		"a worker":                     {all(server("1"), worker(), pod("web-0", "k3s-Worker-01")), "k3s-Worker-01", true, false, "", []string{"cordon", "evict web-0"}, true},
		"a worker, not drained":        {all(server("1"), worker(), pod("web-0", "k3s-Worker-01")), "k3s-Worker-01", false, false, "", nil, false},
		"a budget":                     {all(worker(), pod("web-0", "k3s-Worker-01"), budget("web", "web", 0)), "k3s-Worker-01", true, true, "pod default/web-0 cannot be evicted for 100ms: PodDisruptionBudget default/web allows no disruption; raise the replicas or change the budget, then run pulumi up again", []string{"cordon", "evict web-0", "uncordon"}, false},
		"somebody's cordon, a budget":  {all(worker(foreign), pod("web-0", "k3s-Worker-01"), budget("web", "web", 0)), "k3s-Worker-01", true, true, "pod default/web-0 cannot be evicted for 100ms: PodDisruptionBudget default/web allows no disruption; raise the replicas or change the budget, then run pulumi up again", []string{"mark", "evict web-0", "unmark"}, true},
		"somebody's cordon":            {all(worker(foreign), pod("web-0", "k3s-Worker-01")), "k3s-Worker-01", true, false, "", []string{"mark", "evict web-0"}, true},
		"one that is gone":             {all(server("1"), worker(dead), pod("web-0", "k3s-Worker-01")), "k3s-Worker-01", true, false, "", nil, false},
		"a server":                     {three(), "k3s-server-02", true, false, "", []string{"cordon"}, true},
		"a server, another one is ill": {three(dead), "k3s-server-02", true, false, "will not restart server k3s-server-02, for quorum would be lost: k3s-server-03: not Ready, has not renewed its lease for 95 s; bring that back first, then run pulumi up again", []string{"cordon", "uncordon"}, false},
		"a server, one does not vote":  {three(func(s *seat) { s.voter = "False" }), "k3s-server-02", false, false, "will not restart server k3s-server-02, for quorum would be lost: k3s-server-03: does not vote in etcd (condition EtcdIsVoter: False); bring that back first, then run pulumi up again", []string{"mark", "unmark"}, false},
		"the only server":              {all(server("1")), "k3s-server-01", true, false, "", []string{"cordon"}, true},
		"the one that is ill itself":   {three(dead), "k3s-server-03", true, false, "", []string{"mark"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(3, c.objects...)
			w.block["web-0"] = c.blocked
			w.set(t, c.node, func(n *corev1.Node) { n.Status.NodeInfo.BootID = "boot-1" })
			boot, _, err := w.Pause(t.Context(), c.node, c.drain)
			says(t, err, c.want)
			if boot != "boot-1" {
				t.Errorf("boot %q", boot)
			}
			w.did(t, c.did...)
			w.cordoned(t, c.node, c.stays)
		})
	}
	// Of two servers that ask at the same time the second one stays, until a mark is so old that nobody can be away for it any more.
	both := newWorld(3, three()...)
	if _, _, err := both.Pause(t.Context(), "k3s-server-01", false); err != nil {
		t.Fatal(err)
	}
	_, _, err := both.Pause(t.Context(), "k3s-server-02", true)
	says(t, err, "will not restart server k3s-server-02, for quorum would be lost: k3s-server-01: is being restarted; bring that back first, then run pulumi up again")
	says(t, both.Leave(t.Context(), Machine{"k3s-server-03", true, ""}),
		"will not take server k3s-server-03 away, for quorum would be lost: k3s-server-01: is being restarted; bring that back first, then run pulumi up again")
	paused, err := both.Paused(t.Context())
	if err != nil || len(paused) != 1 || paused[0] != "k3s-server-01" {
		t.Errorf("paused: %v %v", paused, err)
	}
	later := func() time.Time { return moment.Add(pauseLasts + time.Minute) }
	both.now = later
	for _, name := range []string{"k3s-server-01", "k3s-server-02", "k3s-server-03"} {
		both.renew(t, name)
	}
	if _, _, err := both.Pause(t.Context(), "k3s-server-02", true); err != nil {
		t.Errorf("an old mark stops everybody: %v", err)
	}
	// Nor is anybody kept by what an interrupted run of the same owner has left; by another owner's run, yes.
	for run, stops := range map[string]bool{"me#host-1": true, "me#host-2": false, "other#host-2": true, "": true} {
		again := newWorld(3, three()...)
		again.run = "me#host-1"
		mark := withCordon + moment.Format(time.RFC3339)
		if run != "" {
			mark += byRun + run
		}
		again.set(t, "k3s-server-01", func(n *corev1.Node) { n.Annotations = map[string]string{pauseMark: mark} })
		if _, _, err := again.Pause(t.Context(), "k3s-server-02", false); (err != nil) != stops {
			t.Errorf("marked by %q: %v", run, err)
		}
	}
	w := newWorld(1, all(server("1"))...)
	if boot, _, err := w.Pause(t.Context(), "k3s-worker-09", true); boot != "" || err != nil {
		t.Errorf("one that the cluster does not know: %q %v", boot, err)
	}
}

// Force overrides a budget when the time is over, and only then.
func TestPauseByForce(t *testing.T) {
	t.Parallel()
	w := newWorld(1, all(worker(), pod("web-0", "k3s-Worker-01"), budget("web", "web", 0))...)
	w.block["web-0"], w.force = true, true
	began := time.Now()
	_, _, err := w.Pause(t.Context(), "k3s-Worker-01", true)
	says(t, err, "")
	if took := time.Since(began); took < w.drainFor {
		t.Errorf("the pod was deleted after %s", took)
	}
	if _, err := w.fake.Tracker().Get(podsGVR, "default", "web-0"); err == nil {
		t.Error("the pod is still there")
	}
	w.cordoned(t, "k3s-Worker-01", true)
}

// A node is back when its kubelet tells of another boot, or has been heard of since; only a cordon of Pause's own is lifted.
func TestResume(t *testing.T) {
	t.Parallel()
	fresh := func(s *seat) { s.age = 0 }
	old := func(s *seat) { s.age = 20 * time.Second }
	for name, c := range map[string]struct {
		objects []runtime.Object
		node    string
		boot    string
		mark    bool
		mute    bool
		want    string
		stays   bool
	}{
		"another boot":                    {all(worker(old)), "k3s-Worker-01", "boot-0", true, false, "", false},
		"the same boot, not heard of":     {all(worker(old)), "k3s-Worker-01", "boot-1", true, false, "node k3s-Worker-01 is not back after 100ms: its kubelet has not been heard of since; bring it back, then run pulumi up again", true},
		"the same boot, heard of":         {all(worker(fresh)), "k3s-Worker-01", "boot-1", true, false, "", false},
		"not Ready":                       {all(worker(func(s *seat) { s.ready = "False" })), "k3s-Worker-01", "boot-0", true, false, "node k3s-Worker-01 is not back after 100ms: not Ready; bring it back, then run pulumi up again", true},
		"silent":                          {all(worker(dead)), "k3s-Worker-01", "boot-0", true, false, "node k3s-Worker-01 is not back after 100ms: not Ready, has not renewed its lease for 95 s; bring it back, then run pulumi up again", true},
		"somebody's cordon":               {all(worker(foreign)), "k3s-Worker-01", "boot-0", false, false, "", true},
		"a server":                        {all(server("1"), server("2")), "k3s-server-02", "boot-0", true, false, "", false},
		"a server that does not answer":   {all(server("1"), server("2")), "k3s-server-02", "boot-0", true, true, "node k3s-server-02 is not back after 100ms: its API at 10.0.0.12 does not answer (connection refused); bring it back, then run pulumi up again", true},
		"a server that does not vote yet": {all(server("2", func(s *seat) { s.voter = "False" })), "k3s-server-02", "boot-0", true, false, "node k3s-server-02 is not back after 100ms: does not vote in etcd (condition EtcdIsVoter: False); bring it back, then run pulumi up again", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(3, c.objects...)
			w.waits.Back, w.mute["10.0.0.12"] = 100*time.Millisecond, c.mute
			w.set(t, c.node, func(n *corev1.Node) {
				n.Status.NodeInfo.BootID = "boot-1"
				if c.mark {
					n.Annotations, n.Spec.Unschedulable = map[string]string{pauseMark: withCordon + moment.Format(time.RFC3339)}, true
				}
			})
			says(t, w.Resume(t.Context(), c.node, c.boot), c.want)
			w.cordoned(t, c.node, c.stays)
		})
	}
	w := newWorld(1, all(server("1"))...)
	says(t, w.Resume(t.Context(), "k3s-worker-09", ""), "")
	// A node that somebody had cordoned before stays cordoned, though it was drained.
	w = newWorld(1, all(worker(foreign))...)
	if _, _, err := w.Pause(t.Context(), "k3s-Worker-01", true); err != nil {
		t.Fatal(err)
	}
	says(t, w.Resume(t.Context(), "k3s-Worker-01", "another boot"), "")
	w.did(t, "mark", "unmark")
	w.cordoned(t, "k3s-Worker-01", true)
	// One that an interrupted run has cordoned comes back, also when its machine was away when the next run began.
	w = newWorld(3, all(server("1"), server("2", dead), server("3"))...)
	w.set(t, "k3s-server-02", func(n *corev1.Node) {
		n.Annotations, n.Spec.Unschedulable = map[string]string{pauseMark: withCordon + moment.Format(time.RFC3339)}, true
	})
	if _, _, err := w.Pause(t.Context(), "k3s-server-02", true); err != nil {
		t.Fatal(err)
	}
	w.set(t, "k3s-server-02", func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionTrue })
	w.renew(t, "k3s-server-02")
	says(t, w.Resume(t.Context(), "k3s-server-02", "another boot"), "")
	w.cordoned(t, "k3s-server-02", false)
	// Whenever the restart was: what an interrupted update has left cordoned comes back.
	w = newWorld(1, all(worker(old))...)
	w.set(t, "k3s-Worker-01", func(n *corev1.Node) {
		n.Annotations, n.Spec.Unschedulable = map[string]string{pauseMark: withCordon + moment.Format(time.RFC3339)}, true
	})
	says(t, w.Settle(t.Context(), "k3s-Worker-01"), "")
	w.cordoned(t, "k3s-Worker-01", false)
}
