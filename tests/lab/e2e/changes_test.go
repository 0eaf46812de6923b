package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

// kind is what a change does to machines, in the words of the component's row in a preview, and to whom.
type kind struct {
	line string
	vms  func(node string) bool // whose VM restarts; nil: the plugin decides, by what else it has to change
	k3s  func(node string) bool // on whom k3s restarts; where the VM restarts, too
}

func nobody(string) bool          { return false }
func everybody(string) bool       { return true }
func servers(node string) bool    { return strings.Contains(node, "-server-") }
func workers(node string) bool    { return strings.Contains(node, "-worker-") }
func kubernetes(node string) bool { return servers(node) || workers(node) }

const (
	lbsLine     = "k3s-lb-01, -02 (one at a time)"
	serversLine = "k3s-server-01, -02, -03 (one at a time)"
	workersLine = "k3s-worker-01, -02 (one at a time)"
)

var (
	quiet       = kind{"", nobody, nobody}
	reloads     = kind{"reloads " + lbsLine, nobody, nobody}
	rollsVMs    = kind{"restarts the VMs " + lbsLine + " and " + serversLine + " and " + workersLine, everybody, kubernetes}
	rollsOne    = kind{"restarts the VMs k3s-worker-02", func(n string) bool { return n == "k3s-worker-02" }, func(n string) bool { return n == "k3s-worker-02" }}
	rollsK3s    = kind{"restarts k3s on " + serversLine + ", then on " + workersLine, nobody, kubernetes}
	rollsServer = kind{"restarts k3s on " + serversLine, nobody, servers}
	rollsWorker = kind{"restarts k3s on " + workersLine, nobody, workers}
	moves       = kind{"reloads " + lbsLine + "; " + rollsK3s.line, nobody, kubernetes}
)

// change is a row of the table of changes in docs/operations.md.
type change struct {
	input  string // as in the table
	edit   []string
	kind   kind
	before func(p *place)
	effect func(p *place) string // what is wrong, seen on a machine or through the API
}

const (
	movedVIP  = "192.168.1.230"
	movedPort = "7443"
)

// file is an effect that a file on machines shows.
func file(nodes func(string) bool, path, want string) func(p *place) string {
	return func(p *place) string {
		for _, node := range p.nodes() {
			if !nodes(node) {
				continue
			}
			if got := p.in(node, "", "cat", path); !strings.Contains(got, want) {
				return fmt.Sprintf("%s of %s does not hold %q:\n%s", path, node, want, got)
			}
		}
		return ""
	}
}

func balancers(node string) bool { return strings.Contains(node, "-lb-") }

// shows is an effect that the API shows.
func shows(want string, args ...string) func(p *place) string {
	return func(p *place) string {
		if got := p.kubectl(args...); got != want {
			return fmt.Sprintf("kubectl %v: %q, want %q", args, got, want)
		}
		return ""
	}
}

// config is an effect that Proxmox VE shows: an option of VMs.
func config(nodes func(string) bool, key, want string) func(p *place) string {
	return func(p *place) string {
		for _, node := range p.nodes() {
			if got := p.config(node)[key]; nodes(node) && !strings.Contains(fmt.Sprint(got), want) {
				return fmt.Sprintf("%s of %s is %q, want %q in it", key, node, got, want)
			}
		}
		return ""
	}
}

// changes are all rows, in an order in which one can follow the other on the same cluster.
var changes = []change{
	{
		"`workers.<pool>.labels`, `taints`; `servers.labels`, `taints`",
		[]string{"          count: 2\n", "          count: 2\n          labels: {example.org/zone: a}\n          taints: [\"example.org/new=yes:PreferNoSchedule\"]\n"},
		quiet, nil,
		shows("a yes\na yes", "get", "nodes", "-l", "!node-role.kubernetes.io/etcd", "-o", `jsonpath={range .items[*]}{.metadata.labels.example\.org/zone} {.spec.taints[?(@.key=="example.org/new")].value}{"\n"}{end}`),
	},
	{
		"`loadBalancers.balance`, `checkInterval`, `checkFall`, `checkRise`, `extraLines`",
		[]string{"loadBalancers:\n", "loadBalancers:\n        balance: leastconn\n"},
		reloads, nil, file(balancers, "/etc/haproxy/haproxy.cfg", "balance leastconn"),
	},
	{
		"`loadBalancers.virtualRouterId`",
		[]string{"virtualRouterId: 51", "virtualRouterId: 52"},
		reloads, nil, file(balancers, "/etc/keepalived/keepalived.conf", "virtual_router_id 52"),
	},
	{
		"`loadBalancers.advertInterval`",
		[]string{"loadBalancers:\n", "loadBalancers:\n        advertInterval: 0.3\n"},
		reloads, nil, file(balancers, "/etc/keepalived/keepalived.conf", "advert_int 0.3"),
	},
	{
		"`loadBalancers.preempt`",
		[]string{"loadBalancers:\n", "loadBalancers:\n        preempt: true\n"},
		reloads, nil,
		func(p *place) string {
			p.eventually("the VIP on the first load balancer", 30*time.Second, func() bool { return slices.Equal(p.holders(vip), []string{"k3s-lb-01"}) })
			return ""
		},
	},
	{
		"`loadBalancers.interface`",
		[]string{"loadBalancers:\n", "loadBalancers:\n        interface: eth0\n"},
		quiet, nil, func(p *place) string {
			return p.asked(p.holders(vip)[0], "ip -o -4 addr show dev eth0 | grep -c ' "+vip+"/'", "1")
		},
	},
	{
		"`loadBalancers.statusPort`",
		[]string{"loadBalancers:\n", "loadBalancers:\n        statusPort: 8410\n"},
		reloads, nil,
		func(p *place) string {
			return p.asked("k3s-lb-01", "curl -sf --max-time 2 http://127.0.0.1:8410/backends", "3")
		},
	},
	{
		"`loadBalancers.forward`, `vips`",
		[]string{"loadBalancers:\n", "loadBalancers:\n        forward: [{name: web, port: 80, targetPort: 8080}]\n        vips: {ingress: {address: 192.168.1.231}}\n"},
		reloads, nil, func(p *place) string {
			if held := p.holders("192.168.1.231"); len(held) != 1 {
				return fmt.Sprintf("192.168.1.231 is on %v", held)
			}
			return file(balancers, "/etc/haproxy/haproxy.cfg", "bind :80")(p)
		},
	},
	{
		"`k3s.tlsSans`",
		[]string{"        disable: [", "        tlsSans: [api.example.org]\n        disable: ["},
		rollsServer, nil,
		func(p *place) string {
			return p.asked("k3s-lb-01", "curl -s -o /dev/null --cacert /etc/haproxy/k3sha/ca.pem --connect-to api.example.org:443:"+vip+":6443 -w '%{http_code}' https://api.example.org/readyz", "401")
		},
	},
	{
		"`k3s.disable`",
		[]string{"disable: [traefik, servicelb]", "disable: [traefik, servicelb, metrics-server]"},
		rollsServer, nil, file(servers, "/etc/rancher/k3s/config.yaml", `disable: ["traefik","servicelb","metrics-server"]`),
	},
	{
		"`k3s.serverConfig`",
		[]string{"        mirror: ", "        serverConfig: {kube-apiserver-arg: [anonymous-auth=true]}\n        mirror: "},
		rollsServer, nil,
		func(p *place) string {
			return p.asked("k3s-lb-01", "curl -s -o /dev/null --cacert /etc/haproxy/k3sha/ca.pem -w '%{http_code}' https://"+vip+":6443/readyz", "200")
		},
	},
	{
		"`k3s.workerConfig`",
		[]string{"        mirror: ", "        workerConfig: {kubelet-arg: [max-pods=50]}\n        mirror: "},
		rollsWorker, nil,
		shows("50 50", "get", "nodes", "-l", "!node-role.kubernetes.io/etcd", "-o", "jsonpath={.items[*].status.capacity.pods}"),
	},
	{
		"`k3s.restart`",
		[]string{"        mirror: ", "        restart: \"2026-11-26\"\n        mirror: "},
		rollsK3s, nil, func(*place) string { return "" },
	},
	{
		"`network.vip`",
		[]string{"vip: " + vip, "vip: " + movedVIP},
		moves, nil,
		func(p *place) string {
			p.forgetKubeconfig()
			if held := p.holders(movedVIP); len(held) != 1 || len(p.holders(vip)) != 0 {
				return fmt.Sprintf("the new VIP is on %v, the former one on %v", held, p.holders(vip))
			}
			return shows("https://"+movedVIP+":6443", "config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")(p)
		},
	},
	{
		"`loadBalancers.apiPort`",
		[]string{"loadBalancers:\n", "loadBalancers:\n        apiPort: " + movedPort + "\n"},
		kind{"reloads " + lbsLine + "; " + rollsWorker.line, nobody, workers},
		nil,
		func(p *place) string {
			p.forgetKubeconfig()
			if wrong := p.asked("k3s-lb-01", "curl -s -o /dev/null --max-time 2 http://127.0.0.1:6443/ || echo closed", "closed"); wrong != "" {
				return wrong
			}
			return shows("https://"+movedVIP+":"+movedPort, "config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")(p)
		},
	},
	{
		"`network.dns`",
		[]string{"gateway: 192.168.1.1\n", "gateway: 192.168.1.1\n        dns: [192.168.1.1, 9.9.9.9]\n"},
		rollsVMs, nil, config(everybody, "nameserver", "9.9.9.9"),
	},
	{
		"`network.gateway`",
		[]string{"gateway: 192.168.1.1\n", "gateway: 192.168.1.2\n"},
		rollsVMs, nil,
		func(p *place) string {
			return p.asked("k3s-server-02", "ip route show default", "default via 192.168.1.2 dev eth0 proto static")
		},
	},
	{
		"`network.searchDomain`",
		[]string{"        vip: ", "        searchDomain: lab.example.org\n        vip: "},
		rollsVMs, nil, config(everybody, "searchdomain", "lab.example.org"),
	},
	{
		"`proxmox.bridge`",
		[]string{"proxmox:\n", "proxmox:\n        bridge: vmbr1\n"},
		rollsVMs, nil, config(everybody, "net0", "bridge=vmbr1"),
	},
	{
		"`proxmox.vlan`",
		[]string{"proxmox:\n", "proxmox:\n        vlan: 5\n"},
		rollsVMs, func(p *place) { p.trunk(5) }, config(everybody, "net0", "tag=5"),
	},
	{
		"`proxmox.firewall`",
		[]string{"proxmox:\n", "proxmox:\n        firewall: true\n"},
		rollsVMs, nil, config(everybody, "net0", "firewall=1"),
	},
	{
		"`proxmox.datastore`",
		[]string{"proxmox:\n", "proxmox:\n        datastore: ceph\n"},
		rollsVMs, nil, config(everybody, "scsi0", "ceph:"),
	},
	{
		"`disk`, larger",
		[]string{"          count: 2\n", "          count: 2\n          disk: 40\n"},
		kind{"restarts the VMs " + workersLine, nil, nil},
		nil, config(workers, "scsi0", "size=40G"),
	},
	{
		"`cores`, `memory`",
		[]string{`"2": {mac: "BC:24:11:07:BA:1A"}`, `"2": {mac: "BC:24:11:07:BA:1A", memory: 3072, cores: 3}`},
		rollsOne, nil,
		shows("3 3Gi", "get", "node", "k3s-worker-02", "-o", "jsonpath={.status.capacity.cpu} {.status.capacity.memory}"),
	},
	{
		"`cpuType`, `balloon`",
		[]string{`"2": {mac: "BC:24:11:07:BA:1A"`, `"2": {cpuType: host, balloon: 1024, mac: "BC:24:11:07:BA:1A"`},
		rollsOne, nil, func(p *place) string {
			second := func(n string) bool { return n == "k3s-worker-02" }
			return config(second, "cpu", "host")(p) + config(second, "balloon", "1024")(p)
		},
	},
	{
		"`onBoot`, `startup`, `protection`, `tags`",
		[]string{`mac: "BC:24:11:07:BA:1A"`, `onBoot: false, startup: {order: 7, upDelay: 5}, protection: true, tags: [big], mac: "BC:24:11:07:BA:1A"`},
		quiet, nil, func(p *place) string {
			wrong := ""
			for key, want := range map[string]string{"onboot": "0", "startup": "order=7,up=5", "protection": "1", "tags": "big"} {
				wrong += config(func(n string) bool { return n == "k3s-worker-02" }, key, want)(p)
			}
			return wrong
		},
	},
	{
		"`mac`",
		[]string{`mac: "BC:24:11:07:BA:1A"`, `mac: "BC:24:11:07:BA:1B"`},
		rollsOne, nil,
		func(p *place) string {
			return p.asked("k3s-worker-02", "cat /sys/class/net/eth0/address", "bc:24:11:07:ba:1b")
		},
	},
	{
		"`backup`",
		[]string{"      ssh:\n", "      backup: {retention: 7}\n      ssh:\n"},
		rollsServer, nil,
		func(p *place) string {
			for _, place := range []string{p.in("k3s-server-01", "", "ls", "/var/lib/rancher/k3s/server/db/snapshots"), p.in("k3s-server-02", "", "grep", "snapshot-retention: 7", "/etc/rancher/k3s/config.yaml")} {
				if !strings.Contains(place, "proof-k3s-server-01-") && !strings.Contains(place, "retention: 7") {
					return place
				}
			}
			return ""
		},
	},
	{
		"`proxmox.tags`, `pool`",
		[]string{"proxmox:\n", "proxmox:\n        tags: [blue]\n"},
		quiet, nil, config(everybody, "tags", "blue"),
	},
	{
		"`ssh.publicKeys`",
		[]string{"        privateKey: ${sshPrivateKey}\n", "        privateKey: ${sshPrivateKey}\n        publicKeys: [OWN, \"" + guestKey + "\"]\n"},
		quiet, nil,
		file(everybody, "/home/ubuntu/.ssh/authorized_keys", guestKey),
	},
	{
		"`ssh.port`",
		[]string{"        privateKey: ${sshPrivateKey}\n", "        privateKey: ${sshPrivateKey}\n        port: 2222\n"},
		quiet,
		func(p *place) {
			for _, node := range p.nodes() {
				p.in(node, "", "sh", "-c", "printf 'Port 2222\\n' >/etc/ssh/sshd_config.d/ports.conf; systemctl restart ssh")
			}
		},
		func(p *place) string {
			return p.asked("k3s-lb-01", "ss -Hltn 'sport = :22' | wc -l", "0") // so the update came by the new one
		},
	},
	{
		"`ssh.bastion`",
		[]string{"        privateKey: ${sshPrivateKey}\n", "        privateKey: ${sshPrivateKey}\n        bastion: {host: " + jumpHost + ", privateKey: \"${sshPrivateKey}\", hostKey: \"JUMP\"}\n"},
		quiet, func(p *place) { newJump(p.t, p.Lab, p.KeyFile()) },
		func(p *place) string {
			return p.asked("k3s-lb-01", "journalctl -q --no-pager -u ssh | grep -q 'Accepted publickey for ubuntu from "+jumpHost+"' && echo yes", "yes")
		},
	},
	// The last one: with these timers a machine that is busy with other things loses its leader now and then.
	{
		"`k3s.etcd.heartbeatInterval`, `electionTimeout`",
		[]string{"        mirror: ", "        etcd: {heartbeatInterval: 100, electionTimeout: 1000}\n        mirror: "},
		rollsServer, nil, file(servers, "/var/lib/rancher/k3s/server/db/etcd/config", "election-timeout: 1000"),
	},
}

// moved is where the API is after a change.
var moved = map[string]string{"`network.vip`": movedVIP + ":6443", "`loadBalancers.apiPort`": movedVIP + ":" + movedPort}

const guestKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKfXk4pTq0v0oXq3y9cVbqkXh1cVvXcN2K5m1ZlG0l2J"

var update = flag.Bool("update", false, "write golden files anew")

// plan is what a preview says: the changed steps by name, and the component's line.
func (p *place) plan() (string, []string) {
	p.t.Helper()
	r, out := p.must(2*time.Minute, "preview")
	var b strings.Builder
	if line := announced.FindString(out); line != "" {
		b.WriteString("says: " + strings.TrimSpace(line) + "\n")
	}
	names := changedNames(r)
	for _, name := range names {
		b.WriteString(name + "\n")
	}
	return b.String(), names
}

// announced is the line of the component among what a preview prints.
var announced = regexp.MustCompile(`(?m)^ +(restarts|reloads|adds|takes|makes) .*$`)

// TestLabPlans previews each change by itself: what it would do is what it did when the golden file was written, and what the table in
// docs/operations.md has a row for.
func TestLabPlans(t *testing.T) {
	p := newPlace(t, newNull(t, "plans"), "plans")
	p.up()
	text, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## What a change does")
	table, _, _ = strings.Cut(table, "\n## ")
	var rows []string
	for line := range strings.Lines(table) {
		if first, found := strings.CutPrefix(line, "| `"); found {
			cell, _, _ := strings.Cut(first, " |")
			rows = append(rows, "`"+cell)
		}
	}
	var names []string
	var plans strings.Builder
	for _, c := range changes {
		names = append(names, c.input)
		p.program(p.known(c.edit)...)
		plan, _ := p.plan()
		if wanted := strings.TrimSpace("says: " + c.kind.line); c.kind.line != "" && !strings.Contains(plan, wanted+"\n") || c.kind.line == "" && strings.Contains(plan, "says: ") {
			t.Errorf("%s: want %q in\n%s", c.input, wanted, plan)
		}
		fmt.Fprintf(&plans, "%s\n%s\n", c.input, plan)
	}
	slices.Sort(rows)
	slices.Sort(names)
	expect(t, "rows of the table in docs/operations.md", rows, names)
	const golden = "testdata/plans.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(plans.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != plans.String() {
		t.Errorf("the plans are others than %s (go test -run TestLabPlans -update): %v\n%s", golden, err, plans.String())
	}
}

// known puts the lab's own public key into an edit.
func (p *place) known(edit []string) []string {
	out := slices.Clone(edit)
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], "OWN", fmt.Sprintf("%q", p.publicKey(p.KeyFile())))
		if strings.Contains(out[i], "JUMP") {
			out[i] = strings.ReplaceAll(out[i], "JUMP", hostKeyOf(p, jumpHost))
		}
	}
	return out
}

// TestLongChanges makes each change on a living cluster, one after the other, under a client at the VIP: what the preview says is what
// happens, to whom it says and to nobody else, never to two of a group at a time, and the next preview is clean.
func TestLongChanges(t *testing.T) {
	p := newPlace(t, newLab(t, "changes", false), "changes")
	p.up()
	p.cluster(release, kubernetesNodes()...)
	p.apply(replicas)
	p.eventually("two replicas", 30*time.Second, func() bool { return strings.Count(p.pods(), "True") == 2 })
	var edits []string
	for _, c := range changes {
		t.Run(strings.NewReplacer("`", "", ".", " ").Replace(c.input), func(t *testing.T) {
			p.t = t
			if c.before != nil {
				c.before(p)
			}
			edits = append(edits, p.known(c.edit)...)
			p.program(edits...)
			said, planned := p.plan()
			if c.kind.line != "" && !strings.Contains(said, "says: "+c.kind.line+"\n") {
				t.Errorf("the preview says\n%s\nwant %q", said, c.kind.line)
			}
			before := p.lives()
			var w watch
			var s lab.Service
			if to := moved[c.input]; to != "" {
				w = p.watching(func() { s = p.move(to, planned) })
			} else {
				s = p.service(func() {
					w = p.watching(func() {
						r, _ := p.up()
						expect(t, "what was changed", changedNames(r), planned)
					})
				})
			}
			p.within(s, time.Second)
			if len(w.together) > 0 || w.ready < 1 || s.Failed > 2 {
				t.Errorf("off together: %v; fewest replicas %d; %s", w.together, w.ready, s)
			}
			if wrong := c.effect(p); wrong != "" {
				t.Error(wrong)
			}
			p.cluster(release, kubernetesNodes()...)
			for node, life := range p.lives() {
				if c.kind.vms == nil {
					continue
				}
				if vm, k3s := life.boot != before[node].boot, life.k3s != before[node].k3s; vm != c.kind.vms(node) || k3s != c.kind.k3s(node) || !vm && life.proxy != before[node].proxy {
					t.Errorf("%s: VM restarted %t, k3s %t; load balancer's services %q, were %q", node, vm, k3s, life.proxy, before[node].proxy)
				}
			}
			p.tidy()
			if r, out := p.must(2*time.Minute, "preview"); r.Changed() != 0 {
				t.Errorf("the next preview changes %v\n%s", changedNames(r), tail(out))
			}
		})
	}
}

// config is a VM's, as Proxmox VE shows it.
func (p *place) config(node string) map[string]any {
	p.t.Helper()
	vm, err := p.VM(node)
	if err != nil {
		p.t.Fatal(err)
	}
	url := fmt.Sprintf("https://%s/api2/json/nodes/%s/qemu/%d/config", lab.ProxmoxAt, vm.Node, vm.ID)
	out, err := p.Command("curl", "-sk", "-H", "Authorization: PVEAPIToken="+lab.Token, url).Output()
	var answer struct {
		Data map[string]any `json:"data"`
	}
	if err != nil || json.Unmarshal(out, &answer) != nil {
		p.t.Fatalf("config of %s: %v %s", node, err, out)
	}
	return answer.Data
}

// move takes an update that moves the API, under a client at the former address until everything has moved, and one at the new address from
// then on. It returns what both saw, as if it were one client.
func (p *place) move(to string, planned []string) lab.Service {
	p.t.Helper()
	stop := p.client(p.endpoint)
	var former lab.Service
	r, out, err := p.tryUntilThen("k3s-settle-cluster", "updating", func(string) {
		former = stop()
		p.endpoint = to
		stop = p.client(to)
	})
	if err != nil {
		p.t.Fatalf("pulumi up: %v\n%s", err, tail(out))
	}
	time.Sleep(3 * time.Second)
	s := stop()
	p.t.Logf("at the former address: %s; at the new one: %s", former, s)
	expect(p.t, "what was changed", changedNames(r), planned)
	s.Asked, s.Failed, s.Without = s.Asked+former.Asked, s.Failed+former.Failed, max(s.Without, former.Without)
	return s
}

// life tells one run of a machine, and of what it does, from another.
type life struct{ boot, k3s, proxy string }

func (p *place) lives() map[string]life {
	p.t.Helper()
	out := map[string]life{}
	for _, node := range p.nodes() {
		boot, rest, _ := strings.Cut(p.in(node, "", "sh", "-c",
			"cut -d' ' -f22 /proc/1/stat; systemctl show -p MainPID,ExecMainStartTimestampMonotonic k3s k3s-agent | tr '\n' ' '; echo; systemctl show -p MainPID,ExecMainStartTimestampMonotonic haproxy keepalived | tr '\n' ' '"), "\n")
		k3s, proxy, _ := strings.Cut(rest, "\n")
		if balancers(node) {
			k3s = ""
		}
		out[node] = life{boot, k3s, proxy}
	}
	return out
}

// asked is what a machine answers to a command, if it is not what it should be.
func (p *place) asked(node, command, want string) string {
	if got := p.in(node, "", "sh", "-c", command); got != want {
		return fmt.Sprintf("%s on %s: %q, want %q", command, node, got, want)
	}
	return ""
}

// trunk joins the network of a VLAN with the untagged one, as a switch does while machines move from one to the other.
func (p *place) trunk(vlan int) {
	p.t.Helper()
	name := fmt.Sprintf("br0.%d", vlan)
	for _, args := range [][]string{
		{"link", "add", name, "type", "bridge"},
		{"link", "set", name, "up"},
		{"link", "add", "trunk0", "type", "veth", "peer", "name", "trunk1"},
		{"link", "set", "trunk0", "master", "br0", "up"},
		{"link", "set", "trunk1", "master", name, "up"},
	} {
		if out, err := exec.Command("ip", append([]string{"-n", p.Namespace()}, args...)...).CombinedOutput(); err != nil {
			p.t.Fatalf("ip %v: %v %s", args, err, out)
		}
	}
}
