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
	"io"
	"net/http"
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
