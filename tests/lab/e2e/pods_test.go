package e2e

import (
	"bytes"
	"path/filepath"
	"strings"
	"time"
)

const workloads = `
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
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: everywhere}
spec:
  selector: {matchLabels: {app: everywhere}}
  template:
    metadata: {labels: {app: everywhere}}
    spec: {containers: [{name: c, image: example.org/app}]}
---
apiVersion: v1
kind: Pod
metadata: {name: bare, labels: {app: bare}}
spec: {nodeName: k3s-worker-01, containers: [{name: c, image: example.org/app}]}
---
apiVersion: v1
kind: Pod
metadata: {name: scratch, labels: {app: scratch}}
spec:
  nodeName: k3s-worker-01
  volumes: [{name: v, emptyDir: {}}]
  containers: [{name: c, image: example.org/app, volumeMounts: [{name: v, mountPath: /v}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: guarded, labels: {app: guarded}}
spec: {nodeName: k3s-worker-01, containers: [{name: c, image: example.org/app}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: guarded}
spec: {minAvailable: 1, selector: {matchLabels: {app: guarded}}}
`

func (p *place) apply(manifest string) {
	p.t.Helper()
	p.kubectl("version") // writes the kubeconfig
	cmd := p.Command(filepath.Join(p.Build, "bin", "kubectl"), "--kubeconfig", filepath.Join(p.project, "kubeconfig"), "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("apply: %v %s", err, bytes.TrimSpace(out))
	}
}

// podsOn lists running and ready pods: app and node.
func (p *place) pods() string {
	p.t.Helper()
	return p.kubectl("get", "pods", "-o", `jsonpath={range .items[*]}{.metadata.labels.app} {.spec.nodeName} {.status.phase} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`)
}

func (p *place) eventually(what string, within time.Duration, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		if ok() {
			return
		}
	}
	p.t.Fatalf("not within %s: %s; pods:\n%s", within, what, p.pods())
}

// livePods: pods behave under scheduling, eviction, budgets and cordons as on real nodes.
func (p *place) livePods() {
	p.apply(workloads)
	defer p.kubectl("delete", "deployment,daemonset,pod,pdb", "--all", "--wait=true", "--timeout=60s", "--force")
	p.eventually("two replicas on two workers, a daemon on each worker, three bare pods, nothing on tainted servers", 30*time.Second, func() bool {
		pods := p.pods()
		return strings.Count(pods, "True") == 7 && strings.Contains(pods, "two k3s-worker-01 Running True") && strings.Contains(pods, "two k3s-worker-02 Running True") &&
			strings.Contains(pods, "everywhere k3s-worker-01 Running True") && strings.Contains(pods, "everywhere k3s-worker-02 Running True") && !strings.Contains(pods, "server")
	})
	out, err := p.tryKubectl("drain", "k3s-worker-01", "--timeout=5s")
	for _, want := range []string{"DaemonSet-managed Pods", "declare no controller", "local storage"} {
		if err == nil || !strings.Contains(out, want) {
			p.t.Errorf("a careless drain does not speak of %q: %v %s", want, err, out)
		}
	}
	out, err = p.tryKubectl("drain", "k3s-worker-01", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=8s")
	if err == nil || !strings.Contains(out, "Cannot evict pod as it would violate the pod's disruption budget.") {
		p.t.Errorf("the budget does not hold: %v %s", err, out)
	}
	p.eventually("the second replica on the other worker, bare pods gone, the guarded one and the daemon still there", 30*time.Second, func() bool {
		pods := p.pods()
		return strings.Count(pods, "two k3s-worker-02 Running True") == 2 && !strings.Contains(pods, "bare") && !strings.Contains(pods, "scratch") &&
			strings.Contains(pods, "guarded k3s-worker-01 Running True") && strings.Contains(pods, "everywhere k3s-worker-01 Running True")
	})
	p.kubectl("delete", "pdb", "guarded")
	p.kubectl("drain", "k3s-worker-01", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=30s")
	p.kubectl("uncordon", "k3s-worker-01")

	// A pod that takes its time is waited for, and cut off after its grace.
	p.apply("apiVersion: v1\nkind: Pod\nmetadata: {name: slow, labels: {app: slow}, annotations: {k3s-standin/ends-after: \"30\"}}\nspec: {nodeName: k3s-worker-02, terminationGracePeriodSeconds: 4, containers: [{name: c, image: a}]}\n")
	p.eventually("the slow pod runs", 10*time.Second, func() bool { return strings.Contains(p.pods(), "slow k3s-worker-02 Running True") })
	start := time.Now()
	p.kubectl("delete", "pod", "slow", "--timeout=20s")
	if took := time.Since(start); took < 3*time.Second || took > 12*time.Second {
		p.t.Errorf("a pod with a grace of 4 s ended after %s", took)
	}

	// A taint that executes drives pods away.
	p.kubectl("taint", "node", "k3s-worker-02", "away=true:NoExecute")
	p.eventually("both replicas on the other worker", 30*time.Second, func() bool { return strings.Count(p.pods(), "two k3s-worker-01 Running True") == 2 })
	p.kubectl("taint", "node", "k3s-worker-02", "away-")
}
