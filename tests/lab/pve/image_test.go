package pve_test

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

// What making a template from a cloud image takes: a download that is verified, an import, a conversion, each with Proxmox VE's own refusals.
func TestTemplateFromAnImage(t *testing.T) {
	t.Parallel()
	image := make([]byte, 1000)
	copy(image, "QFI\xfb")
	binary.BigEndian.PutUint64(image[24:], 3<<30)
	s := pve.New(pve.NewNull())
	s.Fetch = func(url string) ([]byte, error) {
		if url != "https://example.org/noble.img" {
			return nil, errors.New("404 Not Found")
		}
		return image, nil
	}
	c := client{t: t, api: httptest.NewServer(s), control: httptest.NewServer(s.Control()), token: "root@pam!lab=00000000-0000-0000-0000-000000000000"}
	t.Cleanup(c.api.Close)
	t.Cleanup(c.control.Close)
	c.hook("/instant", json.RawMessage(`{"instant":true}`))
	sum := fmt.Sprintf("%x", sha256.Sum256(image))
	const local = "nodes/pve1/storage/local/"
	fetch := func(more string) string {
		return "url=https://example.org/noble.img&content=iso&filename=noble.img&checksum-algorithm=sha256&checksum=" + more
	}
	task := func(form string) string {
		status, data := c.call("POST", local+"download-url", form)
		if upid, isTask := data.(string); isTask {
			got, _ := c.ok("GET", "nodes/pve1/tasks/"+upid+"/status", "").(map[string]any)
			return fmt.Sprint(got["exitstatus"])
		}
		return status
	}
	for _, step := range []struct{ form, want string }{
		{strings.Replace(fetch(sum), "noble.img&content", "other.img&content", 1), "download failed: 404 Not Found"},
		{fetch(strings.Repeat("0", 64)), "checksum mismatch: got '" + sum + "' != expect '" + strings.Repeat("0", 64) + "'"},
		{strings.Replace(fetch(sum), "filename=noble.img", "filename=noble.qcow2", 1), "400 Parameter verification failed."},
		{strings.Replace(fetch(sum), "content=iso", "content=import", 1), "500 storage 'local' is not configured for content-type 'import'"},
		{fetch(sum), "OK"},
		{fetch(sum), "OK"}, // it is there already
		{fetch(strings.Repeat("0", 64)), "refusing to override existing file '/var/lib/vz/template/iso/noble.img'"},
	} {
		if got := task(step.form); got != step.want {
			t.Errorf("%s: %s, want %s", step.form, got, step.want)
		}
	}
	list := func(node string) string {
		return fmt.Sprint(len(c.ok("GET", "nodes/"+node+"/storage/local/content", "content=iso").([]any)))
	}
	if list("pve1") != "1" || list("pve2") != "0" {
		t.Errorf("%s images on pve1, %s on pve2", list("pve1"), list("pve2"))
	}

	// By the API the import wants a volume of its own kind; a path is for root at the host's shell.
	create := func(form string) string { status, _ := c.call("POST", "nodes/pve1/qemu", form); return status }
	for _, step := range []struct{ form, want string }{
		{"vmid=9100&scsi0=local-lvm:0,import-from=local:iso/noble.img", "500 cannot import from 'local:iso/noble.img' - must be of type 'images' or 'import'"},
		{"vmid=9100&scsi0=local-lvm:0,import-from=local:iso/none.img", "500 volume 'local:iso/none.img' does not exist"},
		{"vmid=9100&scsi0=local-lvm:0,import-from=/var/lib/vz/template/iso/noble.img", "403 Only root can pass arbitrary filesystem paths."},
		{"vmid=9000", "500 unable to create VM 9000: config file already exists"},
		{"vmid=9100&name=base&memory=2048&net0=virtio,bridge=vmbr0", "200 OK"},
	} {
		if got := create(step.form); got != step.want {
			t.Errorf("%s: %s, want %s", step.form, got, step.want)
		}
	}
	c.hook("/host", pve.HostCall{Method: "PUT", Path: "nodes/pve1/qemu/9100/config", Form: map[string]string{"scsi0": "local-lvm:0,import-from=/var/lib/vz/template/iso/noble.img,discard=on"}})
	c.hook("/host", pve.HostCall{Method: "PUT", Path: "nodes/pve1/qemu/9100/config", Form: map[string]string{"ide1": "local-lvm:cloudinit", "boot": "order=scsi0"}})
	c.ok("POST", "nodes/pve1/qemu/9100/template", "")
	config, _ := c.ok("GET", "nodes/pve1/qemu/9100/config", "").(map[string]any)
	for key, want := range map[string]any{"scsi0": "local-lvm:base-9100-disk-0,discard=on,size=3G", "ide1": "local-lvm:vm-9100-cloudinit,media=cdrom", "template": 1.0, "name": "base"} {
		if config[key] != want {
			t.Errorf("%s is %v, want %v", key, config[key], want)
		}
	}
	if status, _ := c.call("POST", "nodes/pve1/qemu/9100/template", ""); status != "500 you can't convert a template to a template" {
		t.Error(status)
	}
	c.ok("DELETE", local+"content/local:iso%2Fnoble.img", "")
	if list("pve1") != "0" {
		t.Error("the image is still there")
	}
}

// refused calls the API and compares status and reason; the text is that of the one wrong parameter, if there is one.
func (c client) refused(method, path, form, want, text string) {
	c.t.Helper()
	status, body := c.raw(method, path, form)
	var answer struct{ Errors map[string]string }
	_ = json.Unmarshal(body, &answer)
	got := ""
	for name, why := range answer.Errors {
		got = name + ": " + why
	}
	if status != want || got != text {
		c.t.Errorf("%s %s %s: %q %q, want %q %q", method, path, form, status, got, want, text)
	}
}

// withImages is an installation that can fetch any URL that ends in .img or .qcow2: the content is raw, or says its size.
func withImages(t *testing.T) client {
	t.Helper()
	s := pve.New(pve.NewNull())
	s.Fetch = func(url string) ([]byte, error) {
		data := make([]byte, 1<<20+1)
		switch path.Ext(url) {
		case ".img":
		case ".qcow2":
			copy(data, "QFI\xfb")
			binary.BigEndian.PutUint64(data[24:], 3584<<20)
		default:
			return nil, errors.New("404 Not Found")
		}
		return data, nil
	}
	c := client{t: t, api: httptest.NewServer(s), control: httptest.NewServer(s.Control()), token: "root@pam!lab=00000000-0000-0000-0000-000000000000"}
	t.Cleanup(c.api.Close)
	t.Cleanup(c.control.Close)
	c.hook("/instant", json.RawMessage(`{"instant":true}`))
	return c
}

// What a download asks for is looked at before anything is fetched.
func TestDownloadRefusals(t *testing.T) {
	t.Parallel()
	c := withImages(t)
	c.hook("/storage", json.RawMessage(`{"name":"local","content":"iso,vztmpl,import"}`))
	const bad = "400 Parameter verification failed."
	for _, r := range []struct{ storage, form, want, text string }{
		{"nfs", "content=iso&filename=a.img", "500 storage 'nfs' does not exist", ""},
		{"ceph", "content=iso&filename=a.img", "500 storage 'ceph' is not configured for content-type 'iso'", ""},
		{"local", "content=images&filename=a.img", bad, "content: value 'images' does not have a value in the enumeration 'iso, vztmpl, import'"},
		{"local", "content=iso&filename=a.qcow2", bad, "filename: wrong file extension"},
		{"local", "content=vztmpl&filename=a.img", bad, "filename: wrong file extension"},
		{"local", "content=import&filename=a.img", bad, "filename: invalid filename or wrong extension"},
		{"local", "content=iso&filename=a.img&checksum=00", bad, "checksum-algorithm: missing property - 'checksum' requires this property"},
		{"local", "content=iso&filename=a.img&checksum-algorithm=md5", bad, "checksum: missing property - 'checksum-algorithm' requires this property"},
		{"local", "content=iso&filename=a.img&checksum=00&checksum-algorithm=crc", bad, "checksum-algorithm: value 'crc' does not have a value in the enumeration 'md5, sha1, sha224, sha256, sha384, sha512'"},
	} {
		c.refused("POST", "nodes/pve1/storage/"+r.storage+"/download-url", "url=http://x/a.img&"+r.form, r.want, r.text)
	}
}

// Each algorithm takes the checksum that it makes, in either case, and no other.
func TestChecksums(t *testing.T) {
	t.Parallel()
	c := withImages(t)
	data := make([]byte, 1<<20+1)
	for algorithm, sum := range map[string]string{
		"md5": fmt.Sprintf("%x", md5.Sum(data)), "sha1": fmt.Sprintf("%x", sha1.Sum(data)), "sha224": fmt.Sprintf("%x", sha256.Sum224(data)),
		"sha256": fmt.Sprintf("%x", sha256.Sum256(data)), "sha384": fmt.Sprintf("%x", sha512.Sum384(data)), "sha512": fmt.Sprintf("%X", sha512.Sum512(data)),
	} {
		form := "url=http://x/a.img&content=iso&filename=" + algorithm + ".img&checksum-algorithm=" + algorithm + "&checksum="
		wrong := strings.Repeat("0", len(sum))
		if got, want := c.task(c.ok("POST", "nodes/pve1/storage/local/download-url", form+wrong)), "checksum mismatch: got '"+strings.ToLower(sum)+"' != expect '"+wrong+"'"; got != want {
			t.Errorf("%s: %s, want %s", algorithm, got, want)
		}
		if got := c.task(c.ok("POST", "nodes/pve1/storage/local/download-url", form+sum)); got != "OK" {
			t.Errorf("%s: %s", algorithm, got)
		}
	}
}

// A volume to import is listed as what it is, and a token may make a disk of it.
func TestImports(t *testing.T) {
	t.Parallel()
	c := withImages(t)
	c.hook("/storage", json.RawMessage(`{"name":"local","content":"iso,import"}`))
	for _, form := range []string{"content=import&filename=noble.qcow2&url=http://x/noble.qcow2", "content=iso&filename=raw.img&url=http://x/raw.img"} {
		if end := c.task(c.ok("POST", "nodes/pve1/storage/local/download-url", form)); end != "OK" {
			t.Fatal(end)
		}
	}
	for volume, want := range map[string]string{
		"local:import%2Fnoble.qcow2": "qcow2 /var/lib/vz/import/noble.qcow2", "import%2Fnoble.qcow2": "qcow2 /var/lib/vz/import/noble.qcow2",
		"local:iso%2Fraw.img": "iso /var/lib/vz/template/iso/raw.img",
	} {
		f, _ := c.ok("GET", "nodes/pve1/storage/local/content/"+volume, "").(map[string]any)
		if got := fmt.Sprint(f["format"], " ", f["path"]); got != want || f["size"] != float64(1<<20+1) {
			t.Errorf("%s: %s of %v, want %s", volume, got, f["size"], want)
		}
	}
	for content, want := range map[string]int{"": 2, "iso": 1, "import": 1, "images": 0} {
		if got, _ := c.ok("GET", "nodes/pve1/storage/local/content", "content="+content).([]any); len(got) != want {
			t.Errorf("content %q: %v", content, got)
		}
	}
	if end := c.task(c.ok("POST", "nodes/pve1/qemu", "vmid=300&scsi0=local-lvm:0,import-from=local:import/noble.qcow2,discard%3Don&scsi1=ceph:0,import-from=local:import/noble.qcow2&ide0=ceph:cloudinit&ide2=local-lvm:cloudinit")); end != "OK" {
		t.Fatal(end)
	}
	config, _ := c.ok("GET", "nodes/pve1/qemu/300/config", "").(map[string]any)
	for key, want := range map[string]string{
		"scsi0": "local-lvm:vm-300-disk-0,discard=on,size=3584M", "scsi1": "ceph:vm-300-disk-1,size=3584M",
		"ide0": "ceph:vm-300-cloudinit,media=cdrom", "ide2": "local-lvm:vm-300-cloudinit,media=cdrom",
	} {
		if config[key] != want {
			t.Errorf("%s is %v, want %s", key, config[key], want)
		}
	}
	// The raw image is of a whole number of MiB, and root alone takes it by its path.
	c.hook("/host", pve.HostCall{Method: "PUT", Path: "nodes/pve1/qemu/300/config", Form: map[string]string{"scsi2": "local-lvm:0,import-from=/var/lib/vz/template/iso/raw.img"}})
	config, _ = c.ok("GET", "nodes/pve1/qemu/300/config", "").(map[string]any)
	if config["scsi2"] != "local-lvm:vm-300-disk-2,size=2M" {
		t.Errorf("the raw image made %v", config["scsi2"])
	}
	const bad = "400 Parameter verification failed."
	for _, r := range []struct{ node, form, want, text string }{
		{"pve1", "scsi0=local-lvm:4,import-from=local:import/noble.qcow2", bad, "scsi0: 'import-from' requires special syntax - use <storage ID>:0,import-from=<source>"},
		{"pve1", "scsi0=local-lvm:0,import-from=nfs:import/noble.qcow2", "500 storage 'nfs' does not exist", ""},
		{"pve2", "scsi0=local-lvm:0,import-from=local:import/noble.qcow2", "500 volume 'local:import/noble.qcow2' does not exist", ""},
	} {
		c.refused("POST", "nodes/"+r.node+"/qemu", "vmid=301&"+r.form, r.want, r.text)
	}
	c.refused("GET", "nodes/pve1/storage/local/content/local:iso%2Fnone.img", "", "500 volume 'local:iso/none.img' does not exist", "")
	c.refused("DELETE", "nodes/pve1/storage/local/content/iso%2Fnone.img", "", "500 volume 'local:iso/none.img' does not exist", "")
	c.ok("DELETE", "nodes/pve1/storage/local/content/iso%2Fraw.img", "")
	c.refused("GET", "nodes/pve1/storage/local/content/iso%2Fraw.img", "", "500 volume 'local:iso/raw.img' does not exist", "")
}

// Each step asks for privileges of its own, and for none beyond.
func TestImagePrivileges(t *testing.T) {
	t.Parallel()
	c := withImages(t)
	c.hook("/storage", json.RawMessage(`{"name":"local","content":"iso,import"}`))
	c.ok("POST", "nodes/pve1/storage/local/download-url", "content=import&filename=noble.qcow2&url=http://x/noble.qcow2")
	const (
		download = "POST nodes/pve1/storage/local/download-url url=http://x/a.img&content=iso&filename=a.img"
		query    = "GET nodes/pve1/query-url-metadata url=http://x/a.img"
		remove   = "DELETE nodes/pve1/storage/local/content/iso%2Fa.img "
		create   = "POST nodes/pve1/qemu vmid=400"
	)
	storage, node, root := "/storage/local", "/nodes/pve1", "/"
	vm := pve.ACL{Path: "/vms/400", Privileges: []string{"VM.Allocate", "VM.Config.Disk", "VM.Config.CDROM", "VM.Config.Cloudinit", "VM.Config.Network"}}
	for _, r := range []struct {
		call, want string
		acl        []pve.ACL
	}{
		{download, "403 Permission check failed (/storage/local, Datastore.AllocateTemplate)", nil},
		{download, "403 Permission check failed (/, Sys.Audit)", []pve.ACL{{Path: storage, Privileges: []string{"Datastore.AllocateTemplate"}}}},
		{download, "403 Permission check failed (/, Sys.Modify)", []pve.ACL{{Path: storage, Privileges: []string{"Datastore.AllocateTemplate"}}, {Path: root, Privileges: []string{"Sys.Audit"}}}},
		{download, "200 OK", []pve.ACL{{Path: storage, Privileges: []string{"Datastore.AllocateTemplate"}}, {Path: node, Privileges: []string{"Sys.AccessNetwork"}}}},
		{query, "403 Permission check failed (/, Sys.Audit)", nil},
		{query, "200 OK", []pve.ACL{{Path: node, Privileges: []string{"Sys.AccessNetwork"}}}},
		{query, "200 OK", []pve.ACL{{Path: root, Privileges: []string{"Sys.Audit", "Sys.Modify"}}}},
		{remove, "403 Permission check failed (/storage/local, Datastore.Allocate)", nil},
		{remove, "200 OK", []pve.ACL{{Path: storage, Privileges: []string{"Datastore.Allocate"}}}},
		{create, "403 Permission check failed (/vms/400, VM.Allocate)", nil},
		{create + "&pool=k3s&memory=512", "403 Permission check failed (/vms/400, VM.Config.Memory)", []pve.ACL{{Path: "/pool/k3s", Privileges: []string{"VM.Allocate"}}}},
		{create + "&scsi0=local-lvm:0,import-from=local:import/noble.qcow2", "403 Permission check failed (/storage/local-lvm, Datastore.AllocateSpace)", []pve.ACL{vm}},
		{create + "&scsi0=local-lvm:8", "403 Permission check failed (/storage/local-lvm, Datastore.AllocateSpace)", []pve.ACL{vm}},
		{create + "&ide2=local-lvm:cloudinit", "403 Permission check failed (/storage/local-lvm, Datastore.AllocateSpace)", []pve.ACL{vm}},
		{create + "&net0=virtio,bridge%3Dvmbr0", "403 Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)", []pve.ACL{vm}},
		{create + "&hookscript=local:snippets/x", "500 only root can set 'hookscript' config", []pve.ACL{{Path: "/", Privileges: []string{"*"}}}},
		{create + "&scsi0=local-lvm:8&ide2=local-lvm:cloudinit&net0=virtio,bridge%3Dvmbr0", "200 OK", []pve.ACL{
			vm, {Path: "/storage/local-lvm", Privileges: []string{"Datastore.AllocateSpace"}}, {Path: "/sdn/zones/localnetwork/vmbr0", Privileges: []string{"SDN.Use"}},
		}},
	} {
		c.hook("/token", map[string]any{"id": "a@pve!t", "secret": "s", "acl": r.acl})
		limited := c
		limited.token = "a@pve!t=s"
		parts := strings.SplitN(r.call, " ", 3)
		if status, _ := limited.raw(parts[0], parts[1], parts[2]); status != r.want {
			t.Errorf("%s with %v: %q, want %q", r.call, r.acl, status, r.want)
		}
	}
}

// A VM that runs is not converted.
func TestTemplateOfARunningVM(t *testing.T) {
	t.Parallel()
	c := withImages(t)
	c.ok("POST", "nodes/pve1/qemu", "vmid=500&name=a&memory=512&cores=1&net0=virtio,bridge%3Dvmbr0&ipconfig0=ip%3D192.168.1.9/24")
	if end := c.task(c.ok("POST", "nodes/pve1/qemu/500/status/start", "")); end != "OK" {
		t.Fatal(end)
	}
	c.refused("POST", "nodes/pve1/qemu/500/template", "", "500 you can't convert a VM to template if VM is running", "")
	c.ok("POST", "nodes/pve1/qemu/500/status/stop", "")
	c.ok("POST", "nodes/pve1/qemu/500/template", "")
}
