package render_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// closed is a cluster that reaches nothing by itself.
func closed() topology.Plan {
	return cluster(func(s *topology.Spec) {
		s.Network.Proxy, s.Network.Endpoint = &topology.Proxy{NoProxy: []string{".example.org", "10.0.0.0/8"}}, "api.example.net"
		s.Network.DNS, s.Network.SearchDomain = []string{"192.168.1.1", "10.1.1.1"}, "example.org"
		s.K3s.Mirror, s.K3s.Airgap = "http://10.2.3.4:8080/k3s", true
		s.K3s.Images = map[string]topology.RemoteFile{"app": {URL: "https://mirror.example.org/app.tar.zst", SHA256: "aa"}}
		s.K3s.Registries = &topology.Registries{
			Mirrors: map[string]topology.RegistryMirror{"docker.io": {Endpoint: []string{"https://r.example.org:5000"}, Rewrite: map[string]string{"^(.*)$": "hub/$1"}}},
			Configs: map[string]topology.RegistryConfig{"r.example.org:5000": {CA: "THE CA", Certificate: "THE CERT"}, "other.example.org": {InsecureSkipVerify: true}},
		}
		s.K3s.ServerConfig = map[string]any{"vpn-auth": topology.LeafMark + "k3s.serverConfig.vpn-auth", "etcd-arg": []any{"quota-backend-bytes=1"}, "etcd-arg+": "x=y"}
		s.K3s.Etcd = topology.Etcd{HeartbeatInterval: 100, ElectionTimeout: 1000}
		s.K3s.Manifests = map[string]topology.RemoteFile{"app": {}, "remote": {URL: "https://mirror.example.org/remote.yaml", SHA256: "bb"}}
		s.LoadBalancers.Stats = &topology.Stats{SourceRanges: []string{"10.0.0.0/8"}}
		s.Leaves = topology.Leaves{
			topology.ProxyHTTPLeaf, topology.ProxyHTTPSLeaf, topology.StatsPasswordLeaf, topology.ManifestLeaf("app"), "k3s.serverConfig.vpn-auth",
			topology.RegistryLeaf("r.example.org:5000", "auth.username"), topology.RegistryLeaf("r.example.org:5000", "auth.password"), topology.RegistryLeaf("r.example.org:5000", "tls.key"),
		}
	})
}

var leaves = map[string]string{
	topology.ProxyHTTPLeaf: "http://me:pw@proxy:3128", topology.ProxyHTTPSLeaf: "http://proxy:3129", topology.StatsPasswordLeaf: "statistics", topology.ManifestLeaf("app"): "kind: App\n",
	"k3s.serverConfig.vpn-auth": "joinKey=secret", topology.RegistryLeaf("r.example.org:5000", "auth.username"): "puller",
	topology.RegistryLeaf("r.example.org:5000", "auth.password"): "registry's password", topology.RegistryLeaf("r.example.org:5000", "tls.key"): "THE KEY",
}

func TestGoldenFilesAroundK3s(t *testing.T) {
	t.Parallel()
	p := closed()
	text, files := render.Registries(p.Spec, leaves)
	golden(t, "registries", text)
	golden(t, "environment", render.ProxyFile(p.Spec, leaves))
	golden(t, "haproxy-stats", render.HAProxy(p))
	golden(t, "server-config-closed", render.ServerConfig(p.Spec, p.Servers()[0], leaves))
	for name, want := range map[string]string{"r.example.org_5000-ca.pem": "THE CA", "r.example.org_5000-cert.pem": "THE CERT", "r.example.org_5000-key.pem": "THE KEY"} {
		if files[name] != want {
			t.Errorf("%s is %q", name, files[name])
		}
	}
	if len(files) != 3 {
		t.Errorf("files: %v", files)
	}
}

// What a preview shows, and what decides about restarts, holds no leaf.
func TestPreviewsShowNoLeaves(t *testing.T) {
	t.Parallel()
	p := closed()
	var all strings.Builder
	for name, text := range render.Configuration(p) {
		all.WriteString(name + "\n" + text)
	}
	for _, n := range p.Nodes {
		all.WriteString(render.Restarts(p, n))
	}
	for path, leaf := range leaves {
		if strings.Contains(all.String(), leaf) {
			t.Errorf("%s is shown", path)
		}
	}
	for _, want := range []string{`"password":"(not shown)"`, "HTTP_PROXY=(not shown)\n", `vpn-auth: "(not shown)"`} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no %s", want)
		}
	}
}

// Another password, proxy or archive restarts k3s; another manifest does not, and neither does anything on load balancers.
func TestWhatRestartsK3s(t *testing.T) {
	t.Parallel()
	launch := func(role topology.Role, change func(p *topology.Plan, leaves map[string]string)) render.Launch {
		p, secrets := closed(), map[string]string{}
		for path, leaf := range leaves {
			secrets[path] = leaf
		}
		if change != nil {
			change(&p, secrets)
		}
		for _, step := range p.Steps {
			if step.Verb == topology.Converge && step.Node.Role == role {
				return render.LaunchOf(render.Step(p, step, render.Secrets{Token: "t", AgentToken: "a", CA: "c", CAHash: "h", Leaves: secrets}))
			}
		}
		t.Fatal("no such step")
		return render.Launch{}
	}
	for name, c := range map[string]struct {
		change           func(p *topology.Plan, leaves map[string]string)
		servers, workers bool
	}{
		"nothing": {nil, false, false},
		"a registry's password": {func(_ *topology.Plan, l map[string]string) {
			l[topology.RegistryLeaf("r.example.org:5000", "auth.password")] = "x"
		}, true, true},
		"a registry's CA": {func(p *topology.Plan, l map[string]string) {
			p.Spec.K3s.Registries.Configs["r.example.org:5000"] = topology.RegistryConfig{CA: "x"}
			l[topology.RegistryLeaf("r.example.org:5000", "tls.key")] = "x"
		}, false, false},
		"a mirror": {func(p *topology.Plan, _ map[string]string) {
			p.Spec.K3s.Registries.Mirrors["docker.io"] = topology.RegistryMirror{Endpoint: []string{"https://other.example.org"}}
		}, false, false},
		"a registry without a login": {func(p *topology.Plan, _ map[string]string) {
			p.Spec.K3s.Registries.Configs["third.example.org"] = topology.RegistryConfig{InsecureSkipVerify: true}
		}, false, false},
		"a mirror, with a k3s that has no files for it": {func(p *topology.Plan, _ map[string]string) { p.Spec.K3s.Version = "v1.29.0+k3s1" }, true, true},
		"a mirror that k3s adds its own to": {func(p *topology.Plan, _ map[string]string) {
			p.Spec.K3s.ServerConfig = map[string]any{"embedded-registry": true}
		}, true, true},
		"the proxy": {func(_ *topology.Plan, l map[string]string) { l[topology.ProxyHTTPSLeaf] = "x" }, true, true},
		"an archive": {func(p *topology.Plan, _ map[string]string) {
			p.Spec.K3s.Images["app"] = topology.RemoteFile{URL: "https://a/a.tar", SHA256: "cc"}
		}, true, true},
		"an option's leaf": {func(_ *topology.Plan, l map[string]string) { l["k3s.serverConfig.vpn-auth"] = "x" }, true, false},
		"a manifest":       {func(_ *topology.Plan, l map[string]string) { l[topology.ManifestLeaf("app")] = "x" }, false, false},
		"a manifest's file": {func(p *topology.Plan, _ map[string]string) {
			p.Spec.K3s.Manifests["remote"] = topology.RemoteFile{URL: "https://a/a.yaml", SHA256: "cc"}
		}, false, false},
		"the statistics": {func(_ *topology.Plan, l map[string]string) { l[topology.StatsPasswordLeaf] = "x" }, false, false},
		"nothing is left": {func(p *topology.Plan, _ map[string]string) {
			p.Spec.K3s.Registries, p.Spec.K3s.Images, p.Spec.K3s.Airgap, p.Spec.Network.Proxy = nil, nil, false, nil
		}, true, true},
	} {
		if got := launch(topology.Server, c.change).After(launch(topology.Server, nil)); got != c.servers {
			t.Errorf("%s: restarts servers: %t", name, got)
		}
		if got := launch(topology.Worker, c.change).After(launch(topology.Worker, nil)); got != c.workers {
			t.Errorf("%s: restarts workers: %t", name, got)
		}
	}
}

func packed(t *testing.T, files map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text)), Format: tar.FormatUSTAR}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(out.Bytes())
}

// What k3s reads besides its configuration is there while it is asked for, goes when it is not, and somebody else's is left alone.
func TestFilesAroundK3s(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(dir+path[:strings.LastIndex(path, "/")], 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("/k3sha/releases/v1/images.tar.zst", "the release's images")
	write("/k3sha/images/aa", "an archive")
	write("/rancher/agent/images/theirs.tar", "theirs")
	run := func(vars, want string) {
		t.Helper()
		out, stderr, err := shell(t, dir, "K3S_VERSION=v1\n"+vars, []string{"lib.sh", "lib-k3s.sh"},
			"etc="+dir+"/etc UNIT=../.."+dir+"/k3s\naround\nunasked\ncd "+dir+`; find . -type f ! -path "./bin/*" | sort | while read -r f; do echo "$f $(head -n 1 "$f" | cut -c 1-20)"; done`)
		if err != nil || out != want {
			t.Errorf("%v %s\ngot:\n%s\nwant:\n%s", err, stderr, out, want)
		}
	}
	const mark = "# k3s: written by pulumi-k3sha\n"
	all := "REGISTRIES='" + mark + "mirrors'\nREGISTRY_FILES=" + packed(t, map[string]string{"ca.pem": "CA", "key.pem": "KEY"}) + "\nPROXY='" + mark + "HTTP_PROXY=x'\nAIRGAP=yes\nRESOLV='" + mark + "nameserver'\nIMAGES='app .tar.zst aa https://m/app.tar.zst'"
	there := `./etc/k3sha-registries/ca.pem CA
./etc/k3sha-registries/key.pem KEY
./etc/registries.yaml # k3s: written by pu
./etc/resolv.conf # k3s: written by pu
./k3s # k3s: written by pu
./k3sha/images/aa an archive
./k3sha/registries ` + hashed(mark + "mirrors")[:20] + `
./k3sha/releases/v1/images.tar.zst the release's images
./rancher/agent/images/k3sha-app.tar.zst an archive
./rancher/agent/images/k3sha-release.tar.zst the release's images
./rancher/agent/images/theirs.tar theirs`
	run(all, there)
	run(all, there) // again
	run("REGISTRY_FILES="+packed(t, map[string]string{"ca.pem": "ANOTHER"}), `./etc/k3sha-registries/ca.pem ANOTHER
./k3sha/releases/v1/images.tar.zst the release's images
./rancher/agent/images/theirs.tar theirs`)
	write("/etc/registries.yaml", "mirrors: of somebody else")
	run("", `./etc/registries.yaml mirrors: of somebody
./k3sha/releases/v1/images.tar.zst the release's images
./rancher/agent/images/theirs.tar theirs`)
	if _, stderr, err := shell(t, dir, "K3S_VERSION=v1 REGISTRIES=ours", []string{"lib.sh", "lib-k3s.sh"}, "etc="+dir+"/etc UNIT=../.."+dir+"/k3s\naround"); err == nil ||
		stderr != "k3s-server-01: converge: "+dir+"/etc/registries.yaml on this machine is somebody else's, and would be overwritten; take it away, or out of the template" {
		t.Errorf("%v %s", err, stderr)
	}
}

func hashed(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// Registries change while k3s runs, by what containerd reads at every pull; where it does not read that, k3s starts anew.
func TestRegistriesChangeAsK3sRuns(t *testing.T) {
	t.Parallel()
	const (
		mark   = "# k3s: written by pulumi-k3sha\n"
		byK3s  = "# File generated by k3s. DO NOT EDIT.\n"
		folder = "/rancher/agent/etc/containerd"
		good   = "[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = \"@DIR@" + folder + "/certs.d\"\n"
	)
	asked := func(yaml string, hosts map[string]string) string {
		return "REGISTRIES='" + mark + yaml + "'\nHOSTS=" + packed(t, hosts) + "\n"
	}
	a, b := asked("a", map[string]string{"a:5000/hosts.toml": byK3s + "a"}), asked("b", map[string]string{"b/hosts.toml": byK3s + "b"})
	for name, c := range map[string]struct {
		before map[string]string // files
		active string
		vars   []string // of each run
		want   string   // certs.d, registries.yaml, and whether k3s starts anew
	}{
		"another mirror": {map[string]string{folder + "/config.toml": good, folder + "/certs.d/theirs/hosts.toml": "# mine\n", folder + "/certs.d/old/hosts.toml": byK3s}, "0", []string{a, b}, "b theirs; b; runs on"},
		"the very same":  {map[string]string{folder + "/config.toml": good}, "0", []string{a, a}, "a:5000; a; runs on"},
		"none any more":  {map[string]string{folder + "/config.toml": good}, "0", []string{a, ""}, "; ; runs on"},
		"none, and there were some of somebody": {
			map[string]string{folder + "/config.toml": good, folder + "/certs.d/mine/hosts.toml": byK3s, "/etc/registries.yaml": "mine\n"}, "0", []string{""}, "mine; mine; runs on",
		},
		"k3s does not run":                    {map[string]string{folder + "/config.toml": good}, "1", []string{a}, "; a; runs on"},
		"k3s starts anew anyway":              {map[string]string{folder + "/config.toml": good}, "0", []string{a + "AROUND=x\n"}, "; a; runs on"},
		"k3s is to make something else of it": {map[string]string{folder + "/config.toml": good}, "0", []string{a, "REGISTRIES='" + mark + "a'\nAROUND=x\n"}, "a:5000; a; runs on"},
		"somebody's registries.yaml, by now": {
			map[string]string{folder + "/config.toml": good}, "0", []string{a, "rm $etc/registries.yaml; echo theirs >$etc/registries.yaml\n"}, "a:5000; theirs; runs on",
		},
		"somebody has changed a file": {map[string]string{folder + "/config.toml": good, "/etc/registries.yaml": mark + "x\n"}, "0", []string{a}, "; a; starts anew"},
		"in the form of containerd 1": {map[string]string{folder + "/config.toml": strings.ReplaceAll(good, "\"", "'")}, "0", []string{a}, "a:5000; a; runs on"},
	} {
		dir := t.TempDir()
		for file, text := range c.before {
			if err := os.MkdirAll(filepath.Dir(dir+file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir+file, []byte(strings.ReplaceAll(text, "@DIR@", dir)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		program(t, dir, "systemctl", "exit "+c.active)
		var out string
		for _, vars := range c.vars {
			var stderr string
			var err error
			head, more, _ := strings.Cut(vars, "rm ")
			if more != "" {
				more = "rm " + more
			}
			// What k3s runs with is what it was started with, but for what the change is about.
			out, stderr, err = shell(t, dir, "K3S_VERSION=v1 S3_KEYS= S3_CA= RESTART= RESTORE=\n"+head, []string{"lib.sh", "lib-k3s.sh"}, "etc="+dir+"/etc certs="+dir+folder+`/certs.d
mkdir -p "`+dir+`/k3sha" $etc; : >$etc/config.yaml; : >$etc/token; (AROUND=; wanted) >"$started"
`+more+`
around
cd $certs 2>/dev/null && echo *; cd /; echo "; $(tail -n 1 $etc/registries.yaml 2>/dev/null); "
if [ -e "$started" ]; then echo "runs on"; else echo "starts anew"; fi`)
			if err != nil {
				t.Fatalf("%s: %v %s", name, err, stderr)
			}
		}
		if got := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(out, "*\n", ""), "\n;", ";"), "\n", ""); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// Where containerd does not look for them, nothing is changed in silence.
func TestRegistriesThatContainerdDoesNotRead(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{"no folder": "version = 3\n", "another": "config_path = \"/etc/containerd/certs.d\"\n", "none": ""} {
		dir := t.TempDir()
		program(t, dir, "systemctl", "exit 0")
		_, stderr, err := shell(t, dir, "K3S_VERSION=v1 S3_KEYS= S3_CA= RESTART= RESTORE= HOSTS="+packed(t, map[string]string{"a/hosts.toml": "a"})+"\n", []string{"lib.sh", "lib-k3s.sh"}, "etc="+dir+"/etc data="+dir+` certs=/certs.d
mkdir -p "`+dir+`/k3sha" $etc $data/agent/etc/containerd; : >$etc/config.yaml; : >$etc/token; wanted >"$started"
printf '%s' `+render.Quote(config)+` >$data/agent/etc/containerd/config.toml
mirrors`)
		const want = "k3s-server-01: converge: containerd on this machine does not look into /certs.d for registries (is there a config.toml.tmpl without config_path?), so k3s must start anew to know of other ones: set k3s.restart to a new word, then run pulumi up again"
		if err == nil || stderr != want {
			t.Errorf("%s: %v %s", name, err, stderr)
		}
	}
}

// What containerd is told is what k3s would tell it from the same registries.yaml.
func TestHosts(t *testing.T) {
	t.Parallel()
	p := closed()
	p.Spec.K3s.Registries.Mirrors["r.example.org:5000"] = topology.RegistryMirror{Endpoint: []string{"http://10.0.0.1/proxy", "https://r.example.org:5000"}, Rewrite: map[string]string{"^a/": "b/"}}
	p.Spec.K3s.Registries.Mirrors["*"] = topology.RegistryMirror{Endpoint: []string{"https://all.example.org", "https://all.example.org/v2"}}
	p.Spec.K3s.Registries.Mirrors["plain.example.org"] = topology.RegistryMirror{Endpoint: []string{"https://plain.example.org"}}
	p.Spec.K3s.Registries.Mirrors["localhost:5000"] = topology.RegistryMirror{Endpoint: []string{"https://docker.io"}}
	got := ""
	hosts := render.Hosts(p.Spec)
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		got += "== " + name + "\n" + hosts[name]
		var parsed struct {
			Server string         `toml:"server"`
			Host   map[string]any `toml:"host"`
		}
		if _, err := toml.Decode(hosts[name], &parsed); err != nil || parsed.Host == nil {
			t.Errorf("%s: %v %v", name, err, parsed)
		}
	}
	golden(t, "hosts", got)
	text, _ := render.Registries(p.Spec, leaves)
	golden(t, "registries-of-hosts", text) // the test of k3s' double reads both
}

// Manifests lie where k3s applies them; one that is taken out is emptied first, and goes with k3s' Addon when k3s has seen that.
func TestManifests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, folder := range []string{"/k3sha/manifests", "/rancher/server/manifests"} {
		if err := os.MkdirAll(dir+folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(dir+"/k3sha/manifests/bb", []byte("from afar"), 0o600); err != nil {
		t.Fatal(err)
	}
	program(t, dir, "k3s", `case "$*" in
*" get addons.k3s.cattle.io app "*) cat "`+dir+`/seen" ;;
*" delete addons.k3s.cattle.io app"*) : >"`+dir+`/deleted" ;;
*) exit 1 ;;
esac`)
	run := func(vars, want string) {
		t.Helper()
		out, stderr, err := shell(t, dir, "K3S_VERSION=v1\n"+vars, []string{"lib.sh", "lib-k3s.sh", "lib-etcd.sh", "converge-server.sh"},
			"manifests\ncd "+dir+`; find rancher k3sha deleted -type f 2>/dev/null | sort | while read -r f; do echo "$f $(head -n 1 "$f")"; done`)
		if err != nil || out != want {
			t.Errorf("%v %s\ngot:\n%s\nwant:\n%s", err, stderr, out, want)
		}
	}
	remote := "MANIFEST_FILES='remote bb https://m/remote.yaml'\n"
	run(remote+"MANIFESTS="+packed(t, map[string]string{"app.yaml": "kind: App"}), "k3sha/manifests/bb from afar\nrancher/server/manifests/k3sha/app.yaml kind: App\nrancher/server/manifests/k3sha/remote.yaml from afar")
	const emptied = "# Taken out of k3s.manifests; what it made is deleted."
	run(remote+"MANIFESTS="+packed(t, nil), "k3sha/manifests/bb from afar\nrancher/server/manifests/k3sha/app.yaml "+emptied+"\nrancher/server/manifests/k3sha/remote.yaml from afar")
	// k3s has not seen it yet, then it has.
	if err := os.WriteFile(dir+"/seen", []byte("another checksum"), 0o600); err != nil {
		t.Fatal(err)
	}
	run("", "rancher/server/manifests/k3sha/app.yaml "+emptied+"\nrancher/server/manifests/k3sha/remote.yaml "+emptied)
	sum, _, _ := shell(t, dir, "", []string{"lib.sh"}, "sha256sum <"+dir+"/rancher/server/manifests/k3sha/app.yaml | cut -d' ' -f1")
	if err := os.WriteFile(dir+"/seen", []byte(sum), 0o600); err != nil {
		t.Fatal(err)
	}
	run("", "deleted \nrancher/server/manifests/k3sha/remote.yaml "+emptied)
	if err := os.WriteFile(dir+"/rancher/server/manifests/other.yml", []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, err := shell(t, dir, "K3S_VERSION=v1\nMANIFESTS="+packed(t, map[string]string{"other.yaml": "ours"}), []string{"lib.sh", "lib-k3s.sh", "lib-etcd.sh", "converge-server.sh"}, "manifests")
	if want := "k3s-server-01: converge: k3s applies " + dir + "/rancher/server/manifests/other.yml already, by the same name; take it away, or give the manifest another name in k3s.manifests"; err == nil || stderr != want {
		t.Errorf("%v %s", err, stderr)
	}
}

// A data disk is found by its serial number as the kernel has it, whatever udev calls it.
func TestDisksAreFoundByTheirNumbers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, number := range map[string]string{"sda": "", "sdb": "longhorn", "sdc": "ceph"} {
		if err := os.MkdirAll(dir+"/"+name+"/device", 0o700); err != nil {
			t.Fatal(err)
		}
		if number != "" {
			if err := os.WriteFile(dir+"/"+name+"/device/vpd_pg80", []byte("\x00\x80\x00\x08"+number), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, want := range map[string]string{"longhorn": "/dev/sdb", "ceph": "/dev/sdc", "long": "none"} {
		out, stderr, err := shell(t, dir, "", []string{"lib.sh", "lib-disks.sh"}, "blocks="+dir+"\ndisk_of "+name+" || echo none")
		if err != nil || out != want {
			t.Errorf("%s is %q, want %s: %v %s", name, out, want, err, stderr)
		}
	}
}
