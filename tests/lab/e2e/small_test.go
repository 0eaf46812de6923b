package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLongSmallCluster is a cluster of one server and one load balancer: what goes wrong, what changes, what is refused.
func TestLongSmallCluster(t *testing.T) {
	small := []string{
		"        firstAddress: 192.168.1.201\n", "        count: 1\n        firstAddress: 192.168.1.201\n",
		"          \"2\": {mac: \"BC:24:11:02:57:C8\"}\n          \"3\": {mac: \"BC:24:11:4F:A3:86\"}\n", "",
		"          count: 2\n", "          count: 0\n",
		"          nodes:\n            \"1\": {mac: \"BC:24:11:12:B1:D2\"}\n            \"2\": {mac: \"BC:24:11:07:BA:1A\"}\n", "",
		"        firstAddress: 192.168.1.221\n", "        count: 1\n        firstAddress: 192.168.1.221\n",
		"          \"2\": {mac: \"BC:24:11:6B:DC:F9\"}\n", "",
	}
	with := func(more ...string) []string { return append(append([]string{}, small...), more...) }
	version := "        version: v1.31.6+k3s1\n"
	p := newPlace(t, newLab(t, "small", false), "small", with(version, version+"        serverConfig: {kube-apiserver-arg: [nonsense=1]}\n")...)

	t.Run("a server that cannot start says why", func(t *testing.T) {
		p.t = t
		_, out, err := p.try(4*time.Minute, "up", "--yes", "--skip-preview")
		if err == nil {
			t.Fatal("up succeeded with a nonsensical option")
		}
		for _, want := range []string{
			"last lines of k3s on k3s-server-01:",
			`k3s-server-01: converge: k3s v1.31.6+k3s1 ends again and again; mend that, then run pulumi up again; cause: level=fatal msg="unknown flag: --nonsense"`,
		} {
			if !strings.Contains(out, want) {
				t.Errorf("the error lacks %q:\n%s", want, tail(out))
			}
		}
	})
	t.Run("mended, the next up goes on", func(t *testing.T) {
		p.t = t
		p.program(small...)
		r, _ := p.up()
		if r.Changes["same"] < 10 {
			t.Errorf("up began anew: %v", r.Changes)
		}
		p.cluster(release, "k3s-server-01")
		expect(t, "holders of the VIP", p.holders(vip), []string{"k3s-lb-01"})
	})
	t.Run("a HAProxy option touches the load balancer alone", func(t *testing.T) {
		p.t = t
		p.program(with("virtualRouterId: 51\n", "virtualRouterId: 51\n        balance: leastconn\n")...)
		r, _ := p.up()
		expect(t, "changed", changedNames(r), []string{"update k3s-converge-k3s-lb-01", "update k3s-machines"})
	})
	t.Run("load balancers come, change and go", func(t *testing.T) {
		p.t = t
		grown := with("        count: 1\n        firstAddress: 192.168.1.221\n", "        count: 3\n        firstAddress: 192.168.1.221\n")
		p.program(grown...)
		p.up()
		expect(t, "holders of the VIP", p.holders(vip), []string{"k3s-lb-01"})
		p.program(append(grown, "virtualRouterId: 51\n", "virtualRouterId: 77\n        statusPort: 8500\n")...)
		p.up()
		p.held(vip, "k3s")
		p.program(with("virtualRouterId: 51\n", "virtualRouterId: 77\n        statusPort: 8500\n")...)
		p.up()
		expect(t, "holders of the VIP", p.holders(vip), []string{"k3s-lb-01"})
		p.cluster(release, "k3s-server-01")
	})
	t.Run("one server becomes three, and three one", func(t *testing.T) {
		p.t = t
		p.kubectl("create", "namespace", "from-before")
		one := with("virtualRouterId: 51\n", "virtualRouterId: 77\n        statusPort: 8500\n")
		three := append(slices.Clone(one), "        count: 1\n        firstAddress: 192.168.1.201\n", "        count: 3\n        firstAddress: 192.168.1.201\n")
		change := func(program []string, names ...string) {
			before := p.kubeconfig()
			stop := p.client("")
			p.program(program...)
			p.up()
			p.within(stop(), 2*time.Second)
			p.cluster(release, names...)
			p.kubectl("get", "namespace", "from-before")
			if p.kubeconfig() != before {
				t.Error("the kubeconfig has changed")
			}
			if r, _ := p.up(); r.Changed() != 0 {
				t.Errorf("still changing: %v", changedNames(r))
			}
		}
		change(three, "k3s-server-01", "k3s-server-02", "k3s-server-03")
		change(one, "k3s-server-01")
	})
	t.Run("a cluster that has lived is not started anew, unless it is said so", func(t *testing.T) {
		p.t = t
		same := with("virtualRouterId: 51\n", "virtualRouterId: 77\n        statusPort: 8500\n")
		// Nobody may take the last server away, alive as it is.
		_, out, err := p.try(5*time.Minute, "up", "--yes", "--skip-preview", "--replace", p.urn("k3s-vm-k3s-server-01"))
		if want := "k3s-server-01: the last server cannot leave; to end the cluster destroy it as a whole"; err == nil || !strings.Contains(out, want) {
			t.Fatalf("the last server was taken away: %v\n%s", err, tail(out))
		}
		p.cluster(release, "k3s-server-01")

		// Lost with all that it had: an empty machine in its place does not start a second cluster.
		p.lose("k3s-server-01")
		_, out, err = p.try(9*time.Minute, "up", "--yes", "--skip-preview", "--refresh")
		if want := "If the cluster is lost for good, set servers.startOver to a new word to start it anew, empty"; err == nil || !strings.Contains(out, want) {
			t.Fatalf("an empty server was not refused: %v\n%s", err, tail(out))
		}
		p.blank("k3s-server-01")
		over := append(same, "        count: 1\n        firstAddress: 192.168.1.201\n", "        count: 1\n        startOver: again\n        firstAddress: 192.168.1.201\n")
		p.program(over...)
		before := p.kubeconfig()
		p.up()
		p.cluster(release, "k3s-server-01")
		if p.kubeconfig() != before {
			t.Error("the kubeconfig has changed, and tokens and CAs are the same")
		}
		if r, _ := p.up(); r.Changed() != 0 {
			t.Errorf("still changing: %v", changedNames(r))
		}
		// The mark may go. Another one is refused while the cluster lives.
		p.program(same...)
		p.up()
		p.program(append(same, "        count: 1\n        firstAddress: 192.168.1.201\n", "        count: 1\n        startOver: once-more\n        firstAddress: 192.168.1.201\n")...)
		_, out, err = p.try(5*time.Minute, "up", "--yes", "--skip-preview")
		if want := "k3s-server-01: start: "; err == nil || !strings.Contains(out, want) {
			t.Errorf("a living cluster was started over: %v\n%s", err, tail(out))
		}
		p.program(same...)
		p.up()
		p.cluster(release, "k3s-server-01")
	})
}

// urn finds a resource in the state.
func (p *place) urn(name string) string {
	p.t.Helper()
	for _, r := range p.resources() {
		if strings.HasSuffix(r.URN, "::"+name) {
			return r.URN
		}
	}
	p.t.Fatalf("no %s in the state", name)
	return ""
}
