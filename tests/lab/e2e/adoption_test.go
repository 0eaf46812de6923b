package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

// installK3s does what the owner of a machine does by hand: the release's own script, with options of the owner's.
func installK3s(m *place, machine, exec string, environment ...string) {
	m.t.Helper()
	at := lab.Mirror + "/" + strings.Replace(release, "+", "%2B", 1)
	out := m.in(machine, "", append(append([]string{"env"}, environment...), "sh", "-c", `set -e
curl -fsS -o /usr/local/bin/k3s `+at+`/k3s
chmod 755 /usr/local/bin/k3s
curl -fsS -o /root/install.sh `+at+`/install.sh
INSTALL_K3S_SKIP_DOWNLOAD=true INSTALL_K3S_EXEC='`+exec+`' sh /root/install.sh >/root/install.log 2>&1
echo installed`)...)
	if !strings.HasSuffix(out, "installed") {
		m.t.Fatalf("k3s on %s: %s", machine, out)
	}
}

// owned is a cluster that somebody has, by the kubeconfig that k3s has written on its server.
type owned struct {
	*place
	file string
}

func newOwned(m *place, machine, address string) owned {
	m.t.Helper()
	o := owned{m, filepath.Join(m.project, machine+".yaml")}
	text := ""
	for range 60 {
		if text = m.in(machine, "", "cat", "/etc/rancher/k3s/k3s.yaml"); strings.Contains(text, "127.0.0.1") {
			break
		}
		time.Sleep(time.Second)
	}
	if err := os.WriteFile(o.file, []byte(strings.ReplaceAll(text, "127.0.0.1", address)), 0o600); err != nil {
		m.t.Fatal(err)
	}
	for range 60 {
		if _, err := o.try("", "get", "node", machine); err == nil {
			return o
		}
		time.Sleep(time.Second)
	}
	m.t.Fatalf("%s has no cluster: %s", machine, m.in(machine, "", "journalctl", "-n", "20", "-u", "k3s", "--no-pager"))
	return o
}

func (o owned) try(stdin string, args ...string) (string, error) {
	cmd := o.Command(filepath.Join(o.Build, "bin", "kubectl"), append([]string{"--kubeconfig", o.file, "--request-timeout=20s"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (o owned) must(stdin string, args ...string) string {
	o.t.Helper()
	out, err := o.try(stdin, args...)
	if err != nil {
		o.t.Fatalf("kubectl %v: %v\n%s", args, err, tail(out))
	}
	return out
}

// fill gives it what people have: namespaces, ConfigMaps, Secrets, a kind of their own, pods.
func (o owned) fill() {
	o.t.Helper()
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
	for i := range 200 {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: page-%d, namespace: shop}\ndata: {text: %q}\n", i, strings.Repeat(fmt.Sprint("page ", i, " "), 40))
	}
	for i := range 40 {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Secret\nmetadata: {name: key-%d, namespace: shop}\nstringData: {key: %q}\n", i, fmt.Sprint("s3cret-", i))
	}
	b.WriteString(`---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: orders.shop.example.org}
spec:
  group: shop.example.org
  scope: Namespaced
  names: {plural: orders, singular: order, kind: Order}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "docker.io/library/web:1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
`)
	o.must(b.String(), "apply", "--server-side", "-f", "-")
	o.must("", "wait", "--for=condition=Established", "crd/orders.shop.example.org", "--timeout=60s")
	b.Reset()
	for i := range 20 {
		fmt.Fprintf(&b, "---\napiVersion: shop.example.org/v1\nkind: Order\nmetadata: {name: order-%d, namespace: shop}\nspec: {count: %d}\n", i, i)
	}
	o.must(b.String(), "apply", "--server-side", "-f", "-")
	o.must("", "-n", "shop", "rollout", "status", "deployment/web", "--timeout=120s")
}

// objects are hashes of all that there is, by kind and name. What machines write again and again is left out: status, events, leases, who
// serves the API; of a node it counts that it is the same.
func (o owned) objects() map[string]string {
	o.t.Helper()
	out := map[string]string{}
	for _, kind := range strings.Fields(o.must("", "api-resources", "--verbs=list", "-o", "name")) {
		if strings.HasPrefix(kind, "events") || strings.HasPrefix(kind, "leases.") || kind == "componentstatuses" {
			continue
		}
		var list struct {
			Items []map[string]any `json:"items"`
		}
		if err := json.Unmarshal([]byte(o.must("", "get", kind, "--all-namespaces", "-o", "json")), &list); err != nil {
			o.t.Fatalf("%s: %v", kind, err)
		}
		for _, item := range list.Items {
			meta := item["metadata"].(map[string]any)
			name := fmt.Sprint(kind, " ", meta["namespace"], "/", meta["name"])
			if name == "endpoints default/kubernetes" || name == "endpointslices.discovery.k8s.io default/kubernetes" {
				continue // who serves the API right now
			}
			delete(item, "status")
			delete(meta, "resourceVersion")
			delete(meta, "managedFields")
			if kind == "nodes" {
				item = map[string]any{"uid": meta["uid"]}
			}
			text, _ := json.Marshal(item) // it was JSON
			out[name] = fmt.Sprintf("%x", sha256.Sum256(text))
		}
	}
	return out
}

// kept checks that every object of before is there as it was.
func kept(t *testing.T, before, now map[string]string) {
	t.Helper()
	if len(before) < 300 {
		t.Errorf("%d objects are no cluster that people have", len(before))
	}
	var lost, changed []string
	for _, name := range slices.Sorted(maps.Keys(before)) {
		switch hash, found := now[name]; {
		case !found:
			lost = append(lost, name)
		case hash != before[name]:
			changed = append(changed, name)
		}
	}
	t.Logf("%d objects before, %d now", len(before), len(now))
	if len(lost)+len(changed) > 0 {
		t.Errorf("lost: %v\nchanged: %v", lost, changed)
	}
}

// ca is that of the cluster, in PEM.
func (o owned) ca() []byte {
	o.t.Helper()
	ca, err := base64.StdEncoding.DecodeString(o.must("", "config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}"))
	if err != nil {
		o.t.Fatal(err)
	}
	return ca
}

// adopting is a program for machines that bring their k3s.
func adopting(version, servers, workers, k3s string) string {
	return programHead + fmt.Sprintf(`      proxmox: {nodes: [pve1, pve2, pve3], templateId: 9000}
      network: {cidr: 192.168.1.0/24, gateway: 192.168.1.1, vip: 192.168.1.220}
      servers: %s
      workers: {%s}
      loadBalancers: {firstAddress: 192.168.1.221, virtualRouterId: 51}
      k3s: {version: %s, disable: [traefik, servicelb], mirror: "${k3sMirror}"%s}
      ssh: {privateKey: "${sshPrivateKey}"}
outputs:
  kubeconfig: ${k3s.kubeconfig}
`, servers, workers, version, k3s)
}

// TestLongOldServer takes over a server with its data in SQLite, through interruptions, and goes back from one.
func TestLongOldServer(t *testing.T) {
	l := newLab(t, "oldserver", false)
	at := map[string]string{"attic-server-1": "192.168.1.50", "cellar": "192.168.1.51", "shed": "192.168.1.52"}
	m := newMachines(t, l, []string{"attic-server-1", "cellar", "shed"}, func(machine string) string { return at[machine] })
	const attic = "attic-server-1"
	installK3s(m, attic, "server --disable traefik --disable servicelb --write-kubeconfig-mode 644")
	installK3s(m, "cellar", "server --disable=traefik,servicelb --token cellars-s3cret")
	old, cellar := newOwned(m, attic, at[attic]), newOwned(m, "cellar", at["cellar"])
	// It has an agent, too.
	installK3s(m, "shed", "agent", "K3S_URL=https://"+at[attic]+":6443", "K3S_TOKEN="+m.in(attic, "", "cat", "/var/lib/rancher/k3s/server/node-token"))
	old.fill()
	old.must("", "wait", "--for=condition=Ready", "node/shed", "--timeout=60s")
	before := old.objects()
	const servers, workers = `{firstAddress: 192.168.1.201, nodes: {"1": {ip: 192.168.1.50, name: attic-server-1, adopt: true}}}`, `shed: {count: 1, nodes: {"1": {ip: 192.168.1.52, name: shed, adopt: true}}}, worker: {count: 1, firstAddress: 192.168.1.211}`
	const clear = ", secretsEncryption: false"
	p := newPlace(t, l, "oldserver")
	nodes := []string{attic, "k3s-server-02", "k3s-server-03", "k3s-worker-01", "shed"}

	t.Run("what does not fit is said before anything is touched", func(t *testing.T) {
		p.t, m.t, old.t = t, t, t
		started := m.in(attic, "", "systemctl", "show", "-p", "InvocationID", "k3s")
		p.write(strings.Replace(adopting(next, strings.Replace(servers, "name: attic-server-1, ", "", 1), workers, ""), "disable: [traefik, servicelb]", "disable: [traefik]", 1))
		out := p.mustRefuse(3*time.Minute, "k3s-server-01: meet: its k3s cannot be adopted as it is, and was left alone:")
		for _, want := range []string{
			"its node is called attic-server-1 in Kubernetes, and keeps that name; set servers.nodes.1.name to it",
			"it runs with disable: servicelb,traefik, and would not any more; say so in k3s.disable, too, or take it out there first",
			"it runs with secrets-encryption: false, by which its Secrets are kept; set k3s.secretsEncryption to false",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("it does not say %q:\n%s", want, tail(out))
			}
		}
		if now := m.in(attic, "", "systemctl", "show", "-p", "InvocationID", "k3s"); now != started {
			t.Error("k3s was restarted")
		}
		p.must(5*time.Minute, "destroy", "--yes", "--skip-preview")
		if got := m.in(attic, "", "systemctl", "is-active", "k3s"); got != "active" {
			t.Errorf("after a destroy its k3s is %s", got)
		}
	})

	t.Run("it becomes server 1, with the power cut in the middle", func(t *testing.T) {
		p.t, m.t, old.t = t, t, t
		p.write(adopting(next, servers, workers, clear))
		_, out := p.must(2*time.Minute, "preview")
		if want := "takes over attic-server-1, shed with their k3s, which restarts there; data in SQLite move to etcd, the API is away meanwhile, and a copy stays in /var/backups/k3s-before-adoption"; !strings.Contains(out, want) {
			t.Errorf("the preview does not say %q:\n%s", want, tail(out))
		}
		m.in(attic, "100", "sh", "-c", "mkdir -p /run/k3s-standin && cat >/run/k3s-standin/move-pause")
		moving := func() bool {
			return m.in(attic, "", "sh", "-c", "cd /var/lib/rancher/k3s/server/db && [ -e state.db ] && [ -e etcd/member/wal ] && echo moving") == "moving"
		}
		out, ended := p.upUntil("k3s-converge-"+attic+" creating", func() bool {
			if !moving() {
				return false
			}
			time.Sleep(2 * time.Second)
			powerOff(m, attic)
			return true
		})
		if ended {
			t.Fatalf("the update ended before the move began:\n%s", tail(out))
		}
		powerOn(m, attic)
		m.eventually(attic+" is up", time.Minute, func() bool { return m.in(attic, "", "systemctl", "is-active", "ssh") == "active" })
		time.Sleep(12 * time.Second) // a unit that restarts would have
		if got := m.in(attic, "", "sh", "-c", "systemctl is-active k3s; ls /var/lib/rancher/k3s/server/db /var/backups/k3s-before-adoption/db"); !strings.HasPrefix(got, "inactive") {
			t.Errorf("with data that were half moved: %s", got)
		}
		stop := p.Client(t.Context(), at[attic]+":6443", old.ca())
		p.up()
		s := stop()
		t.Logf("of the old server's API, beginning while it is down: %s", s)
		p.cluster(next, nodes...)
		kept(t, before, old.objects())
		if got := m.in(attic, "", "sh", "-c", "ls /var/lib/rancher/k3s/server/db/state.db /var/lib/rancher/k3s/server/db/state.db.migrated /var/backups/k3s-before-adoption/db/state.db 2>/dev/null"); got != "/var/backups/k3s-before-adoption/db/state.db\n/var/lib/rancher/k3s/server/db/state.db.migrated" {
			t.Errorf("of SQLite there is:\n%s", got)
		}
		if r, _ := p.up("--refresh"); r.Changed() != 0 {
			t.Errorf("the second up changes %v", changedNames(r))
		}
		if n := p.members("k3s-server-02"); n != 3 {
			t.Errorf("etcd has %d members", n)
		}
	})

	t.Run("its certificate is good for the VIP, on the wire", func(t *testing.T) {
		p.t, m.t = t, t
		if got := m.in(attic, "", "sh", "-c", "openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName"); !strings.Contains(got, "192.168.1.220") || !strings.Contains(got, at[attic]) {
			t.Errorf("%s", got)
		}
	})

	t.Run("it is lost, and the cluster goes on", func(t *testing.T) {
		p.t, m.t = t, t
		s := p.service(func() { powerOff(m, attic); time.Sleep(10 * time.Second) })
		p.within(s, 2*time.Second)
		powerOn(m, attic)
		p.cluster(next, nodes...)
	})

	t.Run("a VM takes its place", func(t *testing.T) {
		p.t, m.t = t, t
		p.write(adopting(next, "{firstAddress: 192.168.1.201, slots: [2, 3, 4], first: 2}", workers, clear))
		_, out := p.must(2*time.Minute, "preview")
		if want := "takes attic-server-1 away; uninstalls k3s, or what balances, on attic-server-1, which stay; adds k3s-server-04"; !strings.Contains(out, want) {
			t.Errorf("the preview does not say %q:\n%s", want, tail(out))
		}
		s := p.service(func() { p.up() })
		p.within(s, time.Second)
		p.cluster(next, "k3s-server-02", "k3s-server-03", "k3s-server-04", "k3s-worker-01", "shed")
		if got := m.in(attic, "", "sh", "-c", "ls -d /var/lib/rancher/k3s /var/lib/k3sha /var/backups/k3s-before-adoption/db/state.db 2>/dev/null"); got != "/var/backups/k3s-before-adoption/db/state.db" {
			t.Errorf("of its k3s there is %s", got)
		}
		if got := p.kubectl("-n", "shop", "get", "configmap", "page-199", "-o", "name"); got != "configmap/page-199" {
			t.Error(got)
		}
	})

	t.Run("another one alone, and the way back", func(t *testing.T) {
		m.t, cellar.t = t, t
		cellar.fill()
		before := cellar.objects()
		q := newPlace(t, l, "below")
		one := strings.NewReplacer("clusterName: k3s", "clusterName: below", "192.168.1.220", "192.168.1.230", "192.168.1.221", "192.168.1.231", "virtualRouterId: 51", "virtualRouterId: 52").Replace(
			adopting(release, `{count: 1, nodes: {"1": {ip: 192.168.1.51, name: cellar, adopt: true}}}`, "", clear))
		q.write(one)
		stop := q.Client(t.Context(), at["cellar"]+":6443", cellar.ca())
		q.up()
		s := stop()
		t.Logf("of the old server's API: %s", s)
		q.within(s, 30*time.Second)
		kept(t, before, cellar.objects())
		cellar.must("", "-n", "shop", "delete", "configmap", "page-1")
		m.in("cellar", "", "sh", "/var/backups/k3s-before-adoption/way-back.sh")
		for range 60 {
			if _, err := cellar.try("", "-n", "shop", "get", "configmap", "page-1"); err == nil {
				break
			}
			time.Sleep(time.Second)
		}
		kept(t, before, cellar.objects())
		if got := m.in("cellar", "", "sh", "-c", "ls -d /var/lib/rancher/k3s/server/db/* /etc/rancher/k3s/config* 2>/dev/null; systemctl is-enabled k3s; grep ExecStart= /etc/systemd/system/k3s.service"); got != "/var/lib/rancher/k3s/server/db/state.db\n/var/lib/rancher/k3s/server/db/state.db-shm\n/var/lib/rancher/k3s/server/db/state.db-wal\nenabled\nExecStart=/usr/local/bin/k3s server --disable=traefik,servicelb --token cellars-s3cret" {
			t.Errorf("it is back with\n%s", got)
		}
		q.must(6*time.Minute, "destroy", "--yes", "--skip-preview")
		if got := m.in("cellar", "", "systemctl", "is-active", "k3s"); got != "active" {
			t.Errorf("after a destroy its k3s is %s", got)
		}
		kept(t, before, cellar.objects())
		// Once more, with Pulumi killed again and again.
		q = newPlace(t, l, "again")
		q.write(one)
		killed := func(step string, moment func() bool) {
			q.killDuring(step, moment)
			for _, lb := range []string{"below-lb-01", "below-lb-02"} { // a clone that Pulumi knows nothing of is the person's to take away
				known := slices.ContainsFunc(q.resources(), func(r stateResource) bool { return nameOf(r.URN) == "k3s-vm-"+lb })
				if vm, err := q.VM(lb); err == nil && !known {
					q.remove(vm.ID)
				}
			}
		}
		killed("k3s-start-cluster", after(0))
		killed("k3s-converge-cellar", func() bool {
			return m.in("cellar", "", "sh", "-c", "[ ! -e /var/backups/k3s-before-adoption/former ] || echo begun") == "begun"
		})
		killed("k3s-converge-cellar", m.starting("cellar"))
		q.up()
		kept(t, before, cellar.objects())
		if got := q.kubectl("get", "nodes", "-l", "node-role.kubernetes.io/etcd=true", "-o", "name"); got != "node/cellar" {
			t.Error(got)
		}
	})
}

// TestLongOldCluster takes over a whole cluster that somebody has made with embedded etcd, as Ansible roles do: three servers and an agent.
func TestLongOldCluster(t *testing.T) {
	l := newLab(t, "oldcluster", false)
	names := []string{"rack-server-1", "rack-server-2", "rack-server-3", "rack-agent"}
	at := func(machine string) string { return fmt.Sprintf("192.168.1.%d", 61+slices.Index(names, machine)) }
	m := newMachines(t, l, names, at)
	const options = "server --disable traefik --disable servicelb --secrets-encryption --token racks-s3cret "
	installK3s(m, names[0], options+"--cluster-init")
	o := newOwned(m, names[0], at(names[0]))
	for _, name := range names[1:3] {
		installK3s(m, name, options+"--server https://"+at(names[0])+":6443")
		o.must("", "wait", "--for=create", "node/"+name, "--timeout=120s")
		o.must("", "wait", "--for=condition=Ready", "node/"+name, "--timeout=60s")
	}
	installK3s(m, names[3], "agent", "K3S_URL=https://"+at(names[0])+":6443", "K3S_TOKEN=racks-s3cret")
	o.must("", "wait", "--for=create", "node/"+names[3], "--timeout=120s")
	o.fill()
	before := o.objects()
	slots := ""
	for i, name := range names[:3] {
		slots += fmt.Sprintf(`"%d": {name: %s, adopt: true}, `, i+1, name)
	}
	p := newPlace(t, l, "oldcluster")
	program := adopting(release, "{firstAddress: 192.168.1.61, nodes: {"+slots+"}}", `worker: {count: 1, nodes: {"1": {ip: 192.168.1.64, name: rack-agent, adopt: true}}}`, "")
	p.write(program)
	var stops []func() lab.Service
	for _, name := range names[:3] {
		stops = append(stops, p.Client(t.Context(), at(name)+":6443", o.ca()))
	}
	p.up()
	for i, stop := range stops {
		t.Logf("of %s: %s", names[i], stop())
	}
	p.cluster(release, names...)
	kept(t, before, o.objects())
	if n := p.members(names[1]); n != 3 {
		t.Errorf("etcd has %d members", n)
	}
	if r, _ := p.up(); r.Changed() != 0 {
		t.Errorf("the second up changes %v", changedNames(r))
	}
	p.write(strings.Replace(program, release, next, 1))
	s := p.service(func() { p.up() })
	p.within(s, time.Second)
	p.cluster(next, names...)
	kept(t, before, o.objects())
	for _, name := range names {
		if got := m.in(name, "", "ls", "/var/backups/k3s-before-adoption/way-back.sh"); got != "/var/backups/k3s-before-adoption/way-back.sh" {
			t.Errorf("%s has no way back: %s", name, got)
		}
	}
}
