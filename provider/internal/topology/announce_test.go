package topology

import (
	"maps"
	"testing"
)

// What a preview says in one line: all that changes, who goes at a time, and in which order.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	plan := func(change func(*Spec)) Plan {
		two, many := 2, 300
		s := Spec{
			ClusterName: "k3s", Proxmox: Proxmox{Given: true, Nodes: []string{"pve1"}},
			Workers: map[string]Pool{"gpu": {Group: Group{Count: &two}}, "worker": {Group: Group{Count: &many}, MaxUnavailable: 30}},
		}
		change(&s)
		return NewPlan(ApplyDefaults(s))
	}
	before := plan(func(*Spec) {})
	hashed := func(p Plan) map[string]Machine {
		out := p.Machines()
		for _, n := range p.Nodes {
			m := out[n.Name]
			m.VM = p.Restarts(n)
			if n.Role != LoadBalancer {
				m.K3s = p.Spec.K3s.Version
			}
			out[n.Name] = m
		}
		return out
	}
	for want, change := range map[string]func(*Spec){
		"": func(*Spec) {},
		"restarts the VMs k3s-server-01, -02, -03, all at the same time": func(s *Spec) {
			s.Servers.Memory, s.Proxmox.RestartTogether = 5120, true
		},
		"restarts the VMs k3s-server-01, -02, -03 (one at a time)": func(s *Spec) { s.Servers.Memory = 5120 },
		"restarts the VMs k3s-server-02":                           func(s *Spec) { s.Servers.Nodes = map[string]Override{"2": {Memory: 5120}} },
		"makes k3s-lb-01, -02 (one at a time) and k3s-gpu-01, -02 (one at a time) anew": func(s *Spec) {
			s.LoadBalancers.Generation = 1
			gpu := s.Workers["gpu"]
			gpu.Generation = 1
			s.Workers = maps.Clone(s.Workers)
			s.Workers["gpu"] = gpu
		},
		"restarts k3s on k3s-server-01, -02, -03 (one at a time), then on k3s-gpu-01, -02 (one at a time), then on k3s-worker-01, -02, -03, -04, -05, 295 more (30 at a time)": func(s *Spec) {
			s.K3s.Version = "v1.31.7+k3s1"
		},
		"takes k3s-gpu-01, -02 away; adds k3s-server-04, -05": func(s *Spec) {
			five := 5
			s.Servers.Count = &five
			s.Workers = map[string]Pool{"worker": s.Workers["worker"]}
		},
	} {
		now := plan(change)
		if got := now.Announce(Compare(hashed(before), hashed(now))); got != want {
			t.Errorf("says\n%s\nwant\n%s", got, want)
		}
	}
	if got := before.Announce(Change{Reloads: []string{"k3s-lb-01", "k3s-lb-02"}}); got != "reloads k3s-lb-01, -02 (one at a time)" {
		t.Error(got)
	}
}
