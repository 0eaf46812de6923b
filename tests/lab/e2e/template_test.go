package e2e

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

// cloudImage is the head of a qcow2 image of 3.5 GiB, and something that tells it from another one: nobody boots from it in the lab.
func cloudImage(mark string) (data []byte, sum string) {
	data = make([]byte, 4096)
	copy(data, "QFI\xfb")
	binary.BigEndian.PutUint32(data[4:], 3)
	binary.BigEndian.PutUint64(data[24:], 3584<<20)
	copy(data[512:], mark)
	return data, fmt.Sprintf("%x", sha256.Sum256(data))
}

// publish puts an image where its publisher would have it.
func (p *place) publish(folder, file, mark string) (sum string) {
	p.t.Helper()
	data, sum := cloudImage(mark)
	dir := filepath.Join(p.Images(), folder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	for name, content := range map[string][]byte{file: data, "SHA256SUMS": []byte(strings.Repeat("0", 64) + " *another.img\n" + sum + " *" + file + "\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	return sum
}

// shell runs a command at the own shell of pve1.
func (p *place) shell(command string) string {
	p.t.Helper()
	out, _ := p.Command("ssh", "-q", "-i", p.KeyFile(), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "root@"+p.Host("pve1"), command).CombinedOutput()
	return strings.TrimSpace(string(out))
}

// option is one line of the template's configuration.
func (p *place) option(key string) string {
	p.t.Helper()
	for line := range strings.Lines(p.shell("qm config 9100")) {
		if value, found := strings.CutPrefix(line, key+": "); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// images are the files on a Proxmox node's local storage.
func (p *place) images() []string {
	p.t.Helper()
	cmd := p.Command("curl", "-sk", "-H", "Authorization: PVEAPIToken="+lab.Token, "https://"+lab.ProxmoxAt+"/api2/json/nodes/pve1/storage/local/content?content=iso")
	out, err := cmd.Output()
	var answer struct {
		Data []struct {
			Volume string `json:"volid"`
		} `json:"data"`
	}
	if err != nil || json.Unmarshal(out, &answer) != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	var names []string
	for _, f := range answer.Data {
		names = append(names, f.Volume)
	}
	return names
}

// TestLongTemplate makes a template from a cloud image, and a cluster of its clones in the same program: from nothing, after failures, when the
// image changes, and away again.
func TestLongTemplate(t *testing.T) {
	l := newLab(t, "template", false)
	const (
		mirror = "http://" + lab.ImagesAt + "/ubuntu"
		file   = "ubuntu-24.04-server-cloudimg-amd64.img"
	)
	hostKey, err := l.HostKey()
	if err != nil {
		t.Fatal(err)
	}
	template := func(image, more string) []string {
		return []string{"templateId: 9000", "templateId: ${ubuntu.vmId}", "resources:\n", fmt.Sprintf(`resources:
  ubuntu:
    type: k3sha:CloudImageTemplate
    properties:
      node: pve1
      vmId: 9100
      %s
      discard: true
      ssd: true
      host: {address: %s, privateKey: "${sshPrivateKey}", hostKey: %q}
%s`, image, l.Host("pve1"), hostKey, more)}
	}
	byName := "image: ubuntu-24.04\n      imageMirror: " + mirror
	p := newPlace(t, l, "template", template(byName, "")...)
	first := p.publish("ubuntu/releases/noble/release", file, "first")
	second := p.publish("ubuntu/releases/noble/release-20260101", file, "second")

	t.Run("everything previews while the template is not there", func(t *testing.T) {
		p.t = t
		r, out := p.must(2*time.Minute, "preview")
		if n := r.Changes["create"]; n != 46+4 {
			t.Errorf("the preview makes %d\n%s", n, tail(out))
		}
		if got := p.shell("qm config 9100"); !strings.Contains(got, "does not exist") {
			t.Errorf("the preview has made %s", got)
		}
	})

	t.Run("an image that is another one is refused", func(t *testing.T) {
		p.t = t
		p.program(template("url: "+mirror+"/releases/noble/release/"+file+"\n      sha256: "+second, "")...)
		p.mustRefuse(3*time.Minute, "checksum mismatch: got '"+first+"' != expect '"+second+"'", "--target", "**::ubuntu", "--target-dependents")
	})

	t.Run("another host than the one that is known", func(t *testing.T) {
		p.t = t
		other, err := os.ReadFile(newKey(t) + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.Fields(string(other))
		changed := template(byName, "")
		changed[3] = strings.Replace(changed[3], hostKey, fields[0]+" "+fields[1], 1)
		p.program(changed...)
		p.mustRefuse(3*time.Minute, "ubuntu: template: on the Proxmox node pve1 (192.168.1.5): its host key is ssh-ed25519", "--target", "**::ubuntu*", "--target-dependents")
		wrong := template(byName, "")
		wrong[3] = strings.Replace(wrong[3], l.Host("pve1"), l.Host("pve2"), 1)
		p.program(wrong...)
		p.mustRefuse(3*time.Minute, "this host is Proxmox node pve2, and the template is to be on pve1", "--target", "**::ubuntu*", "--target-dependents")
	})

	t.Run("an id that somebody else has", func(t *testing.T) {
		p.t = t
		if err := p.Control("POST", "/vm", map[string]any{"id": 9100, "name": "theirs"}, nil); err != nil {
			t.Fatal(err)
		}
		p.program(template(byName, "")...)
		p.mustRefuse(3*time.Minute, "VM 9100 exists already, theirs, which was not made here; give another vmId, or take that one away first", "--target", "**::ubuntu*", "--target-dependents")
		if got := p.option("name"); got != "theirs" {
			t.Errorf("somebody else's VM is %q", got)
		}
		p.remove(9100)
	})

	t.Run("what fails in the middle leaves nothing, or is taken away by the next", func(t *testing.T) {
		p.t = t
		p.fault(pve.Fault{Method: "POST", Path: "/qemu/9100/template$", Times: 2, Status: 500, Message: "unable to create template: disk is busy"})
		p.fault(pve.Fault{Method: "DELETE", Path: "/qemu/9100$", Skip: 1, Times: 1, Status: 500, Message: "storage is busy"})
		for range 2 {
			p.mustRefuse(3*time.Minute, "ubuntu: template: qm template failed: unable to create template: disk is busy", "--target", "**::ubuntu*", "--target-dependents")
		}
		if got := p.option("description"); !strings.HasPrefix(got, "k3sha template ") {
			t.Errorf("what is left is %q", got)
		}
	})

	t.Run("a cluster of its clones", func(t *testing.T) {
		p.t = t
		p.up()
		p.cluster(release, kubernetesNodes()...)
		if r, _ := p.up(); r.Changed() != 0 {
			t.Errorf("the second up changes %v", changedNames(r))
		}
		if got := p.option("scsi0"); got != "local-lvm:base-9100-disk-0,discard=on,size=3584M,ssd=1" {
			t.Errorf("the template's disk is %s", got)
		}
		vms, err := p.VMs()
		if err != nil {
			t.Fatal(err)
		}
		for name, vm := range vms {
			drives := 0
			for _, value := range vm.Config {
				drives += strings.Count(value, "cloudinit,media=cdrom")
			}
			if disk := vm.Config["scsi0"]; drives != 1 || !strings.Contains(disk, "discard=on") || !strings.Contains(disk, "ssd=1") || !strings.Contains(disk, "size=32G") {
				t.Errorf("%s has %d cloud-init drives, and the disk %s", name, drives, disk)
			}
		}
	})

	t.Run("somebody destroys it", func(t *testing.T) {
		p.t = t
		p.shell("qm destroy 9100")
		if r, _ := p.up("--refresh"); r.Changes["create"] != 1 || r.Changed() != 1 {
			t.Errorf("changes %v", r.Changes)
		}
		if got := p.option("template"); got != "1" {
			t.Errorf("it is not there again: %q", got)
		}
	})

	t.Run("another image makes another template, and a generation rolls it out", func(t *testing.T) {
		p.t = t
		newer := template(byName+"\n      imageVersion: \"20260101\"", "")
		p.program(newer...)
		before := p.lives()
		p.up()
		if after := p.lives(); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("machines were touched: %v, then %v", before, after)
		}
		expect(t, "images", p.images(), []string{"local:iso/ubuntu-" + second[:12] + ".img"})
		p.program(append(newer, "          count: 2\n", "          count: 2\n          generation: 1\n")...)
		s := p.service(func() { p.up() })
		p.within(s, time.Second)
		p.cluster(release, kubernetesNodes()...)
	})

	t.Run("all of it goes", func(t *testing.T) {
		p.t = t
		p.must(5*time.Minute, "destroy", "--yes", "--skip-preview")
		if got := p.shell("qm config 9100"); !strings.Contains(got, "does not exist") {
			t.Errorf("the template is still there: %s", got)
		}
		expect(t, "images", p.images(), nil)
	})
}
