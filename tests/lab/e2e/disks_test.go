package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestLongDisks has a pool with disks for data: formatted once, mounted before k3s, grown, kept over restarts, never taken away by mistake. (The
// one that grows has XFS: a kernel lets ext4 grow only for who has CAP_SYS_RESOURCE, which a container may be without.)
func TestLongDisks(t *testing.T) {
	p := newPlace(t, newLab(t, "disks", false), "disks")
	with := func(disks string, more ...string) {
		p.program(append([]string{"          count: 2\n", "          count: 2\n          scsiHardware: virtio-scsi-single\n          agent: true\n          dataDisks:\n" + disks}, more...)...)
	}
	const (
		raw   = "            - {name: raw, size: 1, cache: writeback, backup: false}\n"
		third = "            - {name: third, size: 1, mountPoint: /srv/third}\n"
	)
	longhorn := func(size string) string {
		return "            - {name: longhorn, size: " + size + ", datastore: ceph, mountPoint: /var/lib/longhorn, fileSystem: xfs, discard: true, ssd: true, iothread: true}\n"
	}
	worker := func(name string) bool { return strings.HasPrefix(name, "k3s-worker-") }
	looks := func(want map[string]string) {
		p.t.Helper()
		for key, value := range want {
			if wrong := config(worker, key, value)(p); wrong != "" {
				p.t.Error(wrong)
			}
		}
	}
	mounted := func(folder, want string) {
		p.t.Helper()
		for _, node := range []string{"k3s-worker-01", "k3s-worker-02"} {
			if got := p.in(node, "", "findmnt", "-n", "-o", "FSTYPE,LABEL,TARGET", folder); strings.Join(strings.Fields(got), " ") != want+" "+folder {
				p.t.Errorf("%s has %q at %s, want %s", node, got, folder, want)
			}
		}
	}
	written := func(want string) {
		p.t.Helper()
		for _, node := range []string{"k3s-worker-01", "k3s-worker-02"} {
			if got := p.in(node, "", "sh", "-c", "cat /var/lib/longhorn/written 2>&1"); !strings.Contains(got, want) {
				p.t.Errorf("%s: /var/lib/longhorn/written is %q, want %q", node, got, want)
			}
		}
	}
	clean := func() {
		p.t.Helper()
		if r, out := p.must(2*time.Minute, "preview", "--refresh", "--diff"); r.Changed() != 0 {
			p.t.Errorf("the next update changes %v\n%s", changedNames(r), tail(out))
		}
	}
	refused := func(want string) {
		p.t.Helper()
		_, out, err := p.try(time.Minute, "preview")
		if flat := strings.Join(strings.Fields(out), " "); err == nil || !strings.Contains(flat, want) {
			p.t.Errorf("no %q (%v) in:\n%s", want, err, tail(out))
		}
	}
	with(longhorn("2") + raw)
	p.up()
	p.cluster(release, kubernetesNodes()...)

	t.Run("as the program says", func(t *testing.T) {
		p.t = t
		looks(map[string]string{
			"scsi1": "discard=on,iothread=1,", "scsi2": "backup=0,cache=writeback,", "scsihw": "virtio-scsi-single", "agent": "enabled=1",
		})
		looks(map[string]string{"scsi1": "serial=longhorn,size=2G,ssd=1"})
		mounted("/var/lib/longhorn", "xfs longhorn")
		for _, node := range []string{"k3s-worker-01", "k3s-worker-02"} {
			p.in(node, "", "sh", "-c", "echo data of $(hostname) > /var/lib/longhorn/written")
			if got := p.in(node, "", "sh", "-c", "command -v qemu-ga; systemctl show -p Requires --value k3s-agent | grep -o 'var-lib-longhorn[.]mount'; blkid -p /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_raw; true"); got != "/usr/sbin/qemu-ga\nvar-lib-longhorn.mount" {
				t.Errorf("%s: %q", node, got)
			}
		}
		clean()
	})
	t.Run("VMs restart", func(t *testing.T) {
		p.t = t
		with(longhorn("2")+raw, "          scsiHardware", "          memory: 6144\n          scsiHardware")
		s := p.service(func() { p.up() })
		p.within(s, time.Second)
		p.cluster(release, kubernetesNodes()...)
		mounted("/var/lib/longhorn", "xfs longhorn")
		written("data of k3s-worker-0")
	})
	t.Run("a disk grows, and its file system with it", func(t *testing.T) {
		p.t = t
		with(longhorn("3") + raw)
		p.up()
		p.cluster(release, kubernetesNodes()...)
		written("data of k3s-worker-0")
		for _, node := range []string{"k3s-worker-01", "k3s-worker-02"} {
			if got := p.in(node, "", "sh", "-c", "df --output=size -B 1M /var/lib/longhorn | tail -n 1"); len(strings.TrimSpace(got)) != 4 || strings.TrimSpace(got) < "2700" {
				t.Errorf("%s: %s MiB", node, got)
			}
		}
		clean()
	})
	t.Run("another disk is added", func(t *testing.T) {
		p.t = t
		before := p.lives()
		with(longhorn("3") + raw + third)
		p.up()
		mounted("/srv/third", "ext4 third")
		for node, life := range p.lives() {
			if life.boot != before[node].boot {
				t.Errorf("%s has restarted", node)
			}
		}
		written("data of k3s-worker-0")
		clean()
	})
	t.Run("what would lose data is refused", func(t *testing.T) {
		p.t = t
		with(longhorn("3") + third)
		refused("workers.worker.dataDisks: the disk raw of k3s-worker-01 would become third; disks keep their places in the list: put new ones behind those that there are")
		with(longhorn("2") + raw + third)
		refused("workers.worker.dataDisks: the disk longhorn of k3s-worker-01 has 3 GiB and cannot shrink to 2; give at least 3")
		with(longhorn("3") + raw)
		refused("workers.worker.dataDisks: the disk third of k3s-worker-01 would be destroyed; it goes with its VM alone: set it back, or give a higher generation, too")
		kept := strings.Replace(longhorn("3"), "ssd: true", "ssd: true, keep: true", 1)
		with(kept + raw + third)
		if r, _ := p.up(); r.Changes["replace"]+r.Changes["delete"] > 0 {
			t.Errorf("%v", r.Changes)
		}
		with(kept+raw+third, "          scsiHardware", "          generation: 1\n          scsiHardware")
		refused("workers.worker.dataDisks: the VM of k3s-worker-02 would be destroyed, and its disk longhorn is to be kept (keep: true), which Proxmox VE destroys with it; move the data away and take keep out in an update of its own first")
		with(kept+raw+third, "          count: 2\n", "          count: 1\n", "            \"2\": {mac: \"BC:24:11:07:BA:1A\"}\n", "")
		refused("workers.worker.dataDisks: the VM of k3s-worker-02 would be destroyed, and its disk longhorn is to be kept (keep: true)")
		written("data of k3s-worker-0")
		with(longhorn("3") + raw + third)
		p.up()
	})
	t.Run("a disk that holds something is left alone", func(t *testing.T) {
		p.t = t
		const disk = "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_raw"
		p.in("k3s-worker-01", "", "mkfs.ext4", "-q", "-L", "theirs", disk)
		with(longhorn("3") + strings.Replace(raw, "size: 1", "size: 1, mountPoint: /srv/raw", 1) + third)
		_, out, err := p.try(3*time.Minute, "up", "--yes", "--skip-preview")
		want := ") holds something already (ext4, labelled theirs), and is not formatted anew; set dataDisks' fileSystem to what it is. If it is nobody's, empty it: dd if=/dev/zero of=/dev/loop"
		if flat := strings.Join(strings.Fields(out), " "); err == nil || !strings.Contains(flat, "k3s-worker-01: prepare: the disk raw (/dev/loop") || !strings.Contains(flat, want) {
			t.Errorf("no %q (%v) in:\n%s", want, err, tail(out))
		}
		p.in("k3s-worker-01", "", "dd", "if=/dev/zero", "of="+disk, "bs=1M", "count=1", "status=none")
		p.in("k3s-worker-01", "", "sh", "-c", "mkdir -p /srv/raw && mount -t tmpfs tmpfs /srv/raw")
		_, out, err = p.try(3*time.Minute, "up", "--yes", "--skip-preview")
		want = "k3s-worker-01: prepare: something else is mounted at /srv/raw (tmpfs), not the disk raw (/dev/loop"
		if flat := strings.Join(strings.Fields(out), " "); err == nil || !strings.Contains(flat, want) {
			t.Errorf("no %q (%v) in:\n%s", want, err, tail(out))
		}
		p.in("k3s-worker-01", "", "umount", "/srv/raw")
		p.up()
		mounted("/srv/raw", "ext4 raw")
		written("data of k3s-worker-0")
	})
	t.Run("made anew, they are blank", func(t *testing.T) {
		p.t = t
		with(longhorn("3"), "          scsiHardware", "          generation: 1\n          scsiHardware")
		p.up()
		p.cluster(release, kubernetesNodes()...)
		mounted("/var/lib/longhorn", "xfs longhorn")
		written("No such file")
		clean()
	})
}
