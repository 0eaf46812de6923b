package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const serversVIP = "192.168.1.240"

// keepalivedOn is a VIP on a server as people set it up by hand: it goes where the API answers.
const keepalivedOn = `vrrp_script api {
    script "/usr/bin/curl -sk -o /dev/null --max-time 2 https://127.0.0.1:6443/readyz"
    interval 1
    fall 2
    rise 2
}
vrrp_instance API {
    state BACKUP
    interface eth0
    virtual_router_id 77
    priority %d
    advert_int 0.4
    nopreempt
    version 3
    unicast_peer { %s }
    virtual_ipaddress { %s/32 }
    track_script { api }
}
`

// TestLongVIPOnServers measures why a VIP on the servers themselves is not offered: what a client sees when k3s restarts on the server that has
// it, as each update does, there and behind load balancers, in one cluster.
func TestLongVIPOnServers(t *testing.T) {
	p := newPlace(t, newLab(t, "serversvip", false), "serversvip", "disable: [traefik, servicelb]", "disable: [traefik, servicelb]\n        tlsSans: ["+serversVIP+"]")
	p.up()
	p.cluster(release, kubernetesNodes()...)
	servers := []string{"192.168.1.201", "192.168.1.202", "192.168.1.203"}
	for i, ip := range servers {
		var peers []string
		for _, other := range servers {
			if other != ip {
				peers = append(peers, other)
			}
		}
		node := fmt.Sprintf("k3s-server-%02d", i+1)
		p.in(node, fmt.Sprintf(keepalivedOn, 250-10*i, strings.Join(peers, " "), serversVIP), "sh", "-c",
			"apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq -y install keepalived >/dev/null; cat >/etc/keepalived/keepalived.conf; sed -i \"s/eth0/$(ip -o -4 addr | awk '/"+ip+"\\// { print $2 }' | head -n1)/\" /etc/keepalived/keepalived.conf; systemctl restart keepalived")
	}
	var at []string
	p.eventually("one holder of the servers' VIP", 30*time.Second, func() bool { at = p.holders(serversVIP); return len(at) == 1 })
	onServers, behind := p.client(serversVIP+":6443"), p.client("")
	time.Sleep(2 * time.Second)
	p.in(at[0], "", "systemctl", "restart", "k3s")
	time.Sleep(30 * time.Second)
	a, b := onServers(), behind()
	t.Logf("k3s restarts on %s, which has the VIP of the servers: %s; behind load balancers: %s", at[0], a, b)
	if a.Without <= b.Without {
		t.Errorf("a VIP on the servers is no worse: %s and %s; then it could be offered", a, b)
	}
}
