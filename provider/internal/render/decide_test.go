package render_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// machine is a node in a folder: whole scripts run on it, as sh runs them on a node, among programs of the test's own.
type machine struct {
	t   *testing.T
	dir string
}

const (
	vipAPI  = "192.168.1.220:6443"
	ours    = "the cluster's CA"
	version = "v1.31.6+k3s1"
)

// newMachine has k3s' release fetched, and nothing of a cluster. Its network is a file: an address, who serves there (the CA that signed its
// certificate, the word nobody or http), and after how many tries it does.
func newMachine(t *testing.T) machine {
	t.Helper()
	m := machine{t, t.TempDir()}
	m.write("run/there", "")
	m.write("network", "")
	m.write("etc/machine-id", "0123456789abcdef\n")
	m.program("curl", `case "$*" in *https://127.0.0.1:6443/*) # its own API
	[ -e "$D/active" ] || exit 7
	printf 200
	exit 0 ;;
esac
for word; do
	[ "$former" != --cacert ] || ca=$(cat "$word") || exit 77
	former=$word url=$word
done
case " $* " in *" -k "*) ca= ;; esac
at=${url#https://}
line=$(grep "^${at%%/*} " "$D/network") || exit 7
echo x >>"$D/tries"
who=$(echo "$line" | cut -d' ' -f3-) after=$(echo "$line" | cut -d' ' -f2)
[ "$(wc -l <"$D/tries")" -gt "$after" ] || exit 7
case $who in nobody) exit 7 ;; http) exit 35 ;; esac
if [ -n "$ca" ] && [ "$ca" != "$who" ]; then exit 60; fi
case "$*" in *http_code*) printf 401 ;; esac
exit 0`)
	m.program("systemctl", `echo "$*" >>"$D/systemctl"
case "$*" in
"is-active -q k3s") [ -e "$D/active" ] ;;
"restart --no-block k3s")
	{ cat "$D/etc/rancher/config.yaml.d/k3sha-role.yaml" "$D/etc/rancher/token" "$D/unit/k3s.service.d/k3sha.conf" && echo; } >"$D/started-with-$(ls "$D" | grep -c '^started-with-')"
	echo x >>"$D/invocation"
	ends=0
	if [ -e "$D/rancher/server/db/etcd/member/half" ]; then ends=2; fi
	if [ -e "$D/loops" ]; then ends=9; fi
	echo $ends >"$D/restarts"
	[ $ends -gt 0 ] || touch "$D/active"
	mkdir -p "$D/rancher/server/db/etcd/member" ;;
"stop k3s") rm -f "$D/active" ;;
*MainPID*) if [ -e "$D/active" ] || [ -e "$D/starting" ]; then echo 4711; else echo 0; fi ;;
*InvocationID*) cat "$D/invocation" 2>/dev/null || true ;;
*NRestarts*) cat "$D/restarts" 2>/dev/null || echo 0 ;;
*ExecMainStartTimestamp*) echo "Wed 2026-11-25 22:15:06 UTC" ;;
esac`)
	m.program("journalctl", "")
	m.program("k3s", k3s)
	at := "k3sha/releases/" + version
	m.write(at+"/k3s", "#!/bin/sh\n"+k3s)
	m.write(at+"/install.sh", `touch "$D/unit/k3s.service"`)
	m.write("unit/there", "")
	return m
}

// k3s answers as the API does, once a start is no unfinished one.
const k3s = `[ ! -e "$D/rancher/server/db/etcd/member/half" ] || exit 1
case "$*" in
*readyz*) ;;
*lease*) echo "2026-11-25T22:15:16.000000Z|True ` + version + `" ;;
*"get nodes"*) cat "$D/nodes" ;;
esac`

func (m machine) program(name, script string) { program(m.t, m.dir, name, script) }

func (m machine) write(path, text string) {
	m.t.Helper()
	path = filepath.Join(m.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// read is a file's text; "(none)" if there is no such file.
func (m machine) read(path string) string {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.dir, path))
	if err != nil {
		return "(none)"
	}
	return string(text)
}

func (m machine) has(path string) bool { return m.read(path) != "(none)" }

// run runs a rendered script, with its waits cut short.
func (m machine) run(script string) (stdout, stderr string, failed bool) {
	m.t.Helper()
	d := m.dir
	script = strings.NewReplacer(
		"export LC_ALL=C PATH=", "export LC_ALL=C PATH="+d+"/bin:", "/usr/local/bin", d+"/bin", "/var/lib/k3sha", d+"/k3sha", "/var/lib/rancher/k3s", d+"/rancher",
		"/etc/rancher/k3s", d+"/etc/rancher", "/etc/systemd/system", d+"/unit", "/etc/machine-id", d+"/etc/machine-id", "/run/k3sha", d+"/run/k3sha", "/usr/local/lib/k3sha", d+"/lib", "/var/backups", d+"/backups",
		"VIP_WAIT='120'", "VIP_WAIT='1'", "READY_WAIT='400'", "READY_WAIT='5'", "wait_until 120 others_vote", "wait_until 0 others_vote",
	).Replace(script)
	cmd := exec.Command("sh")
	cmd.Stdin, cmd.Env = strings.NewReader(script), append(os.Environ(), "D="+d)
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	failed = cmd.Run() != nil
	return strings.TrimSpace(out.String()), strings.TrimSpace(problems.String()), failed
}

// converge runs the first server's converge step, of a cluster with this mark of servers.startOver.
func (m machine) converge(mark string) (stdout, stderr string, failed bool) {
	m.t.Helper()
	p := cluster(func(s *topology.Spec) { s.Name, s.Servers.StartOver = "prod", mark })
	at := slices.IndexFunc(p.Steps, func(s topology.Step) bool { return s.Name() == "converge-k3s-server-01" })
	return m.run(render.Script(p, p.Steps[at], render.Secrets{Token: "T0KEN", AgentToken: "AG3NT", CA: ours, CAHash: "cafe"}))
}

// starts are the ways in which k3s was started here.
func (m machine) starts() string {
	m.t.Helper()
	var out []string
	for i := 0; m.has("started-with-" + string(rune('0'+i))); i++ {
		text := m.read("started-with-" + string(rune('0'+i)))
		switch {
		case strings.HasPrefix(text, "cluster-init: true\nT0KEN"):
			out = append(out, "start")
		case strings.HasPrefix(text, "server: https://"+vipAPI+"\nK10cafe::server:T0KEN"):
			out = append(out, "join")
		case strings.HasPrefix(text, "server: https://"+vipAPI+"\nT0KEN"):
			out = append(out, "join by the bare token")
		default:
			out = append(out, text)
		}
		if !strings.Contains(text, "ConditionPathExists=!"+m.dir+"/rancher/server/db/etcd/tombstone\n") {
			m.t.Errorf("started without the condition of its unit:\n%s", text)
		}
	}
	return strings.Join(out, ", ")
}

const (
	refusal = ", and this machine, whose disk is empty, has no right to start the cluster; it will not start a second one. Bring a server or a load balancer back, or go back " +
		"to a snapshot of etcd by restore. If the cluster is lost for good, set servers.startOver to a new word to start it anew, empty"
	silence = "no server of cluster k3s has answered at the VIP 192.168.1.220 for 1 s" + refusal
	liar    = "something answers at the VIP 192.168.1.220 that is no server of cluster k3s" + refusal
	givenUp = "this machine holds the data of the cluster that servers.startOver has given up; make its VM anew: pulumi up --replace '**::prod-vm-k3s-server-01'"
)

// Never a second cluster: what a server does, case by case.
func TestAServerDecides(t *testing.T) {
	t.Parallel()
	const member = "rancher/server/db/etcd/member/wal"
	for name, c := range map[string]struct {
		network string
		files   map[string]string
		mark    string
		starts  string // how k3s is started, in order
		refused string
	}{
		"blank, a server proves itself":       {vipAPI + " 0 " + ours, nil, "", "join", ""},
		"blank, one does so late":             {vipAPI + " 2 " + ours, nil, "", "join", ""},
		"blank, with the right":               {"", map[string]string{"k3sha/right": "/1"}, "", "start", ""},
		"blank, the right, VIP without proof": {vipAPI + " 0 another CA", map[string]string{"k3sha/right": "/1"}, "", "start", ""},
		"blank, the right, and a server":      {vipAPI + " 0 " + ours, map[string]string{"k3sha/right": "/1"}, "", "join", ""},
		"blank, another right":                {"", map[string]string{"k3sha/right": "new/2", "k3sha/right-used": "/1"}, "new", "start", ""},
		"blank, the right used up":            {"", map[string]string{"k3sha/right": "/1", "k3sha/right-used": "/1"}, "", "", silence},
		"blank, an empty right":               {"", map[string]string{"k3sha/right": ""}, "", "", silence},
		"blank, used up, and a server":        {vipAPI + " 0 " + ours, map[string]string{"k3sha/right": "/1", "k3sha/right-used": "/1"}, "", "join", ""},
		"blank, nobody answers":               {vipAPI + " 0 nobody", nil, "", "", silence},
		"blank, no TLS there":                 {vipAPI + " 0 http", nil, "", "", silence},
		"blank, a liar":                       {vipAPI + " 0 another CA", nil, "", "", liar},
		"data":                                {"", map[string]string{member: ""}, "", "join by the bare token", ""},
		"data, a liar":                        {vipAPI + " 0 another CA", map[string]string{member: ""}, "", "join by the bare token", ""},
		"data, of the mark":                   {"", map[string]string{member: "", "k3sha/start": "new"}, "new", "join by the bare token", ""},
		"data, the mark taken out":            {"", map[string]string{member: "", "k3sha/start": "new"}, "", "join by the bare token", ""},
		"data, of another mark":               {vipAPI + " 0 " + ours, map[string]string{member: "", "k3sha/start": "old"}, "new", "", givenUp},
		"data, of no mark":                    {vipAPI + " 0 " + ours, map[string]string{member: ""}, "new", "", givenUp},
		"data, of another mark, right used":   {"", map[string]string{member: "", "k3sha/start": "old", "k3sha/right": "/1", "k3sha/right-used": "/1"}, "new", "", givenUp},
		"an unfinished start that goes on": {
			"", map[string]string{member: "", "k3sha/right": "/1", "etc/rancher/config.yaml.d/k3sha-role.yaml": "cluster-init: true\n"}, "", "start", "",
		},
		"an unfinished start that is stuck": {
			"", map[string]string{"rancher/server/db/etcd/member/half": "", "k3sha/right": "/1", "etc/rancher/config.yaml.d/k3sha-role.yaml": "cluster-init: true\n"}, "", "start, start", "",
		},
		"an unfinished start, of the mark": {
			"", map[string]string{member: "", "k3sha/right": "new/1", "etc/rancher/config.yaml.d/k3sha-role.yaml": "cluster-init: true\n"}, "new", "start", "",
		},
		"an unfinished start, of another mark": {
			"", map[string]string{member: "", "k3sha/right": "old/1", "etc/rancher/config.yaml.d/k3sha-role.yaml": "cluster-init: true\n"}, "new", "", givenUp,
		},
		"an unfinished start, and another has started the cluster": {
			vipAPI + " 0 " + ours, map[string]string{
				member: "", "k3sha/right": "/1", "etc/rancher/config.yaml.d/k3sha-role.yaml": "cluster-init: true\n", "rancher/server/tls/server-ca.crt": ours,
			}, "", "join", "",
		},
		"an unfinished start on its way up, which HAProxy may have asked itself": {
			vipAPI + " 0 " + ours, map[string]string{
				member: "", "starting": "", "k3sha/right": "/1", "etc/rancher/config.yaml.d/k3sha-role.yaml": "cluster-init: true\n", "rancher/server/tls/server-ca.crt": ours,
			}, "", "start", "",
		},
		"blank, a right of another mark": {"", map[string]string{"k3sha/right": "old/1"}, "new", "", silence},
		"blank, the mark taken out":      {"", map[string]string{"k3sha/right": "new/1"}, "", "start", ""},
		"a tombstone, and a server":      {vipAPI + " 0 " + ours, map[string]string{member: "", "rancher/server/db/etcd/tombstone": "", "k3sha/right": "/1", "k3sha/right-used": "/1"}, "", "join", ""},
		"a tombstone, and nobody":        {"", map[string]string{member: "", "rancher/server/db/etcd/tombstone": "", "active": "", "k3sha/start": "new"}, "new", "", silence},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.write("network", c.network+"\n")
			for path, text := range c.files {
				m.write(path, text)
			}
			_, stderr, failed := m.converge(c.mark)
			want := c.refused
			if want != "" {
				want = "k3s-server-01: converge: " + want
			}
			if stderr != want || failed != (want != "") {
				t.Errorf("said %q, failed %t, want %q", stderr, failed, want)
			}
			if got := m.starts(); got != c.starts {
				t.Errorf("started %q, want %q", got, c.starts)
			}
			if _, buried := c.files["rancher/server/db/etcd/tombstone"]; buried {
				if !m.has("rancher/server/db-removed/etcd/tombstone") || m.has("rancher/server/db/etcd/member/wal") || !strings.Contains("\n"+m.read("systemctl"), "\nstop k3s\n") {
					t.Error("the dead member's data are not buried")
				}
			}
			if _, stuck := c.files["rancher/server/db/etcd/member/half"]; stuck && !m.has("rancher/server/db-unfinished/etcd/member/half") {
				t.Error("unfinished data are not kept aside")
			}
			if name == "an unfinished start, and another has started the cluster" && (!m.has("rancher/server/db-unfinished/etcd/member/wal") || m.has(member)) {
				t.Error("the data of its own start are in the way")
			}
			if c.refused != "" {
				if m.has("active") || m.has("k3sha/started") {
					t.Error("k3s runs, or counts as started")
				}
				return
			}
			// From here on it can never start a cluster.
			if role := m.read("etc/rancher/config.yaml.d/k3sha-role.yaml"); role != "server: https://"+vipAPI+"\n" {
				t.Errorf("its next start: %q", role)
			}
			if right, used := m.read("k3sha/right"), m.read("k3sha/right-used"); right != used {
				t.Errorf("the right %q is not used up: %q", right, used)
			}
			mark := c.mark
			if before, had := c.files["k3sha/start"]; mark == "" && had {
				mark = before
			} else if mark == "" {
				mark = "(none)"
			}
			if got := m.read("k3sha/start"); got != mark {
				t.Errorf("marked %q, want %q", got, mark)
			}
			if ca := m.read("etc/rancher/cluster-ca.pem"); ca != ours {
				t.Errorf("trusts %q", ca)
			}
			// Once more: nothing to do.
			if _, stderr, failed := m.converge(c.mark); failed || m.starts() != c.starts {
				t.Errorf("again: %s, started %q", stderr, m.starts())
			}
			// Its disk lost, without the right, it refuses where nobody answers.
			for _, path := range []string{"rancher/server/db", "active", "invocation"} {
				if err := os.RemoveAll(filepath.Join(m.dir, path)); err != nil {
					t.Fatal(err)
				}
			}
			m.write("network", "")
			if _, stderr, failed := m.converge(c.mark); !failed || !strings.HasSuffix(stderr, silence) || m.starts() != c.starts {
				t.Errorf("after its disk was lost: %q, started %q", stderr, m.starts())
			}
		})
	}
}

// What k3s prints before it ends is in the error, without the tokens; and the right to start is not used up.
func TestAStartThatFails(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write("loops", "")
	m.write("k3sha/right", "new/1")
	m.write("network", "")
	m.program("journalctl", `echo 'level=fatal msg="bad token T0KEN or AG3NT"'`)
	_, stderr, failed := m.converge("new")
	const want = `k3s-server-01: converge: k3s v1.31.6+k3s1 ends again and again; mend that, then run pulumi up again; cause: level=fatal msg="bad token *** or ***"`
	if first, _, _ := strings.Cut(stderr, "\n"); !failed || first != want || strings.Contains(stderr, "T0KEN") || strings.Contains(stderr, "AG3NT") {
		t.Errorf("says %q", stderr)
	}
	if m.has("k3sha/right-used") || m.has("k3sha/start") || m.has("k3sha/started") || m.starts() != "start" {
		t.Errorf("started %q, and it counts", m.starts())
	}
	// Mended, it goes on.
	if err := os.Remove(filepath.Join(m.dir, "loops")); err != nil {
		t.Fatal(err)
	}
	if _, stderr, failed := m.converge("new"); failed || m.starts() != "start, start" || m.read("k3sha/right-used") != "new/1" || m.read("k3sha/start") != "new" {
		t.Errorf("%s, started %q", stderr, m.starts())
	}
}

// A running server restarts only for something new, and only while the others carry the cluster.
func TestARunningServerRestarts(t *testing.T) {
	t.Parallel()
	const two = "k3s-server-01 True True 192.168.1.201\nk3s-server-02 True True 192.168.1.202\n"
	for name, c := range map[string]struct{ nodes, network, want string }{
		"the other answers":  {two, "192.168.1.202:6443 0 " + ours, ""},
		"the other is away":  {two, "", "k3s-server-02"},
		"the other is a lie": {two, "192.168.1.202:6443 0 another CA", "k3s-server-02"},
		"it does not vote":   {strings.Replace(two, "02 True", "02 False", 1), "192.168.1.202:6443 0 " + ours, "k3s-server-02"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.write("network", c.network+"\n")
			m.write("nodes", c.nodes)
			m.write("active", "")
			m.write("rancher/server/db/etcd/member/wal", "")
			m.write("rancher/server/tls/server-ca.crt", ours)
			_, stderr, failed := m.converge("")
			if c.want == "" {
				if failed || m.starts() != "join by the bare token" {
					t.Errorf("%s, started %q", stderr, m.starts())
				}
				return
			}
			want := "k3s-server-01: converge: will not restart k3s, for quorum would be lost: not Ready, not voting or not answering: " + c.want + "; bring that back first, then run pulumi up again"
			if stderr != want || m.starts() != "" {
				t.Errorf("said %q, started %q", stderr, m.starts())
			}
		})
	}
}

// The step's output is the nearest end of k3s' own certificates; CAs do not count.
func TestTheNearestEndOfCertificates(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write("network", vipAPI+" 0 "+ours+"\n")
	if out, stderr, failed := m.converge(""); failed || out != "" {
		t.Errorf("without certificates: %q %s", out, stderr)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for path, end := range map[string]string{
		"server/tls/serving-kube-apiserver.crt": "2027-03-04T05:06:07Z", "server/tls/etcd/client.crt": "2027-03-04T05:06:08Z", "agent/serving-kubelet.crt": "2027-11-01T00:00:00Z",
		"server/tls/server-ca.crt": "2026-01-01T00:00:00Z", "server/tls/etcd/peer-ca.crt": "2026-01-01T00:00:00Z", "agent/server-ca.crt": "2026-01-01T00:00:00Z", "server/tls/server-ca.nochain.crt": "2026-01-01T00:00:00Z",
	} {
		until, err := time.Parse(time.RFC3339, end)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: until}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		m.write("rancher/"+path, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	}
	if out, stderr, failed := m.converge(""); failed || out != "2027-03-04T05:06:07Z" {
		t.Errorf("got %q %s", out, stderr)
	}
}

// give runs the start step for the first server.
func (m machine) give(right, mark string, authorities pki.Authorities) (stdout, stderr string, failed bool) {
	m.t.Helper()
	return m.run(render.StartScript(render.StartInput{
		Node: "k3s-server-01", VM: "prod-vm-k3s-server-01", Cluster: "k3s", VIP: "192.168.1.220", APIPort: 6443, StartOver: mark, Right: right,
		Others: []string{"192.168.1.202", "192.168.1.203"}, CA: ours, Authorities: authorities.Files(),
	}))
}

// The right to start is given once, to a machine without data, and never beside a server that lives.
func TestTheRightToStart(t *testing.T) {
	t.Parallel()
	authorities, err := pki.NewAuthorities(time.Now())
	if err != nil || len(authorities.Files()) != 10 {
		t.Fatal(err)
	}
	const member = "rancher/server/db/etcd/member/wal"
	lives := func(at string) string {
		return "a server of cluster k3s answers at " + at + ", so nothing is lost: take servers.startOver out again, and run pulumi up"
	}
	const data = "this machine holds the data of the cluster that servers.startOver gives up; make its VM anew: pulumi up --replace '**::prod-vm-k3s-server-01'"
	for name, c := range map[string]struct {
		network string
		files   map[string]string
		mark    string
		right   string // what the machine has then
		refused string
	}{
		"blank":                           {"", nil, "", "/r1", ""},
		"blank, with a mark":              {"", nil, "new", "new/r1", ""},
		"a right from before":             {"", map[string]string{"k3sha/right": "/r0"}, "", "/r1", ""},
		"a liar at the VIP":               {vipAPI + " 0 another CA", nil, "new", "new/r1", ""},
		"a server at the VIP":             {vipAPI + " 0 " + ours, nil, "", "(none)", lives(vipAPI)},
		"a server at the VIP, and a mark": {vipAPI + " 0 " + ours, nil, "new", "(none)", lives(vipAPI)},
		"another server":                  {"192.168.1.203:6443 0 " + ours, nil, "new", "(none)", lives("192.168.1.203:6443")},
		"another's liar":                  {"192.168.1.203:6443 0 another CA", nil, "new", "new/r1", ""},
		"data, of another mark":           {"", map[string]string{member: "", "k3sha/start": "old"}, "new", "(none)", data},
		"data, of no mark":                {"", map[string]string{member: ""}, "new", "(none)", data},
		"data, and it lives":              {vipAPI + " 0 " + ours, map[string]string{member: ""}, "new", "(none)", lives(vipAPI)},
		"started already":                 {vipAPI + " 0 " + ours, map[string]string{member: "", "k3sha/start": "new", "k3sha/right": "new/r0", "k3sha/right-used": "new/r0"}, "new", "new/r0", ""},
		"started, no mark":                {vipAPI + " 0 " + ours, map[string]string{member: "", "k3sha/right": "/r0", "k3sha/right-used": "/r0"}, "", "/r0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.write("network", c.network+"\n")
			for path, text := range c.files {
				m.write(path, text)
			}
			out, stderr, failed := m.give("r1", c.mark, authorities)
			want := c.refused
			if want != "" {
				want = "k3s-server-01: start: " + want
			}
			if stderr != want || failed != (want != "") || out != "" {
				t.Errorf("said %q and %q, failed %t, want %q", out, stderr, failed, want)
			}
			if got := m.read("k3sha/right"); got != c.right {
				t.Errorf("has the right %q, want %q", got, c.right)
			}
			given := strings.HasSuffix(c.right, "/r1")
			for file, text := range authorities.Files() {
				got := m.read("rancher/server/tls/" + file)
				if given && got != text || !given && got != "(none)" {
					t.Errorf("%s: %.40q", file, got)
				}
			}
			if !given {
				return
			}
			for path, want := range map[string]os.FileMode{
				"rancher/server": 0o700, "rancher/server/tls": 0o700, "rancher/server/tls/etcd": 0o700, "rancher/server/tls/server-ca.key": 0o600,
				"rancher/server/tls/etcd/peer-ca.key": 0o600, "rancher/server/tls/etcd/peer-ca.crt": 0o600, "k3sha/right": 0o600,
			} {
				info, err := os.Stat(filepath.Join(m.dir, path))
				if err != nil || info.Mode().Perm() != want {
					t.Errorf("%s: %v %v", path, info, err)
				}
			}
			// The machine starts the cluster, once; a second run of this step gives it nothing.
			m.write("network", "")
			if out, _, failed := m.run(render.AdmitScript("k3s-server-01", "")); failed || out != "0123456789abcdef first" {
				t.Errorf("admitted with %q", out)
			}
			if _, stderr, failed := m.converge(c.mark); failed || m.starts() != "start" {
				t.Errorf("%s, started %q", stderr, m.starts())
			}
			if out, _, failed := m.run(render.AdmitScript("k3s-server-01", "")); failed || out != "0123456789abcdef" {
				t.Errorf("admitted then with %q", out)
			}
			if _, stderr, failed := m.give("r2", c.mark, authorities); failed || m.read("k3sha/right") != c.right {
				t.Errorf("the second time: %s, the right %q", stderr, m.read("k3sha/right"))
			}
		})
	}
}

// A cluster that has never lived has no others to ask.
func TestOnlyAMarkAsksOthers(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write("network", "192.168.1.202:6443 0 "+ours+"\n")
	if _, stderr, failed := m.give("r1", "", pki.Authorities{}); failed || m.read("k3sha/right") != "/r1" {
		t.Errorf("%s, the right %q", stderr, m.read("k3sha/right"))
	}
}

func TestAdmitWantsAMachineID(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write("etc/machine-id", "")
	const want = "k3s-worker-01: admit: the machine has no id in /etc/machine-id; run systemd-machine-id-setup there, and see why its template has none"
	if out, stderr, failed := m.run(render.AdmitScript("k3s-worker-01", "")); !failed || strings.ReplaceAll(stderr, m.dir, "") != want || out != "" {
		t.Errorf("got %q, %q", out, stderr)
	}
}

// A server whose member was removed from etcd stays down, also when its machine boots.
func TestATombstoneKeepsAServerDown(t *testing.T) {
	t.Parallel()
	unit, err := os.ReadFile("files/k3s-unit.conf")
	if err != nil || !strings.Contains(string(unit), "\n[Unit]\nConditionPathExists=!/var/lib/rancher/k3s/server/db/etcd/tombstone\n") {
		t.Errorf("%v\n%s", err, unit)
	}
}
