package cluster

import (
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// What is meant comes, what was meant before goes, and what is somebody else's stays.
func TestMark(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		was, now Marks
		labels   map[string]string
		taints   []string
	}{
		"new ones": {
			Marks{},
			Marks{Labels: map[string]string{"zone": "a"}, Taints: []string{"gpu=yes:NoSchedule"}},
			map[string]string{"zone": "a", "theirs": "x"},
			[]string{"theirs=x:NoExecute", "gpu=yes:NoSchedule"},
		},
		"other values": {
			Marks{Labels: map[string]string{"old": "1"}, Taints: []string{"old=1:NoSchedule"}},
			Marks{Labels: map[string]string{"old": "2"}, Taints: []string{"old=2:NoSchedule"}},
			map[string]string{"old": "2", "theirs": "x"},
			[]string{"theirs=x:NoExecute", "old=2:NoSchedule"},
		},
		"another effect": {
			Marks{Taints: []string{"old=1:NoSchedule"}},
			Marks{Taints: []string{"old=1:NoExecute"}},
			map[string]string{"old": "1", "theirs": "x"},
			[]string{"theirs=x:NoExecute", "old=1:NoExecute"},
		},
		"taken out": {
			Marks{Labels: map[string]string{"old": "1"}, Taints: []string{"old:NoSchedule"}},
			Marks{},
			map[string]string{"theirs": "x"},
			[]string{"theirs=x:NoExecute"},
		},
		"put right": {
			Marks{Labels: map[string]string{"lost": "1"}},
			Marks{Labels: map[string]string{"lost": "1"}},
			map[string]string{"old": "1", "theirs": "x", "lost": "1"},
			[]string{"theirs=x:NoExecute", "old=1:NoSchedule"},
		},
	} {
		w := newWorld(1, all(worker())...)
		own := map[string]bool{}
		w.set(t, "k3s-Worker-01", func(n *corev1.Node) {
			for key := range n.Labels {
				own[key] = true
			}
			if n.Labels == nil {
				n.Labels = map[string]string{}
			}
			n.Labels["theirs"], n.Labels["old"] = "x", "1"
			n.Spec.Taints = []corev1.Taint{taint("theirs=x:NoExecute"), taint("old=1:NoSchedule")}
			if name == "new ones" {
				delete(n.Labels, "old")
				n.Spec.Taints = n.Spec.Taints[:1]
			}
		})
		if err := w.Mark(t.Context(), "k3s-Worker-01", c.was, c.now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		node, err := w.node(t.Context(), "k3s-Worker-01")
		if err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(node.Labels, func(key, _ string) bool { return own[key] })
		var taints []string
		for _, one := range node.Spec.Taints {
			taints = append(taints, one.Key+"="+one.Value+":"+string(one.Effect))
		}
		if !maps.Equal(node.Labels, c.labels) || !slices.Equal(taints, c.taints) {
			t.Errorf("%s: %v %v, want %v %v", name, node.Labels, taints, c.labels, c.taints)
		}
	}
	if err := newWorld(1).Mark(t.Context(), "k3s-worker-09", Marks{}, Marks{Taints: []string{"a:NoExecute"}}); err != nil {
		t.Errorf("one that is gone: %v", err)
	}
}
