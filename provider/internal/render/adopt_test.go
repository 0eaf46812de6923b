package render_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// newOldServer runs k3s by a unit and a configuration of somebody's own. Started on data in SQLite without any in etcd, it moves them, as k3s does.
func newOldServer(t *testing.T, files map[string]string) machine {
	t.Helper()
	m := newMachine(t)
	base := m.read("bin/systemctl")
	m.program("systemctl", `db=$D/rancher/server/db
case "$*" in
*FragmentPath*) echo "$D/unit/k3s.service"; exit ;;
"restart --no-block k3s")
	[ ! -e "$db/etcd/member" ] || [ ! -e "$db/state.db" ] || { echo half >>"$D/wrong"; }
	if [ -e "$db/state.db" ] && [ ! -e "$db/etcd/member" ]; then
		cat "$db/state.db" >>"$D/moved"
		mv "$db/state.db" "$db/state.db.migrated"
	fi ;;
esac
`+base)
	m.program("journalctl", `cat "$D/journal" 2>/dev/null || true`)
	for path, text := range map[string]string{
		"active": "", "nodes": "homelab True True 192.168.1.50\n", "invocation": "x\n", "unit/k3s.service": "theirs", "unit/k3s.service.env": "K3S_TOKEN=theirs", "etc/rancher/config.yaml": "disable: traefik\n", "etc/rancher/config.yaml.d/own.yaml": "debug: true\n",
		"bin/k3s": "#!/bin/sh\n" + k3s, "k3sha/adopting": "ab", "k3sha/reached": "v1.31.5+k3s1", "rancher/server/tls/server-ca.crt": ours, "network": vipAPI + " 0 " + ours + "\n",
	} {
		m.write(path, text)
	}
	if err := os.Chmod(filepath.Join(m.dir, "bin/k3s"), 0o755); err != nil { //nolint:gosec // a test's
		t.Fatal(err)
	}
	for path, text := range files {
		if text == "-" {
			if err := os.Remove(filepath.Join(m.dir, path)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		m.write(path, text)
	}
	return m
}

// takeOver runs the converge step of the server that brings the cluster.
func (m machine) takeOver() (stderr string, failed bool) {
	m.t.Helper()
	p := cluster(func(s *topology.Spec) { bringing(s); s.Name = "prod" })
	at := slices.IndexFunc(p.Steps, func(s topology.Step) bool { return s.Name() == "converge-homelab" })
	script := render.Script(p, p.Steps[at], render.Secrets{Token: "T0KEN", AgentToken: "AG3NT", CA: ours, CAHash: "cafe"})
	back := regexp.MustCompile(`WAY_BACK='/usr/local/lib/k3sha/(.*)'`).FindStringSubmatch(script)
	m.write("lib/"+back[1], "back")
	_, stderr, failed = m.run(strings.NewReplacer("wait_until 10 named", "wait_until 0 named", "wait_until 600 still", "wait_until 0 still").Replace(script))
	return stderr, failed
}

// An old server keeps its data whatever interrupts it, and never starts with a part of them, or with none.
func TestAnOldServer(t *testing.T) {
	t.Parallel()
	const (
		sqlite, member = "rancher/server/db/state.db", "rancher/server/db/etcd/member/wal"
		half           = "rancher/server/db/etcd/member/half"
		right          = "k3sha/right"
		cluster        = "cluster-init: true\nT0KEN"
	)
	kept := map[string]string{"backups/k3s-before-adoption/former": "", "backups/k3s-before-adoption/db/state.db": "old"}
	const role, lacking = "etc/rancher/config.yaml.d/k3sha-role.yaml", "level=fatal msg=\"no bootstrap data found in datastore\"\n"
	for name, c := range map[string]struct {
		files map[string]string
		with  string // how k3s starts
		moved string // what k3s has moved
		said  string
	}{
		"in SQLite":                        {map[string]string{sqlite: "all", right: "/1"}, cluster, "all", ""},
		"in etcd":                          {map[string]string{member: ""}, "T0KEN", "(none)", ""},
		"interrupted before the move":      {with(kept, map[string]string{sqlite: "all", right: "/1", "active": "-"}), cluster, "all", ""},
		"interrupted in it":                {with(kept, map[string]string{sqlite: "all", member: "", right: "/1", "active": "-"}), cluster, "all", ""},
		"at it":                            {with(kept, map[string]string{sqlite: "all", member: "", right: "/1"}), "", "(none)", "k3s is still moving its data to etcd; run pulumi up again in a while, which waits for it"},
		"interrupted after it":             {with(kept, map[string]string{sqlite + ".migrated": "all", member: "", right: "/1", "active": "-", role: "cluster-init: true\n"}), "T0KEN", "(none)", ""},
		"stuck after it":                   {with(kept, map[string]string{sqlite + ".migrated": "all", half: "", right: "/1", "active": "-", role: "cluster-init: true\n", "journal": lacking}), "T0KEN", "all", ""},
		"it lived after it, and ends":      {with(kept, map[string]string{sqlite + ".migrated": "all", half: "", right: "/1", "active": "-", role: "cluster-init: true\n"}), "live", "(none)", "k3s is not up after 5 s"},
		"it served after it, and is lost":  {with(kept, map[string]string{sqlite + ".migrated": "all", half: "", right: "/1", "active": "-", role: "cluster-init: true\n", "journal": lacking, "k3sha/served": ""}), "live", "(none)", "k3s is not up after 5 s"},
		"nothing is left":                  {with(kept, map[string]string{right: "/1", "active": "-", "network": ""}), "", "(none)", "the data that this server brought are gone from "},
		"it has gone the way back":         {map[string]string{sqlite: "all"}, "", "(none)", "it has gone the way back. Take this stack away by pulumi destroy"},
		"a release that it cannot go to":   {map[string]string{sqlite: "all", right: "/1", "k3sha/reached": "v1.29.0+k3s1"}, "", "(none)", "skips a minor version after v1.29.0+k3s1, which this server runs; go through v1.30 first"},
		"a release behind that of its own": {map[string]string{member: "", "k3sha/reached": "v1.32.0+k3s1"}, "", "(none)", "is older than v1.32.0+k3s1, which this server runs; k3s cannot go back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newOldServer(t, c.files)
			stderr, failed := m.takeOver()
			if failed != (c.said != "") || !strings.Contains(stderr, c.said) {
				t.Fatalf("said %q, failed %t", stderr, failed)
			}
			if got := m.read("moved"); got != c.moved {
				t.Errorf("moved %q, want %q", got, c.moved)
			}
			if m.has("wrong") {
				t.Error("k3s was started beside data that were half moved")
			}
			if c.with == "live" {
				if !m.has(half) || m.has("rancher/server/db/etcd-unfinished") {
					t.Error("data that it has lived with are put aside")
				}
				return
			}
			if c.said != "" {
				if m.has("started-with-0") || m.read("etc/rancher/config.yaml") != "disable: traefik\n" && c.files["k3sha/reached"] != "" {
					t.Error("something was touched")
				}
				return
			}
			if got := m.read("started-with-0"); !strings.HasPrefix(got, c.with) && !strings.HasPrefix(got, "cluster-init: true\n"+c.with) {
				t.Errorf("started with %q, want %q", got, c.with)
			}
			// From here on it is a server like any other: it joins when it is made anew, and nothing keeps it from that.
			if role := m.read("etc/rancher/config.yaml.d/k3sha-role.yaml"); role != "server: https://"+vipAPI+"\n" {
				t.Errorf("its next start: %q", role)
			}
			if m.has("k3sha/adopting") || m.read("k3sha/right") != m.read("k3sha/right-used") || m.has("etc/rancher/config.yaml.d/own.yaml") {
				t.Error("it still is on its way, may start a cluster, or runs with configuration of its own")
			}
			if _, again := c.files["backups/k3s-before-adoption/former"]; !again {
				at := "backups/k3s-before-adoption/"
				for path, want := range map[string]string{"etc/config.yaml": "disable: traefik\n", "etc/config.yaml.d/own.yaml": "debug: true\n", "systemd/k3s.service": "theirs", "systemd/k3s.service.env": "K3S_TOKEN=theirs", "way-back.sh": "back"} {
					if got := m.read(at + path); got != want {
						t.Errorf("%s was kept as %q", path, got)
					}
				}
			}
			if data, want := m.read("backups/k3s-before-adoption/db/state.db"), c.files[sqlite]; want != "" && data != want {
				t.Errorf("of its data was kept %q", data)
			}
			if stderr, failed := m.takeOver(); failed || m.has("started-with-2") {
				t.Errorf("again: %s", stderr)
			}
			// Installed anew, it never starts a cluster of its own.
			for _, path := range []string{"rancher/server/db", "active", "invocation", "k3sha", "backups"} {
				if err := os.RemoveAll(filepath.Join(m.dir, path)); err != nil {
					t.Fatal(err)
				}
			}
			m.write("network", "")
			m.write("k3sha/releases/"+version+"/k3s", "#!/bin/sh\n"+k3s)
			m.write("k3sha/releases/"+version+"/install.sh", "true")
			if stderr, failed := m.takeOver(); !failed || !strings.Contains(stderr, "has no right to start the cluster") {
				t.Errorf("installed anew, where nobody answers: %q", stderr)
			}
		})
	}
}

func with(files, more map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range []map[string]string{files, more} {
		for path, text := range m {
			out[path] = text
		}
	}
	return out
}

// A certificate that has not taken in the VIP is made anew; if that does not help either, it is said.
func TestTheCertificateOfAnOldServer(t *testing.T) {
	t.Parallel()
	m := newOldServer(t, map[string]string{"rancher/server/db/etcd/member/wal": "", "rancher/server/tls/dynamic-cert.json": "{}", "network": vipAPI + " 1 " + ours + "\n"})
	if stderr, failed := m.takeOver(); failed || m.has("rancher/server/tls/dynamic-cert.json") || !m.has("started-with-1") {
		t.Errorf("%s", stderr)
	}
	m = newOldServer(t, map[string]string{"rancher/server/db/etcd/member/wal": "", "network": vipAPI + " 0 another CA\n"})
	if stderr, failed := m.takeOver(); !failed || !strings.Contains(stderr, "the certificate that the API shows is not good for the VIP 192.168.1.220") || !m.has("k3sha/adopting") {
		t.Errorf("%q", stderr)
	}
}

// The right to make a cluster of what a machine brings: with data in SQLite alone, whoever answers meanwhile.
func TestTheRightOfAnOldServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		right string
		said  string
	}{
		"in SQLite":  {map[string]string{"rancher/server/db/state.db": "all", "rancher/server/tls/server-ca.crt": "theirs"}, "/4711", ""},
		"in etcd":    {map[string]string{"rancher/server/db/etcd/member/wal": ""}, "(none)", ""},
		"half moved": {map[string]string{"rancher/server/db/etcd/member/wal": "", "rancher/server/db/state.db": "all", "k3sha/right": "/1"}, "/1", ""},
		"no data":    {nil, "(none)", "the data of the k3s that is to be adopted are gone from "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.write("network", vipAPI+" 0 "+ours+"\n")
			for path, text := range c.files {
				m.write(path, text)
			}
			_, stderr, failed := m.run(render.StartScript(render.StartInput{
				Node: "homelab", Cluster: "k3s", VIP: "192.168.1.220", APIPort: 6443, Right: "4711", Adopt: true, CA: ours,
				Authorities: map[string]string{"server-ca.crt": ours, "etcd/peer-ca.crt": "made"},
			}))
			if failed != (c.said != "") || !strings.Contains(stderr, c.said) || m.read("k3sha/right") != c.right {
				t.Errorf("%q, the right %q", stderr, m.read("k3sha/right"))
			}
			if c.right == "/4711" && (m.read("rancher/server/tls/server-ca.crt") != "theirs" || m.read("rancher/server/tls/etcd/peer-ca.crt") != "made") {
				t.Error("its CAs were overwritten, or one that it lacks is not there")
			}
		})
	}
}

// What a k3s says of itself before it is adopted, and what is refused before anything is touched.
func TestFound(t *testing.T) {
	t.Parallel()
	const (
		sqlite = "name attic|address 192.168.1.50|version v1.31.5+k3s1|args [\"server\"]|env {}|datastore sqlite|file server-ca.crt Q0E=|file server-ca.key S0VZ|file passwd UEFTU1dE"
		etcd   = "name attic|address 192.168.1.50|version v1.31.5+k3s1|args [\"server\"]|env {}|datastore etcd|file server-ca.crt Q0E=|file server-ca.key S0VZ|file passwd UEFTU1dE"
	)
	for name, c := range map[string]struct {
		role  string
		files map[string]string
		out   string
		said  string
	}{
		"in SQLite":        {"server", map[string]string{"rancher/server/db/state.db": "x"}, sqlite, ""},
		"in etcd":          {"server", map[string]string{"rancher/server/db/etcd/member/wal": ""}, etcd, ""},
		"a worker":         {"worker", map[string]string{"agent": "", "rancher/agent/server-ca.crt": "CA"}, "name attic|address 192.168.1.50|version v1.31.5+k3s1|args [\"server\"]|env {}|file server-ca.crt Q0E=", ""},
		"a database":       {"server", nil, "", "its k3s has its data neither in SQLite (DIR/rancher/server/db/state.db) nor in embedded etcd; only those can be adopted"},
		"SQLite, and etcd": {"server", map[string]string{"rancher/server/db/state.db": "x", "rancher/server/db/etcd/member/wal": "", "open": ""}, "", "its k3s has its data in SQLite (DIR/rancher/server/db/state.db), and beside them lies DIR/rancher/server/db/etcd, from which it would start the next time; move that away, then run pulumi up again"},
		"etcd, and SQLite": {"server", map[string]string{"rancher/server/db/state.db": "x", "rancher/server/db/etcd/member/wal": ""}, "", "its k3s has its data in etcd, and beside them lies an old DIR/rancher/server/db/state.db; move that away, then run pulumi up again"},
		"a full disk":      {"server", map[string]string{"rancher/server/db/state.db": "x", "full": ""}, "", "the disk has 100 MiB left at DIR/rancher/server/db, and moving its data to etcd, with a copy of those in SQLite, takes up to 260; make room there, or give the node a larger disk, then run pulumi up again"},
		"no k3s":           {"server", map[string]string{"none": ""}, "", "no k3s.service runs on this machine, whose k3s is to be adopted; start it, or take adopt out if there is none"},
		"a worker's":       {"server", map[string]string{"agent": ""}, "", "its k3s, which is to be adopted as a server, runs as a worker (k3s-agent.service); give it a slot of those"},
		"a server's":       {"worker", nil, "", "its k3s, which is to be adopted as a worker, runs as a server (k3s.service); give it a slot of those"},
		"a drop-in":        {"server", map[string]string{"dropin": "[Service]\nExecStart=\nExecStart=/usr/bin/k3s server\n"}, "", "DIR/dropin has k3s started in another way than its unit says; put that into k3s' configuration, and take the file away"},
		"a harmless one":   {"server", map[string]string{"dropin": "[Service]\nLimitNOFILE=1\n", "rancher/server/db/state.db": "x"}, sqlite, ""},
		"no API":           {"server", map[string]string{"silent": ""}, "", "the API does not answer to its kubelet; see journalctl -u k3s there, then run pulumi up again"},
		"another machine":  {"server", map[string]string{"other": ""}, "", "its k3s still goes by another /etc/machine-id than the machine has now; restart k3s there (systemctl restart k3s), then run pulumi up again"},
		"no annotation":    {"server", map[string]string{"mute": ""}, "", "node attic does not say which options its k3s runs with (annotation k3s.io/node-args); restart k3s there, then run pulumi up again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := machine{t, t.TempDir()}
			for path, text := range map[string]string{"rancher/server/tls/server-ca.crt": "CA", "rancher/server/tls/server-ca.key": "KEY", "rancher/server/cred/passwd": "PASSWD"} {
				m.write(path, text)
			}
			for path, text := range c.files {
				m.write(path, text)
			}
			d := m.dir
			m.program("systemctl", `case "$*" in
"is-active -q k3s") [ ! -e `+d+`/none ] && [ ! -e `+d+`/agent ] ;;
"is-active -q k3s-agent") [ -e `+d+`/agent ] ;;
*DropInPaths*) [ ! -e `+d+`/dropin ] || echo `+d+`/dropin ;;
*MainPID*) echo 4711 ;;
esac`)
			m.program("df", `if [ -e `+d+`/full ]; then left=102400; else left=1024000; fi; printf 'Filesystem\n/dev/sda 1 1 %s 1%% /\n' $left`)
			m.program("find", `[ ! -e `+d+`/open ] || echo 9`)
			m.program("k3s", `[ ! -e `+d+`/silent ] || exit 1
case "$*" in
*whoami*) printf system:node:attic ;;
*machineID*) if [ -e `+d+`/other ]; then printf 4567; else printf 0123; fi ;;
*{.metadata.name}*) printf attic ;;
*node-args*) [ -e `+d+`/mute ] || printf '["server"]' ;;
*kubeletVersion*) printf v1.31.5+k3s1 ;;
*InternalIP*) printf 192.168.1.50 ;;
esac`)
			unit := map[string]string{"server": "k3s", "worker": "k3s-agent"}[c.role]
			out, stderr, err := shell(t, d, "id=0123 ROLE="+c.role+" UNIT="+unit, []string{"lib.sh", "lib-found.sh"}, "wait_until() { shift; \"$@\"; }\nfound")
			said := strings.ReplaceAll(strings.TrimPrefix(stderr, "k3s-server-01: converge: "), d, "DIR")
			if said != c.said || (err != nil) != (c.said != "") {
				t.Errorf("%q, want %q", said, c.said)
			}
			if got := strings.ReplaceAll(out, "\n", "|"); c.said == "" && got != c.out {
				t.Errorf("%s\nwant\n%s", got, c.out)
			}
		})
	}
}

// Without adopt, a machine that brought its k3s is left alone until that has come up.
func TestAdoptIsTakenOutTooEarly(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write("k3sha/adopting", "ab")
	m.write("k3sha/right", "/1")
	if _, stderr, failed := m.converge(""); !failed || !strings.Contains(stderr, "put adopt: true back on its slot until it has") || m.has("started-with-0") || m.has("etc/rancher/config.yaml") {
		t.Errorf("%q", stderr)
	}
}

// The way back is gone as long as no other server has joined, also where nobody can say so, if it is said by who knows.
func TestWayBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		nodes, force string
		files        map[string]string
		data         string
		said         string
	}{
		"alone":                        {"node/attic", "", nil, "theirs", ""},
		"others have joined":           {"node/attic\nnode/k3s-server-02", "yes", nil, "etcd's", "other servers have joined"},
		"no API":                       {"", "", nil, "etcd's", "its API does not answer, so nobody says whether other servers have joined"},
		"no API, and somebody knows":   {"", "yes", nil, "theirs", ""},
		"no API, in the middle":        {"", "", map[string]string{"k3sha/adopting": "ab"}, "theirs", ""},
		"in etcd, which has no copies": {"", "", map[string]string{"kept/db/data": "-"}, "etcd's", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := machine{t, t.TempDir()}
			for path, text := range with(map[string]string{
				"kept/db/data": "theirs", "kept/etc/config.yaml": "theirs", "kept/systemd/k3s.service": "theirs", "kept/k3s": "theirs", "rancher/server/db/data": "etcd's", "etc/rancher/config.yaml": "ours",
				"unit/k3s.service": "ours", "unit/k3s.service.env": "ours", "unit/k3s.service.d/k3sha.conf": "ours", "bin/k3s-of-the-machine": "ours",
			}, c.files) {
				if text != "-" {
					m.write(path, text)
				}
			}
			d := m.dir
			m.program("k3s", `[ -n "`+strings.ReplaceAll(c.nodes, "\n", "")+`" ] || exit 1; printf '`+c.nodes+`\n'`)
			m.program("systemctl", `echo "$*" >>`+d+`/systemctl`)
			text, err := os.ReadFile("files/way-back.sh")
			if err != nil {
				t.Fatal(err)
			}
			m.write("kept/way-back.sh", strings.NewReplacer("/var/lib/rancher/k3s", d+"/rancher", "/etc/rancher/k3s", d+"/etc/rancher", "/etc/systemd/system", d+"/unit", "/var/lib/k3sha", d+"/k3sha", "/usr/local/bin", d+"/local").Replace(string(text)))
			m.write("local/there", "")
			cmd := exec.Command("sh", d+"/kept/way-back.sh")
			cmd.Env = append(os.Environ(), "PATH="+d+"/bin:"+os.Getenv("PATH"), "FORCE="+c.force)
			out, err := cmd.CombinedOutput()
			if (err != nil) != (c.said != "") || !strings.Contains(string(out), c.said) || m.read("rancher/server/db/data") != c.data {
				t.Fatalf("%v: %s, its data are %q", err, out, m.read("rancher/server/db/data"))
			}
			if c.said != "" {
				if m.has("systemctl") || m.read("etc/rancher/config.yaml") != "ours" {
					t.Error("something was touched")
				}
				return
			}
			if m.read("etc/rancher/config.yaml") != "theirs" || m.read("unit/k3s.service") != "theirs" || m.has("unit/k3s.service.env") || m.has("unit/k3s.service.d/k3sha.conf") || m.read("local/k3s") != "theirs" || m.has("k3sha/adopting") {
				t.Error("it is not what it was")
			}
			if !strings.HasSuffix(m.read("systemctl"), "start --no-block k3s.service\n") {
				t.Errorf("systemd was asked %q", m.read("systemctl"))
			}
		})
	}
}
