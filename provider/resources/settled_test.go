package resources

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Machines that come and go are no business of those that stay; anything that was begun on one of them is, also when it was taken back.
func TestWhenSettleLooks(t *testing.T) {
	t.Parallel()
	one, other := MachineArgs{Role: "server", VM: "a"}, MachineArgs{Role: "server", VM: "b"}
	for name, c := range map[string]struct {
		before, now map[string]MachineArgs
		looks       bool
	}{
		"one more":               {map[string]MachineArgs{"k3s-server-01": one}, map[string]MachineArgs{"k3s-server-01": one, "k3s-server-02": other}, false},
		"one less":               {map[string]MachineArgs{"k3s-server-01": one, "k3s-server-02": other}, map[string]MachineArgs{"k3s-server-01": one}, false},
		"a change":               {map[string]MachineArgs{"k3s-server-01": one}, map[string]MachineArgs{"k3s-server-01": other}, true},
		"taken back":             {map[string]MachineArgs{"k3s-server-01": other}, map[string]MachineArgs{"k3s-server-01": one}, true},
		"one more, and a change": {map[string]MachineArgs{"k3s-server-01": one}, map[string]MachineArgs{"k3s-server-01": other, "k3s-server-02": one}, true},
	} {
		updated, err := ClusterMachines{}.Update(t.Context(), infer.UpdateRequest[ClusterMachinesArgs, ClusterMachinesState]{
			Inputs: ClusterMachinesArgs{Machines: c.now}, State: ClusterMachinesState{Machines: c.before, Changes: 7},
		})
		if err != nil {
			t.Fatal(err)
		}
		nodes := func(hash string) map[string]SettledNode {
			return map[string]SettledNode{"k3s-server-01": {Role: "server", Hash: hash}}
		}
		// What settle last saw is what there is now: only the count tells of what was taken back. Without a configuration, who looks fails.
		now := nodes(c.now["k3s-server-01"].VM)
		now["k3s-server-02"] = SettledNode{Role: "server", Hash: "new"}
		_, err = ClusterSettled{&Config{}}.Update(t.Context(), infer.UpdateRequest[ClusterSettledArgs, ClusterSettledState]{
			Inputs: ClusterSettledArgs{Nodes: now, Changes: updated.Output.Changes}, State: ClusterSettledState{Nodes: nodes(c.now["k3s-server-01"].VM), Changes: 7},
		})
		if looked := err != nil && strings.Contains(err.Error(), "part of K3sHaCluster"); looked != c.looks {
			t.Errorf("%s: looks %t (%v)", name, looked, err)
		}
	}
}

// Another configuration alone is no change of machines: what is being made anew goes on. A list without entries arrives as none, and stays one.
func TestConfigurationAlone(t *testing.T) {
	t.Parallel()
	role := string(topology.LoadBalancer)
	machines := map[string]MachineArgs{"k3s-lb-01": {Role: role}, "k3s-lb-02": {Role: role}}
	for _, renewed := range [][]string{nil, {"k3s-lb-02"}} {
		updated, err := ClusterMachines{}.Update(t.Context(), infer.UpdateRequest[ClusterMachinesArgs, ClusterMachinesState]{
			Inputs: ClusterMachinesArgs{Machines: machines, Configuration: map[string]string{"haproxy.cfg": "b", "keepalived.conf of k3s-lb-01": "a"}, Seed: MachineSeed{TemplateID: 2}},
			State: ClusterMachinesState{
				Machines: machines, Renewed: renewed, Changes: 3, Seed: MachineSeed{TemplateID: 1}, Hashes: hashes(map[string]string{"haproxy.cfg": "a", "keepalived.conf of k3s-lb-01": "a"}),
			},
			DryRun: true,
		})
		out := updated.Output
		if err != nil || out.Renewed == nil || !slices.Equal(out.Renewed, renewed) || out.Changes != 3 || out.Seed.TemplateID != 1 || !slices.Equal(out.Change.Reloads, []string{"k3s-lb-01", "k3s-lb-02"}) {
			t.Errorf("%+v %v", out, err)
		}
	}
}

// What nodes are sent besides their configuration counts, too, each for whom it concerns: also when it is taken back, or taken out.
func TestWhatIsSentCounts(t *testing.T) {
	t.Parallel()
	machines := map[string]MachineArgs{"k3s-server-01": {Role: "server"}, "k3s-worker-01": {Role: "worker"}, "k3s-lb-01": {Role: "load-balancer"}}
	state := ClusterMachinesState{Machines: machines}
	for i, c := range []struct {
		sent      map[string]string
		k3s       map[string]int
		manifests int
	}{
		{nil, map[string]int{}, 0},
		{map[string]string{SentToServers: "a", SentToWorkers: "a", SentManifests: "a"}, map[string]int{"k3s-server-01": 1, "k3s-worker-01": 1}, 1},
		{map[string]string{SentToServers: "b", SentToWorkers: "a", SentManifests: "a"}, map[string]int{"k3s-server-01": 2, "k3s-worker-01": 1}, 1},
		{map[string]string{SentToServers: "a", SentToWorkers: "a", SentManifests: "b"}, map[string]int{"k3s-server-01": 3, "k3s-worker-01": 1}, 2},
		{nil, map[string]int{"k3s-server-01": 4, "k3s-worker-01": 2}, 3},
	} {
		inputs := ClusterMachinesArgs{Machines: machines, Sent: c.sent}
		diff, err := ClusterMachines{}.Diff(t.Context(), infer.DiffRequest[ClusterMachinesArgs, ClusterMachinesState]{Inputs: inputs, State: state})
		if err != nil || diff.HasChanges != (i > 0) {
			t.Errorf("%d: changes %t, %v", i, diff.HasChanges, err)
		}
		updated, err := ClusterMachines{}.Update(t.Context(), infer.UpdateRequest[ClusterMachinesArgs, ClusterMachinesState]{Inputs: inputs, State: state})
		if err != nil || !maps.Equal(updated.Output.K3sChanges, c.k3s) || updated.Output.ManifestChanges != c.manifests {
			t.Errorf("%d: %v, %d, %v; want %v, %d", i, updated.Output.K3sChanges, updated.Output.ManifestChanges, err, c.k3s, c.manifests)
		}
		// A preview says on whom k3s restarts for it.
		var restarts []string
		for name, count := range c.k3s {
			if count > state.K3sChanges[name] {
				restarts = append(restarts, name)
			}
		}
		slices.Sort(restarts)
		if dry, err := (ClusterMachines{}).Update(t.Context(), infer.UpdateRequest[ClusterMachinesArgs, ClusterMachinesState]{Inputs: inputs, State: state, DryRun: true}); err != nil || !slices.Equal(dry.Output.Change.K3s, restarts) {
			t.Errorf("%d: the preview says %v, %v; want %v", i, dry.Output.Change.K3s, err, restarts)
		}
		state = updated.Output
	}
}
