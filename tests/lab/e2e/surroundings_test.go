package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

// serveFile puts a file where nodes can fetch it, and returns its URL and its SHA-256.
func (p *place) serveFile(name string, content []byte) (url, sum string) {
	p.t.Helper()
	path := filepath.Join(p.Dir, "files", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		p.t.Fatal(err)
	}
	hash := sha256.Sum256(content)
	return "http://files.example.org:8080/files/" + name, hex.EncodeToString(hash[:])
}

// imageArchive is an archive of images as `docker save` makes it, of one image with nothing in it.
func imageArchive(t *testing.T, tag string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	text := fmt.Sprintf(`[{"Config":"config.json","RepoTags":[%q],"Layers":[]}]`, tag)
	if err := w.WriteHeader(&tar.Header{Name: "manifest.json", Mode: 0o644, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// deployment runs two pods of an image.
func deployment(name, image string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: app, image: %[2]q}]}
`, name, image)
}

// indented is a text as a block in YAML.
func indented(text string, by int) string {
	pad := strings.Repeat(" ", by)
	return pad + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+pad) + "\n"
}

// until waits for something that the API shows.
func (p *place) until(want string, most time.Duration, args ...string) {
	p.t.Helper()
	got := ""
	for deadline := time.Now().Add(most); time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		out, err := p.tryKubectl(args...)
		if got = strings.TrimSpace(out); err == nil && got == want {
			return
		}
	}
	p.t.Errorf("kubectl %v: %q after %s, want %q", args, got, most, want)
}

const ready = "jsonpath={.status.readyReplicas}"

// fetches are the nodes' requests at the proxy, without who asked and how often.
func (p *place) fetches() []string {
	out := p.Asked("proxy")
	slices.Sort(out)
	return slices.Compact(out)
}

// TestLongSurroundings has a cluster in a closed network: a proxy is the only way out, images come from a mirror with a password and from
// archives, k3s applies manifests by itself, and HAProxy shows its statistics. All of it changes while clients look, and goes again.
func TestLongSurroundings(t *testing.T) {
	p := newPlace(t, newLab(t, "surroundings", false), "surroundings")
	ca, err := p.S3CA()
	if err != nil {
		t.Fatal(err)
	}
	extra, extraSum := p.serveFile("extra.tar", imageArchive(t, "extra.example.org/tool:1"))
	remote, remoteSum := p.serveFile("remote.yaml", []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: remote, namespace: kube-system}\ndata: {from: afar}\n"))
	const (
		proxyURL      = "http://" + lab.ProxyUser + ":" + lab.ProxyPassword + "@" + lab.ProxyAt
		statsPassword = "labs-stats-password"
		secretText    = "labs-secret-in-a-manifest"
	)
	proxy := "        proxy: {http: {\"fn::secret\": \"" + proxyURL + "\"}, https: {\"fn::secret\": \"" + proxyURL + "\"}}\n"
	folder := "mirrored" // at the mirror
	registries := func(password string) string {
		return `        registries:
          mirrors:
            apps.example.org: {endpoint: ["https://` + lab.RegistryName + `"], rewrite: {"^(.*)$": "` + folder + `/$1"}}
          configs:
            "` + lab.RegistryName + `":
              auth: {username: ` + lab.RegistryUser + `, password: {"fn::secret": ` + password + `}}
              tls:
                ca: |
` + indented(string(ca), 18)
	}
	manifests := func(app string) string {
		return `        manifests:
          app:
            content: |
` + indented(app, 14) + `          chart:
            content: |
              apiVersion: helm.cattle.io/v1
              kind: HelmChart
              metadata: {name: ingress-nginx, namespace: kube-system}
              spec: {repo: "https://kubernetes.github.io/ingress-nginx", chart: ingress-nginx, targetNamespace: ingress-nginx, createNamespace: true}
          secret:
            content:
              "fn::secret": |
                apiVersion: v1
                kind: Secret
                metadata: {name: given, namespace: default}
                stringData: {word: ` + secretText + `}
          remote: {url: "` + remote + `", sha256: ` + remoteSum + `}
`
	}
	stats := func(password string) string {
		return "        stats: {password: {\"fn::secret\": " + password + "}}\n"
	}
	const mirrored = "        mirror: ${k3sMirror}\n"
	closed := "        mirror: http://mirror.example.org:8080/k3s\n        airgap: true\n        images: {extra: {url: \"" + extra + "\", sha256: " + extraSum + "}}\n"
	// (No secrets, but what becomes of them can be seen.)
	etcd := "        serverConfig: {etcd-arg: [quota-backend-bytes=4294967296], kubelet-arg: [{\"fn::secret\": max-pods=90}]}\n" +
		"        workerConfig: {kubelet-arg: [{\"fn::secret\": max-pods=80}]}\n        etcd: {heartbeatInterval: 100, electionTimeout: 1000}\n"
	with := func(network, loadBalancers, k3s string) {
		p.program("        vip: 192.168.1.220\n", "        vip: 192.168.1.220\n"+network, "        virtualRouterId: 51\n", "        virtualRouterId: 51\n"+loadBalancers, mirrored, k3s)
	}
	app := deployment("app", "apps.example.org/app:1")
	with(proxy, stats(statsPassword), closed+etcd+registries(lab.RegistryPassword)+manifests(app))
	p.up()
	p.cluster(release, kubernetesNodes()...)

	t.Run("everything comes by the proxy", func(t *testing.T) {
		p.t = t
		asked := p.fetches()
		for _, want := range []string{`GET mirror.example.org:8080 by "out"`, `GET files.example.org:8080 by "out"`} {
			if !slices.Contains(asked, want) {
				t.Errorf("the proxy was not asked %q, but\n%s", want, strings.Join(asked, "\n"))
			}
		}
		// (apt knows no networks, so it goes by the proxy to a mirror with an address of the cluster's network.)
		if slices.ContainsFunc(asked, func(line string) bool {
			return strings.Contains(line, "192.168.1.2") || strings.Contains(line, `by ""`)
		}) {
			t.Errorf("the proxy was asked for the cluster's own, or by nobody:\n%s", strings.Join(asked, "\n"))
		}
	})
	t.Run("k3s applies manifests", func(t *testing.T) {
		p.t = t
		p.until("2", 40*time.Second, "get", "deployment", "app", "-o", ready)
		p.until("afar", 20*time.Second, "-n", "kube-system", "get", "configmap", "remote", "-o", "jsonpath={.data.from}")
		p.until("ingress-nginx", time.Second, "-n", "kube-system", "get", "helmcharts.helm.cattle.io", "ingress-nginx", "-o", "jsonpath={.spec.chart}")
		p.until("given", time.Second, "get", "secret", "given", "-o", "jsonpath={.metadata.name}")
	})
	t.Run("images come from the mirror, by its password and its CA", func(t *testing.T) {
		p.t = t
		if !slices.Contains(p.Asked("registry"), `HEAD /v2/mirrored/app/manifests/1 by "puller"`) || !slices.Contains(p.fetches(), `CONNECT registry.example.org:5000 by "out"`) {
			t.Errorf("registry %q, proxy %q", p.Asked("registry"), p.fetches())
		}
	})
	t.Run("and from archives", func(t *testing.T) {
		p.t = t
		p.apply(deployment("extra", "extra.example.org/tool:1") + "---\n" + deployment("released", "release.example.org/k3s:"+strings.ReplaceAll(release, "+", "-")) + "---\n" + deployment("nowhere", "extra.example.org/other:1"))
		p.until("2", 20*time.Second, "get", "deployment", "extra", "-o", ready)
		p.until("2", 20*time.Second, "get", "deployment", "released", "-o", ready)
		p.until("", time.Second, "get", "deployment", "nowhere", "-o", ready)
		p.kubectl("delete", "deployment", "extra", "released", "nowhere")
	})
	t.Run("statistics, for who knows the password", func(t *testing.T) {
		p.t = t
		p.statistics("", http.StatusUnauthorized, "")
		p.statistics("another-password", http.StatusUnauthorized, "")
		p.statistics(statsPassword, http.StatusOK, "k3s_api")
	})
	t.Run("nothing of it is told", func(t *testing.T) {
		p.t = t
		text, err := p.Pulumi(t.Context(), p.project, p.stack, "stack", "export").Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{lab.RegistryPassword, lab.ProxyPassword, statsPassword, secretText} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("the state has %q in clear text", secret)
			}
			for _, node := range p.nodes() {
				if got := p.in(node, "", "sh", "-c", "journalctl -q --no-pager -o cat | grep -cF -- "+secret+" || true"); got != "0" {
					t.Errorf("%s has %q in its journal", node, secret)
				}
				if got := p.in(node, "", "sh", "-c", "find /etc/haproxy /etc/rancher /etc/default /var/lib/k3sha /var/lib/rancher/k3s/server/manifests -type f -perm /077 -exec grep -lF -- "+secret+" {} + 2>/dev/null || true"); got != "" {
					t.Errorf("%s has %q in files for everybody: %s", node, secret, got)
				}
			}
		}
	})
	clean := func() {
		p.t.Helper()
		if r, out := p.must(2*time.Minute, "up", "--yes", "--skip-preview"); r.Changed() != 0 {
			p.t.Errorf("the next update changes %v\n%s", changedNames(r), tail(out))
		}
	}
	t.Run("etcd has the arguments of both inputs", func(t *testing.T) {
		p.t = t
		clean()
		got := p.in("k3s-server-02", "", "sh", "-c", "grep ^etcd-arg: /etc/rancher/k3s/config.yaml")
		if got != `etcd-arg: ["heartbeat-interval=100","election-timeout=1000","quota-backend-bytes=4294967296"]` {
			t.Error(got)
		}
	})
	t.Run("options that are secrets", func(t *testing.T) {
		p.t = t
		if got := p.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.capacity.pods}"); got != "90 90 90 80 80" {
			t.Error(got)
		}
		text, err := p.Pulumi(t.Context(), p.project, p.stack, "stack", "export").Output()
		if err != nil || bytes.Contains(text, []byte("max-pods=")) {
			t.Errorf("%v; or the state has them in clear text", err)
		}
	})
	t.Run("a manifest changes", func(t *testing.T) {
		p.t = t
		before := p.lives()
		with(proxy, stats(statsPassword), closed+etcd+registries(lab.RegistryPassword)+manifests(strings.Replace(app, "replicas: 2", "replicas: 3", 1)))
		p.costs("a manifest", []string{"update k3s-converge-k3s-server-01", "update k3s-converge-k3s-server-02", "update k3s-converge-k3s-server-03", "update k3s-machines"})
		p.until("3", 20*time.Second, "get", "deployment", "app", "-o", ready)
		for node, life := range p.lives() {
			if life != before[node] {
				t.Errorf("%s: something restarted: %v, was %v", node, life, before[node])
			}
		}
	})
	t.Run("the statistics' password changes", func(t *testing.T) {
		p.t = t
		before := p.lives()
		with(proxy, stats("labs-other-password"), closed+etcd+registries(lab.RegistryPassword)+manifests(strings.Replace(app, "replicas: 2", "replicas: 3", 1)))
		p.costs("a password of the statistics", []string{"update k3s-converge-k3s-lb-01", "update k3s-converge-k3s-lb-02"})
		p.statistics(statsPassword, http.StatusUnauthorized, "")
		p.statistics("labs-other-password", http.StatusOK, "k3s_api")
		for node, life := range p.lives() {
			if life != before[node] {
				t.Errorf("%s: something restarted: %v, was %v", node, life, before[node])
			}
		}
	})
	t.Run("mirrors and certificates change as k3s runs", func(t *testing.T) {
		p.t = t
		before := p.lives()
		rest := func(registries string) string {
			return closed + etcd + registries + manifests(strings.Replace(app, "replicas: 2", "replicas: 3", 1))
		}
		plain := func() string { // nobody knows the registry's CA
			text := registries(lab.RegistryPassword)
			return text[:strings.Index(text, "              tls:")]
		}
		var changed []string
		for _, node := range kubernetesNodes() {
			changed = append(changed, "update k3s-converge-"+node)
		}
		changed = append(changed, "update k3s-machines")
		goes := func(tag, want string) {
			t.Helper()
			p.apply(deployment("later", "apps.example.org/app:"+tag))
			if want == "" {
				p.until("2", 40*time.Second, "get", "deployment", "later", "-o", ready)
			} else {
				p.until("ErrImagePull ErrImagePull", 40*time.Second, "get", "pods", "-l", "app=later", "-o", "jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}")
				if got := p.kubectl("get", "pods", "-l", "app=later", "-o", "jsonpath={.items[*].status.containerStatuses[*].state.waiting.message}"); !strings.Contains(got, want) {
					t.Errorf("no %q in %q", want, got)
				}
			}
			p.kubectl("delete", "deployment", "later", "--cascade=foreground")
		}
		folder = "elsewhere"
		with(proxy, stats("labs-other-password"), rest(registries(lab.RegistryPassword)))
		p.costs("a mirror", changed)
		goes("3", "apps.example.org/app:3: not found")
		if asked := p.Asked("registry"); !slices.Contains(asked, `HEAD /v2/elsewhere/app/manifests/3 by "puller"`) {
			t.Errorf("the registry was asked %q", asked)
		}
		p.in("k3s-worker-01", "", "systemctl", "restart", "k3s-agent") // k3s' own is the same
		p.until("True", 60*time.Second, "get", "node", "k3s-worker-01", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		goes("4", "apps.example.org/app:4: not found")
		before["k3s-worker-01"] = p.lives()["k3s-worker-01"]
		folder = "mirrored"
		with(proxy, stats("labs-other-password"), rest(plain()))
		p.costs("a registry's CA", changed)
		goes("5", "certificate")
		with(proxy, stats("labs-other-password"), rest(registries(lab.RegistryPassword)))
		p.costs("all of it", changed)
		goes("6", "")
		for node, life := range p.lives() {
			if life != before[node] {
				t.Errorf("%s: something restarted: %v, was %v", node, life, before[node])
			}
		}
		clean()
	})
	t.Run("the registry's password is wrong, and right again", func(t *testing.T) {
		p.t = t
		changed := manifests(strings.Replace(app, "replicas: 2", "replicas: 3", 1))
		for _, c := range []struct{ password, want string }{{"no-such-password", "ErrImagePull"}, {lab.RegistryPassword, ""}} {
			with(proxy, stats("labs-other-password"), closed+etcd+registries(c.password)+changed)
			s := p.service(func() { p.up() })
			p.within(s, time.Second)
			if s.Failed > 0 {
				t.Errorf("%s", s)
			}
			p.apply(deployment("later", "apps.example.org/app:2"))
			p.until(strings.TrimSpace(c.want+" "+c.want), 40*time.Second, "get", "pods", "-l", "app=later", "-o", "jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}")
		}
		p.until("2", 40*time.Second, "get", "deployment", "later", "-o", ready)
		p.kubectl("delete", "deployment", "later")
		clean()
	})
	t.Run("a file is another one than the program says", func(t *testing.T) {
		p.t = t
		p.serveFile("remote.yaml", []byte("something else\n"))
		with(proxy, stats("labs-other-password"), closed+etcd+registries(lab.RegistryPassword)+strings.Replace(manifests(app), remoteSum, strings.Repeat("a", 64), 1))
		_, out, err := p.try(3*time.Minute, "up", "--yes", "--skip-preview")
		want := "k3s-server-01: prepare: " + remote + " has SHA-256 "
		if flat := strings.Join(strings.Fields(out), " "); err == nil || !strings.Contains(flat, want) || !strings.Contains(flat, "but k3s.manifests.remote.sha256 says aaaa") {
			t.Errorf("no %q in:\n%s", want, tail(out))
		}
	})
	t.Run("all of it is taken out", func(t *testing.T) {
		p.t = t
		with("", "", mirrored)
		s := p.service(func() { p.up() })
		p.within(s, time.Second)
		if s.Failed > 0 {
			t.Errorf("%s", s)
		}
		p.cluster(release, kubernetesNodes()...)
		p.until("", 30*time.Second, "get", "deployment,secret", "-l", "objectset.rio.cattle.io/hash", "-A", "-o", "name")
		for _, kind := range []string{"configmap/remote", "helmchart.helm.cattle.io/ingress-nginx"} {
			p.until("", 5*time.Second, "-n", "kube-system", "get", kind, "--ignore-not-found", "-o", "name")
		}
		for _, node := range kubernetesNodes() {
			if got := p.in(node, "", "sh", "-c", "ls -d /etc/rancher/k3s/registries* /etc/rancher/k3s/k3sha-registries /etc/rancher/k3s/resolv.conf /etc/default/k3s* /var/lib/rancher/k3s/agent/images/* /var/lib/k3sha/images/* /var/lib/k3sha/manifests/* 2>/dev/null; grep -l example.org /etc/systemd/system/k3s*.env; true"); got != "" {
				t.Errorf("%s still has %s", node, got)
			}
		}
		if got := p.answers("https://"+vip+":8404/", 2); !slices.Equal(got, []string{"refused"}) {
			t.Errorf("the statistics answer %q", got)
		}
		clean()
		// What is left of emptied manifests goes when the servers' steps run again.
		p.program("        vip: 192.168.1.220\n", "        vip: 192.168.1.220\n        endpoint: api.example.org\n")
		p.up()
		p.until("", 5*time.Second, "-n", "kube-system", "get", "addons.k3s.cattle.io", "-o", "name")
	})
}

// costs takes an update that changes only some resources, with a client at the VIP, and compares it with one that changes nothing.
func (p *place) costs(what string, changes []string) {
	p.t.Helper()
	var took time.Duration
	s := p.service(func() {
		start := time.Now()
		r, _ := p.up()
		took = time.Since(start)
		expect(p.t, "what was changed", changedNames(r), changes)
	})
	if p.within(s, time.Second); s.Failed > 0 {
		p.t.Errorf("%s: %s", what, s)
	}
	start := time.Now()
	p.up()
	nothing := time.Since(start)
	p.t.Logf("%s changed: %.1f s; an update that changes nothing: %.1f s", what, took.Seconds(), nothing.Seconds())
	if took > nothing+time.Duration(loaded*5*float64(time.Second)) {
		p.t.Errorf("%s changed: %s, with nothing to change %s", what, took, nothing)
	}
}

// statistics asks HAProxy's page, and its metrics, at the VIP and at each load balancer, by a certificate of the cluster's CA.
func (p *place) statistics(password string, status int, holds string) {
	p.t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(p.in("k3s-lb-01", "", "cat", "/etc/haproxy/k3sha/ca.pem")))
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: p.Dial, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
	}}
	for _, host := range []string{vip, "192.168.1.221", "192.168.1.222"} {
		for path, text := range map[string]string{"/": holds, "/metrics": "haproxy_backend_active_servers"} {
			request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "https://"+host+":8404"+path, nil)
			if err != nil {
				p.t.Fatal(err)
			}
			if password != "" {
				request.SetBasicAuth("admin", password)
			}
			resp, err := client.Do(request)
			if err != nil {
				p.t.Errorf("%s: %v", request.URL, err)
				continue
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != status || status == http.StatusOK && !strings.Contains(string(body), text) {
				p.t.Errorf("%s: %s, %d bytes; want %d with %q", request.URL, resp.Status, len(body), status, text)
			}
		}
	}
}
