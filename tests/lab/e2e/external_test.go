package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	balancerIP = "192.168.1.130"
	outsideAPI = "        vip: 192.168.1.220\n"
	ownLBs     = `      loadBalancers:
        firstAddress: 192.168.1.221
        virtualRouterId: 51
        nodes:
          "1": {mac: "BC:24:11:EA:6D:1F"}
          "2": {mac: "BC:24:11:6B:DC:F9"}
`
)

// newBalancer makes a machine whose HAProxy balances by a configuration that the component knows nothing of.
func newBalancer(t *testing.T, p *place) *place {
	t.Helper()
	b := newMachine(t, p.Lab, "balancer", balancerIP, newKey(t))
	hostKeyOf(b, balancerIP) // it has booted
	b.in("balancer", "", "sh", "-c", "cloud-init status --wait >/dev/null; apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install haproxy && systemctl stop haproxy")
	return b
}

// balance has the HAProxy of the firewall run with the configuration of the test data, changed by pairs of old and new text.
func (p *place) balance(replace ...string) {
	p.t.Helper()
	text, err := os.ReadFile("testdata/firewall-haproxy.cfg")
	if err != nil {
		p.t.Fatal(err)
	}
	config := string(text)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(config, replace[i]) {
			p.t.Fatalf("the configuration does not hold %q", replace[i])
		}
		config = strings.ReplaceAll(config, replace[i], replace[i+1])
	}
	if out := p.in("balancer", config, "sh", "-c", "cat >/etc/haproxy/haproxy.cfg && haproxy -c -q -f /etc/haproxy/haproxy.cfg && { systemctl reset-failed haproxy || true; } 2>/dev/null && systemctl reload-or-restart haproxy && for try in 1 2 3 4 5 6 7 8 9; do state=$(systemctl is-active haproxy) || true; [ $state = reloading ] || break; sleep 0.3; done; echo $state"); out != "active" {
		p.t.Fatalf("HAProxy of the firewall: %s", out)
	}
}

// TestLongExternal has a cluster behind a load balancer that is somebody else's: what it lacks is named, servers come and go behind it, and its
// endpoint moves.
func TestLongExternal(t *testing.T) {
	outside := []string{outsideAPI, "", ownLBs, "      loadBalancers: {external: {endpoint: " + balancerIP + "}}\n"}
	with := func(more ...string) []string { return append(slices.Clone(outside), more...) }
	p := newPlace(t, newLab(t, "external", false), "external", outside...)
	p.endpoint = balancerIP + ":6443"
	b := newBalancer(t, p)
	const third = "    server k3s-server-03 192.168.1.203:6443 check check-ssl inter 2s port 6443 verify none\n"

	t.Run("what the other side needs is known before there is anything", func(t *testing.T) {
		p.t = t
		p.edit("Pulumi.yaml", "outputs:\n", "outputs:\n  backend: ${k3s.backend}\n")
		_, out := p.must(2*time.Minute, "preview")
		for _, want := range []string{`address: "192.168.1.203"`, `name   : "k3s-server-01"`, `path    : "/readyz"`, `[0]: 200`, `[1]: 401`} {
			if !strings.Contains(out, want) {
				t.Errorf("the preview does not show %s:\n%s", want, tail(out))
			}
		}
		p.program(outside...)
	})

	t.Run("nobody listens there", func(t *testing.T) {
		p.t = t
		p.mustRefuse(8*time.Minute, "does not answer through the external load balancer at https://192.168.1.130:6443 (loadBalancers.external.endpoint), for 120 s: the connection is refused: nothing listens there. Mend that, then run pulumi up again")
	})

	t.Run("a server is not in its pool", func(t *testing.T) {
		p.t, b.t = t, t
		b.balance(third, "")
		p.mustRefuse(8*time.Minute, "k3s: balance: the external load balancer at 192.168.1.130:6443 (loadBalancers.external.endpoint) does not lead to k3s-server-03 (192.168.1.203:6443), in")
	})

	t.Run("with all of them the update ends", func(t *testing.T) {
		p.t, b.t = t, t
		b.balance()
		p.up()
		p.cluster(release, kubernetesNodes()...)
		if r, _ := p.up(); r.Changed() != 0 {
			t.Errorf("the second up changes %v", changedNames(r))
		}
		expect(t, "VMs", p.nodes(), []string{"balancer", "k3s-server-01", "k3s-server-02", "k3s-server-03", "k3s-worker-01", "k3s-worker-02"})
		for _, node := range []string{"k3s-server-02", "k3s-worker-01"} {
			if wrong := p.asked(node, "grep -rhs '^server:' /etc/rancher/k3s/config.yaml /etc/rancher/k3s/config.yaml.d | tr -d '\" '", "server:https://192.168.1.130:6443"); wrong != "" {
				t.Error(wrong)
			}
		}
	})

	t.Run("its first server is lost", func(t *testing.T) {
		p.t = t
		s := p.service(func() { powerOff(p, "k3s-server-01"); time.Sleep(25 * time.Second) })
		p.within(s, 10*time.Second)
		powerOn(p, "k3s-server-01")
		p.cluster(release, kubernetesNodes()...)
		p.lose("k3s-server-01")
		p.up("--refresh")
		p.cluster(release, kubernetesNodes()...)
		if n := p.members("k3s-server-01"); n != 3 {
			t.Errorf("etcd has %d members", n)
		}
	})

	t.Run("a release rolls", func(t *testing.T) {
		p.t = t
		p.program(with("version: "+release, "version: "+minor)...)
		s := p.service(func() { p.up() })
		p.within(s, 10*time.Second)
		p.cluster(minor, kubernetesNodes()...)
	})

	t.Run("a refresh sees that a server has left its pool", func(t *testing.T) {
		p.t, b.t = t, t
		b.balance(third, "")
		p.must(5*time.Minute, "refresh", "--yes", "--skip-preview")
		r, _ := p.must(2*time.Minute, "preview")
		expect(t, "changes", changedNames(r), []string{"update k3s-balance-cluster"})
		b.balance()
		p.up()
	})

	t.Run("it gets another name", func(t *testing.T) {
		p.t = t
		for _, node := range kubernetesNodes() {
			p.in(node, "", "sh", "-c", "echo '192.168.1.130 api.example.org' >>/etc/hosts")
		}
		p.program(outsideAPI, "", ownLBs, "      loadBalancers: {external: {endpoint: api.example.org}}\n", "version: "+release, "version: "+minor)
		s := p.service(func() { p.up() })
		p.within(s, 10*time.Second)
		for _, node := range []string{"k3s-server-03", "k3s-worker-02"} {
			if wrong := p.asked(node, "grep -rhs '^server:' /etc/rancher/k3s/config.yaml /etc/rancher/k3s/config.yaml.d | tr -d '\" '", "server:https://api.example.org:6443"); wrong != "" {
				t.Error(wrong)
			}
		}
		if r, _ := p.must(2*time.Minute, "preview"); r.Changed() != 0 {
			t.Errorf("the next preview changes %v", changedNames(r))
		}
	})

	t.Run("load balancers of its own take over, and give back", func(t *testing.T) {
		p.t = t
		p.program("version: "+release, "version: "+minor)
		p.up()
		p.forgetKubeconfig()
		p.cluster(minor, kubernetesNodes()...)
		p.held(vip, "k3s")
		p.whole()
		p.program(with("version: "+release, "version: "+minor)...)
		p.up()
		p.forgetKubeconfig()
		p.cluster(minor, kubernetesNodes()...)
		expect(t, "VMs", p.nodes(), []string{"balancer", "k3s-server-01", "k3s-server-02", "k3s-server-03", "k3s-worker-01", "k3s-worker-02"})
		if r, _ := p.must(2*time.Minute, "preview"); r.Changed() != 0 {
			t.Errorf("the next preview changes %v", changedNames(r))
		}
	})
}
