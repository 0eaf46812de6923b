package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestLongGates: a server restarts only while every other one is Ready, votes and answers; a learner that takes its time is waited for; a
// first start that was killed at its worst moment begins anew.
func TestLongGates(t *testing.T) {
	p := newPlace(t, newLab(t, "gates", false), "gates")
	servers := []string{"k3s-server-01", "k3s-server-02", "k3s-server-03"}

	t.Run("a first start killed before it has saved its bootstrap data", func(t *testing.T) {
		p.t = t
		failed := make(chan error, 1)
		go func() { _, _, err := p.try(5*time.Minute, "up", "--yes", "--skip-preview"); failed <- err }()
		for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
			if _, err := p.Exec(servers[0], "true"); err == nil {
				break
			}
		}
		// Killed as soon as there is an etcd, with the step that waits for it.
		script := `i=0; until [ -d /var/lib/rancher/k3s/server/db/etcd/member/wal ]; do i=$((i+1)); [ $i -lt 3600 ] || exit 1; sleep 0.05; done; sleep 0.3
			systemctl kill -s KILL k3s; systemctl stop k3s; pkill -KILL -f '[/]run/k3sha[.]'; ls /var/lib/rancher/k3s/server/db/etcd/member`
		if out := p.in(servers[0], "", "sh", "-c", script); !strings.Contains(out, "wal") {
			t.Fatalf("there is no etcd to kill: %s", out)
		}
		if err := <-failed; err == nil {
			t.Fatal("the first update succeeded")
		}
		p.up()
		p.cluster(release, kubernetesNodes()...)
		if out := p.in(servers[0], "", "sh", "-c", "journalctl -q --no-pager -u k3s | grep -c 'no bootstrap data found'; ls -d /var/lib/rancher/k3s/server/db-unfinished"); !strings.Contains(out, "db-unfinished") || strings.HasPrefix(out, "0") {
			t.Errorf("it was not the moment that is meant: %s", out)
		}
		if n := p.members(servers[1]); n != 3 {
			t.Errorf("etcd has %d members", n)
		}
	})

	// restart is a change that restarts k3s on the servers.
	restart := func(name string) {
		p.program("        version: v1.31.6+k3s1\n", "        version: v1.31.6+k3s1\n        tlsSans: ["+name+"]\n")
	}
	refused := func(t *testing.T, server, named string) {
		t.Helper()
		before := p.startTimes()
		_, out, err := p.try(6*time.Minute, "up", "--yes", "--skip-preview")
		want := fmt.Sprintf("%s: restart: will not restart server %s, for quorum would be lost: %s: ", server, server, named)
		if err == nil || !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("%v, want %q in:\n%s", err, want, tail(out))
		}
		if after := p.startTimes(); serversOf(after) != serversOf(before) {
			t.Errorf("restarted all the same:\n%s\nwas\n%s", after, before)
		}
	}

	t.Run("another one does not vote", func(t *testing.T) {
		p.t = t
		for _, s := range servers {
			p.in(s, "", "sh", "-c", "mkdir -p /run/k3s-standin && echo k3s-server-02 >/run/k3s-standin/not-voting")
		}
		p.eventually("the leader says that it doesn't vote", 60*time.Second, func() bool {
			return p.kubectl("get", "node", "k3s-server-02", "-o", `jsonpath={.status.conditions[?(@.type=="EtcdIsVoter")].status}`) == "False"
		})
		restart("a.example.org")
		refused(t, servers[0], servers[1])
		for _, s := range servers {
			p.in(s, "", "rm", "-f", "/run/k3s-standin/not-voting")
		}
	})
	t.Run("another one is gone", func(t *testing.T) {
		p.t = t
		powerOff(p, servers[2])
		restart("b.example.org")
		refused(t, servers[0], servers[2])
		powerOn(p, servers[2])
		p.cluster(release, kubernetesNodes()...)
		p.whole()
		s := p.service(func() { p.up() })
		p.within(s, 3*time.Second) // naive: each restart of a server is 20 s for those that it served
		p.cluster(release, kubernetesNodes()...)
	})
	t.Run("a learner does not wait for k3s to promote it", func(t *testing.T) {
		p.t = t
		for _, s := range servers {
			p.in(s, "", "sh", "-c", "mkdir -p /run/k3s-standin && echo 400 >/run/k3s-standin/promote-after")
		}
		p.program("        version: v1.31.6+k3s1\n", "        version: v1.31.6+k3s1\n        tlsSans: [b.example.org]\n", "firstAddress: 192.168.1.201\n", "firstAddress: 192.168.1.201\n        count: 5\n")
		p.up() // the steps of the new ones ask etcd themselves
		p.cluster(release, kubernetesNodes("k3s-server-04", "k3s-server-05")...)
		if n := p.members("k3s-server-05"); n != 5 {
			t.Errorf("etcd has %d members", n)
		}
	})
}

// serversOf are the lines of startTimes that are servers'.
func serversOf(times string) string {
	var b strings.Builder
	for line := range strings.Lines(times) {
		if strings.Contains(line, "-server-") && !strings.Contains(line, "MainPID=0 ") {
			b.WriteString(line)
		}
	}
	return b.String()
}
