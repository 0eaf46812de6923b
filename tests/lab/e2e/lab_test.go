package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

const (
	release = "v1.31.6+k3s1"
	next    = "v1.31.7+k3s1"
	minor   = "v1.32.6+k3s1" // made of another minor release of Kubernetes
	vip     = "192.168.1.220"

	resourcesInAll = 46 // of the reference cluster
)

// TestLabReferenceCluster is the life of the reference cluster, one step on the other.
func TestLabReferenceCluster(t *testing.T) {
	p := newPlace(t, newLab(t, "reference", false), "e2e")

	t.Run("preview contacts nobody", func(t *testing.T) {
		p.t = t
		if err := p.Control("POST", "/reset", nil, nil); err != nil {
			t.Fatal(err)
		}
		r, _ := p.must(time.Minute, "preview")
		if r.Changes["create"] != resourcesInAll {
			t.Errorf("preview creates %d resources, want %d: %v", r.Changes["create"], resourcesInAll, r.Changes)
		}
		var log []pve.Request
		if err := p.Control("GET", "/log", nil, &log); err != nil {
			t.Fatal(err)
		}
		if len(log) > 0 {
			t.Errorf("preview sent %d requests to the Proxmox VE API, the first: %v", len(log), log[0])
		}
		if nodes := p.nodes(); len(nodes) > 0 {
			t.Errorf("preview made %v", nodes)
		}
	})

	var printed string
	commands := newSampler()
	if !t.Run("up", func(t *testing.T) {
		p.t = t
		defer commands.stop()
		_, printed = p.up()
		// At once, without asking again: an up that returns before the API answers through the VIP is seen here.
		if out, err := p.tryKubectl("get", "--raw", "/readyz"); err != nil || out != "ok" {
			t.Errorf("the API does not answer through the VIP when up ends: %v %s", err, out)
		}
		expect(t, "VMs", p.nodes(), referenceNodes())
	}) {
		t.FailNow()
	}

	t.Run("kubectl through the VIP", func(t *testing.T) {
		p.t = t
		if server := p.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"); server != "https://"+vip+":6443" {
			t.Errorf("the kubeconfig points at %s", server)
		}
		p.cluster(release, kubernetesNodes()...)
		for _, node := range kubernetesNodes() {
			taints := p.kubectl("get", "node", node, "-o", "jsonpath={.spec.taints[*].key}={.spec.taints[*].value}:{.spec.taints[*].effect}")
			roles := p.kubectl("get", "node", node, "-o", `go-template={{range $k, $v := .metadata.labels}}{{$k}} {{end}}`)
			isServer := strings.Contains(node, "server")
			want := "=:"
			if isServer {
				want = "CriticalAddonsOnly=true:NoExecute"
			}
			if taints != want || strings.Contains(roles, "node-role.kubernetes.io/control-plane") != isServer || strings.Contains(roles, "node-role.kubernetes.io/etcd") != isServer {
				t.Errorf("%s: taints %s, labels %s", node, taints, roles)
			}
		}
		p.kubectl("create", "configmap", "written-through-the-vip", "--from-literal=a=b")
		if n := p.members("k3s-server-02"); n != 3 {
			t.Errorf("etcd has %d members", n)
		}
	})

	t.Run("certificates carry the VIP and the own address, not the others'", func(t *testing.T) {
		p.t = t
		for i, node := range []string{"k3s-server-01", "k3s-server-02", "k3s-server-03"} {
			sans := p.in(node, "", "sh", "-c", "openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName")
			for j := range 3 {
				if own := fmt.Sprintf("192.168.1.20%d", j+1); strings.Contains(sans, own) != (i == j) {
					t.Errorf("%s: %s", node, sans)
				}
			}
			if !strings.Contains(sans, "IP Address:"+vip) {
				t.Errorf("%s lacks the VIP: %s", node, sans)
			}
		}
	})

	t.Run("the VIP is held once, and says which cluster this is", func(t *testing.T) {
		p.t = t
		p.held(vip, "k3s")
		if got := p.in("k3s-lb-02", "", "curl", "-s", "http://"+vip+":8405/alive"); got != "k3s" {
			t.Errorf("the VIP says that it is of cluster %q", got)
		}
		// Nothing but load balancers may ask, and there is nothing that a machine would believe on the way to its first start.
		for _, path := range []string{"/alive", "/backends", "/cluster"} {
			code, err := p.Command("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://"+vip+":8405"+path).Output()
			if err != nil || string(code) != "403" {
				t.Errorf("%s answers %s to a stranger (%v)", path, code, err)
			}
		}
		for _, server := range []string{"k3s-server-01", "k3s-server-02", "k3s-server-03"} {
			config := p.in(server, "", "sh", "-c", "cat /etc/rancher/k3s/config.yaml /etc/rancher/k3s/config.yaml.d/*")
			if strings.Contains(config, "cluster-init") || !strings.Contains(config, "server: https://"+vip+":6443") {
				t.Errorf("%s could initialise a cluster: %s", server, config)
			}
		}
	})

	t.Run("secrets stay secret", func(t *testing.T) {
		p.t = t
		checkSecrets(t, p, printed, commands.seen())
	})

	t.Run("second up changes nothing and logs in nowhere", func(t *testing.T) {
		p.t = t
		before, kubeconfig := p.logins(), p.kubeconfig()
		r, _ := p.up()
		if r.Changed() != 0 || r.Changes["same"] != resourcesInAll {
			t.Errorf("changes: %v", r.Changes)
		}
		if after := p.logins(); after != before {
			t.Errorf("%d SSH logins", after-before)
		}
		if p.kubeconfig() != kubeconfig {
			t.Error("the kubeconfig has changed")
		}
	})

	t.Run("pods live and leave as on real nodes", func(t *testing.T) {
		p.t = t
		p.livePods()
	})

	t.Run("VMs see what they were given", func(t *testing.T) {
		p.t = t
		if got := p.in("k3s-worker-01", "", "awk", "/^MemTotal/ { print $2 }", "/proc/meminfo"); got != "8388608" {
			t.Errorf("the worker sees %s kB of memory", got)
		}
		if got := p.kubectl("get", "node", "k3s-worker-01", "-o", "jsonpath={.status.allocatable.cpu} {.status.allocatable.memory}"); got != "4 8Gi" {
			t.Errorf("Kubernetes counts with %s", got)
		}
	})

	t.Run("survives", func(t *testing.T) {
		p.t = t
		p.survives()
	})
	p.t = t

	t.Run("template, Proxmox nodes and SSH keys replace nothing", func(t *testing.T) {
		p.t = t
		p.program("templateId: 9000", "templateId: 9001", "[pve1, pve2, pve3]", "[pve3, pve2, pve1]")
		if r, _ := p.must(time.Minute, "preview"); r.Changed() != 0 {
			t.Errorf("another template and list of nodes would change: %v", changedNames(r))
		}
	})

	t.Run("a worker whose node was deleted comes back by its step", func(t *testing.T) {
		p.t = t
		p.program()
		p.kubectl("delete", "node", "k3s-worker-01", "--timeout=60s")
		p.up("--replace", p.urn("k3s-converge-k3s-worker-01"))
		p.cluster(release, kubernetesNodes()...)
	})

	t.Run("a third worker", func(t *testing.T) {
		p.t = t
		p.program("count: 2", "count: 3")
		want := []string{"create k3s-admit-k3s-worker-03", "create k3s-contact-k3s-worker-03", "create k3s-converge-k3s-worker-03", "create k3s-prepare-k3s-worker-03", "create k3s-vm-k3s-worker-03", "update k3s-machines", "update k3s-settle-cluster"}
		_, out := p.must(time.Minute, "preview", "--diff")
		for _, name := range want {
			if _, name, _ = strings.Cut(name, " "); !strings.Contains(out, name) {
				t.Errorf("the preview does not show %s", name)
			}
		}
		r, _ := p.up()
		expect(t, "changed", withoutOutputs(changedNames(r)), want)
		p.cluster(release, kubernetesNodes("k3s-worker-03")...)
	})

	t.Run("labels and taints come to nodes that have registered and to new ones, and go again", func(t *testing.T) {
		p.t = t
		p.program("count: 2", "count: 3\n          labels: {team: blue}\n          taints: [\"team=blue:PreferNoSchedule\"]")
		p.lose("k3s-worker-03")
		p.up("--refresh")
		p.cluster(release, kubernetesNodes("k3s-worker-03")...)
		for _, node := range []string{"k3s-worker-01", "k3s-worker-02", "k3s-worker-03"} {
			const want = "blue team"
			if got := p.kubectl("get", "node", node, "-o", "jsonpath={.metadata.labels.team} {.spec.taints[*].key}"); strings.TrimSpace(got) != want {
				t.Errorf("%s has %q, want %q", node, got, want)
			}
			if config := p.in(node, "", "cat", "/etc/rancher/k3s/config.yaml"); !strings.Contains(config, "team=blue") {
				t.Errorf("%s was not told: %s", node, config)
			}
		}
		p.program("count: 2", "count: 3")
		p.up()
		if got := p.kubectl("get", "nodes", "-l", "!node-role.kubernetes.io/etcd", "-o", "jsonpath={.items[*].metadata.labels.team}{.items[*].spec.taints[*].key}"); got != "" {
			t.Errorf("taken out of the program, and still there: %q", got)
		}
	})

	t.Run("a worker is lost", func(t *testing.T) {
		p.t = t
		p.lose("k3s-worker-03")
		p.regained(time.Second, "--refresh")
	})

	t.Run("the administrator's certificate renews itself", func(t *testing.T) {
		p.t = t
		p.renews()
	})

	t.Run("destroy leaves nothing", func(t *testing.T) {
		p.t = t
		p.must(3*time.Minute, "destroy", "--yes", "--skip-preview")
		expect(t, "VMs", p.nodes(), nil)
		var left []string
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
			if left, _ = p.Processes(); len(left) == 0 {
				return
			}
		}
		t.Errorf("processes left in the lab's namespace: %v", left)
	})
}

func withoutOutputs(names []string) []string {
	return slices.DeleteFunc(names, func(n string) bool { return strings.HasSuffix(n, "-e2e") })
}

// checkSecrets looks for the tokens, the private key and the admin's key where they must not be.
func checkSecrets(t *testing.T, p *place, printed string, commands []string) {
	t.Helper()
	state, err := p.Pulumi(t.Context(), p.project, p.stack, "stack", "export").Output()
	if err != nil {
		t.Fatal(err)
	}
	clear, err := p.Pulumi(t.Context(), p.project, p.stack, "stack", "export", "--show-secrets").Output()
	if err != nil {
		t.Fatal(err)
	}
	var export struct {
		Deployment struct {
			Resources []struct {
				Type    string         `json:"type"`
				Outputs map[string]any `json:"outputs"`
			} `json:"resources"`
		} `json:"deployment"`
	}
	if err := json.Unmarshal(clear, &export); err != nil {
		t.Fatal(err)
	}
	secrets, authorities := map[string]string{}, map[string]string{}
	for _, r := range export.Deployment.Resources {
		if r.Type == "k3sha:index:ClusterIdentity" {
			plain := func(name string) (text string) {
				m, _ := r.Outputs[name].(map[string]any)
				quoted, _ := m["plaintext"].(string)
				if err := json.Unmarshal([]byte(quoted), &text); err != nil {
					t.Fatalf("%s is no secret text: %v", name, err)
				}
				return text
			}
			for _, name := range []string{"token", "agentToken"} {
				secrets[name] = plain(name)
			}
			var bundle struct {
				Authorities map[string]struct{ Key string }
			}
			text := plain("recoveryBundle")
			packed, _ := strings.CutPrefix(text, "k3sha-recovery-bundle:")
			inside, err := base64.StdEncoding.DecodeString(packed)
			if err != nil {
				t.Fatal(err)
			}
			secrets["recovery bundle"] = packed
			if err := json.Unmarshal(inside, &bundle); err != nil {
				t.Fatal(err)
			}
			for name, ca := range bundle.Authorities {
				// A line of the key, as no form of it lacks.
				authorities[name+" CA's key"] = strings.Split(ca.Key, "\n")[1]
			}
		}
	}
	if len(authorities) != 5 {
		t.Fatalf("the test found %d CAs", len(authorities))
	}
	maps.Copy(secrets, authorities)
	for _, line := range strings.Split(p.kubeconfig(), "\n") {
		if key, found := strings.CutPrefix(strings.TrimSpace(line), "client-key-data: "); found {
			secrets["admin key"] = key
		}
	}
	private, err := os.ReadFile(p.KeyFile())
	if err != nil {
		t.Fatal(err)
	}
	secrets["private key"] = strings.Split(string(private), "\n")[2]
	for name, secret := range secrets {
		if len(secret) < 32 {
			t.Fatalf("the test did not find the %s", name)
		}
		if !strings.Contains(string(clear), secret) {
			t.Errorf("the test cannot see the %s in the state even in clear: it looks for the wrong thing", name)
		}
		if strings.Contains(string(state), secret) {
			t.Errorf("the %s is in the state in clear", name)
		}
		if strings.Contains(printed, secret) {
			t.Errorf("the %s was printed", name)
		}
		for _, command := range commands {
			if strings.Contains(command, secret) {
				t.Errorf("the %s was on a command line: %.60s", name, command)
			}
		}
	}
	if !slices.ContainsFunc(commands, func(c string) bool { return strings.Contains(c, "/k3s\x00server") }) {
		t.Errorf("the sampler saw %d command lines, but no k3s: it does not look into the nodes", len(commands))
	}
	var patterns strings.Builder
	for _, secret := range secrets {
		patterns.WriteString(secret + "\n")
	}
	for _, node := range p.nodes() {
		// The patterns travel on standard input, so that grep's own command line doesn't have them.
		script := `cat >/run/patterns; chmod 600 /run/patterns
			find /etc /home /root /run /srv /tmp /usr/local /var -xdev -type f -perm /o+r -exec grep -lFf /run/patterns {} + 2>/dev/null
			journalctl -q --no-pager | grep -cFf /run/patterns; rm -f /run/patterns`
		if found := p.in(node, patterns.String(), "sh", "-c", script); found != "0" {
			t.Errorf("%s: world-readable files, then journal lines with a secret: %s", node, found)
		}
		// CAs' keys are where k3s itself keeps them, and nowhere else.
		script = `cat >/run/patterns; find / -xdev -type f -exec grep -lFf /run/patterns {} + 2>/dev/null | grep -v '^/run/patterns$'; rm -f /run/patterns`
		for _, file := range strings.Fields(p.in(node, strings.Join(slices.Collect(maps.Values(authorities)), "\n")+"\n", "sh", "-c", script)) {
			if !strings.Contains(node, "-server-") || !strings.HasPrefix(file, "/var/lib/rancher/k3s/server/tls/") {
				t.Errorf("%s has a CA's key in %s", node, file)
			}
		}
	}
}

// sampler collects the command lines of all processes on the machine, those in the nodes included.
type sampler struct {
	mu    sync.Mutex
	lines map[string]bool
	end   chan struct{}
}

func newSampler() *sampler {
	s := &sampler{lines: map[string]bool{}, end: make(chan struct{})}
	go func() {
		for {
			select {
			case <-s.end:
				return
			case <-time.After(20 * time.Millisecond):
			}
			files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, file := range files {
				if data, err := os.ReadFile(file); err == nil && len(data) > 0 {
					s.mu.Lock()
					s.lines[string(data)] = true
					s.mu.Unlock()
				}
			}
		}
	}()
	return s
}

func (s *sampler) stop() { close(s.end) }

func (s *sampler) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for line := range s.lines {
		out = append(out, line)
	}
	return out
}
