package pve_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

type client struct {
	t       *testing.T
	api     *httptest.Server
	control *httptest.Server
	token   string
}

func newClient(t *testing.T) client {
	t.Helper()
	s := pve.New(pve.NewNull())
	c := client{t: t, api: httptest.NewServer(s), control: httptest.NewServer(s.Control()), token: "root@pam!lab=00000000-0000-0000-0000-000000000000"}
	t.Cleanup(c.api.Close)
	t.Cleanup(c.control.Close)
	c.hook("/instant", json.RawMessage(`{"instant":true}`))
	return c
}

// call returns the status line and the data.
func (c client) call(method, path, form string) (string, any) {
	c.t.Helper()
	status, body := c.raw(method, path, form)
	var answer struct{ Data any }
	_ = json.Unmarshal(body, &answer)
	return status, answer.Data
}

// raw returns the status line and the answer as it is.
func (c client) raw(method, path, form string) (string, []byte) {
	c.t.Helper()
	target := c.api.URL + "/api2/json/" + path
	if method == http.MethodGet || method == http.MethodDelete {
		target, form = target+"?"+form, ""
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, target, strings.NewReader(form))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "PVEAPIToken="+c.token)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.Status, body
}

func (c client) ok(method, path, form string) any {
	c.t.Helper()
	status, data := c.call(method, path, form)
	if status != "200 OK" {
		c.t.Fatalf("%s %s: %s", method, path, status)
	}
	return data
}

// task waits for nothing: tasks end at once. It returns how the task ended.
func (c client) task(upid any) string {
	c.t.Helper()
	node := strings.Split(fmt.Sprint(upid), ":")[1]
	status, _ := c.ok("GET", "nodes/"+node+"/tasks/"+url.PathEscape(fmt.Sprint(upid))+"/status", "").(map[string]any)
	return fmt.Sprint(status["exitstatus"])
}

func (c client) hook(path string, body any) {
	c.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := http.Post(c.control.URL+path, "application/json", strings.NewReader(string(data)))
	if err != nil || resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %v %v", path, err, resp)
	}
	resp.Body.Close()
}

func TestLifeOfAVM(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	if end := c.task(c.ok("POST", "nodes/pve1/qemu/9000/clone", "newid=101&full=1&name=cp1&storage=local-lvm&pool=k3s")); end != "OK" {
		t.Fatal(end)
	}
	c.ok("PUT", "nodes/pve1/qemu/101/config", "delete=ide2,net1,serial3")
	c.ok("PUT", "nodes/pve1/qemu/101/config", url.Values{
		"ide2": {"file=local-lvm:cloudinit,media=cdrom,"}, "net0": {"model=virtio,bridge=vmbr0,firewall=0,macaddr=bc:24:11:66:6f:07,tag=20"},
		"tags": {"Server;k3s;k3s"}, "cores": {"2"}, "memory": {"4096"}, "cipassword": {"x"},
	}.Encode())
	if end := c.task(c.ok("PUT", "nodes/pve1/qemu/101/resize", "disk=scsi0&size=34359738368")); end != "OK" {
		t.Error(end)
	}
	if end := c.task(c.ok("PUT", "nodes/pve1/qemu/101/resize", "disk=scsi0&size=1G")); end != "shrinking disks is not supported" {
		t.Error(end)
	}
	config, _ := c.ok("GET", "nodes/pve1/qemu/101/config", "").(map[string]any)
	for key, want := range map[string]any{
		"ide2": "local-lvm:vm-101-cloudinit,media=cdrom", "net0": "virtio=BC:24:11:66:6F:07,bridge=vmbr0,firewall=0,tag=20", "tags": "k3s;server",
		"cores": 2.0, "memory": "4096", "cipassword": "**********", "scsi0": "local-lvm:vm-101-disk-0,discard=on,iothread=1,size=32G,ssd=1", "template": nil,
	} {
		if config[key] != want {
			t.Errorf("%s is %v, want %v", key, config[key], want)
		}
	}
	if end := c.task(c.ok("POST", "nodes/pve1/qemu/101/status/start", "")); end != "OK" {
		t.Error(end)
	}
	if end := c.task(c.ok("POST", "nodes/pve1/qemu/101/status/start", "")); end != "VM 101 already running" {
		t.Error(end)
	}
	c.ok("PUT", "nodes/pve1/qemu/101/config", "scsi0=file=local-lvm:vm-101-disk-0,ssd=1")
	config, _ = c.ok("GET", "nodes/pve1/qemu/101/config", "").(map[string]any)
	if config["scsi0"] != "local-lvm:vm-101-disk-0,size=32G,ssd=1" {
		t.Errorf("an update without size changed the disk: %v", config["scsi0"])
	}
	if status, _ := c.call("DELETE", "nodes/pve1/qemu/101/", "purge=1"); status != "500 VM 101 is running - destroy failed" {
		t.Error(status)
	}
	c.task(c.ok("POST", "nodes/pve1/qemu/101/status/stop", ""))
	c.task(c.ok("DELETE", "nodes/pve1/qemu/101/", "purge=1"))
	if status, _ := c.call("GET", "nodes/pve1/qemu/101/status/current", ""); status != "500 Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist" {
		t.Error(status)
	}
}

// Errors travel in the reason phrase, word for word: the provider reads them there.
func TestRefusals(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.hook("/vm", map[string]any{"id": 150, "name": "foreign"})
	for _, r := range []struct{ method, path, form, want string }{
		{"POST", "nodes/pve1/qemu/9000/clone", "newid=150", "500 unable to create VM 150: config file already exists"},
		{"POST", "nodes/pve1/qemu/9000/clone", "newid=7", "400 Parameter verification failed."},
		{"POST", "nodes/pve1/qemu/9000/clone", "newid=151&storage=nfs", "500 storage 'nfs' does not exist"},
		{"POST", "nodes/pve1/qemu/9000/clone", "newid=151&pool=none", "500 pool 'none' does not exist"},
		{"POST", "nodes/pve1/qemu/9000/clone", "newid=151&storage=local-lvm&target=pve2", "500 can't clone to non-shared storage 'local-lvm'"},
		{"PUT", "nodes/pve1/qemu/150/config", "", "500 no options specified"},
		{"PUT", "nodes/pve1/qemu/150/config", "cores=2&delete=cores", "400 Parameter verification failed."},
		{"GET", "nodes/pve9/qemu/150/config", "", "500 hostname lookup 'pve9' failed - failed to get address info for: pve9: Name or service not known"},
		{"POST", "nodes/pve1/qemu/150/status/shutdown", "", "500 VM 150 not running"},
		{"GET", "nodes/pve1/subscription", "", "501 Method 'GET /nodes/pve1/subscription' not implemented"},
	} {
		if status, _ := c.call(r.method, r.path, r.form); status != r.want {
			t.Errorf("%s %s %s: %q, want %q", r.method, r.path, r.form, status, r.want)
		}
	}
}

func TestPrivilegesAndFaults(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.hook("/token", map[string]any{"id": "a@pve!t", "secret": "s", "acl": []pve.ACL{
		{Path: "/vms/9000", Privileges: []string{"VM.Clone"}},
		{Path: "/pool/k3s", Privileges: []string{"VM.Allocate", "VM.Audit"}},
		{Path: "/storage/local-lvm", Privileges: []string{"Datastore.AllocateSpace"}},
	}})
	limited := c
	limited.token = "a@pve!t=s"
	if status, _ := limited.call("POST", "nodes/pve1/qemu/9000/clone", "newid=101&pool=k3s"); status != "403 Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)" {
		t.Error(status)
	}
	limited.token = "a@pve!t=wrong"
	if status, _ := limited.call("GET", "cluster/resources", ""); status != "401 permission denied - invalid token" {
		t.Error(status)
	}
	c.hook("/fault", pve.Fault{Method: "POST", Path: "/clone$", Times: 1, TaskError: "can't lock file '/var/lock/qemu-server/lock-9000.conf' - got timeout"})
	if end := c.task(c.ok("POST", "nodes/pve1/qemu/9000/clone", "newid=101")); !strings.HasSuffix(end, "got timeout") {
		t.Error(end)
	}
	if end := c.task(c.ok("POST", "nodes/pve1/qemu/9000/clone", "newid=101")); end != "OK" {
		t.Errorf("a failed clone left something: %s", end)
	}
	c.hook("/storage", map[string]any{"name": "local-lvm", "full": true})
	if end := c.task(c.ok("POST", "nodes/pve1/qemu/9000/clone", "newid=102")); end != "clone failed: unable to write to storage 'local-lvm': No space left on device" {
		t.Error(end)
	}
	c.hook("/offline", map[string]any{"node": "pve1", "offline": true})
	if status, _ := c.call("GET", "nodes/pve1/qemu/101/config", ""); status != "595 No route to host" {
		t.Error(status)
	}
}

// ended waits for a task and returns how it ended.
func (c client) ended(upid any) string {
	c.t.Helper()
	for range 500 {
		task, _ := c.ok("GET", fmt.Sprintf("nodes/pve1/tasks/%v/status", upid), "").(map[string]any)
		if task["status"] == "stopped" {
			return fmt.Sprint(task["exitstatus"])
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatalf("task %v does not end", upid)
	return ""
}

// What a clone takes over from each template, and what a start asks of the node.
func TestTemplatesAndLimits(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.hook("/instant", json.RawMessage(`{"instant":false}`))
	c.hook("/storage", json.RawMessage(`{"name":"local-lvm","slow":300}`))
	start := time.Now()
	first := c.ok("POST", "nodes/pve1/qemu/9001/clone", "newid=101&full=1&name=a")
	second := c.ok("POST", "nodes/pve1/qemu/9001/clone", "newid=102&full=1&name=b")
	if status, _ := c.call("PUT", "nodes/pve1/qemu/101/config", "memory=2048"); status != "500 VM is locked (clone)" {
		t.Errorf("a clone in the making: %s", status)
	}
	if c.ended(first) != "OK" || c.ended(second) != "OK" || time.Since(start) < 300*time.Millisecond || time.Since(start) > 3*time.Second {
		t.Errorf("two clones side by side took %s", time.Since(start))
	}
	config, _ := c.ok("GET", "nodes/pve1/qemu/101/config", "").(map[string]any)
	if config["ide1"] != "local-lvm:vm-101-cloudinit,media=cdrom" || config["ide2"] != nil || config["scsi0"] != "local-lvm:vm-101-disk-0,size=3584M" {
		t.Errorf("the clone: %v", config)
	}
	c.ok("PUT", "nodes/pve1/qemu/101/config", "ipconfig0=ip%3D192.168.1.9/24&net0=virtio,bridge%3Dvmbr7&memory=4096")
	if exit := c.ended(c.ok("POST", "nodes/pve1/qemu/101/status/start", "")); exit != "bridge 'vmbr7' does not exist" {
		t.Errorf("without its bridge: %s", exit)
	}
	c.ok("PUT", "nodes/pve1/qemu/101/config", "net0=virtio,bridge%3Dvmbr1")
	c.hook("/node", json.RawMessage(`{"memory":2048,"cores":4}`))
	if exit := c.ended(c.ok("POST", "nodes/pve1/qemu/101/status/start", "")); !strings.Contains(exit, "Cannot allocate memory") {
		t.Errorf("with more memory than the node has: %s", exit)
	}
	c.hook("/node", json.RawMessage(`{"memory":8192}`))
	c.ok("PUT", "nodes/pve1/qemu/101/config", "cores=5")
	if exit := c.ended(c.ok("POST", "nodes/pve1/qemu/101/status/start", "")); exit != "MAX 4 vcpus allowed per VM on this node" {
		t.Errorf("with more cores than the node has: %s", exit)
	}
	c.ok("PUT", "nodes/pve1/qemu/101/config", "cores=2")
	if exit := c.ended(c.ok("POST", "nodes/pve1/qemu/101/status/start", "")); exit != "OK" {
		t.Errorf("start: %s", exit)
	}
	c.hook("/deaf", json.RawMessage(`{"id":101,"deaf":true}`))
	if exit := c.ended(c.ok("POST", "nodes/pve1/qemu/101/status/shutdown", "timeout=1")); exit != "VM quit/powerdown failed - got timeout" {
		t.Errorf("a guest that ignores ACPI: %s", exit)
	}
	if exit := c.ended(c.ok("POST", "nodes/pve1/qemu/101/status/shutdown", "timeout=1&forceStop=1")); exit != "OK" {
		t.Errorf("cut off: %s", exit)
	}
	if exit := c.ended(c.ok("POST", "nodes/pve1/qemu/101/move_disk", "disk=scsi0&storage=ceph&delete=1")); exit != "OK" {
		t.Errorf("moving the disk: %s", exit)
	}
	config, _ = c.ok("GET", "nodes/pve1/qemu/101/config", "").(map[string]any)
	if config["scsi0"] != "ceph:vm-101-disk-0,size=3584M" {
		t.Errorf("the moved disk: %v", config["scsi0"])
	}
	if status, _ := c.call("POST", "nodes/pve1/qemu/101/move_disk", "disk=scsi0&storage=ceph"); status != "500 you can't move to the same storage with same format" {
		t.Errorf("to where it is: %s", status)
	}
}

// Rights on paths: the pool's for its VMs, the template's, the storage's and the bridge's own; none of them elsewhere.
func TestRightsByPath(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.hook("/token", json.RawMessage(`{"id":"k3s@pve!p","secret":"s","acl":[
		{"path":"/pool/k3s","privileges":["VM.Allocate","VM.Audit","VM.Config.Memory","VM.PowerMgmt"]},{"path":"/vms/9000","privileges":["VM.Clone","VM.Audit"]},
		{"path":"/storage/local-lvm","privileges":["Datastore.AllocateSpace"]},{"path":"/sdn/zones/localnetwork/vmbr0","privileges":["SDN.Use"]}]}`))
	root := c.token
	c.token = "k3s@pve!p=s"
	if status, _ := c.call("POST", "nodes/pve1/qemu/9000/clone", "newid=101&full=1"); status != "403 Permission check failed (/vms/101, VM.Allocate)" {
		t.Errorf("outside of the pool: %s", status)
	}
	c.ok("POST", "nodes/pve1/qemu/9000/clone", "newid=101&full=1&pool=k3s")
	c.ok("PUT", "nodes/pve1/qemu/101/config", "memory=2048")
	for path, want := range map[string]string{
		"nodes/pve1/qemu/101/config cores=2":                                "403 Permission check failed (/vms/101, VM.Config.CPU)",
		"nodes/pve1/qemu/9000/config memory=2048":                           "403 Permission check failed (/vms/9000, VM.Config.Memory)",
		"nodes/pve1/qemu/9001/clone newid=102&full=1&pool=k3s":              "403 Permission check failed (/vms/9001, VM.Clone)",
		"nodes/pve1/qemu/9000/clone newid=102&full=1&pool=k3s&storage=ceph": "403 Permission check failed (/storage/ceph, Datastore.AllocateSpace)",
	} {
		at, form, _ := strings.Cut(path, " ")
		method := "PUT"
		if strings.HasSuffix(at, "clone") {
			method = "POST"
		}
		if status, _ := c.call(method, at, form); status != want {
			t.Errorf("%s: %s, want %s", path, status, want)
		}
	}
	c.token = root
	c.ok("POST", "nodes/pve1/qemu/9000/clone", "newid=103&full=1")
	c.token = "k3s@pve!p=s"
	resources, _ := c.ok("GET", "cluster/resources", "type=vm").([]any)
	if len(resources) != 2 { // its own VM and the template
		t.Errorf("sees %v", resources)
	}
}
