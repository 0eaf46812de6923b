package topology_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

func lines(problems []topology.Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.String())
	}
	return out
}

// What an update of the reference cluster refuses, and what it lets pass.
func TestCheckChange(t *testing.T) {
	t.Parallel()
	override := func(g *topology.Group, slot string, o topology.Override) {
		g.Nodes = map[string]topology.Override{slot: o}
	}
	for name, c := range map[string]struct {
		change func(s *topology.Spec)
		want   []string
	}{
		"nothing":            {func(*topology.Spec) {}, nil},
		"five servers":       {func(s *topology.Spec) { s.Servers.Count = ptr(5) }, nil},
		"a worker less":      {func(s *topology.Spec) { w := s.Workers["worker"]; w.Count = ptr(1); s.Workers["worker"] = w }, nil},
		"sizes of all":       {func(s *topology.Spec) { s.Servers.Memory, s.LoadBalancers.Cores, s.Servers.Disk = 8192, 2, 64 }, nil}, // one of a group at a time
		"the network of all": {func(s *topology.Spec) { s.Proxmox.Bridge, s.Network.Gateway = "vmbr1", "192.168.1.2" }, nil},
		"another release":    {func(s *topology.Spec) { s.K3s.Version = "v1.31.7+k3s1" }, nil},
		"one server":         {func(s *topology.Spec) { s.Servers.Count = ptr(1) }, nil}, // each leaves its seat: that asks for quorum
		"a generation more": {func(s *topology.Spec) {
			s.Servers.Generation, s.Workers["worker"] = 4, topology.Pool{Group: topology.Group{Count: ptr(2), FirstAddress: "192.168.1.211", Generation: 9}}
		}, nil},
		"a generation back": {func(s *topology.Spec) { s.Servers.Generation = 2 }, []string{
			"servers.nodes.1.generation: k3s-server-01 is of generation 3, and 2 is behind that; give 3, or a higher one to make it anew",
			"servers.nodes.2.generation: k3s-server-02 is of generation 3, and 2 is behind that; give 3, or a higher one to make it anew",
			"servers.nodes.3.generation: k3s-server-03 is of generation 3, and 2 is behind that; give 3, or a higher one to make it anew",
		}},
		"a smaller disk of a VM that is made anew": {func(s *topology.Spec) { override(&s.Servers.Group, "1", topology.Override{Disk: 16, Generation: 4}) }, nil},
		"other slots":              {func(s *topology.Spec) { s.Servers.Slots = []int{1, 2, 4} }, nil},
		"another address":          {func(s *topology.Spec) { override(&s.Servers.Group, "1", topology.Override{IP: "192.168.1.99"}) }, []string{"servers.nodes.1.ip: k3s-server-01 has 192.168.1.201, by which the others know it, so it cannot become 192.168.1.99; set it back"}},
		"another id":               {func(s *topology.Spec) { override(&s.LoadBalancers.Group, "2", topology.Override{VMID: 777}) }, []string{"loadBalancers.nodes.2.vmId: k3s-lb-02 is VM 376880, and would be destroyed to become 777; set it back"}},
		"protected ones that stay": {func(s *topology.Spec) { s.LoadBalancers.Memory = 4096 }, nil},
		"a protected one that is taken away": {func(s *topology.Spec) { s.LoadBalancers.Count = ptr(1) }, []string{
			"loadBalancers: the VM of k3s-lb-02 would be destroyed, and is protected (protection: true); take the protection out in an update of its own first",
		}},
		"a protected one that is made anew": {func(s *topology.Spec) { override(&s.LoadBalancers.Group, "1", topology.Override{Generation: 1}) }, []string{
			"loadBalancers: the VM of k3s-lb-01 would be destroyed, and is protected (protection: true); take the protection out in an update of its own first",
		}},
		"a smaller disk": {func(s *topology.Spec) { override(&s.Servers.Group, "1", topology.Override{Disk: 16}) }, []string{"servers.nodes.1.disk: the disk of k3s-server-01 has 32 GiB and cannot shrink to 16; give at least 32"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := reference(), reference()
			before.Network.SearchDomain, after.Network.SearchDomain = "example.org", "example.org"
			before.Servers.Generation, after.Servers.Generation = 3, 3
			if strings.Contains(name, "protected") {
				before.LoadBalancers.Protection = ptr(true)
			}
			c.change(&after)
			was, is := topology.NewPlan(topology.ApplyDefaults(before)).Machines(), topology.NewPlan(topology.ApplyDefaults(after)).Machines()
			got := lines(topology.CheckChange(was, is))
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// The only server cannot be made anew: the cluster is on it.
func TestTheOnlyServerStays(t *testing.T) {
	t.Parallel()
	machines := func(count, generation int) map[string]topology.Machine {
		s := reference()
		s.Servers.Count, s.Servers.Generation = ptr(count), generation
		return topology.NewPlan(topology.ApplyDefaults(s)).Machines()
	}
	want := []string{"servers.generation: k3s-server-01 is the only server, and the cluster is on it: make it three first (servers.count: 3), then make it anew"}
	if got := lines(topology.CheckChange(machines(1, 0), machines(1, 1))); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if got := lines(topology.CheckChange(machines(1, 0), machines(3, 0))); len(got) > 0 {
		t.Errorf("two more: %v", got)
	}
}

// Who is made anew, and after whom.
func TestRenewed(t *testing.T) {
	t.Parallel()
	before, after := reference(), reference()
	after.Servers.Count, after.Servers.Generation, after.LoadBalancers.Generation = ptr(5), 1, 1
	after.Servers.First = 2
	before.Workers["worker"] = topology.Pool{Group: topology.Group{Count: ptr(4), FirstAddress: "192.168.1.211"}}
	after.Workers["worker"] = topology.Pool{MaxUnavailable: 2, Group: topology.Group{Count: ptr(4), FirstAddress: "192.168.1.211", Generation: 1}}
	was, plan := topology.NewPlan(topology.ApplyDefaults(before)), topology.NewPlan(topology.ApplyDefaults(after))
	names := topology.Renewed(was.Machines(), plan.Machines())
	var got []string
	for _, n := range plan.Nodes {
		if slices.Contains(names, n.Name) {
			got = append(got, n.Name+" after "+plan.Before(n, names))
		} else if plan.Before(n, names) != "" {
			t.Errorf("%s, which is new, waits", n.Name)
		}
	}
	want := []string{
		"k3s-lb-01 after ", "k3s-lb-02 after k3s-lb-01", "k3s-server-01 after k3s-server-02", "k3s-server-02 after ", "k3s-server-03 after k3s-server-01",
		"k3s-worker-01 after ", "k3s-worker-02 after ", "k3s-worker-03 after k3s-worker-01", "k3s-worker-04 after k3s-worker-02",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Two clusters on one Proxmox VE.
func TestCheckBeside(t *testing.T) {
	t.Parallel()
	beside := func(s *topology.Spec) { // a good neighbour of the reference cluster
		s.ClusterName, s.Network.VIP = "edge", "192.168.1.120"
		s.Servers.FirstAddress, s.LoadBalancers.FirstAddress = "192.168.1.101", "192.168.1.121"
		s.Workers["worker"] = topology.Pool{Group: topology.Group{Count: ptr(2), FirstAddress: "192.168.1.111"}}
	}
	for name, c := range map[string]struct {
		change func(s *topology.Spec)
		want   []string
	}{
		"nothing in common": {func(*topology.Spec) {}, nil},
		"the name": {func(s *topology.Spec) { s.ClusterName = "k3s" }, []string{
			`clusterName: k3s is the name of cluster {other} too, and its VMs' names and ids derive from it; give each its own`,
		}},
		"the VIP":       {func(s *topology.Spec) { s.Network.VIP = "192.168.1.220" }, []string{`network.vip: 192.168.1.220 is the VIP of cluster {other} too; give each its own`}},
		"its VIP there": {func(s *topology.Spec) { s.Network.VIP = "192.168.1.202" }, []string{`network.vip: 192.168.1.202 is k3s-server-02 in cluster {other} too; give each its own`}},
		"the router id": {func(s *topology.Spec) {
			s.LoadBalancers.VirtualRouterID = 0
			s.LoadBalancers.VirtualRouterID = topology.ApplyDefaults(reference()).LoadBalancers.VirtualRouterID
		}, []string{
			`loadBalancers.virtualRouterId: 101 is the VRRP router id of cluster {other} too, on the same network; give each its own`,
		}},
		"addresses": {func(s *topology.Spec) { s.Servers.FirstAddress = "192.168.1.202" }, []string{
			`servers.firstAddress: edge-server-01 would have 192.168.1.202, which is k3s-server-02 in cluster {other} (and 1 more of its nodes likewise); give each its own`,
		}},
		"a MAC": {func(s *topology.Spec) {
			s.Servers.Nodes = map[string]topology.Override{"1": {MAC: "BC:24:11:72:D8:CF"}}
		}, []string{
			`servers.nodes: edge-server-01 would have MAC BC:24:11:72:D8:CF, the one of k3s-server-01 in cluster {other}; give each its own`,
		}},
		"VM ids": {func(s *topology.Spec) { s.Servers.FirstVMID = 378386 }, []string{
			`servers.firstVmId: edge-server-02 would have VM id 378387, the one of k3s-server-02 in cluster {other}; give each its own`,
		}},
		"another VIP at a node's address, with its router id": {func(s *topology.Spec) {
			s.LoadBalancers.VIPs = map[string]topology.VIP{"ingress": {Address: "192.168.1.202", VirtualRouterID: 101}}
		}, []string{
			`loadBalancers.vips.ingress.address: 192.168.1.202 is k3s-server-02 in cluster {other} too; give each its own`,
			`loadBalancers.vips.ingress.virtualRouterId: 101 is the VRRP router id of cluster {other} too, on the same network; give each its own`,
		}},
		"the same, in another VLAN": {func(s *topology.Spec) { s.Network.VIP, s.Proxmox.VLAN = "192.168.1.220", 20 }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := reference()
			beside(&s)
			c.change(&s)
			if got := lines(topology.CheckBeside(topology.ApplyDefaults(s), topology.ApplyDefaults(reference()))); !slices.Equal(got, c.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}
