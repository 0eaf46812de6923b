package topology_test

import (
	"slices"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// A snapshot comes before every VM, a restore before the first server takes its seat, and the proof when all is done. Without the inputs the
// plan has none of it.
func TestPlanOfSnapshots(t *testing.T) {
	t.Parallel()
	after := func(s topology.Spec) map[string][]string {
		out := map[string][]string{}
		for _, step := range topology.NewPlan(topology.ApplyDefaults(s)).Steps {
			out[step.Name()] = step.After
		}
		return out
	}
	plain := after(reference())
	s := reference()
	s.Backup, s.Restore = &topology.Backups{}, &topology.Restoration{Snapshot: "s", ID: "1"}
	with := after(s)
	if len(with) != len(plain)+3 {
		t.Errorf("%d steps, %d without snapshots", len(with), len(plain))
	}
	for step, want := range map[string][]string{
		"snapshot-cluster":    {"access-cluster"},
		"vm-k3s-worker-02":    {"snapshot-cluster"},
		"restore-cluster":     {"start-cluster", "release-cluster"},
		"admit-k3s-server-01": {"restore-cluster"},
		"backup-cluster":      {"settle-cluster"},
	} {
		if !slices.Equal(with[step], want) {
			t.Errorf("%s comes after %v, want %v", step, with[step], want)
		}
	}
	for _, step := range []string{"snapshot-cluster", "restore-cluster", "backup-cluster"} {
		if _, found := plain[step]; found {
			t.Errorf("%s is there, and nobody has asked for it", step)
		}
	}
	s.Backup.Before = ptr(false)
	if _, found := after(s)["snapshot-cluster"]; found {
		t.Error("a snapshot before changes is taken though it is not wanted")
	}
}
