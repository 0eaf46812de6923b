package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const replicas = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: two}
spec:
  replicas: 2
  selector: {matchLabels: {app: two}}
  template:
    metadata: {labels: {app: two}}
    spec:
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - {weight: 100, podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: two}}}}
      containers: [{name: c, image: example.org/app}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: two}
spec: {minAvailable: 1, selector: {matchLabels: {app: two}}}
`

// watch notes what goes out of service while something happens: which VMs are off together, and how few replicas are ready.
type watch struct {
	together map[string]bool // pairs of one group that were off at a time
	ready    int             // the fewest replicas
	off      map[string]bool // machines that were off
}

func (p *place) watching(during func()) watch {
	p.t.Helper()
	w := watch{together: map[string]bool{}, ready: 2, off: map[string]bool{}}
	ctx, stop := context.WithCancel(p.t.Context())
	var wait sync.WaitGroup
	wait.Add(2)
	go func() { // Proxmox VE's view
		defer wait.Done()
		for ctx.Err() == nil {
			off := map[string][]string{}
			vms, err := p.VMs()
			for _, vm := range vms {
				if err == nil && vm.Status != "running" {
					w.off[vm.Name] = true
					group := vm.Name[:strings.LastIndex(vm.Name, "-")]
					off[group] = append(off[group], vm.Name)
				}
			}
			for _, names := range off {
				if len(names) > 1 {
					w.together[strings.Join(names, " and ")] = true
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	go func() { // Kubernetes' view
		defer wait.Done()
		for ctx.Err() == nil {
			if out, err := p.tryKubectl("get", "deployment", "two", "-o", "jsonpath={.status.readyReplicas}"); err == nil {
				n := 0
				_, _ = fmt.Sscan(out, &n)
				w.ready = min(w.ready, n)
			}
			time.Sleep(300 * time.Millisecond)
		}
	}()
	during()
	stop()
	wait.Wait()
	p.t.Logf("were off: %v; together: %v; fewest replicas ready: %d", w.off, w.together, w.ready)
	return w
}

// TestLongRestarts changes what restarts machines or k3s, everywhere in one edit, under a client and pods.
func TestLongRestarts(t *testing.T) {
	p := newPlace(t, newLab(t, "restarts", false), "restarts")
	p.up()
	p.cluster(release, kubernetesNodes()...)
	p.apply(replicas)
	p.eventually("two replicas", 30*time.Second, func() bool { return strings.Count(p.pods(), "True") == 2 })
	grown := []string{"servers:\n", "servers:\n        memory: 5120\n", "loadBalancers:\n", "loadBalancers:\n        memory: 1536\n", "count: 2", "count: 2\n          memory: 3072"}
	settled := func(version string) {
		p.t.Helper()
		p.cluster(version, kubernetesNodes()...)
		p.tidy()
		if r, out := p.must(2*time.Minute, "preview"); r.Changed() != 0 {
			p.t.Errorf("the next preview changes %v\n%s", changedNames(r), tail(out))
		}
	}

	t.Run("memory of all", func(t *testing.T) {
		p.t = t
		p.program(grown...)
		var w watch
		p.reset()
		s := p.service(func() { w = p.watching(func() { p.up() }) })
		p.within(s, time.Second)
		if reboots := len(p.posts("/status/reboot")); len(w.together) > 0 || w.ready < 1 || reboots != 7 || s.Failed > 0 {
			t.Errorf("off together: %v; %d restarts of VMs; fewest replicas %d; %s", w.together, reboots, w.ready, s)
		}
		settled(release)
	})

	t.Run("a minor version, every node drained", func(t *testing.T) {
		p.t = t
		p.program(append(slices.Clone(grown), "version: "+release, "version: "+minor+"\n        drain: always")...)
		var w watch
		s := p.service(func() { w = p.watching(func() { p.up() }) })
		p.within(s, time.Second)
		if w.ready < 1 || s.Failed > 0 {
			t.Errorf("fewest replicas %d; %s", w.ready, s)
		}
		settled(minor)
	})

	fewer := append(slices.Clone(grown), "version: "+release, "version: "+minor+"\n        drainTimeout: 10", "memory: 3072", "memory: 2048")
	t.Run("a budget that never allows it", func(t *testing.T) {
		p.t = t
		p.kubectl("patch", "pdb", "two", "--type=merge", "-p", `{"spec":{"minAvailable":2}}`)
		p.program(fewer...)
		_, out, err := p.try(5*time.Minute, "up", "--yes", "--skip-preview")
		for _, want := range []string{": restart: pod default/two-", "cannot be evicted for 10 s: PodDisruptionBudget default/two allows no disruption; raise the replicas or change the budget"} {
			if err == nil || !strings.Contains(out, want) {
				t.Errorf("%v, want %q in\n%s", err, want, tail(out))
			}
		}
		p.cluster(minor, kubernetesNodes()...)
		p.tidy()
		p.kubectl("patch", "pdb", "two", "--type=merge", "-p", `{"spec":{"minAvailable":1}}`)
		p.up()
		settled(minor)
	})

	t.Run("an ill server stops the others", func(t *testing.T) {
		p.t = t
		p.in("k3s-server-03", "", "systemctl", "stop", "k3s")
		p.program(append(slices.Clone(fewer), "memory: 5120", "memory: 4096")...)
		_, out, err := p.try(8*time.Minute, "up", "--yes", "--skip-preview")
		if want := "will not restart server k3s-server-0"; err == nil || !strings.Contains(out, want) || !strings.Contains(out, "for quorum would be lost: k3s-server-03: ") {
			t.Errorf("%v, want %q in\n%s", err, want, tail(out))
		}
		p.in("k3s-server-03", "", "systemctl", "start", "k3s")
	})

	t.Run("killed in the middle", func(t *testing.T) {
		p.t = t
		for _, text := range []string{"k3s-vm-k3s-server-01 updating", "k3s-vm-k3s-server-01 updated", "k3s-vm-k3s-server-02 updating"} {
			if _, ended := p.upUntil(text, after(2*time.Second)); ended {
				t.Logf("the update had ended before %q", text)
			}
		}
		s := p.service(func() { p.up() })
		p.within(s, time.Second)
		settled(minor)
	})
}

// TestLongGenerations makes every machine of a living cluster anew, from another template, in one update.
func TestLongGenerations(t *testing.T) {
	p := newPlace(t, newLab(t, "generations", false), "generations")
	p.up()
	p.cluster(release, kubernetesNodes()...)
	p.apply(replicas)
	p.eventually("two replicas", 30*time.Second, func() bool { return strings.Count(p.pods(), "True") == 2 })
	kubeconfig, before := p.kubeconfig(), map[string]string{}
	for _, node := range p.nodes() {
		before[node] = p.machineID(node)
	}
	renewed := func(want ...string) {
		p.t.Helper()
		for _, node := range p.nodes() {
			id := p.machineID(node)
			if anew := id != before[node]; anew != slices.Contains(want, node) {
				p.t.Errorf("%s is another machine: %t", node, anew)
			}
			before[node] = id
		}
		p.cluster(release, kubernetesNodes()...)
		p.tidy()
		if r, out := p.must(2*time.Minute, "preview"); r.Changed() != 0 {
			p.t.Errorf("the next preview changes %v\n%s", changedNames(r), tail(out))
		}
		if p.kubeconfig() != kubeconfig {
			p.t.Error("the kubeconfig is another one")
		}
	}
	p.kubectl("create", "configmap", "keep", "--from-literal=a=b")
	all := []string{"servers:\n", "servers:\n        generation: 1\n", "loadBalancers:\n", "loadBalancers:\n        generation: 1\n", "count: 2", "count: 2\n          generation: 1", "templateId: 9000", "templateId: 9001"}

	t.Run("everything", func(t *testing.T) {
		p.t = t
		p.program(all...)
		var w watch
		s := p.service(func() { w = p.watching(func() { p.up() }) })
		p.within(s, time.Second)
		if len(w.together) > 0 || w.ready < 1 || s.Failed > 0 {
			t.Errorf("off together: %v; fewest replicas %d; %s", w.together, w.ready, s)
		}
		renewed(p.nodes()...)
		if got := p.kubectl("get", "configmap", "keep", "-o", "jsonpath={.data.a}"); got != "b" {
			t.Errorf("what was in the cluster is lost: %q", got)
		}
	})

	t.Run("another template alone changes nothing", func(t *testing.T) {
		p.t = t
		p.program(append(slices.Clone(all), "templateId: 9001", "templateId: 9002")...)
		if r, _ := p.up(); slices.ContainsFunc(changedNames(r), func(n string) bool { return strings.Contains(n, "-vm-") }) {
			t.Errorf("changed: %v", changedNames(r))
		}
		renewed()
	})

	t.Run("one slot, interrupted", func(t *testing.T) {
		p.t = t
		one := append(slices.Clone(all), "templateId: 9001", "templateId: 9002", `"2": {mac: "BC:24:11:02:57:C8"}`, `"2": {mac: "BC:24:11:02:57:C8", generation: 2}`)
		p.program(one...)
		if out, ended := p.upUntil("k3s-contact-k3s-server-02 creating", after(time.Second)); ended {
			t.Fatalf("it had ended: %s", tail(out))
		}
		p.up()
		renewed("k3s-server-02")
	})

	t.Run("back", func(t *testing.T) {
		p.t = t
		p.program()
		_, out, err := p.try(time.Minute, "preview")
		if want := "servers.nodes.1.generation: k3s-server-01 is of generation 1, and 0 is behind that; give 1, or a higher one to make it anew"; err == nil || !strings.Contains(out, want) {
			t.Errorf("%v, want %q in\n%s", err, want, tail(out))
		}
	})
}
