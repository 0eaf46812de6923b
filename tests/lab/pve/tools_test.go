package pve_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

// shell runs a line at a node's shell; what fails comes behind "255 ".
func (c client) shell(node, line string) string {
	c.t.Helper()
	var out bytes.Buffer
	tools := pve.Tools{Node: node, Out: &out, Call: func(h pve.HostCall, into any) error {
		data, err := json.Marshal(h)
		if err != nil {
			return err
		}
		resp, err := http.Post(c.control.URL+"/host", "application/json", bytes.NewReader(data))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return errors.New(strings.TrimSpace(string(body)))
		}
		if into == nil {
			return nil
		}
		return json.Unmarshal(body, into)
	}}
	words := strings.Fields(line)
	if err := tools.Run(words[0], words[1:]); err != nil {
		return "255 " + err.Error()
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// A template is made at a host's shell, step by step, and every step refuses as Proxmox VE's own programs do.
func TestToolsMakeATemplate(t *testing.T) {
	t.Parallel()
	c := withImages(t)
	if end := c.task(c.ok("POST", "nodes/pve1/storage/local/download-url", "content=iso&filename=noble.img&url=http://x/noble.qcow2")); end != "OK" {
		t.Fatal(end)
	}
	const (
		gone = "255 Configuration file 'nodes/pve1/qemu-server/9100.conf' does not exist"
		path = "/var/lib/vz/template/iso/noble.img"
	)
	for _, step := range []struct{ line, want string }{
		{"hostname", "pve1"},
		{"pvesm path local:iso/noble.img", path},
		{"pvesm path local:iso/none.img", "255 volume 'local:iso/none.img' does not exist"},
		{"pvesm path nfs:iso/noble.img", "255 storage 'nfs' does not exist"},
		{"pvesm path local-lvm:base-9000-disk-0", "/dev/pve/base-9000-disk-0"},
		{"pvesm free x", "255 ERROR: unknown command 'pvesm free x'"},
		{"qm", "255 ERROR: no command specified"},
		{"qm rescan", "255 ERROR: unknown command 'qm rescan'"},
		{"qm set", "255 400 not enough arguments"},
		{"qm config x", "255 400 Parameter verification failed.\nvmid: invalid format - value does not look like a valid VM ID"},
		{"qm config 9100", gone},
		{"qm status 9100", gone},
		{"qm set 9100 --cores 2", gone},
		{"qm template 9100", gone},
		{"qm destroy 9100 --purge", gone},
		{"qm create 9000 --name a", "255 unable to create VM 9000: config file already exists"},
		{"qm create 9100 --colour red", "255 Unknown option: colour"},
		{"qm create 9100 --purge", "255 Unknown option: purge"},
		{"qm create 9100 --name", "255 Option name requires an argument"},
		{"qm create 9100 name", "255 400 too many arguments"},
		{"qm create 9100 --name base --memory 2048 --net0 virtio=BC:24:11:00:00:01,bridge=vmbr0 --scsihw virtio-scsi-pci --agent=0 -tags b,a --pool k3s", ""},
		{"qm create 9100 --name base", "255 unable to create VM 9100: config file already exists"},
		{"qm set 9100", "255 no options specified"},
		{"qm set 9100 --scsi0 local-lvm:0,import-from=/var/lib/vz/template/iso/none.img", "255 volume '/var/lib/vz/template/iso/none.img' does not exist"},
		{"qm set 9100 --scsi0 local-lvm:0,import-from=/etc/passwd", "255 volume '/etc/passwd' does not exist"},
		{"qm set 9100 --scsi0 local-lvm:2,import-from=" + path, "255 400 Parameter verification failed.\nscsi0: 'import-from' requires special syntax - use <storage ID>:0,import-from=<source>"},
		{"qm set 9100 --scsi0 local-lvm:0,import-from=" + path + ",discard=on", ""},
		{"qm set 9100 --ide2 local-lvm:cloudinit --boot order=scsi0 --ciupgrade --hookscript local:snippets/a", ""},
		{"qm set 9100 --delete hookscript,tags", ""},
		{"qm set 9100 --description 50%äß", ""},
		{"qm status 9100", "status: stopped"},
		{"qm template 9100", ""},
		{"qm template 9100", "255 you can't convert a template to a template"},
	} {
		if got := c.shell("pve1", step.line); got != step.want {
			t.Errorf("%s: %q, want %q", step.line, got, step.want)
		}
	}
	want := `agent: 0
boot: order=scsi0
ciupgrade: 1
description: 50%25%C3%A4%C3%9F
ide2: local-lvm:vm-9100-cloudinit,media=cdrom
memory: 2048
meta: creation-qemu=9.2.0,ctime=1735689600
name: base
net0: virtio=BC:24:11:00:00:01,bridge=vmbr0
scsi0: local-lvm:base-9100-disk-0,discard=on,size=3584M
scsihw: virtio-scsi-pci
smbios1: uuid=00000000-0000-4000-8000-000000009100
template: 1
vmgenid: 00000000-0000-4000-9000-000000009100`
	if got := c.shell("pve1", "qm config 9100"); got != want {
		t.Errorf("the configuration:\n%s", got)
	}
	// It is on that node alone, and so is its image.
	if got := c.shell("pve2", "qm config 9100"); got != "255 Configuration file 'nodes/pve2/qemu-server/9100.conf' does not exist" {
		t.Error(got)
	}
	if got := c.shell("pve2", "pvesm path local:iso/noble.img"); got != "255 volume 'local:iso/noble.img' does not exist" {
		t.Error(got)
	}
	if got := c.shell("pve1", "qm destroy 9100 --purge"); got != "" {
		t.Error(got)
	}
	if got := c.shell("pve1", "qm status 9100"); got != gone {
		t.Error(got)
	}
}

// The tables of a host's shell, and the failure of a task in it.
func TestToolsTables(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for _, id := range []string{"9001", "9002"} {
		c.shell("pve1", "qm destroy "+id)
	}
	want := `      VMID NAME                 STATUS     MEM(MB)    BOOTDISK(GB) PID       
      9000 ubuntu-2404-9000     stopped    1024               3.50 0         `
	if got := c.shell("pve1", "qm list"); got != want {
		t.Errorf("qm list:\n%s", got)
	}
	if got := c.shell("pve2", "qm list"); got != "" {
		t.Errorf("qm list on an empty node: %s", got)
	}
	want = `Name             Type     Status           Total            Used       Available        %
ceph              rbd     active      1073741824       104857600       968884224    9.77%
local             dir     active      1073741824       104857600       968884224    9.77%
local-lvm     lvmthin     active      1073741824       104857600       968884224    9.77%`
	if got := c.shell("pve1", "pvesm status"); got != want {
		t.Errorf("pvesm status:\n%s", got)
	}
	c.hook("/fault", pve.Fault{Method: "DELETE", Path: "/qemu/9000$", Times: 1, TaskError: "storage is busy", TaskDelay: 100})
	if got := c.shell("pve1", "qm destroy 9000"); got != "255 storage is busy" {
		t.Error(got)
	}
}
