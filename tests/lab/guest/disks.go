package guest

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

// A VM's disks besides the first are files behind loop devices of the machine, which the VM sees as its own, under the names that udev gives
// QEMU's disks by their serial numbers.

// labelsUnit does what udev does of file systems' labels: containers have none. Ready when the links are there that there can be.
const labelsUnit = `[Unit]
DefaultDependencies=no
After=systemd-tmpfiles-setup-dev.service
Before=local-fs-pre.target
[Service]
Type=notify
NotifyAccess=all
ExecStart=/bin/sh -c 'mkdir -p /dev/disk/by-label; while :; do for d in /dev/loop[0-9]*; do l=$$(blkid -p -o value -s LABEL "$$d") && [ -n "$$l" ] && ln -sfn "$$d" "/dev/disk/by-label/$$l"; done; [ -n "$$said" ] || systemd-notify --ready; said=1; sleep 0.3; done'
`

// byID is udev's name for a disk with a serial number.
func byID(serial string) string { return "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_" + serial }

// attach has a loop device for each disk, as large as the disk is now, and returns the devices by serial number.
func (c Containers) attach(id int, disks map[string]pve.Disk) (map[string]string, error) {
	out := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(disks)) {
		disk, file := disks[key], filepath.Join(c.dir(id), key+".img")
		f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		err = f.Truncate(disk.Size)
		f.Close()
		if err != nil {
			return nil, err
		}
		device := loopOf(file)
		if device == "" {
			found, err := exec.Command("losetup", "--find", "--show", file).CombinedOutput()
			if err != nil {
				return nil, fmt.Errorf("losetup: %w: %s", err, bytes.TrimSpace(found))
			}
			device = strings.TrimSpace(string(found))
		} else if found, err := exec.Command("losetup", "--set-capacity", device).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("losetup: %w: %s", err, bytes.TrimSpace(found))
		}
		out[disk.Serial] = device
	}
	return out, nil
}

// loopOf is the loop device of a file; "" if it has none.
func loopOf(file string) string {
	out, _ := exec.Command("losetup", "--noheadings", "--output", "NAME", "--associated", file).Output()
	name, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return name
}

// detach gives a VM's loop devices back.
func (c Containers) detach(id int) {
	files, _ := filepath.Glob(filepath.Join(c.dir(id), "*.img"))
	for _, file := range files {
		if device := loopOf(file); device != "" {
			_ = exec.Command("losetup", "--detach", device).Run()
		}
	}
}

// Plug shows a running VM its disks.
func (c Containers) Plug(id int, disks map[string]pve.Disk) error {
	devices, err := c.attach(id, disks)
	if err != nil {
		return err
	}
	pid := c.Init(id)
	if pid == 0 {
		return nil
	}
	for serial, device := range devices {
		script := `[ -b "$0" ] || mknod -m 0660 "$0" b "$2" "$3"; mkdir -p /dev/disk/by-id; ln -sfn "$0" "$1"; systemctl start --no-block vm-udev`
		major, minor, err := numbers(device)
		if err != nil {
			return err
		}
		if found, err := exec.Command("nsenter", "-t", strconv.Itoa(pid), "-m", "-u", "-i", "-n", "-p", "--", "sh", "-c", script, device, byID(serial), major, minor).CombinedOutput(); err != nil {
			return fmt.Errorf("VM %d: %w: %s", id, err, bytes.TrimSpace(found))
		}
	}
	return nil
}

func numbers(device string) (major, minor string, err error) {
	out, err := exec.Command("stat", "-c", "%Hr %Lr", device).Output()
	if err != nil {
		return "", "", err
	}
	major, minor, _ = strings.Cut(strings.TrimSpace(string(out)), " ")
	return major, minor, nil
}

// shown are the arguments by which a VM that starts sees its disks from the first moment on.
func shown(root string, devices map[string]string) ([]string, error) {
	var args []string
	var links strings.Builder
	for _, serial := range slices.Sorted(maps.Keys(devices)) {
		args = append(args, "--bind="+devices[serial])
		fmt.Fprintf(&links, "d /dev/disk/by-id 0755 - - -\nL+ %s - - - - %s\n", byID(serial), devices[serial])
	}
	if err := os.WriteFile(filepath.Join(root, "etc/systemd/system/vm-udev.service"), []byte(labelsUnit), 0o644); err != nil { //nolint:gosec // the guest reads it
		return nil, err
	}
	wanted := filepath.Join(root, "etc/systemd/system/sysinit.target.wants/vm-udev.service")
	_ = os.Remove(wanted)
	if len(devices) > 0 {
		if err := os.MkdirAll(filepath.Dir(wanted), 0o755); err != nil {
			return nil, err
		}
		if err := os.Symlink("/etc/systemd/system/vm-udev.service", wanted); err != nil {
			return nil, err
		}
	}
	return args, os.WriteFile(filepath.Join(root, "etc/tmpfiles.d/vm-disks.conf"), []byte(links.String()), 0o644) //nolint:gosec // the guest reads it
}
