package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
)

const (
	workerSecret = "k3s-worker-01.node-password.k3s"
	serverSecret = "k3s-server-03.node-password.k3s"
)

func inEtcd(w *world, nodes ...string) *world {
	w.etcd = map[string]bool{}
	for _, name := range nodes {
		w.etcd[name] = true
	}
	return w
}

func TestTake(t *testing.T) {
	t.Parallel()
	one, two := server("1"), server("2")
	for name, c := range map[string]struct {
		world   *world
		machine Machine
		did     string
		failure string
		log     []string
		stays   bool
	}{
		"stale server": {
			newWorld(3, all(one, two, server("3", stale, dead), password("k3s-server-03"))...),
			Machine{"k3s-server-03", true, "machine-3"},
			"removed the stale node k3s-server-03 of another machine", "",
			[]string{"delete k3s-server-03", "delete " + serverSecret},
			false,
		},
		"stale worker, drained by nobody": {
			newWorld(3, all(one, worker(stale), pod("web-0", "k3s-Worker-01"), password("k3s-worker-01"))...),
			Machine{"k3s-Worker-01", false, "machine-w"},
			"removed the stale node k3s-Worker-01 of another machine", "",
			[]string{"delete k3s-Worker-01", "delete " + workerSecret},
			false,
		},
		"the same machine": {newWorld(3, all(one, two, server("3"), password("k3s-server-03"))...), Machine{"k3s-server-03", true, "machine-3"}, "", "", nil, true},
		"nothing":          {newWorld(3, all(one, two)...), Machine{"k3s-server-03", true, "machine-3"}, "", "", []string{"delete " + serverSecret}, false},
		"another server is ill": {
			newWorld(3, all(one, server("2", dead), server("3", stale, dead))...),
			Machine{"k3s-server-03", true, "machine-3"},
			"",
			"will not take server k3s-server-03 away, for quorum would be lost: k3s-server-02: not Ready, has not renewed its lease for 95 s; bring that back first, then run pulumi up again", nil, true,
		},
		"another one is ill, and neither is in etcd: a snapshot was restored": {
			inEtcd(newWorld(3, all(one, server("2", stale, dead), server("3", stale, dead))...), "k3s-server-01"),
			Machine{"k3s-server-03", true, "machine-3"},
			"removed the stale node k3s-server-03 of another machine", "",
			[]string{"delete k3s-server-03", "delete " + serverSecret},
			false,
		},
		"its machine is unknown": {newWorld(3, all(one, server("3"))...), Machine{"k3s-server-03", true, ""}, "", "node k3s-server-03: the id of its machine is not known", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			did, err := c.world.Take(t.Context(), c.machine)
			says(t, err, c.failure)
			if did != c.did {
				t.Errorf("says that it did %q, want %q", did, c.did)
			}
			c.world.did(t, c.log...)
			c.world.has(t, c.machine.Node, c.stays)
		})
	}
}

func TestLeaveWorker(t *testing.T) {
	t.Parallel()
	const name = "k3s-Worker-01"
	machine := Machine{Node: name, MachineID: "machine-w"}
	gone := []string{"delete " + name, "delete " + workerSecret}
	controller := true
	others := all(
		pod("elsewhere", "k3s-server-01"),
		pod("static", name, func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }),
		pod("daemon", name, func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: "DaemonSet", Name: "d", Controller: &controller}}
		}),
		pod("job-1", name, func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }),
		pod("job-2", name, func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }),
	)
	emptyDir := func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	}
	blocked := func(change ...func(*seat)) *world {
		w := newWorld(1, all(server("1"), worker(change...), pod("web-0", name), budget("web", "web", 0), budget("other", "other", 0), budget("loose", "web", 1))...)
		w.block["web-0"] = true
		return w
	}
	for title, c := range map[string]struct {
		world    *world
		machine  Machine
		failure  string
		log      []string
		stays    bool
		cordoned bool
	}{
		"alive": {
			newWorld(1, all(server("1"), worker(), others, pod("web-0", name, emptyDir))...), machine, "",
			append([]string{"cordon", "evict web-0"}, gone...), false, false,
		},
		"a budget blocks": {
			blocked(), machine,
			"pod default/web-0 cannot be evicted for 100ms: PodDisruptionBudget default/web allows no disruption; raise the replicas or change the budget, then run pulumi up again",
			[]string{"cordon", "evict web-0", "uncordon"},
			true, false,
		},
		"a budget blocks, cordoned before": {
			blocked(func(s *seat) { s.cordoned = true }), machine,
			"pod default/web-0 cannot be evicted for 100ms: PodDisruptionBudget default/web allows no disruption; raise the replicas or change the budget, then run pulumi up again",
			[]string{"cordon", "evict web-0"},
			true, true,
		},
		"a pod does not end": {
			func() *world {
				w := newWorld(1, all(server("1"), worker(), pod("web-0", name))...)
				w.linger["web-0"] = true
				return w
			}(), machine,
			"pod default/web-0 has not ended for 100ms; see what keeps it (its grace period, its finalizers, its node), then run pulumi up again",
			[]string{"cordon", "evict web-0", "uncordon"},
			true, false,
		},
		"not Ready":   {newWorld(1, all(server("1"), worker(func(s *seat) { s.ready = "Unknown" }), pod("web-0", name))...), machine, "", gone, false, false},
		"stale lease": {newWorld(1, all(server("1"), worker(func(s *seat) { s.age = 41 * time.Second }), pod("web-0", name))...), machine, "", gone, false, false},
		"no lease":    {newWorld(1, all(server("1"), worker(func(s *seat) { s.age = -1 }), pod("web-0", name))...), machine, "", gone, false, false},
		"lost a moment ago": {
			func() *world {
				w := newWorld(1, all(server("1"), worker(func(s *seat) { s.ip = "10.0.0.21" }), pod("web-0", name))...)
				w.lost["10.0.0.21"] = true
				return w
			}(), machine, "", gone, false, false,
		},
		"gone already":  {newWorld(1, all(server("1"), password("k3s-worker-01"))...), machine, "", []string{"delete " + workerSecret}, false, false},
		"newer machine": {newWorld(1, all(server("1"), worker())...), Machine{Node: name, MachineID: "machine-before"}, "", nil, true, false},
		"machine unknown": {
			newWorld(1, all(server("1"), worker())...), Machine{Node: name}, "", append([]string{"cordon"}, gone...), false, false,
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			says(t, c.world.Leave(t.Context(), c.machine), c.failure)
			c.world.did(t, c.log...)
			c.world.has(t, name, c.stays)
			if c.stays {
				c.world.cordoned(t, name, c.cordoned)
			}
		})
	}
}

func TestLeaveServer(t *testing.T) {
	t.Parallel()
	const name = "k3s-server-03"
	ill := func(what string) string {
		return "will not take server k3s-server-03 away, for quorum would be lost: k3s-server-02: " + what + "; bring that back first, then run pulumi up again"
	}
	gone := []string{"cordon", "delete " + name, "delete " + serverSecret}
	only := func(wanted int, change ...func(*seat)) *world {
		return newWorld(wanted, all(server("1"), server("2", change...), server("3"))...)
	}
	mute := only(3)
	mute.mute["10.0.0.12"] = true
	itself := only(3) // nobody asks the one that leaves
	itself.mute["10.0.0.13"] = true
	terminating := only(3)
	object, _ := terminating.fake.Tracker().Get(nodesGVR, "", "k3s-server-02")
	second := object.(*corev1.Node).DeepCopy()
	second.DeletionTimestamp, second.Finalizers = &metav1.Time{Time: moment}, []string{"x"}
	_ = terminating.fake.Tracker().Update(nodesGVR, second, "")
	for title, c := range map[string]struct {
		world   *world
		failure string
		log     []string
	}{
		"healthy":               {only(3), "", gone},
		"itself silent":         {itself, "", gone},
		"not voting":            {only(3, func(s *seat) { s.voter = "False" }), ill("does not vote in etcd (condition EtcdIsVoter: False)"), nil},
		"no word of its vote":   {only(3, func(s *seat) { s.voter = "" }), ill("does not vote in etcd (condition EtcdIsVoter: missing)"), nil},
		"not Ready":             {only(3, func(s *seat) { s.ready = "False" }), ill("not Ready"), nil},
		"stale lease":           {only(3, func(s *seat) { s.age = 41 * time.Second }), ill("has not renewed its lease for 41 s"), nil},
		"lease of 40 s":         {only(3, func(s *seat) { s.age = 40 * time.Second }), "", gone},
		"no lease":              {only(3, func(s *seat) { s.age = -1 }), ill("has no lease"), nil},
		"not answering":         {mute, ill("its API at 10.0.0.12 does not answer (connection refused)"), nil},
		"no address":            {only(3, func(s *seat) { s.ip = "" }), ill("has no InternalIP"), nil},
		"another is going":      {terminating, ill("is being removed"), nil},
		"all of it":             {only(3, dead, func(s *seat) { s.voter = "False" }), ill("not Ready, does not vote in etcd (condition EtcdIsVoter: False), has not renewed its lease for 95 s"), nil},
		"a server with no Node": {newWorld(3, all(server("1"), server("3"))...), "only 1 of 3 servers would stay; etcd needs 2, so server k3s-server-03 is not taken away; run pulumi up again when the others are back", nil},
		"two of five":           {only(5), "only 2 of 5 servers would stay; etcd needs 3, so server k3s-server-03 is not taken away; run pulumi up again when the others are back", nil},
		"two of five, and it is dead": {
			func() *world { w := only(5); w.lost["10.0.0.13"] = true; return w }(), "", []string{"delete " + name, "delete " + serverSecret},
		},
		"from two to one": {newWorld(1, all(server("1"), server("3"))...), "", gone},
		"the last one":    {newWorld(1, all(server("3"), worker())...), "k3s-server-03: the last server cannot leave; to end the cluster destroy it as a whole", nil},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			says(t, c.world.Leave(t.Context(), Machine{name, true, "machine-3"}), c.failure)
			c.world.did(t, c.log...)
			c.world.has(t, name, c.failure != "")
			if c.failure != "" {
				c.world.cordoned(t, name, false)
			}
		})
	}
}

// A server that is gone gives up the leases of k3s' controllers, or its member would stay for 45 s more. One that lives keeps them, and those
// of others are others'.
func TestLeasesOfAServerThatIsGone(t *testing.T) {
	t.Parallel()
	const name, ip = "k3s-server-03", "10.0.0.13"
	for title, c := range map[string]struct {
		change []func(*seat)
		dies   bool // when its member is removed
		take   bool // by the machine that comes after it
		holder string
	}{
		"of a machine that was": {[]func(*seat){stale}, false, true, "nobody"},
		"dead":                  {[]func(*seat){dead}, false, false, "nobody"},
		"ends when it leaves":   {nil, true, false, "nobody"},
		"alive":                 {nil, false, false, "K3s-Server-03"},
		"alive, not Ready":      {[]func(*seat){func(s *seat) { s.ready = "False" }}, false, false, "K3s-Server-03"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			w := newWorld(3, all(server("1"), server("2"), server("3", c.change...), lease("k3s", "K3s-Server-03", moment, moment), lease("k3s-etcd", "k3s-server-01", moment, moment))...)
			w.hang("x")
			w.fake.PrependReactor("delete", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
				w.lost[ip] = c.dies
				return false, nil, nil
			})
			var err error
			if machine := (Machine{name, true, "machine-3"}); c.take {
				_, err = w.Take(t.Context(), machine)
			} else {
				err = w.Leave(t.Context(), machine)
			}
			says(t, err, "node k3s-server-03 hangs in Terminating for 60ms: finalizers [x]; the k3s lease's holder is "+c.holder+", the k3s-etcd lease's holder is k3s-server-01: "+
				"see the log of k3s there for k3s-server-03, and bring that server back if it is away; then run pulumi up again")
		})
	}
}

// A server without its label, or one that is not said to be one, is one by the other sign.
func TestLeaveKnowsServers(t *testing.T) {
	t.Parallel()
	const last = "k3s-server-03: the last server cannot leave; to end the cluster destroy it as a whole"
	labelled := newWorld(1, server("3")...)
	says(t, labelled.Leave(t.Context(), Machine{"k3s-server-03", false, "machine-3"}), last)
	said := newWorld(1, server("3", func(s *seat) { s.server = false })...)
	says(t, said.Leave(t.Context(), Machine{"k3s-server-03", true, "machine-3"}), last)
}

// While a server is drained another one falls ill: nothing is removed, and the node is as it was.
func TestLeaveLooksAgainAfterTheDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(3, all(server("1"), server("2"), server("3"), pod("web-0", "k3s-server-03"))...)
	var evicted bool
	w.answers = func(_ context.Context, ip string) error {
		_, err := w.fake.Tracker().Get(podsGVR, "default", "web-0")
		if evicted = err != nil; evicted && ip == "10.0.0.12" {
			return errors.New("timeout")
		}
		return nil
	}
	says(t, w.Leave(t.Context(), Machine{"k3s-server-03", true, "machine-3"}),
		"will not take server k3s-server-03 away, for quorum would be lost: k3s-server-02: its API at 10.0.0.12 does not answer (timeout); bring that back first, then run pulumi up again")
	w.did(t, "cordon", "evict web-0", "uncordon")
	if !evicted {
		t.Error("it was not drained")
	}
}

// A node that is lost while it is drained is not waited for: nobody ends its pods any more.
func TestLeaveOfANodeThatIsLostMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(1, all(server("1"), worker(), pod("web-0", "k3s-Worker-01"))...)
	w.linger["web-0"] = true
	w.drainFor = time.Minute
	began := time.Now()
	w.now = func() time.Time {
		if time.Since(began) > 100*time.Millisecond {
			return moment.Add(time.Minute)
		}
		return moment
	}
	says(t, w.Leave(t.Context(), Machine{Node: "k3s-Worker-01", MachineID: "machine-w"}), "")
	w.has(t, "k3s-Worker-01", false)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it was waited for: %s", took)
	}
}

// Others that become healthy in time are waited for.
func TestLeaveWaitsForTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(3, all(server("1"), server("2"), server("3"))...)
	w.waits.Health = 2 * time.Second
	asked := 0
	w.answers = func(context.Context, string) error {
		if asked++; asked < 6 {
			return errors.New("not yet")
		}
		return nil
	}
	says(t, w.Leave(t.Context(), Machine{"k3s-server-03", true, "machine-3"}), "")
	w.has(t, "k3s-server-03", false)
}

func TestHangingNode(t *testing.T) {
	t.Parallel()
	const want = "node k3s-server-03 hangs in Terminating for 60ms: finalizers [wrangler.cattle.io/node wrangler.cattle.io/managed-etcd-controller]; " +
		"the k3s lease's holder is nobody, the k3s-etcd lease's holder is k3s-server-02: see the log of k3s there for k3s-server-03, and bring that server back if it is away; then run pulumi up again"
	objects := all(server("1"), server("2"), server("3", dead), password("k3s-server-03"), lease("k3s", "", moment, moment), lease("k3s-etcd", "k3s-server-02", moment, moment))
	machine := Machine{"k3s-server-03", true, "machine-3"}
	w := newWorld(3, objects...)
	w.hang("wrangler.cattle.io/node", "wrangler.cattle.io/managed-etcd-controller")
	says(t, w.Leave(t.Context(), machine), want)
	w.has(t, "k3s-server-03", true)
	// The next run finds it deleted already and waits without deleting it again, until the controllers have done their part.
	w.log = nil
	says(t, w.Leave(t.Context(), machine), want)
	w.did(t)
	w.waits.Gone = 5 * time.Second
	time.AfterFunc(50*time.Millisecond, func() { _ = w.fake.Tracker().Delete(nodesGVR, "", "k3s-server-03") })
	says(t, w.Leave(t.Context(), machine), "")
	w.did(t, "delete "+serverSecret)
}

// A worker's agent registers it again while it leaves.
func TestNodeComesBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		times   int
		machine string
		failure string
		deletes int
	}{
		"once":                       {1, "machine-w", "", 2},
		"three times":                {3, "machine-w", "", 4},
		"for ever":                   {100, "machine-w", "node k3s-Worker-01 comes back each time it is removed, for k3s still runs there; stop k3s on it, then run pulumi up again", 4},
		"as another machine's: stay": {1, "machine-new", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(1, all(server("1"), worker(dead))...)
			deletes := 0
			w.fake.PrependReactor("delete", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
				if deletes++; deletes > c.times {
					return false, nil, nil
				}
				object, _ := w.fake.Tracker().Get(nodesGVR, "", "k3s-Worker-01")
				node := object.(*corev1.Node).DeepCopy()
				node.UID = types.UID("uid-" + strings.Repeat("i", deletes))
				node.Status.NodeInfo.MachineID = c.machine
				return true, nil, w.fake.Tracker().Update(nodesGVR, node, "")
			})
			says(t, w.Leave(t.Context(), Machine{Node: "k3s-Worker-01", MachineID: "machine-w"}), c.failure)
			if deletes != c.deletes {
				t.Errorf("deleted %d times, want %d", deletes, c.deletes)
			}
		})
	}
}

// The API is away for a moment in each step: nothing is given up. What is refused for good ends at once.
func TestTransientErrors(t *testing.T) {
	t.Parallel()
	flaky := newWorld(1, all(server("1"), worker(), pod("web-0", "k3s-Worker-01"))...)
	flaky.waits.Ask, flaky.waits.Gone, flaky.drainFor = 5*time.Second, 5*time.Second, 5*time.Second
	seen := map[string]int{}
	flaky.fake.PrependReactor("*", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		what := action.GetVerb() + action.GetResource().Resource + action.GetSubresource()
		flaky.mutex.Lock()
		seen[what]++
		n := seen[what]
		flaky.mutex.Unlock()
		switch n {
		case 1:
			return true, nil, errors.New("dial tcp: connection refused")
		case 2:
			return true, nil, apierrors.NewInternalError(errors.New("etcdserver: leader changed"))
		}
		return false, nil, nil
	})
	says(t, flaky.Leave(t.Context(), Machine{Node: "k3s-Worker-01", MachineID: "machine-w"}), "")
	flaky.did(t, "cordon", "evict web-0", "delete k3s-Worker-01", "delete "+workerSecret)

	refused := newWorld(1, all(server("1"), worker())...)
	refused.waits.Ask = time.Minute
	refused.fake.PrependReactor("get", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(nodesGVR.GroupResource(), "k3s-Worker-01", errors.New("no"))
	})
	says(t, refused.Leave(t.Context(), Machine{Node: "k3s-Worker-01"}), `looking for node k3s-Worker-01: nodes "k3s-Worker-01" is forbidden: no`)

	away := newWorld(1, all(server("1"), worker())...)
	away.fake.PrependReactor("get", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("no route") })
	says(t, away.Leave(t.Context(), Machine{Node: "k3s-Worker-01"}), "looking for node k3s-Worker-01: not done for 300ms, last seen: no route; when the cluster's API answers again, run pulumi up again")
}

// A run that is stopped ends at once, says where it was, and leaves no node cordoned and no lease held.
func TestLeaveCanBeStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(1, all(server("1"), worker(), pod("web-0", "k3s-Worker-01"))...)
	w.block["web-0"], w.drainFor = true, time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.fake.PrependReactor("create", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		time.AfterFunc(20*time.Millisecond, cancel)
		return false, nil, nil
	})
	says(t, w.Leave(ctx, Machine{Node: "k3s-Worker-01", MachineID: "machine-w"}), "stopped while draining node k3s-Worker-01: context canceled")
	w.cordoned(t, "k3s-Worker-01", false)
	if _, err := w.fake.CoordinationV1().Leases("kube-system").Get(t.Context(), turnLease, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the lease is still there: %v", err)
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(1, all(worker(), pod("web-0", "k3s-Worker-01"), pod("web-1", "k3s-Worker-01"))...)
	w.drainFor, w.block["web-1"] = 5*time.Second, true
	time.AfterFunc(50*time.Millisecond, func() { _ = w.fake.Tracker().Delete(podsGVR, "default", "web-1") }) // another eviction came through
	_, _, err := w.Pause(t.Context(), "k3s-Worker-01", true)
	says(t, err, "")
	w.cordoned(t, "k3s-Worker-01", true)
	already, err := w.Cordon(t.Context(), "k3s-Worker-01")
	says(t, err, "")
	if !already {
		t.Error("it was cordoned before")
	}
	says(t, w.Uncordon(t.Context(), "k3s-Worker-01"), "")
	w.cordoned(t, "k3s-Worker-01", false)
	says(t, w.Uncordon(t.Context(), "gone"), "")
}

func TestSpan(t *testing.T) {
	t.Parallel()
	if got := span(300 * time.Second); got != "300 s" {
		t.Error(got)
	}
}
