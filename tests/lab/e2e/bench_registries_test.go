package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// bareRestart restarts k3s on a node by hand, and waits for as little as anybody would before the next one: its API answers, it votes in etcd, and
// its kubelet has renewed its lease since.
func (p *place) bareRestart(node, address string) {
	p.t.Helper()
	unit := "k3s"
	if strings.Contains(node, "-worker-") {
		unit = "k3s-agent"
	}
	renewed := func() string {
		out, _ := p.tryKubectl("get", "lease", "-n", "kube-node-lease", node, "-o", "jsonpath={.spec.renewTime}")
		return out
	}
	before := renewed()
	p.in(node, "", "systemctl", "restart", unit)
	again := renewed()
	p.eventually(node+" serves again", 90*time.Second, func() bool {
		if unit == "k3s" {
			code := p.in(node, "", "curl", "-sk", "-o", "/dev/null", "--max-time", "2", "-w", "%{http_code}", "https://"+address+":6443/readyz")
			if code != "200" && code != "401" {
				return false
			}
		}
		now := renewed()
		return now != before && now != again && now != ""
	})
}

// TestBenchRegistries is what make bench-life prints of a change of registries: of a mirror, for which nothing restarts, and of a login, which
// containerd reads when it starts alone, beside bare restarts of the same nodes in turns. Machines are noisy, so no figure fails it.
func TestBenchRegistries(t *testing.T) {
	p := newPlace(t, newLab(t, "registries", false), "registries")
	p.up()
	p.cluster(release, kubernetesNodes()...)
	start := time.Now()
	p.up()
	nothing := time.Since(start)
	var bare, ours, mirrors []time.Duration
	changed := func(mirror, login int) time.Duration {
		p.program("        disable: [traefik, servicelb]\n", fmt.Sprintf(`        disable: [traefik, servicelb]
        registries:
          mirrors: {docker.io: {endpoint: ["https://mirror%d.example.org"]}}
          configs: {mirror.example.org: {auth: {username: puller, password: {"fn::secret": "password%d"}}}}
`, mirror, login))
		var took time.Duration
		s := p.service(func() {
			start = time.Now()
			p.up()
			took = time.Since(start) - nothing
		})
		p.within(s, time.Second)
		if s.Failed > 0 {
			t.Error(s)
		}
		return took
	}
	for i := range 2 {
		start = time.Now()
		for n, node := range kubernetesNodes() {
			address := fmt.Sprintf("192.168.1.%d", 201+n)
			if n > 2 {
				address = fmt.Sprintf("192.168.1.%d", 208+n)
			}
			p.bareRestart(node, address)
		}
		bare = append(bare, time.Since(start))
		ours = append(ours, changed(i, i))
		mirrors = append(mirrors, changed(i+1, i))
	}
	least := func(a []time.Duration) time.Duration { return min(a[0], a[1]) }
	t.Logf("a mirror changed: %v beyond an update that changes nothing (%s)", mirrors, nothing)
	t.Logf("a login changed: %v beyond; bare restarts of five nodes in turns: %v", ours, bare)
	t.Logf("%.1f s more than bare restarts", (least(ours) - least(bare)).Seconds())
}
