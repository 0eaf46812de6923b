package topology_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// reference is the reference cluster before defaults.
func reference() topology.Spec {
	return topology.Spec{
		ClusterName: "k3s",
		Proxmox:     topology.Proxmox{Given: true, Nodes: []string{"pve1", "pve2", "pve3"}},
		Network:     topology.Network{CIDR: "192.168.1.0/24", Gateway: "192.168.1.1", VIP: "192.168.1.220"},
		Servers:     topology.Servers{Group: topology.Group{FirstAddress: "192.168.1.201"}},
		Workers: map[string]topology.Pool{
			"worker": {Group: topology.Group{Count: ptr(2), FirstAddress: "192.168.1.211"}},
		},
		LoadBalancers: topology.LoadBalancers{Group: topology.Group{FirstAddress: "192.168.1.221"}},
		K3s:           topology.K3s{Version: "v1.31.6+k3s1"},
	}
}

func ptr[T any](v T) *T { return &v }

func names(nodes []topology.Node) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.Name)
	}
	return out
}

func TestReferenceClusterIsTheTable(t *testing.T) {
	t.Parallel()
	s := topology.ApplyDefaults(reference())
	if problems := topology.Validate(s); len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	want := []string{
		"k3s-lb-01 load-balancer 192.168.1.221 2048 32 1 pve1",
		"k3s-lb-02 load-balancer 192.168.1.222 2048 32 1 pve2",
		"k3s-server-01 server 192.168.1.201 4096 32 2 pve1",
		"k3s-server-02 server 192.168.1.202 4096 32 2 pve2",
		"k3s-server-03 server 192.168.1.203 4096 32 2 pve3",
		"k3s-worker-01 worker 192.168.1.211 8192 32 4 pve1",
		"k3s-worker-02 worker 192.168.1.212 8192 32 4 pve2",
	}
	var got []string
	for _, n := range s.Nodes() {
		got = append(got, fmt.Sprintf("%s %s %s %d %d %d %s", n.Name, n.Role, n.IP, n.Memory, n.Disk, n.Cores, n.ProxmoxNode))
	}
	if !slices.Equal(got, want) {
		t.Errorf("nodes:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Every step of the bootstrap with its predecessors: the order that everything rests on.
func TestPlanOfTheReferenceCluster(t *testing.T) {
	t.Parallel()
	plan := topology.NewPlan(topology.ApplyDefaults(reference()))
	var got []string
	for _, s := range plan.Steps {
		if s.Verb == topology.Contact || s.Verb == topology.Prepare {
			continue // tested below: the same for every node
		}
		behind := ""
		if s.Behind != "" {
			behind = " behind " + s.Behind
		}
		got = append(got, s.Name()+" < "+strings.Join(s.After, " ")+behind)
	}
	want := []string{
		"access-cluster < ",
		"vm-k3s-lb-01 < ",
		"vm-k3s-lb-02 < ",
		"vm-k3s-server-01 <  behind vm-k3s-lb-01",
		"vm-k3s-server-02 <  behind vm-k3s-lb-02",
		"vm-k3s-server-03 <  behind vm-k3s-server-01",
		"vm-k3s-worker-01 <  behind vm-k3s-server-02",
		"vm-k3s-worker-02 <  behind vm-k3s-server-03",
		"admit-k3s-lb-01 < prepare-k3s-lb-01",
		"admit-k3s-lb-02 < prepare-k3s-lb-02",
		"converge-k3s-lb-01 < admit-k3s-lb-01",
		"converge-k3s-lb-02 < converge-k3s-lb-01 admit-k3s-lb-02",
		"release-cluster < prepare-k3s-server-01 prepare-k3s-server-02 prepare-k3s-server-03",
		"start-cluster < prepare-k3s-server-01",
		"admit-k3s-server-01 < start-cluster",
		"converge-k3s-server-01 < admit-k3s-server-01 release-cluster", // and no load balancer
		"reach-cluster < converge-k3s-server-01 converge-k3s-lb-02",
		"admit-k3s-server-02 < prepare-k3s-server-02 reach-cluster",
		"admit-k3s-server-03 < prepare-k3s-server-03 reach-cluster",
		"admit-k3s-worker-01 < prepare-k3s-worker-01 reach-cluster",
		"admit-k3s-worker-02 < prepare-k3s-worker-02 reach-cluster",
		"converge-k3s-server-02 < reach-cluster admit-k3s-server-02",
		"converge-k3s-server-03 < converge-k3s-server-02 admit-k3s-server-03",
		"converge-k3s-worker-01 < admit-k3s-worker-01 converge-k3s-server-03",
		"converge-k3s-worker-02 < admit-k3s-worker-02 converge-k3s-server-03",
		"settle-cluster < converge-k3s-lb-01 converge-k3s-lb-02 converge-k3s-server-01 converge-k3s-server-02 converge-k3s-server-03 converge-k3s-worker-01 converge-k3s-worker-02",
	}
	if !slices.Equal(got, want) {
		t.Errorf("plan:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, n := range plan.Nodes {
		for i, verb := range []topology.Verb{topology.Contact, topology.Prepare} {
			before := topology.StepName([]topology.Verb{topology.VM, topology.Contact}[i], n.Name)
			want := [][]string{{before, "access-cluster"}, {before}}[i]
			at := slices.IndexFunc(plan.Steps, func(s topology.Step) bool { return s.Name() == topology.StepName(verb, n.Name) })
			if at < 0 || !slices.Equal(plan.Steps[at].After, want) {
				t.Errorf("%s of %s does not come right after %s", verb, n.Name, before)
			}
		}
	}
}

func TestPredecessorsComeFirst(t *testing.T) {
	t.Parallel()
	for _, servers := range []int{1, 3, 7} {
		for _, lbs := range []int{1, 2, 3} {
			for _, workers := range []int{0, 1, 300} {
				s := reference()
				s.Servers.Count, s.LoadBalancers.Count = ptr(servers), ptr(lbs)
				s.Workers = map[string]topology.Pool{"w": {Group: topology.Group{Count: ptr(workers), FirstAddress: "192.168.1.2"}}}
				at := fmt.Sprintf("%d servers, %d load balancers, %d workers", servers, lbs, workers)
				behind := map[string]map[string]bool{} // all that has to be done before a step, at any distance
				plan := topology.NewPlan(topology.ApplyDefaults(s))
				for _, step := range plan.Steps {
					if behind[step.Name()] != nil {
						t.Errorf("%s: %s stands twice", at, step.Name())
					}
					all := map[string]bool{}
					for _, before := range step.After {
						if behind[before] == nil {
							t.Errorf("%s: %s before %s", at, step.Name(), before)
						}
						all[before] = true
						maps.Copy(all, behind[before])
					}
					behind[step.Name()] = all
				}
				properties(t, at, plan, behind)
			}
		}
	}
}

// properties are what must be true of every plan.
func properties(t *testing.T, at string, plan topology.Plan, behind map[string]map[string]bool) {
	t.Helper()
	after := func(step, before string) {
		t.Helper()
		if all, found := behind[step]; !found || !all[before] {
			t.Errorf("%s: %s does not come after %s", at, step, before)
		}
	}
	servers := plan.Servers()
	first := servers[0]
	after("admit-"+first.Name, "start-cluster")
	for _, lb := range plan.LoadBalancers() {
		after("reach-cluster", "converge-"+lb.Name)
		if behind["converge-"+first.Name]["converge-"+lb.Name] {
			t.Errorf("%s: the first server waits for %s", at, lb.Name)
		}
	}
	for _, other := range servers {
		after("converge-"+first.Name, "prepare-"+other.Name) // a release that one cannot fetch becomes nobody's
		after("converge-"+other.Name, "release-cluster")
	}
	for i, n := range slices.Concat(servers, plan.Workers()) {
		joins := "converge-" + n.Name
		if n.Role == topology.Worker {
			for _, server := range servers {
				after(joins, "converge-"+server.Name) // a worker must not run a newer release than a server
			}
		}
		after(joins, "admit-"+n.Name)
		after("admit-"+n.Name, "prepare-"+n.Name)
		if i > 0 {
			after("admit-"+n.Name, "reach-cluster")
			after("admit-"+n.Name, "converge-"+first.Name)
		}
		if 0 < i && i < len(servers) {
			after(joins, "converge-"+servers[i-1].Name) // etcd takes one learner at a time
		}
	}
}

func TestFirstServerLeadsTheJoiningOrder(t *testing.T) {
	t.Parallel()
	s := reference()
	s.Servers.Group = topology.Group{Slots: []int{5, 2, 4}, FirstAddress: "192.168.1.201"}
	for first, want := range map[int][]string{
		0: {"k3s-server-02", "k3s-server-04", "k3s-server-05"},
		4: {"k3s-server-04", "k3s-server-02", "k3s-server-05"},
	} {
		s.Servers.First = first
		if got := names(topology.NewPlan(topology.ApplyDefaults(s)).Servers()); !slices.Equal(got, want) {
			t.Errorf("first %d: %v, want %v", first, got, want)
		}
	}
}

func TestNodesKeepWhatTheyHaveWhenOthersComeAndGo(t *testing.T) {
	t.Parallel()
	before := topology.ApplyDefaults(reference())
	s := reference()
	s.Servers.Group = topology.Group{Slots: []int{1, 3, 4, 7, 9}, FirstAddress: "192.168.1.201"}
	s.Workers["worker"] = topology.Pool{Group: topology.Group{Slots: []int{2, 3}, FirstAddress: "192.168.1.211"}}
	after := map[string]topology.Node{}
	for _, n := range topology.ApplyDefaults(s).Nodes() {
		after[n.Name] = n
	}
	kept := 0
	for _, n := range before.Nodes() {
		if same, found := after[n.Name]; found {
			kept++
			if !reflect.DeepEqual(same, n) {
				t.Errorf("%s was %v, is %v", n.Name, n, same)
			}
		}
	}
	if kept != 5 {
		t.Errorf("%d nodes kept, want 5", kept)
	}
}

func TestDerivedIdsAreStableAndInRange(t *testing.T) {
	t.Parallel()
	s := topology.ApplyDefaults(reference())
	for _, n := range s.Nodes() {
		if n.VMID < 100_000 || n.VMID > 999_999 || !strings.HasPrefix(n.MAC, "BC:24:11:") {
			t.Errorf("%s: %d %s", n.Name, n.VMID, n.MAC)
		}
	}
	n := s.Nodes()[0]
	if n.VMID != 309737 || n.MAC != "BC:24:11:B3:25:E8" {
		t.Errorf("%s has VM id %d and MAC %s: other than before, which would replace VMs of living clusters", n.Name, n.VMID, n.MAC)
	}
	a, b := topology.ApplyDefaults(topology.Spec{ClusterName: "a"}), topology.ApplyDefaults(topology.Spec{ClusterName: "b"})
	if a.LoadBalancers.VirtualRouterID == b.LoadBalancers.VirtualRouterID {
		t.Error("clusters a and b have the same router id")
	}
}

func TestCheckUpgrade(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, want string }{
		{"v1.31.6+k3s1", "v1.31.6+k3s1", ""},
		{"v1.31.6+k3s1", "v1.31.7+k3s1", ""},
		{"v1.31.6+k3s1", "v1.31.6+k3s2", ""},
		{"v1.31.9+k3s1", "v1.32.0+k3s1", ""},
		{"v1.31.6+k3s1", "v1.33.0+k3s1", "v1.33.0+k3s1 skips a minor version after v1.31.6+k3s1; go through v1.32 first"},
		{"v1.31.6+k3s1", "v1.31.5+k3s1", "v1.31.5+k3s1 is older than v1.31.6+k3s1, which has come up in this cluster; k3s cannot go back, give v1.31.6+k3s1 or a newer release"},
		{"v1.31.6+k3s2", "v1.31.6+k3s1", "v1.31.6+k3s1 is older than v1.31.6+k3s2, which has come up in this cluster; k3s cannot go back, give v1.31.6+k3s2 or a newer release"},
		{"v1.31.6+k3s1", "v1.31.6-rc1+k3s1", "v1.31.6-rc1+k3s1 is older than v1.31.6+k3s1, which has come up in this cluster; k3s cannot go back, give v1.31.6+k3s1 or a newer release"},
		{"v1.31.6-rc2+k3s1", "v1.31.6-rc1+k3s1", "v1.31.6-rc1+k3s1 is older than v1.31.6-rc2+k3s1, which has come up in this cluster; k3s cannot go back, give v1.31.6-rc2+k3s1 or a newer release"},
		{"v1.31.6-rc1+k3s1", "v1.31.6+k3s1", ""},
		{"v1.31.6-beta1+k3s1", "v1.31.6-rc1+k3s1", ""},
		// etcd 3.6 came to v1.33 with v1.33.11, and follows 3.5.26 alone.
		{"v1.32.9+k3s1", "v1.33.10+k3s1", ""},
		{"v1.32.9+k3s1", "v1.33.11+k3s1", "v1.33.11+k3s1 has etcd 3.6, which must not follow the etcd of v1.32.9+k3s1 directly; go to v1.33.10+k3s1 first (v1.33.7+k3s3 to v1.33.10 will do)"},
		{"v1.33.7+k3s2", "v1.33.11+k3s1", "v1.33.11+k3s1 has etcd 3.6, which must not follow the etcd of v1.33.7+k3s2 directly; go to v1.33.10+k3s1 first (v1.33.7+k3s3 to v1.33.10 will do)"},
		{"v1.33.0+k3s1", "v1.34.1+k3s1", "v1.34.1+k3s1 has etcd 3.6, which must not follow the etcd of v1.33.0+k3s1 directly; go to v1.33.10+k3s1 first (v1.33.7+k3s3 to v1.33.10 will do)"},
		{"v1.33.7+k3s3", "v1.33.11+k3s1", ""},
		{"v1.33.10+k3s1", "v1.34.1+k3s1", ""},
		{"v1.33.11+k3s1", "v1.34.1+k3s1", ""},
		{"v1.34.1+k3s1", "v1.35.0+k3s1", ""},
		{"v1.31.6+k3s1", "stable", `"stable" is not a k3s release; write one in full, like v1.31.6+k3s1`},
	} {
		got := ""
		if err := topology.CheckUpgrade(c.from, c.to); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s to %s:\n%q, want\n%q", c.from, c.to, got, c.want)
		}
	}
}

// What a living cluster keeps, by the path of its input.
func TestFixed(t *testing.T) {
	t.Parallel()
	s := reference()
	s.K3s.ServerConfig = map[string]any{"cluster-cidr": "10.44.0.0/16", "service-cidr+": []any{"10.45.0.0/16"}, "cluster-dns": "10.45.0.10"}
	got := topology.NewPlan(topology.ApplyDefaults(s)).Fixed()
	want := map[string]string{
		"k3s.secretsEncryption": "true", "ssh.user": "ubuntu", "k3s.serverConfig.cluster-cidr": "10.44.0.0/16", "k3s.serverConfig.service-cidr": "10.45.0.0/16",
		"k3s.serverConfig.cluster-dns": "10.45.0.10", "k3s.serverConfig.cluster-domain": "cluster.local", "k3s.serverConfig.flannel-backend": "vxlan",
		"k3s.serverConfig.egress-selector-mode": "agent",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
