package render_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
)

// shell runs parts of the steps' scripts with a body behind them, as sh runs them on a node. What they keep on a node lies in a folder
// of the test's own.
func shell(t *testing.T, dir, head string, parts []string, body string) (stdout, stderr string, err error) {
	t.Helper()
	var script strings.Builder
	script.WriteString("NODE=k3s-server-01 STEP=converge UNIT=k3s TOKEN= AGENT_TOKEN= CA_HASH=\n" + head + "\n")
	for _, part := range parts {
		text, err := os.ReadFile(filepath.Join("files", part))
		if err != nil {
			t.Fatal(err)
		}
		functions, _, _ := strings.Cut(string(text), "\nput 0644 $etc/cluster-ca.pem")
		functions = strings.NewReplacer("\nlock\n", "\n", "/var/lib/k3sha", dir+"/k3sha", "/var/lib/rancher/k3s", dir+"/rancher", "/var/backups", dir+"/backups", "export LC_ALL=C PATH=", "export LC_ALL=C PATH="+dir+"/bin:").Replace(functions)
		script.WriteString(functions + "\n")
	}
	cmd := exec.Command("sh")
	cmd.Stdin = strings.NewReader(script.String() + body)
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	err = cmd.Run()
	return strings.TrimSpace(out.String()), strings.TrimSpace(problems.String()), err
}

// program puts a program of the test's own before the machine's.
func program(t *testing.T, dir, name, script string) {
	t.Helper()
	if err := os.MkdirAll(dir+"/bin", 0o755); err != nil { //nolint:gosec // a test's
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/bin/"+name, []byte("#!/bin/sh\n"+script), 0o755); err != nil { //nolint:gosec // a test's
		t.Fatal(err)
	}
}

// systemd reads all units again when it has to, and then only: also when a unit has its first drop-in, which it does not notice itself.
func TestKnown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ needs, dropIns, want string }{
		"read already":      {"no", "/usr/lib/systemd/system/k3s.service.d/a.conf /etc/systemd/system/k3s.service.d/k3sha.conf", ""},
		"changed":           {"yes", "/etc/systemd/system/k3s.service.d/k3sha.conf", "daemon-reload"},
		"its first drop-in": {"no", "", "daemon-reload"},
		"another's":         {"no", "/etc/systemd/system/k3s.service.d/other.conf", "daemon-reload"},
		"no such unit":      {"", "", "daemon-reload"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			program(t, dir, "systemctl", `case "$*" in *NeedDaemonReload*) echo "`+c.needs+`" ;; *DropInPaths*) echo "`+c.dropIns+`" ;; *) echo "$*" ;; esac`)
			if out, stderr, err := shell(t, dir, "", []string{"lib.sh"}, "known k3s"); err != nil || out != c.want {
				t.Errorf("%q, want %q (%s, %v)", out, c.want, stderr, err)
			}
		})
	}
}

// Where a server may go from the release that it has.
func TestMayUpgrade(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, want string }{
		{"", "v1.31.6+k3s1", ""},
		{"v1.31.6+k3s1", "v1.31.6+k3s1", ""},
		{"v1.31.9+k3s1", "v1.31.10+k3s1", ""},
		{"v1.31.6-rc1+k3s1", "v1.31.6+k3s1", ""},
		{"v1.31.6+k3s1", "v1.32.0+k3s1", ""},
		{"v1.33.7+k3s3", "v1.33.11+k3s1", ""},
		{"v1.33.10+k3s1", "v1.34.1+k3s1", ""},
		{"v1.33.11+k3s1", "v1.34.1+k3s1", ""},
		{"v1.34.1+k3s1", "v1.35.1+k3s1", ""},
		{"v1.31.7+k3s1", "v1.31.6+k3s1", "v1.31.6+k3s1 is older than v1.31.7+k3s1, which this server runs; k3s cannot go back"},
		{"v1.31.6+k3s1", "v1.31.6-rc1+k3s1", "v1.31.6-rc1+k3s1 is older than v1.31.6+k3s1, which this server runs; k3s cannot go back"},
		{"v1.31.6+k3s1", "v1.33.1+k3s1", "v1.33.1+k3s1 skips a minor version after v1.31.6+k3s1, which this server runs; go through v1.32 first"},
		{"v1.33.7+k3s2", "v1.33.11+k3s1", "v1.33.11+k3s1 has etcd 3.6, which must not follow the etcd of v1.33.7+k3s2, which this server runs; go to v1.33.10+k3s1 first"},
		{"v1.33.6+k3s9", "v1.34.1+k3s1", "v1.34.1+k3s1 has etcd 3.6, which must not follow the etcd of v1.33.6+k3s9, which this server runs; go to v1.33.10+k3s1 first"},
		{"v1.32.9+k3s1", "v1.33.11+k3s1", "v1.33.11+k3s1 has etcd 3.6, which must not follow the etcd of v1.32.9+k3s1, which this server runs; go to v1.33.10+k3s1 first"},
	} {
		dir := t.TempDir()
		program(t, dir, "systemctl", "echo 0")
		if c.from != "" {
			if err := os.MkdirAll(dir+"/k3sha", 0o755); err != nil { //nolint:gosec // a test's
				t.Fatal(err)
			}
			if err := os.WriteFile(dir+"/k3sha/reached", []byte(c.from), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, got, _ := shell(t, dir, "K3S_VERSION="+c.to, []string{"lib.sh", "lib-k3s.sh"}, "may_upgrade")
		if want := strings.TrimSpace("k3s-server-01: converge: " + c.want); c.want != "" && got != want || c.want == "" && got != "" {
			t.Errorf("%s to %s: %q, want %q", c.from, c.to, got, c.want)
		}
	}
}

// Before a server restarts, every other one must be Ready, vote and answer; who doesn't is named.
func TestOthersVote(t *testing.T) {
	t.Parallel()
	const good = "k3s-server-01 True True 192.168.1.201\nk3s-server-02 True True 192.168.1.202\nk3s-server-03 True True 192.168.1.203"
	for name, c := range map[string]struct{ nodes, silent, want string }{
		"all well":               {good, "", "ok"},
		"itself ill":             {strings.Replace(good, "01 True True", "01 False False", 1), "", "ok"},
		"one does not vote":      {strings.Replace(good, "02 True True", "02 False True", 1), "", "k3s-server-02"},
		"one has no condition":   {strings.Replace(good, "02 True True", "02  True", 1), "", "k3s-server-02"},
		"one is not Ready":       {strings.Replace(good, "03 True True", "03 True False", 1), "", "k3s-server-03"},
		"one has just died":      {good, "192.168.1.203", "k3s-server-03"},
		"it does not ask itself": {good, "192.168.1.201", "ok"},
		"no answer":              {"", "", "(no answer from the API)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			program(t, dir, "systemctl", "echo 0")
			program(t, dir, "curl", `case "$*" in *"--cacert `+dir+`/rancher/server/tls/server-ca.crt"*) ;; *) exit 60 ;; esac
case "$*" in *"//$SILENT:6443/readyz") exit 7 ;; esac
printf 401`)
			out, _, _ := shell(t, dir, "export SILENT="+render.Quote(c.silent), []string{"lib.sh", "lib-k3s.sh", "converge-server.sh"},
				"kubectl() { printf '%s\\n' "+render.Quote(c.nodes)+"; }\nif others_vote; then echo ok; else echo \"$bad\"; fi")
			if out != c.want {
				t.Errorf("got %q, want %q", out, c.want)
			}
		})
	}
}

// The first line of an error has the cause, which real k3s prints long before its end.
func TestTheCauseComesFirst(t *testing.T) {
	t.Parallel()
	const token = "5ecret5ecret5ecret"
	noise := strings.Repeat(`{"level":"info","msg":"raft.node: elected"}`+"\n", 30)
	for name, c := range map[string]struct{ journal, want string }{
		"shut down": {
			`time="2026-01-01" level=error msg="Shutdown request received: kubelet exited: failed to parse kubelet flag: unknown flag: --bogus"` + "\n" + noise,
			`; cause: time="2026-01-01" level=error msg="Shutdown request received: kubelet exited: failed to parse kubelet flag: unknown flag: --bogus"`,
		},
		"fatal after errors": {"level=error msg=\"a\"\nlevel=fatal msg=\"the cause\"\n" + noise, `; cause: level=fatal msg="the cause"`},
		"an error only":      {"level=error msg=\"the cause\"\n" + noise, `; cause: level=error msg="the cause"`},
		"what only follows": {
			"level=fatal msg=\"the cause\"\nlevel=error msg=\"Shutdown request received: no bootstrap data found in datastore\"\n" + noise, `; cause: level=fatal msg="the cause"`,
		},
		"nothing": {noise, ""},
		"a secret at the cut": {
			"level=fatal msg=\"" + strings.Repeat("x", 377) + token + "\"\n", "; cause: level=fatal msg=\"" + strings.Repeat("x", 377) + "***\"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			program(t, dir, "journalctl", "cat "+dir+"/journal")
			if err := os.WriteFile(dir+"/journal", []byte(c.journal), 0o600); err != nil {
				t.Fatal(err)
			}
			_, stderr, err := shell(t, dir, "SECRETS="+token, []string{"lib.sh"}, "die_of k3s 'k3s is not up'")
			first, rest, _ := strings.Cut(stderr, "\n")
			if want := "k3s-server-01: converge: k3s is not up" + c.want; err == nil || first != want {
				t.Errorf("got\n%s\nwant\n%s", first, want)
			}
			if !strings.HasPrefix(rest, "last lines of k3s on k3s-server-01:\n") || strings.Contains(stderr, token[:6]) {
				t.Errorf("behind it: %s", rest)
			}
		})
	}
}

// releases is a server with the layout of k3s' releases, under both of their host names.
func releases(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, found := files["https://"+r.Host+r.URL.EscapedPath()]
		if !found {
			http.NotFound(w, r)
			return
		}
		_, _ = fmt.Fprint(w, content)
	}))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(dir+"/ca.pem", ca, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := x509.ParseCertificate(server.Certificate().Raw); err != nil {
		t.Fatal(err)
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("curl is not installed")
	}
	address := strings.TrimPrefix(server.URL, "https://")
	// The test server's certificate is for example.com, so that is what curl is told to verify; all else is as on a node.
	program(t, dir, "curl", fmt.Sprintf("exec %s -k --connect-to github.com:443:%s --connect-to raw.githubusercontent.com:443:%s --connect-to mirror.example.org:443:%s \"$@\"", curl, address, address, address))
	program(t, dir, "timedatectl", "echo no")
	program(t, dir, "uname", "echo x86_64")
	program(t, dir, "sleep", "")
	return dir
}

// The default way to a release, and what is wrong with one.
func TestPrepareFetchesAndVerifies(t *testing.T) {
	t.Parallel()
	const version, binary, script = "v1.31.6+k3s1", "the binary", "the script"
	sum := func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
	const release, tag = "https://github.com/k3s-io/k3s/releases/download/v1.31.6%2Bk3s1/", "https://raw.githubusercontent.com/k3s-io/k3s/v1.31.6%2Bk3s1/install.sh"
	good := func() map[string]string {
		return map[string]string{
			release + "sha256sum-amd64.txt": sum("images") + "  k3s-airgap-images-amd64.tar\n" + sum(binary) + "  k3s\n", release + "k3s": binary, tag: script,
		}
	}
	for name, c := range map[string]struct {
		change func(files map[string]string)
		head   string
		want   string
	}{
		"the release": {nil, "", ""},
		"pinned":      {nil, "BINARY_SHA256=" + sum(binary) + " SCRIPT_SHA256=" + sum(script), ""},
		"a mirror": {func(f map[string]string) {
			for _, file := range []string{"k3s", "sha256sum-amd64.txt", "install.sh"} {
				from := release + file
				if file == "install.sh" {
					from = tag
				}
				f["https://mirror.example.org/k3s/v1.31.6%2Bk3s1/"+file] = f[from]
				delete(f, from)
			}
		}, "MIRROR=https://mirror.example.org/k3s/", ""},
		"another binary":  {func(f map[string]string) { f[release+"k3s"] = "evil" }, "", "the binary of v1.31.6+k3s1 has SHA-256 " + sum("evil") + ", but the release's own list says " + sum(binary) + "; do not use it before you know why"},
		"not in the list": {func(f map[string]string) { f[release+"sha256sum-amd64.txt"] = sum(binary) + "  k3s-arm64\n" }, "", release + "sha256sum-amd64.txt does not list k3s"},
		"no binary":       {func(f map[string]string) { delete(f, release+"k3s") }, "", "cannot fetch " + release + "k3s: curl: (22) The requested URL returned error: 404; check the node's way to the internet, or set k3s.mirror"},
		"no script":       {func(f map[string]string) { delete(f, tag) }, "", "cannot fetch " + tag + ": curl: (22) The requested URL returned error: 404; check the node's way to the internet, or set k3s.mirror"},
		"a full disk":     {nil, "df() { printf 'Filesystem\\n/dev/sda1 8000000 7600000 400000 95%% /\\n'; }", "the disk has 390 MiB left at DIR/k3sha/releases/v1.31.6+k3s1, and a release of k3s takes up to 512; make room there, or give the node a larger disk, then run pulumi up again"},
		"another pin":     {nil, "BINARY_SHA256=" + sum("other"), "the binary of v1.31.6+k3s1 has SHA-256 " + sum(binary) + ", but k3s.binarySha256 says " + sum("other") + "; do not use it before you know why"},
		"another script":  {nil, "SCRIPT_SHA256=" + sum("other"), "the install script of v1.31.6+k3s1 has SHA-256 " + sum(script) + ", but k3s.installScriptSha256 says " + sum("other") + "; do not use it before you know why"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := good()
			if c.change != nil {
				c.change(files)
			}
			dir := releases(t, files)
			_, stderr, err := shell(t, dir, "K3S_VERSION="+version+" MIRROR= BINARY_SHA256= SCRIPT_SHA256=\n"+c.head, []string{"lib.sh", "lib-packages.sh", "lib-disks.sh", "prepare-k3s.sh"}, "")
			got := strings.ReplaceAll(strings.TrimPrefix(stderr, "k3s-server-01: converge: "), "at "+dir+"/k3sha", "at DIR/k3sha")
			if got != c.want || (err == nil) != (c.want == "") {
				t.Fatalf("got %q (%v), want %q", got, err, c.want)
			}
			at := dir + "/k3sha/releases/" + version
			if c.want == "" {
				text, err := os.ReadFile(at + "/k3s")
				info, statErr := os.Stat(at + "/k3s")
				if err != nil || statErr != nil || string(text) != binary || info.Mode().Perm() != 0o755 {
					t.Errorf("the binary: %q %v %v", text, err, info)
				}
				return
			}
			// What was found wrong is not there for the next step, nor for the next run to be taken as good.
			for _, file := range []string{"k3s", "install.sh"} {
				text, _ := os.ReadFile(at + "/" + file)
				if strings.Contains(c.want, "has SHA-256") && strings.Contains(c.want, sum(string(text))) && len(text) > 0 && strings.HasPrefix(got, map[string]string{"k3s": "the binary", "install.sh": "the install"}[file]) {
					t.Errorf("%s is kept: %q", file, text)
				}
			}
		})
	}
}

// A template that has HAProxy or Keepalived for something else is refused; one that has them as they are installed is not.
func TestForeignPrograms(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ installed, changed, version, want string }{
		"nothing":            {"", "", "HAProxy version 2.6.12-1+deb12u4 2025/10/02", ""},
		"as installed":       {"haproxy", "", "HAProxy version 3.0.1 2024/06/10", ""},
		"configured already": {"haproxy", "??5?????? c /etc/haproxy/haproxy.cfg", "HAProxy version 2.6.12", "haproxy on this machine is configured for something else already (/etc/haproxy/haproxy.cfg), which would be overwritten; take it out of the template"},
		"too old":            {"haproxy", "", "HA-Proxy version 2.2.9-2+deb11u6 2023/12/03", "HAProxy here is 2.2, and 2.6 is the oldest that has what its configuration uses; use a newer template"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			program(t, dir, "haproxy", "echo '"+c.version+"'")
			for _, there := range []string{"keepalived", "arping", "flock"} {
				program(t, dir, there, "")
			}
			program(t, dir, "dpkg-query", `for word; do package=$word; done; case " `+c.installed+` " in *" $package "*) echo 'install ok installed' ;; *) exit 1 ;; esac`)
			program(t, dir, "dpkg", `echo '`+c.changed+`'`)
			_, stderr, err := shell(t, dir, "", []string{"lib.sh", "lib-packages.sh", "prepare-loadbalancer.sh"}, "")
			if got := strings.TrimSpace(stderr); !strings.HasSuffix(got, c.want) || (err != nil) != (c.want != "") {
				t.Errorf("%v, said %q, want %q", err, got, c.want)
			}
		})
	}
}

// What a load balancer's check says to Keepalived: HAProxy dead: give the VIP up. No server in sight: only if a peer sees one.
func TestCheckOfALoadBalancer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers string // what load balancers say
		want    int
	}{
		"all well":                               {"127.0.0.1/alive 127.0.0.1/UP", 0},
		"HAProxy dead":                           {"", 1},
		"HAProxy dead, peer well":                {"192.168.1.222/UP", 1},
		"HAProxy restarts":                       {"127.0.0.1/alive-later 127.0.0.1/UP", 0},
		"HAProxy hangs":                          {"127.0.0.1/hangs", 1},
		"no server, peer sees one":               {"127.0.0.1/alive 127.0.0.1/DOWN 192.168.1.222/UP", 1},
		"no server, peer sees one since now":     {"127.0.0.1/alive 127.0.0.1/DOWN 192.168.1.222/UP-new", 0},
		"the only server since now":              {"127.0.0.1/alive 127.0.0.1/UP-new 192.168.1.222/UP", 0},
		"no server, peer drains its last":        {"127.0.0.1/alive 127.0.0.1/DOWN 192.168.1.222/DRAIN", 1},
		"all have failed a check, peer sees one": {"127.0.0.1/alive 127.0.0.1/UP2/3 192.168.1.222/UP", 1},
		"all have failed a check, for a moment":  {"127.0.0.1/alive 127.0.0.1/UP-later 192.168.1.222/UP", 0},
		"no server, peer sees none":              {"127.0.0.1/alive 127.0.0.1/DOWN 192.168.1.222/DOWN", 0},
		"no server, peer of before":              {"127.0.0.1/alive 127.0.0.1/DOWN", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			program(t, dir, "curl", `for word; do url=${word#http://}; done
host=${url%%:*} path=${url#*/} again=
[ ! -e "$D/asked-$path" ] || again=yes
touch "$D/asked-$path"
for word in $ANSWERS; do
	[ "${word%%/*}" = "$host" ] || continue
	state=${word#*/}
	case $path-$state in
	alive-alive) exit 0 ;;
	alive-alive-later) [ -n "$again" ] && exit 0 ;;
	alive-hangs) exit 28 ;;
	'servers;csv-'[UD]*)
		since=60
		case $state in
		*-later) state=${state%-later}; [ -n "$again" ] || state=DOWN ;;
		*-new) state=${state%-new} since=1 ;;
		esac
		printf '# pxname,svname\nk3s_api,k3s-server-01,,,,,,,,,,,,,,,,%s,1,1,0,0,0,%s\nk3s_api,BACKEND,,,,,,,,,,,,,,,,UP,1,1,0,0,0,60\n' "$state" $since
		exit 0
		;;
	esac
done
case $path in alive) exit 7 ;; *) exit 22 ;; esac`)
			cmd := exec.Command("sh", "files/lb-check", "8405", "192.168.1.222")
			cmd.Env = append(os.Environ(), "PATH="+dir+"/bin:"+os.Getenv("PATH"), "ANSWERS="+c.answers, "D="+dir)
			_ = cmd.Run()
			if got := cmd.ProcessState.ExitCode(); got != c.want {
				t.Errorf("exit %d, want %d", got, c.want)
			}
		})
	}
}

// What HAProxy is told before it starts: who is ready, by the cluster's CA, is up, or drained if it is about to restart; all others have to pass a check first.
func TestLBServers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program(t, dir, "curl", `ca= at=
for word; do
	case $former in --cacert) ca=$word ;; --connect-to) at=$word ;; esac
	former=$word
done
[ "$ca" = "$D/ca.pem" ] || exit 77
case $at in ::192.168.1.201:6443) printf 401 ;; ::192.168.1.202:6443) printf 503 ;; ::192.168.1.203:6443) printf 200 ;; *) exit 7 ;; esac`)
	text, err := os.ReadFile("files/lb-servers")
	if err != nil {
		t.Fatal(err)
	}
	// What HAProxy knows of forwards it keeps, but for what has another port by now, and for what is no forward.
	listener, err := net.Listen("unix", dir+"/admin.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	kept := "5 forward_web 1 k3s-worker-01 192.168.1.211 0 8 1 1 1 8 2 0 6 0 0 0 - 8080 - 0 0 - - 0"
	program(t, dir, "lb-ask", `[ "$*" = "show servers state" ] || exit 1
echo 1
echo "# be_id be_name"
echo "`+kept+`"
echo "5 forward_web 2 k3s-worker-02 192.168.1.212 2 0 1 1 1 15 3 2 6 0 0 0 - 9090 - 0 0 - - 0"
echo "3 k3s_api 1 k3s-server-01 192.168.1.201 2 0 1 1 1 15 3 2 6 0 0 0 - 6443 - 0 0 - - 0"`)
	config := "backend k3s_api from k3s_tcp\n    server k3s-server-01 192.168.1.201:6443\nbackend forward_web from k3s_tcp\n    server k3s-worker-01 192.168.1.211:8080\n    server k3s-worker-02 192.168.1.212:8080\n"
	if err := os.WriteFile(dir+"/haproxy.cfg", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	script := strings.NewReplacer("/etc/haproxy/k3sha", dir, "/etc/haproxy/haproxy.cfg", dir+"/haproxy.cfg", "/run/haproxy", dir, "/usr/local/lib/k3sha/lb-ask", "lb-ask", "/run/k3sha-steered", dir+"/steered").Replace(string(text))
	if err := os.MkdirAll(dir+"/steered", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/steered/192.168.1.203", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-s", "2", "k3s-server-01=192.168.1.201", "k3s-server-02=192.168.1.202", "192.168.1.203=192.168.1.203", "k3s-server-04=192.168.1.204")
	cmd.Stdin = strings.NewReader(script)
	cmd.Env = append(os.Environ(), "PATH="+dir+"/bin:"+os.Getenv("PATH"), "D="+dir)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v %s", err, out)
	}
	got, err := os.ReadFile(dir + "/servers")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(got)), "\n")
	const up, steered, down = " 2 0 1 1 1 15 3 2", " 2 8 1 1 1 15 3 2", " 0 0 1 1 1 8 2 0"
	want := []string{"1 k3s-server-01 192.168.1.201" + up, "2 k3s-server-02 192.168.1.202" + down, "3 192.168.1.203 192.168.1.203" + steered, "4 k3s-server-04 192.168.1.204" + down}
	for i := range want {
		want[i] = "3 k3s_api " + want[i] + " 6 0 0 0 - 6443 - 0 0 - - 0"
	}
	want = append(want, kept)
	if len(lines) != 7 || lines[0] != "1" || !strings.HasPrefix(lines[1], "# be_id be_name srv_id srv_name srv_addr srv_op_state ") || !slices.Equal(lines[2:], want) {
		t.Errorf("HAProxy is told:\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// First contact: the machine must be the one that is meant, and its host key must outlive new network settings.
func TestContactLooksAtTheMachine(t *testing.T) {
	t.Parallel()
	packed, err := exec.Command("sh", "-c", "cd files && tar -c lib.sh lib-k3s.sh | base64 -w 0").Output()
	if err != nil {
		t.Fatal(err)
	}
	toolkit := string(packed)
	const fine, errors = `{"v1": {"datasource": "DataSourceNoCloud", "errors": []}}`, `{"v1": {"datasource": null, "errors": ["something"]}}`
	for name, c := range map[string]struct{ host, result, status, failure string }{
		"a slow upgrade":    {"k3s-server-01", fine, "exit 1", ""},
		"a quick upgrade":   {"k3s-server-01", fine, "exit 1", ""},
		"the node":          {"k3s-server-01", fine, "exit 1", ""}, // it is not asked
		"with warnings":     {"k3s-server-01", errors, "exit 2", ""},
		"with a domain":     {"k3s-server-01.example.org", fine, "exit 1", ""},
		"another machine":   {"printer", fine, "exit 1", "the machine at 192.168.1.201 calls itself printer; either its cloud-init did not run or another machine has that address"},
		"cloud-init failed": {"k3s-server-01", errors, "exit 1", "cloud-init failed: ; see /var/log/cloud-init.log on the node"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, old := range []string{"steps", "steps.k3sha-old", "steps.k3sha-new"} { // from a run before, and from one that was cut off
				if err := os.MkdirAll(dir+"/lib/"+old+"/before", 0o700); err != nil {
					t.Fatal(err)
				}
			}
			// It must have ended before it is asked.
			program(t, dir, "cloud-init", `[ -e "`+dir+`/result.json" ] || exit 1; [ "$2" = --wait ] || exit 0`+"\n"+c.status)
			time.AfterFunc(400*time.Millisecond, func() { _ = os.WriteFile(dir+"/result.json", []byte(c.result), 0o600) })
			for file, text := range map[string]string{"hostname": c.host, "key": "ssh-ed25519 ITS OWN", "shown": "ssh-ed25519 ITS OWN"} {
				if err := os.WriteFile(dir+"/"+file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile("files/contact-node.sh")
			if err != nil {
				t.Fatal(err)
			}
			body := strings.NewReplacer("lock\n", "\n", "/proc/sys/kernel/hostname", dir+"/hostname", "/etc/ssh/ssh_host_ed25519_key", dir+"/key", "/etc/cloud", dir+"/cloud", "/run/cloud-init/result.json", dir+"/result.json",
				"/var/lib/cloud/instance/cloud-config.txt", dir+"/cloud-config").Replace(string(text))
			said := ""
			if strings.HasSuffix(name, "upgrade") {
				if err := os.WriteFile(dir+"/cloud-config", []byte("#cloud-config\npackage_upgrade: true\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if name == "a slow upgrade" {
				body, said = "begun=$((begun - 95))\n"+body, "upgraded 9"
			}
			program(t, dir, "getent", `echo "$2:x:0:0::`+dir+`/home:/bin/sh"`)
			// A private key whose public one is itself; sshd shows another one until it is told to read it.
			program(t, dir, "ssh-keygen", `cat "$3"`)
			program(t, dir, "ssh-keyscan", `[ "$*" = "-T 3 -t ed25519 -p 2222 192.168.1.201" ] && echo "[192.168.1.201]:2222 $(cat "`+dir+`/shown")"`)
			program(t, dir, "systemctl", `[ "$*" != "try-reload-or-restart ssh.service" ] || cp "`+dir+`/key" "`+dir+`/shown"`)
			user := " SSH_USER=$(id -un) AUTHORIZED_KEYS='ssh-ed25519 A' SSH_PORT=2222 HOST_KEY='ssh-ed25519 OURS' HOST_KEY_PUBLIC='ssh-ed25519 OURS'"
			out, stderr, _ := shell(t, dir, "NODE_IP=192.168.1.201 TOOLKIT_DIR="+dir+"/lib/steps TOOLKIT="+toolkit+user, []string{"lib.sh"}, body)
			if out != said && (said == "" || !strings.HasPrefix(out, said)) || strings.TrimPrefix(stderr, "k3s-server-01: converge: ") != c.failure {
				t.Errorf("got %q, %q, want %q", out, stderr, c.failure)
			}
			if kept, _ := os.ReadFile(dir + "/cloud/cloud.cfg.d/99-k3sha.cfg"); c.failure == "" && string(kept) != "ssh_deletekeys: false\n" {
				t.Errorf("cloud-init is told: %q", kept)
			}
			shown, _ := os.ReadFile(dir + "/shown")
			public, _ := os.ReadFile(dir + "/key.pub")
			if c.failure == "" && (string(shown) != "ssh-ed25519 OURS" || string(public) != "ssh-ed25519 OURS\n") {
				t.Errorf("sshd shows %q, beside it lies %q", shown, public)
			}
			if keys, _ := os.ReadFile(dir + "/home/.ssh/authorized_keys"); c.failure == "" && string(keys) != "ssh-ed25519 A" {
				t.Errorf("these may log in: %q", keys)
			}
			left, err := exec.Command("sh", "-c", `cd "$0" && find . -type f -o -type d -name before | sort | tr '\n' ' '`, dir+"/lib").Output()
			if c.failure == "" && (err != nil || string(left) != "./steps/lib-k3s.sh ./steps/lib.sh ") {
				t.Errorf("the node has %q (%v)", left, err)
			}
		})
	}
}

// A worker asks the VIP before it starts, and believes the cluster's own CA alone; and it knows a node that was deleted.
func TestAWorkerAsks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program(t, dir, "systemctl", "echo 0")
	program(t, dir, "curl", `case "$*" in *"--cacert /etc/rancher/k3s/cluster-ca.pem"*"https://192.168.1.220:6443/v1-k3s/readyz") cat ;; *) exit 60 ;; esac`)
	program(t, dir, "k3s", `echo "$ANSWER" >&2; exit "$CODE"`)
	parts := []string{"lib.sh", "lib-k3s.sh", "lib-worker.sh"}
	const head = "VIP=192.168.1.220 API_PORT=6443 AGENT_TOKEN=agents-token"
	if out, _, err := shell(t, dir, head, parts, "admits"); err != nil || out != `user = "node:agents-token"` {
		t.Errorf("asks with %q: %v", out, err)
	}
	// With the CA's hash in its token, k3s verifies the cluster before it sends the token; and no journal line shows it.
	if out, _, err := shell(t, dir, head+" CA_HASH=cafe", parts, `printf '%s' "$TOKEN"`); err != nil || out != "K10cafe::node:agents-token" {
		t.Errorf("joins by %q: %v", out, err)
	}
	program(t, dir, "journalctl", `echo "level=fatal msg=\"not authorized: K10cafe::node:agents-token\""`)
	if _, stderr, _ := shell(t, dir, head+" CA_HASH=cafe", parts, "die_of k3s-agent 'it ends'"); !strings.Contains(stderr, "not authorized") || strings.Contains(stderr, "agents-token") {
		t.Errorf("says %q", stderr)
	}
	for answer, want := range map[string]string{
		`Error from server (NotFound): nodes "k3s-worker-01" not found 1`: "gone",
		`Unable to connect to the server: net/http: timeout 1`:            "there",
		`Error from server (Forbidden): no 1`:                             "there",
		" 0":                                                              "there",
	} {
		code := answer[len(answer)-1:]
		out, _, _ := shell(t, dir, head+"\nexport ANSWER="+render.Quote(answer)+" CODE="+code, parts, "if unregistered; then echo gone; else echo there; fi")
		if out != want {
			t.Errorf("%q: %s, want %s", answer, out, want)
		}
	}
}

// The VIP is believed for what it says and proves: the cluster's name, and a certificate by the cluster's CA.
func TestTheVIPAnswersForThisClusterAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ alive, status, vip, api string }{
		"ours":             {"k3s", "401", "ours", "ours"},
		"ours, open":       {"k3s", "200", "ours", "ours"},
		"no API yet":       {"k3s", "503", "ours", "none"},
		"another's":        {"k3s-2", "401", "none", "ours"},
		"another's, in it": {"edge k3s", "401", "none", "ours"},
		"an old page":      {"ok", "401", "none", "ours"},
		"nobody":           {"", "", "none", "none"},
	} {
		dir := t.TempDir()
		program(t, dir, "curl", `case "$*" in
*"http://192.168.1.220:8405/alive") [ -n "$ALIVE" ] && echo "$ALIVE" || exit 7 ;;
*"--cacert /etc/haproxy/k3sha/ca.pem"*"https://192.168.1.220:6443/readyz") [ -n "$STATUS" ] && printf %s "$STATUS" || exit 7 ;;
*) exit 60 ;;
esac`)
		out, _, _ := shell(t, dir, "export CLUSTER=k3s VIP=192.168.1.220 API_PORT=6443 STATUS_PORT=8405 ALIVE="+render.Quote(c.alive)+" STATUS="+c.status, []string{"lib.sh", "lib-loadbalancer.sh"},
			"if vip_answers; then echo ours; else echo none; fi; if api_answers; then echo ours; else echo none; fi")
		if out != c.vip+"\n"+c.api {
			t.Errorf("%s: %q", name, out)
		}
	}
}

// A first start that cannot go on is begun anew; any other start that ends again and again is an error.
func TestAFirstStartThatIsStuck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		head string
		ends int
		want string
	}{
		"unfinished, ends twice": {"unfinished=yes", 2, "stuck"},
		"unfinished, ended once": {"unfinished=yes", 1, "goes on"},
		"finished":               {"unfinished=", 5, "goes on"},
	} {
		dir := t.TempDir()
		program(t, dir, "systemctl", "echo 0")
		out, _, _ := shell(t, dir, "", []string{"lib.sh", "lib-k3s.sh", "converge-server.sh"}, fmt.Sprintf("%s\nrestarts() { echo %d; }\nif stuck; then echo stuck; else echo goes on; fi", c.head, c.ends))
		if out != c.want {
			t.Errorf("%s: %s, want %s", name, out, c.want)
		}
	}
}

// Keepalived leaves the VIP behind when it is killed, and must come back to clean up.
func TestKeepalivedComesBack(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("files/keepalived-unit.conf")
	if err != nil || !strings.Contains(string(text), "\nRestart=always\n") {
		t.Errorf("%v\n%s", err, text)
	}
}

// A lease of the process from before a restart says nothing of the one after it.
func TestBeatsOfThisProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program(t, dir, "systemctl", `case "$*" in *ExecMainStartTimestamp*) echo "Wed 2026-11-25 22:15:06 UTC" ;; *) echo 0 ;; esac`)
	for at, want := range map[string]string{
		"2026-11-25T22:15:05.999999Z": "old", "2026-11-25T22:15:06.000000Z": "new", "2026-11-25T22:15:16.123456Z": "new", "": "old",
	} {
		out, _, _ := shell(t, dir, "", []string{"lib.sh", "lib-k3s.sh"}, "kubectl() { echo "+render.Quote(at+"|True v1")+"; }\nif beats; then echo new; else echo old; fi\necho $state")
		if out != want+"\nTrue v1" {
			t.Errorf("a lease of %q is %s, want %s", at, out, want)
		}
	}
}

// A new member is promoted by whichever other member answers, and not when it votes already.
func TestPromote(t *testing.T) {
	t.Parallel()
	const one, two = "https://192.168.1.201:2379/etcdserverpb.Cluster/MemberPromote", "https://192.168.1.203:2379/etcdserverpb.Cluster/MemberPromote"
	for name, c := range map[string]struct {
		id, learns, away string
		asked            []string
		number           uint64
	}{
		"a learner":                {"8e9e05c52164694d", "1", "none", []string{one}, 0x8e9e05c52164694d},
		"the first one is away":    {"8e9e05c52164694d", "1", one, []string{one, two}, 0x8e9e05c52164694d},
		"the largest number":       {"ffffffffffffffff", "1", "none", []string{one}, 1<<64 - 1},
		"a small number":           {"1f", "1", "none", []string{one}, 31},
		"it votes":                 {"8e9e05c52164694d", "0", "none", nil, 0},
		"etcd does not answer yet": {"", "", "none", nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.MkdirAll(dir+"/rancher/server/db/etcd", 0o755); err != nil { //nolint:gosec // a test's
				t.Fatal(err)
			}
			config := "data-dir: /x\ninitial-advertise-peer-urls: https://192.168.1.202:2380\n" +
				"initial-cluster: k3s-server-01-1=https://192.168.1.201:2380,k3s-server-02-2=https://192.168.1.202:2380,k3s-server-03-3=https://192.168.1.203:2380\ninitial-cluster-state: existing\n"
			if err := os.WriteFile(dir+"/rancher/server/db/etcd/config", []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			program(t, dir, "systemctl", "echo 0")
			program(t, dir, "curl", `for word; do last=$word; done
case $last in
*/metrics) [ -z "`+c.id+`" ] || printf 'etcd_server_has_leader 1\netcd_server_id{server_id="`+c.id+`"} 1\netcd_server_is_learner `+c.learns+`\n' ;;
*) echo "$last" >>"`+dir+`/asked"; cat >"`+dir+`/request"; echo "$*" >"`+dir+`/words"; [ "$last" != "`+c.away+`" ] ;;
esac`)
			if out, stderr, err := shell(t, dir, "NODE_IP=192.168.1.202", []string{"lib.sh", "lib-k3s.sh", "lib-etcd.sh", "converge-server.sh"}, "promote"); err != nil || out+stderr != "" {
				t.Fatalf("%s %s %v", out, stderr, err)
			}
			asked, _ := os.ReadFile(dir + "/asked")
			if got := strings.Fields(string(asked)); !slices.Equal(got, c.asked) {
				t.Errorf("asked %v, want %v", got, c.asked)
			}
			if c.asked == nil {
				return
			}
			request, err := os.ReadFile(dir + "/request")
			if err != nil || len(request) != 16 || string(request[:6]) != "\x00\x00\x00\x00\x0b\x08" {
				t.Fatalf("%x is no frame of gRPC with a number as field 1 (%v)", request, err)
			}
			if number, size := binary.Uvarint(request[6:]); number != c.number || size != 10 {
				t.Errorf("promotes %x, want %x", number, c.number)
			}
			words, _ := os.ReadFile(dir + "/words")
			tls := dir + "/rancher/server/tls/etcd/"
			for _, want := range []string{"--http2", "--cacert " + tls + "server-ca.crt", "--cert " + tls + "client.crt", "--key " + tls + "client.key", "content-type: application/grpc"} {
				if !strings.Contains(string(words), want) {
					t.Errorf("asked without %s: %s", want, words)
				}
			}
		})
	}
}

// A server that goes has another one lead etcd, if it leads itself: whichever takes it.
func TestYieldServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		leads, takes  string // the member that takes the lead, which of the two is a learner
		want, failure string
		asked         []uint64
	}{
		"it leads":                   {"1", "1f", "1f", "", []uint64{0x1f}},
		"the first one is a learner": {"1", "8e9e05c52164694d", "8e9e05c52164694d", "", []uint64{0x1f, 0x8e9e05c52164694d}},
		"it does not lead":           {"0", "1f", "", "", nil},
		"etcd does not answer":       {"", "1f", "", "", nil},
		"nobody takes it":            {"1", "none", "", "k3s-server-01: converge: no other server takes the lead of etcd", []uint64{0x1f, 0x8e9e05c52164694d}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			program(t, dir, "curl", `for word; do last=$word; done
case $last in
*/metrics)
	leads="`+c.leads+`"
	[ -n "$leads" ] || exit 7
	[ ! -e "`+dir+`/moved" ] || leads=0
	printf 'etcd_server_is_leader %s\n' "$leads"
	printf 'etcd_network_active_peers{Local="a",Remote="%s"} 1\n' 1f 8e9e05c52164694d
	printf 'etcd_network_active_peers{Local="a",Remote="dead"} 0\n'
	;;
https://127.0.0.1:2379/etcdserverpb.Maintenance/MoveLeader)
	cat >"`+dir+`/request"
	tail -c 10 "`+dir+`/request" >>"`+dir+`/asked"
	# 31 in seven bits
	case "`+c.takes+`" in 1f) tail -c 10 "`+dir+`/request" | head -c 1 | grep -q "$(printf '\237')" && : >"`+dir+`/moved" ;; 8*) tail -c 10 "`+dir+`/request" | head -c 1 | grep -q "$(printf '\315')" && : >"`+dir+`/moved" ;; esac
	;;
*) exit 7 ;;
esac`)
			out, stderr, _ := shell(t, dir, "", []string{"lib.sh", "lib-etcd.sh", "yield-server.sh"}, "")
			if out != c.want || stderr != c.failure {
				t.Errorf("%q, %q, want %q, %q", out, stderr, c.want, c.failure)
			}
			asked, _ := os.ReadFile(dir + "/asked")
			var got []uint64
			for len(asked) > 0 {
				number, size := binary.Uvarint(asked)
				if size != 10 {
					t.Fatalf("%x is no number of ten bytes", asked)
				}
				got, asked = append(got, number), asked[size:]
			}
			if !slices.Equal(got, c.asked) {
				t.Errorf("asked to lead: %x, want %x", got, c.asked)
			}
		})
	}
}

// sh runs a whole script, as it is sent to a node.
func sh(t *testing.T, script string) (string, error) {
	t.Helper()
	cmd := exec.Command("sh")
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
