package e2e

import (
	"encoding/base64"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

// service watches the VIP while something happens, as a client sees it, and says what it saw.
func (p *place) service(during func()) lab.Service {
	p.t.Helper()
	stop := p.client(p.endpoint)
	time.Sleep(300 * time.Millisecond)
	during()
	s := stop()
	p.t.Log(s)
	return s
}

// client asks at an address of the API, the VIP's if there is none, until the returned function is called.
func (p *place) client(address string) (stop func() lab.Service) {
	p.t.Helper()
	if address == "" {
		address = vip + ":6443"
	}
	ca, err := base64.StdEncoding.DecodeString(p.kubectl("config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}"))
	if err != nil {
		p.t.Fatal(err)
	}
	return p.Client(p.t.Context(), address, ca)
}

// within fails when the client was longer without service than it may be.
func (p *place) within(s lab.Service, most time.Duration) {
	p.t.Helper()
	if s.Asked == 0 || s.Without > most {
		p.t.Errorf("%s; want at most %s", s, most)
	}
}

// failure is something that breaks, where it heals, and how long a client may be without service. A naive setup (TCP checks each 10 s,
// VRRP v2 at 1 s, killall -0) is without for the time beside it; a third of that is the most, whatever the machine.
type failure struct {
	name  string
	node  string // empty: the load balancer that holds the VIP
	cause func(p *place, node string)
	heal  func(p *place, node string)
	most  time.Duration
	moves string // whether the VIP goes to the other load balancer: yes, no, or either
}

func on(command string) func(p *place, node string) {
	return func(p *place, node string) { p.in(node, "", "sh", "-c", command) }
}

// hung stops a service's processes where they stand; going lets them on.
func hung(unit string) func(p *place, node string) {
	return on("systemctl kill -s STOP --kill-who=all " + unit)
}

func going(unit string) func(p *place, node string) {
	return on("systemctl kill -s CONT --kill-who=all " + unit)
}

func killed(unit string) func(p *place, node string) { return on("systemctl kill -s KILL " + unit) }

func cable(plugged bool) func(p *place, node string) {
	return func(p *place, node string) {
		if err := p.Cable(node, plugged); err != nil {
			p.t.Fatal(err)
		}
	}
}

func powerOff(p *place, node string) {
	if err := p.Kill(node); err != nil {
		p.t.Fatal(err)
	}
}

// powerOn starts a VM by Proxmox VE's API, as a person would.
func powerOn(p *place, node string) {
	p.t.Helper()
	vm, err := p.VM(node)
	if err != nil {
		p.t.Fatal(err)
	}
	url := fmt.Sprintf("https://%s/api2/json/nodes/%s/qemu/%d/status/start", lab.ProxmoxAt, vm.Node, vm.ID)
	if out, err := p.Command("curl", "-sk", "-X", "POST", "-H", "Authorization: PVEAPIToken="+lab.Token, url).CombinedOutput(); err != nil {
		p.t.Fatalf("start: %v %s", err, out)
	}
}

var failures = []failure{
	{"k3s killed on a server", "k3s-server-02", killed("k3s"), nil, 2 * time.Second, "no"},      // naive 20 to 29 s
	{"k3s hung on a server", "k3s-server-02", hung("k3s"), going("k3s"), 3 * time.Second, "no"}, // naive: for ever
	{"a server's cable", "k3s-server-03", cable(false), cable(true), 3 * time.Second, "no"},     // naive 52 to 57 s
	{"a server's power", "k3s-server-03", powerOff, powerOn, 3 * time.Second, "no"},             // naive 52 to 57 s
	{"HAProxy killed", "", killed("haproxy"), nil, 2 * time.Second, "no"},                       // naive 0.7 to 2.5 s
	{"HAProxy hung", "", hung("haproxy"), going("haproxy"), 6 * time.Second, "yes"},             // naive: for ever
	{"Keepalived killed", "", killed("keepalived"), nil, 2 * time.Second, "either"},             // naive: two holders for minutes
	{"Keepalived hung", "", hung("keepalived"), going("keepalived"), 4 * time.Second, "yes"},    // naive: two holders
	{"the holder's cable", "", cable(false), cable(true), 4 * time.Second, "yes"},               // naive 1.9 to 3.4 s and a second move
	{"the holder's power", "", powerOff, powerOn, 4 * time.Second, "yes"},                       // naive 1.9 to 3.4 s and a second move
}

// survives causes each failure once, watches the VIP, and waits until all is well again.
func (p *place) survives() {
	for _, f := range failures {
		p.t.Run(f.name, func(t *testing.T) {
			defer func(outer *testing.T) { p.t = outer }(p.t)
			p.t = t
			before := p.holders(vip)
			if len(before) != 1 {
				t.Fatalf("holders of the VIP before: %v", before)
			}
			node := f.node
			if node == "" {
				node = before[0]
			}
			s := p.service(func() {
				f.cause(p, node)
				time.Sleep(8 * time.Second)
			})
			p.within(s, f.most)
			// A machine that is off, cut or hung cannot be asked; whoever else holds the VIP can.
			held := slices.DeleteFunc(p.holders(vip), func(n string) bool { return f.moves == "yes" && n == node })
			if moved := len(held) == 1 && held[0] != before[0]; len(held) != 1 || moved && f.moves == "no" || !moved && f.moves == "yes" {
				t.Errorf("the VIP was on %v and is on %v", before, held)
			}
			if f.heal != nil {
				s = p.service(func() {
					f.heal(p, node)
					time.Sleep(5 * time.Second)
				})
				p.within(s, f.most) // coming back must not hurt either
			}
			p.cluster(release, kubernetesNodes()...)
			p.whole()
		})
	}
}

// whole waits until both load balancers see all servers and one of them holds the VIP.
func (p *place) whole() {
	p.t.Helper()
	var seen []string
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		seen = nil
		for _, lb := range []string{"k3s-lb-01", "k3s-lb-02"} {
			out, err := p.Exec(lb, "sh", "-c", "curl -s --max-time 2 http://127.0.0.1:8405/backends; systemctl is-active keepalived")
			if err != nil {
				seen = append(seen, err.Error())
				continue
			}
			text, _ := out.CombinedOutput()
			seen = append(seen, string(text))
		}
		holders := p.holders(vip)
		if len(holders) == 1 && seen[0] == "3\nactive\n" && seen[1] == "3\nactive\n" {
			return
		}
	}
	p.t.Fatalf("the load balancers are not whole again: %q, the VIP is on %v", seen, p.holders(vip))
}
