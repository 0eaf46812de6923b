package topology

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// DataDisk is one more disk of a VM, for what is to outlive its system.
type DataDisk struct {
	Name       string // its serial number in the VM, and the label of its file system
	Size       int    // GiB
	Datastore  string // "": the VM's
	MountPoint string
	FileSystem string
	Discard    bool
	SSD        bool
	IOThread   bool
	Cache      string
	Backup     *bool
	Keep       bool // the VM is not destroyed while it is said
}

// The file systems of data disks, and how Proxmox VE caches disks.
var (
	FileSystems = []string{"ext4", "xfs"}
	DiskCaches  = []string{"none", "directsync", "writethrough", "writeback", "unsafe"}
)

const (
	defaultFileSystem = "ext4"
	defaultCache      = "none"
	maxDataDisks      = 8
	maxDataDisk       = 65_536 // GiB
)

// diskName is what ext4, xfs and a disk's serial number all take.
var diskName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,10}[a-z0-9])?$`)

// withDataDefaults fills a group's data disks in.
func withDataDefaults(disks []DataDisk) []DataDisk {
	out := slices.Clone(disks)
	for i := range out {
		d := &out[i]
		if d.MountPoint != "" {
			setDefault(&d.FileSystem, defaultFileSystem)
		}
		setDefault(&d.Cache, defaultCache)
		if d.Backup == nil {
			on := true
			d.Backup = &on
		}
	}
	return out
}

// ofSystem are folders that a data disk must not be mounted over.
var ofSystem = []string{
	"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr", "/usr/local", "/var", "/var/lib", "/var/log",
	"/var/tmp", "/var/lib/k3sha", "/var/lib/cloud", "/var/lib/dpkg", "/var/lib/systemd",
}

// dataDisks checks those of a group.
func (v *validator) dataDisks(group string, disks []DataDisk) {
	if len(disks) > maxDataDisks {
		v.add(group+".dataDisks", "lists %d disks; give at most %d", len(disks), maxDataDisks)
	}
	names, mounts := map[string]bool{}, map[string]bool{}
	for i, d := range disks {
		at := fmt.Sprintf("%s.dataDisks[%d]", group, i)
		switch {
		case !diskName.MatchString(d.Name):
			v.add(at+".name", "%q is not the name of a data disk; use up to 12 lower-case letters, digits and hyphens, like longhorn: it becomes its serial number and its label", d.Name)
		case d.Name == "cidata" || d.Name == "config-2":
			v.add(at+".name", "%q is the label of cloud-init's own drive; give another", d.Name)
		case names[d.Name]:
			v.add(at+".name", "%q is listed twice; give each disk its own", d.Name)
		}
		names[d.Name] = true
		if d.Size < 1 || d.Size > maxDataDisk {
			v.add(at+".size", "%d is out of range; it is in GiB, give 1 to %d", d.Size, maxDataDisk)
		}
		if d.Datastore != "" {
			v.datastore(at+".datastore", d.Datastore)
		}
		v.cache(at+".cache", d.Cache)
		if d.FileSystem != "" && !slices.Contains(FileSystems, d.FileSystem) {
			v.add(at+".fileSystem", "%q is not a file system that is made here; use %s, or leave mountPoint and fileSystem out for a raw disk", d.FileSystem, strings.Join(FileSystems, " or "))
		}
		switch m := d.MountPoint; {
		case m == "" && d.FileSystem != "":
			v.add(at+".mountPoint", "is missing, and fileSystem is given; give both, like /var/lib/longhorn, or neither for a raw disk")
		case m == "":
		case !strings.HasPrefix(m, "/") || path.Clean(m) != m || strings.ContainsAny(m, " \t\n\\'\"#:,"):
			v.add(at+".mountPoint", "%q is not the path of a folder; write it in full, like /var/lib/longhorn", m)
		case slices.Contains(ofSystem, m) || strings.HasPrefix(m, "/etc/") || strings.HasPrefix(m, "/proc/") || strings.HasPrefix(m, "/sys/") || strings.HasPrefix(m, "/dev/") || strings.HasPrefix(m, "/run/"):
			v.add(at+".mountPoint", "%s is the system's own; give a folder of what is to be on the disk, like /var/lib/longhorn", m)
		case m == "/var/lib/rancher" || m == "/var/lib/rancher/k3s" || strings.HasPrefix(m, "/var/lib/rancher/k3s/server") || strings.HasPrefix(m, "/var/lib/rancher/k3s/agent"):
			v.add(at+".mountPoint", "%s holds what makes a node this node; give a folder of volumes, like /var/lib/rancher/k3s/storage", m)
		case slices.ContainsFunc(disks[:i], func(before DataDisk) bool { return strings.HasPrefix(before.MountPoint, m+"/") }):
			v.add(at+".mountPoint", "%s holds the folder of a disk before it in the list; put this one before that", m)
		case mounts[m]:
			v.add(at+".mountPoint", "%s is that of another disk; give each its own", m)
		}
		mounts[d.MountPoint] = true
	}
}

// keptData writes down what an update must not take from a VM: each data disk's place, name, size, and whether it is to be kept.
func keptData(disks []DataDisk) string {
	var out []string
	for _, d := range disks {
		keep := "goes"
		if d.Keep {
			keep = "keep"
		}
		out = append(out, fmt.Sprintf("%s %d %s", d.Name, d.Size, keep))
	}
	return strings.Join(out, "\n")
}

// checkData says what an update would take from a VM's data disks.
func checkData(name string, old, now Machine, stays bool) []Problem {
	var out []Problem
	add := func(format string, args ...any) {
		out = append(out, Problem{Path: old.Path + ".dataDisks", Reason: fmt.Sprintf(format, args...)})
	}
	anew := !stays || now.Generation > old.Generation
	after := strings.Split(now.Data, "\n")
	for i, line := range strings.Split(old.Data, "\n") {
		var disk, keep, then string
		var size, later int
		if _, err := fmt.Sscan(line, &disk, &size, &keep); err != nil {
			continue // none
		}
		if i < len(after) {
			_, _ = fmt.Sscan(after[i], &then, &later)
		}
		switch {
		case anew && keep == "keep":
			add("the VM of %s would be destroyed, and its disk %s is to be kept (keep: true), which Proxmox VE destroys with it; move the data away and take keep out in an update of its own first", name, disk)
		case anew:
		case then == "":
			add("the disk %s of %s would be destroyed; it goes with its VM alone: set it back, or give a higher generation, too", disk, name)
		case then != disk:
			add("the disk %s of %s would become %s; disks keep their places in the list: put new ones behind those that there are", disk, name, then)
		case later < size:
			add("the disk %s of %s has %d GiB and cannot shrink to %d; give at least %d", disk, name, size, later, size)
		}
	}
	return out
}
