package e2e

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// adverts sends VRRP as a router does that has nothing to do with the cluster.
const adverts = `import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("192.168.1.1"))
for _ in range(1200):
    s.sendto(bytes([0x21, 51, 100, 1, 0, 1, 0, 0, 192, 168, 1, 99, 0, 0, 0, 0, 0, 0, 0, 0]), ("224.0.0.18", 0))
    time.sleep(0.5)
`

// TestLongTaken creates the cluster in a network where its VIP, or its router id, is somebody else's: that is told before the first start of
// Keepalived, and the next update goes on.
func TestLongTaken(t *testing.T) {
	p := newPlace(t, newLab(t, "taken", false), "taken")
	refused := func(want string) {
		p.t.Helper()
		_, out, err := p.try(6*time.Minute, "up", "--yes", "--skip-preview")
		if err == nil || !strings.Contains(out, want) {
			p.t.Errorf("%v, want %q in\n%s", err, want, tail(out))
		}
		for _, lb := range []string{"k3s-lb-01", "k3s-lb-02"} {
			if p.in(lb, "", "pgrep", "-x", "keepalived") != "" {
				p.t.Errorf("Keepalived runs on %s", lb)
			}
		}
	}
	in := func(args ...string) *exec.Cmd { return p.Command(args[0], args[1:]...) }
	if out, err := in("ip", "addr", "add", vip+"/32", "dev", "br0").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	refused("k3s-lb-01: converge: another machine has the VIP " + vip + " already (MAC ")
	if out, err := in("ip", "addr", "del", vip+"/32", "dev", "br0").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	router := in("python3", "-c", adverts)
	if err := router.Start(); err != nil {
		t.Fatal(err)
	}
	refused("k3s-lb-01: converge: 192.168.1.1 speaks VRRP with the router id 51 on this network; set loadBalancers.virtualRouterId to one that nobody else has")
	_ = router.Process.Kill()
	_ = router.Wait()
	p.up()
	p.cluster(release, kubernetesNodes()...)
}
