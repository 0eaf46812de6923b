// Package guest runs VMs as systemd containers: one root file system, an overlay, a network namespace and a real
// cloud-init per VM.
package guest

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

// Containers is a driver for the Proxmox VE emulator.
type Containers struct {
	Namespace string // the lab's network namespace, with bridge br0 in it
	Root      string // the root file system that all VMs start from
	Dir       string // one folder per VM below it
}

var _ pve.Driver = Containers{}

func (c Containers) dir(id int) string { return filepath.Join(c.Dir, strconv.Itoa(id)) }

// NetNS is the name of a VM's network namespace.
func (c Containers) NetNS(id int) string { return fmt.Sprintf("%s.vm%d", c.Namespace, id) }

// Port is the bridge's end of a VM's cable.
func Port(id int) string { return fmt.Sprintf("v%d", id) }

// Start boots a VM. Its disk stays from one start to the next.
func (c Containers) Start(vm pve.Guest) error {
	dir := c.dir(vm.ID)
	root := filepath.Join(dir, "root")
	for _, sub := range []string{"upper", "work", "root"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	if err := c.network(vm); err != nil {
		return err
	}
	_ = syscall.Unmount(root, syscall.MNT_DETACH)
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", c.Root, dir, dir)
	if err := syscall.Mount("overlay", root, "overlay", 0, options); err != nil {
		return fmt.Errorf("mounting %s: %w", root, err)
	}
	if err := seed(root, vm); err != nil {
		return err
	}
	if err := limits(root, vm); err != nil {
		return err
	}
	devices, err := c.attach(vm.ID, vm.Disks)
	if err != nil {
		return err
	}
	disks, err := shown(root, devices)
	if err != nil {
		return err
	}
	console, err := os.OpenFile(filepath.Join(dir, "console.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer console.Close()
	ns := c.NetNS(vm.ID)
	// From inside the VM's namespace, so that /sys shows its devices and not the machine's; that hides the control groups.
	// Each VM has a control group of its own: otherwise their inits would make and remove the same ones.
	cmd := exec.Command("ip", append([]string{
		"netns", "exec", ns, "sh", "-c",
		`mount -t cgroup2 cgroup2 /sys/fs/cgroup && mkdir -p "/sys/fs/cgroup/$3" && echo $$ >"/sys/fs/cgroup/$3/cgroup.procs" && ns=$1 root=$2 name=$3; shift 3; exec systemd-nspawn -q --keep-unit --register=no --resolv-conf=off ` +
			`--network-namespace-path="$ns" -D "$root" -M "$name" --console=pipe --boot --capability=all "$@"`,
		"sh", "/run/netns/" + ns, root, ns,
	}, disks...)...)
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		text, _ := os.ReadFile(console.Name())
		return fmt.Errorf("the container ended at once (%w): %s", err, text[max(0, len(text)-500):])
	case <-time.After(150 * time.Millisecond):
	}
	if err := os.WriteFile(filepath.Join(dir, "pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return err
	}
	return c.showMemory(vm.ID)
}

// showMemory puts the guest's own figures over /proc/meminfo, as soon as the container has one.
func (c Containers) showMemory(id int) error {
	var out []byte
	err := errors.New("its init does not start")
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if pid := c.Init(id); pid != 0 {
			if out, err = exec.Command("nsenter", "-t", strconv.Itoa(pid), "-m", "--", "mount", "--bind", "/etc/vm-meminfo", "/proc/meminfo").CombinedOutput(); err == nil {
				return nil
			}
		}
	}
	return fmt.Errorf("VM %d: %w: %s", id, err, bytes.TrimSpace(out))
}

// segment is the bridge that stands for a VLAN: one for each, as not every kernel's bridges know VLANs. The gateway is on the untagged one.
func (c Containers) segment(vlan int) string {
	if vlan == 0 {
		return "br0"
	}
	name := fmt.Sprintf("br0.%d", vlan)
	if ip("-n", c.Namespace, "link", "show", name) != nil {
		_ = ip("-n", c.Namespace, "link", "add", name, "type", "bridge")
		_ = ip("-n", c.Namespace, "link", "set", name, "up")
	}
	return name
}

func (c Containers) network(vm pve.Guest) error {
	ns, port := c.NetNS(vm.ID), Port(vm.ID)
	c.unplug(vm.ID)
	for _, args := range [][]string{
		{"netns", "add", ns},
		{"-n", c.Namespace, "link", "add", port, "type", "veth", "peer", "name", "eth0", "address", vm.MAC, "netns", ns},
		{"-n", c.Namespace, "link", "set", port, "master", c.segment(vm.VLAN), "up"},
		{"-n", ns, "link", "set", "lo", "up"},
	} {
		if err := ip(args...); err != nil {
			return err
		}
	}
	if !vm.Firewall {
		return nil
	}
	return c.firewall(vm)
}

// firewallBridge is a guest's own bridge, by Proxmox VE's name for it.
func firewallBridge(id int) string { return fmt.Sprintf("fwbr%di0", id) }

// firewall puts a bridge between a guest's cable and the network, where Proxmox VE's rules are; there are none in the lab.
func (c Containers) firewall(vm pve.Guest) error {
	bridge, in, out := firewallBridge(vm.ID), fmt.Sprintf("fwln%di0", vm.ID), fmt.Sprintf("fwpr%dp0", vm.ID)
	for _, args := range [][]string{
		{"link", "add", bridge, "type", "bridge"},
		{"link", "add", in, "type", "veth", "peer", "name", out},
		{"link", "set", out, "master", c.segment(vm.VLAN), "up"},
		{"link", "set", in, "master", bridge, "up"},
		{"link", "set", Port(vm.ID), "master", bridge},
		{"link", "set", bridge, "up"},
	} {
		if err := ip(append([]string{"-n", c.Namespace}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// unplug takes a guest's cables away.
func (c Containers) unplug(id int) {
	_ = ip("-n", c.Namespace, "link", "del", Port(id))
	_ = ip("-n", c.Namespace, "link", "del", fmt.Sprintf("fwln%di0", id))
	_ = ip("-n", c.Namespace, "link", "del", firewallBridge(id))
	_ = ip("netns", "del", c.NetNS(id))
}

// limits has the guest see the memory that it was given, and writes both limits down for whoever counts with them: nothing keeps a
// container to its cores where the machine has fewer.
func limits(root string, vm pve.Guest) error {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(string(data)) {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "MemTotal", "MemFree", "MemAvailable":
			fmt.Fprintf(&b, "%-16s%8d kB\n", name+":", vm.Memory<<10)
		default:
			b.WriteString(line)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "etc/vm-meminfo"), []byte(b.String()), 0o644); err != nil { //nolint:gosec // the guest reads it
		return err
	}
	return os.WriteFile(filepath.Join(root, "etc/vm-limits"), fmt.Appendf(nil, "%d %d\n", vm.Cores, vm.Memory), 0o644) //nolint:gosec // the guest reads it
}

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// manager is the process id of a VM's container manager, empty if it does not run.
func (c Containers) manager(id int) string {
	data, err := os.ReadFile(filepath.Join(c.dir(id), "pid"))
	if err != nil {
		return ""
	}
	nspawn := strings.TrimSpace(string(data))
	// A recycled process id must not be mistaken for ours.
	command, err := os.ReadFile("/proc/" + nspawn + "/cmdline")
	if err != nil || !strings.Contains(string(command), filepath.Join(c.dir(id), "root")) {
		return ""
	}
	return nspawn
}

func (c Containers) managed(id int) bool { return c.manager(id) != "" }

// Running says whether a VM's power is on, as the guest itself has it: one that shut itself down is off.
func (c Containers) Running(id int) bool { return c.managed(id) }

// Init is the process id of a running VM's init, as this machine sees it; 0 if it does not run.
func (c Containers) Init(id int) int {
	nspawn := c.manager(id)
	if nspawn == "" {
		return 0
	}
	children, err := os.ReadFile("/proc/" + nspawn + "/task/" + nspawn + "/children")
	if err != nil {
		return 0
	}
	for field := range strings.FieldsSeq(string(children)) {
		if pid, err := strconv.Atoi(field); err == nil {
			return pid
		}
	}
	return 0
}

// Shutdown asks a VM to end itself, as the ACPI button does, and says whether it has.
func (c Containers) Shutdown(id int, within time.Duration) bool {
	const powerOff = syscall.Signal(38) // SIGRTMIN+4, systemd's signal for it
	if pid := c.Init(id); pid == 0 || syscall.Kill(pid, powerOff) != nil {
		return false
	}
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if !c.managed(id) {
			return c.Stop(id) == nil // what is left: mounts, the network
		}
	}
	return false
}

// Stop takes a VM's power away: its init dies, and with it everything. The container's manager then ends itself.
func (c Containers) Stop(id int) error {
	deadline := time.Now().Add(15 * time.Second)
	for pid := c.Init(id); pid != 0; pid = c.Init(id) {
		if time.Now().After(deadline) {
			return fmt.Errorf("VM %d does not end", id)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
		time.Sleep(50 * time.Millisecond)
	}
	// Whatever lives in the VM's own namespace is the VM's, also an init whose container manager has died before it.
	for {
		out, _ := exec.Command("ip", "netns", "pids", c.NetNS(id)).Output()
		pids := strings.Fields(string(out))
		if len(pids) == 0 && !c.managed(id) {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("VM %d does not end: %v", id, pids)
		}
		for _, field := range pids {
			if pid, err := strconv.Atoi(field); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	removeControlGroup(c.NetNS(id))
	_ = os.Remove(filepath.Join(c.dir(id), "pid"))
	c.detach(id)
	_ = syscall.Unmount(filepath.Join(c.dir(id), "root"), syscall.MNT_DETACH)
	c.unplug(id)
	return nil
}

// removeControlGroup removes what a VM's init has left, in a mount of its own.
func removeControlGroup(name string) {
	_ = exec.Command("unshare", "-m", "sh", "-c", `mount -t cgroup2 cgroup2 /sys/fs/cgroup && cd /sys/fs/cgroup && [ -d "$0" ] || exit 0
		find "$0" -depth -type d -exec rmdir {} \; 2>/dev/null`, name).Run()
}

// Delete removes a VM's disk.
func (c Containers) Delete(id int) error {
	if err := c.Stop(id); err != nil {
		return err
	}
	return os.RemoveAll(c.dir(id))
}

// IDs lists the VMs that have left something.
func (c Containers) IDs() []int {
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return nil
	}
	var ids []int
	for _, entry := range entries {
		if id, err := strconv.Atoi(entry.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// seed writes what Proxmox VE puts on the cloud-init drive (type nocloud).
func seed(root string, vm pve.Guest) error {
	prefix, err := netip.ParsePrefix(vm.Network.Address)
	if err != nil {
		return errors.New("the VM has no static address; the lab has no DHCP server")
	}
	var user, network strings.Builder
	fmt.Fprintf(&user, "#cloud-config\nhostname: %s\nmanage_etc_hosts: true\n", vm.Name)
	if vm.Network.Domain != "" {
		fmt.Fprintf(&user, "fqdn: %s.%s\n", vm.Name, vm.Network.Domain)
	}
	if vm.User.Name != "" {
		fmt.Fprintf(&user, "user: %s\n", vm.User.Name)
	}
	if len(vm.User.Keys) > 0 {
		user.WriteString("ssh_authorized_keys:\n")
		for _, key := range vm.User.Keys {
			fmt.Fprintf(&user, "  - %s\n", key)
		}
	}
	user.WriteString("chpasswd:\n  expire: False\nusers:\n  - default\n")
	if vm.User.Upgrade {
		user.WriteString("package_upgrade: true\n")
	}
	mask := netip.AddrFrom4([4]byte(maskBytes(prefix.Bits())))
	fmt.Fprintf(&network, `version: 1
config:
    - type: physical
      name: eth0
      mac_address: '%s'
      subnets:
      - type: static
        address: '%s'
        netmask: '%s'
        gateway: '%s'
`, strings.ToLower(vm.MAC), prefix.Addr(), mask, vm.Network.Gateway)
	if len(vm.Network.DNS) > 0 {
		network.WriteString("    - type: nameserver\n      address:\n")
		for _, server := range vm.Network.DNS {
			fmt.Fprintf(&network, "      - '%s'\n", server)
		}
		if vm.Network.Domain != "" {
			fmt.Fprintf(&network, "      search:\n      - '%s'\n", vm.Network.Domain)
		}
	}
	dir := filepath.Join(root, "var/lib/cloud/seed/nocloud")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"user-data": user.String(), "network-config": network.String(), "meta-data": "instance-id: " + vm.InstanceID + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func maskBytes(bits int) []byte {
	mask := make([]byte, 4)
	for i := range bits {
		mask[i/8] |= 1 << (7 - i%8)
	}
	return mask
}
