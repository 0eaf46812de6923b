package e2e

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

// TestLongDiskOptions has VMs whose first disk has options that their template has, and some whose template has none: so from the first start on,
// the same at the next update, changed one VM at a time, and left alone when they are taken out.
func TestLongDiskOptions(t *testing.T) {
	p := newPlace(t, newLab(t, "diskoptions", false), "diskoptions")
	// A token that may do what README's list says, where it says so, and no more.
	const id, secret = "k3s@pve!pulumi", "22222222-2222-2222-2222-222222222222"
	const api = "        api: {endpoint: \"https://" + lab.ProxmoxAt + "\", apiToken: {\"fn::secret\": \"" + id + "=" + secret + "\"}, insecure: true}\n"
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	may := strings.Fields(privilegeBlock.FindStringSubmatch(string(readme))[1])
	var acl []pve.ACL
	for _, path := range []string{"/pool/k3s", "/vms/9000", "/vms/9001", "/storage", "/sdn"} {
		acl = append(acl, pve.ACL{Path: path, Privileges: may})
	}
	if err := p.Control("POST", "/token", map[string]any{"id": id, "secret": secret, "acl": acl}, nil); err != nil {
		t.Fatal(err)
	}
	with := func(count int, options string, more ...string) {
		pool := fmt.Sprintf("          count: %d\n          templateId: 9001\n", count)
		if options != "" {
			pool += "          diskOptions: " + options + "\n"
		}
		p.program(append([]string{
			"proxmox:\n", "proxmox:\n" + api, "      servers:\n", "      servers:\n        diskOptions: {discard: true, iothread: true}\n", "          count: 2\n", pool,
		}, more...)...)
	}
	ofFirst := "" // the template's id
	const first = "{discard: true, ssd: true, cache: writeback, backup: false}"
	looks := func(nodes func(string) bool, options ...string) {
		p.t.Helper()
		for _, want := range options {
			if wrong := config(nodes, "scsi0", want)(p); wrong != "" {
				p.t.Error(wrong)
			}
		}
	}
	clean := func() {
		p.t.Helper()
		before := p.lives()
		p.must(2*time.Minute, "up", "--yes", "--skip-preview", "--expect-no-changes")
		if r, out := p.must(2*time.Minute, "up", "--yes", "--refresh", "--skip-preview"); r.Changed() != 0 {
			p.t.Errorf("the next update changes %v\n%s", changedNames(r), tail(out))
		}
		for node, life := range p.lives() {
			if life != before[node] {
				p.t.Errorf("%s: something restarted", node)
			}
		}
	}
	exists := func(id string) bool {
		out, _ := p.Command("curl", "-skf", "-H", "Authorization: PVEAPIToken="+lab.Token, "https://"+lab.ProxmoxAt+"/api2/json/nodes/pve1/qemu/"+id+"/config").Output()
		return len(out) > 0
	}
	made := func() (ids []string) { // templates of ours that are there: for the servers' there is none
		p.t.Helper()
		for _, r := range p.resources() {
			if id := r.ID[strings.LastIndex(r.ID, "/")+1:]; strings.Contains(r.URN, "k3sha:index:DiskTemplate::") && exists(id) {
				ids = append(ids, id)
			}
		}
		return ids
	}

	t.Run("the preview shows two templates more", func(t *testing.T) {
		p.t = t
		with(2, first)
		if r, out := p.must(2*time.Minute, "preview"); r.Changes["create"] != 46+2 {
			t.Errorf("the preview makes %v\n%s", r.Changes, tail(out))
		}
	})
	t.Run("Proxmox VE refuses, and takes it up again", func(t *testing.T) {
		p.t = t
		p.fault(pve.Fault{Method: http.MethodPost, Path: "/9001/clone$", Status: http.StatusForbidden, Message: "Permission check failed (/storage/local-lvm, Datastore.AllocateSpace)", Times: 1})
		_, out, err := p.try(5*time.Minute, "up", "--yes", "--skip-preview")
		if flat := strings.Join(strings.Fields(out), " "); err == nil || !strings.Contains(flat, "k3s-template-") || !strings.Contains(flat, "403 Permission check failed (/storage/local-lvm, Datastore.AllocateSpace); see proxmox.api, then run pulumi up again") {
			t.Errorf("no reason in (%v):\n%s", err, tail(out))
		}
		// Half of it: the clone is there, and is no template yet.
		p.fault(pve.Fault{Method: http.MethodPost, Path: "/template$", Status: http.StatusInternalServerError, Message: "got no worker upid - start worker failed", Times: 1})
		if _, out, err = p.try(5*time.Minute, "up", "--yes", "--skip-preview"); err == nil || !strings.Contains(out, "got no worker upid") {
			t.Errorf("no reason in (%v):\n%s", err, tail(out))
		}
		if strings.Contains(out, secret) {
			t.Error("the token is in what was said")
		}
	})
	t.Run("a clone that nobody waited for", func(t *testing.T) {
		p.t = t
		p.reset()
		p.fault(pve.Fault{Method: http.MethodPost, Path: "/9001/clone$", TaskDelay: 9000, Times: 1})
		cloned := func() bool { return len(p.posts("/qemu/9001/clone")) > 0 }
		if out, ended := p.upUntil("k3s-template-", cloned); ended || len(made()) != 0 {
			t.Errorf("ended before the kill: %t, made %v\n%s", ended, made(), tail(out))
		}
	})
	t.Run("so from the first start on", func(t *testing.T) {
		p.t = t
		p.reset()
		p.up()
		p.cluster(release, kubernetesNodes()...)
		looks(servers, "discard=on", "iothread=1")
		looks(workers, "backup=0", "cache=writeback", "discard=on", "ssd=1")
		ids := made()
		ofFirst = strings.Join(ids, " ")
		if len(ids) != 1 || p.clonedFrom("k3s-worker-01") != ids[0] || p.clonedFrom("k3s-worker-02") != ids[0] {
			t.Errorf("made %v; workers are clones of %s and %s", ids, p.clonedFrom("k3s-worker-01"), p.clonedFrom("k3s-worker-02"))
		}
		if posts := p.posts("/status/reboot"); len(posts) > 0 {
			t.Errorf("VMs were restarted: %v", posts)
		}
		clean()
	})
	t.Run("they change for the first time, one VM at a time", func(t *testing.T) {
		p.t = t
		p.reset()
		before, former := p.lives(), made()
		with(2, "{discard: false, ssd: true, cache: none, iothread: true}")
		s := p.service(func() { p.up() })
		if p.within(s, time.Second); s.Failed > 0 {
			t.Error(s)
		}
		looks(workers, "cache=none", "discard=ignore", "iothread=1")
		looks(workers, "backup=0") // as it was
		for node, life := range p.lives() {
			if restarted := life.boot != before[node].boot; restarted != (workers(node) && !newer()) { // a newer plugin leaves them for the next start
				t.Errorf("%s has restarted: %t", node, restarted)
			}
		}
		if waiting := p.restarts(); len(waiting) > 0 != newer() {
			t.Errorf("values wait for a restart of %v", waiting)
		}
		if now := made(); len(now) != 1 || now[0] == former[0] || !exists(now[0]) || exists(former[0]) {
			t.Errorf("templates %v, were %v", now, former)
		}
		p.cluster(release, kubernetesNodes()...)
		clean()
	})
	t.Run("one of two is taken out", func(t *testing.T) {
		p.t = t
		before := p.lives()
		with(2, "{discard: false, ssd: true, cache: none, iothread: true}", "diskOptions: {discard: true, iothread: true}", "diskOptions: {discard: true}")
		if r, _ := p.up(); slices.ContainsFunc(changedNames(r), func(n string) bool { return strings.Contains(n, "-vm-") }) {
			t.Errorf("changed: %v", changedNames(r))
		}
		for node, life := range p.lives() {
			if life != before[node] {
				t.Errorf("%s: something restarted", node)
			}
		}
		looks(servers, "discard=on", "iothread=1") // as it was
		clean()
	})
	t.Run("a later change waits for the next start", func(t *testing.T) {
		p.t = t
		before := p.lives()
		with(2, "{discard: true, ssd: true, cache: none, iothread: true}")
		s := p.service(func() { p.up() })
		if p.within(s, time.Second); s.Failed > 0 {
			t.Error(s)
		}
		looks(workers, "discard=on", "cache=none")
		for node, life := range p.lives() {
			if life.boot != before[node].boot {
				t.Errorf("%s has restarted", node)
			}
		}
		if got := p.restarts(); !slices.Equal(slices.Sorted(slices.Values(got)), []string{"k3s-worker-01", "k3s-worker-02"}) {
			t.Errorf("values wait for a restart of %v", got)
		}
		clean()
		with(2, "{discard: false, ssd: true, cache: none, iothread: true}")
		p.up()
	})
	t.Run("a new one has them, and they stay when its disk grows", func(t *testing.T) {
		p.t = t
		with(3, "{discard: false, ssd: true, cache: none, iothread: true}", "          templateId: 9001\n", "          templateId: 9001\n          disk: 40\n")
		p.up()
		looks(workers, "cache=none", "discard=ignore", "iothread=1")
		looks(workers, "size=40G")
		p.cluster(release, kubernetesNodes("k3s-worker-03")...)
		clean()
	})
	t.Run("somebody has taken the template away", func(t *testing.T) {
		p.t = t
		id := made()[0]
		n, _ := strconv.Atoi(id)
		p.remove(n)
		r, _ := p.must(2*time.Minute, "up", "--yes", "--refresh", "--skip-preview")
		if r.Changed() != 1 || r.Changes["create"] != 1 || !exists(id) {
			t.Errorf("changed: %v", changedNames(r))
		}
		clean()
	})
	t.Run("taken out, VMs stay as they are", func(t *testing.T) {
		p.t = t
		id := made()[0]
		with(3, "", "          templateId: 9001\n", "          templateId: 9001\n          disk: 40\n")
		before := p.lives()
		r, _ := p.up()
		if names := changedNames(r); slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, "-vm-") }) {
			t.Errorf("changed: %v", names)
		}
		for node, life := range p.lives() {
			if life.boot != before[node].boot {
				t.Errorf("%s has restarted", node)
			}
		}
		looks(workers, "cache=none", "discard=ignore", "iothread=1")
		if exists(id) {
			t.Errorf("template %s is still there", id)
		}
		clean()
	})
	t.Run("somebody else's VM has the id", func(t *testing.T) {
		p.t = t
		with(3, first, "          templateId: 9001\n", "          templateId: 9001\n          disk: 40\n")
		id, _ := strconv.Atoi(ofFirst)
		if err := p.Control("POST", "/vm", map[string]any{"id": id, "name": "foreign"}, nil); err != nil {
			t.Fatal(err)
		}
		_, out, err := p.try(3*time.Minute, "up", "--yes", "--skip-preview")
		if flat := strings.Join(strings.Fields(out), " "); err == nil || !strings.Contains(flat, fmt.Sprintf("cannot clone template 9001 to %d, which is derived from the name k3s-template-", id)) || !strings.Contains(flat, fmt.Sprintf("500 unable to create VM %d: config file already exists", id)) {
			t.Errorf("no reason in (%v):\n%s", err, tail(out))
		}
		if !exists(ofFirst) {
			t.Error("it is gone")
		}
		p.remove(id)
	})
	t.Run("all of it goes", func(t *testing.T) {
		p.t = t
		p.up()
		id := made()[0]
		p.must(5*time.Minute, "destroy", "--yes", "--skip-preview")
		if exists(id) || !exists("9000") || !exists("9001") {
			t.Errorf("templates: %s %t, 9000 %t, 9001 %t", id, exists(id), exists("9000"), exists("9001"))
		}
	})
}

// restarts are the VMs of which values wait for a restart.
func (p *place) restarts() (names []string) {
	p.t.Helper()
	var rows []struct {
		Name    string `json:"name"`
		Restart bool   `json:"restart"`
	}
	if err := p.Control("GET", "/vms", nil, &rows); err != nil {
		p.t.Fatal(err)
	}
	for _, r := range rows {
		if r.Restart {
			names = append(names, r.Name)
		}
	}
	return names
}
