package pve

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Tools are Proxmox VE's own programs at a node's shell, which root runs there.
type Tools struct {
	Node string
	Out  io.Writer
	// Call makes a call as root at that shell, waits for its task and reads the answer into a value, unless that is nil.
	Call func(h HostCall, into any) error
}

// Run runs a program. Its error is what the program prints before it exits with 255.
func (t Tools) Run(name string, args []string) error {
	switch name {
	case "hostname":
		fmt.Fprintln(t.Out, t.Node)
		return nil
	case "pvesm":
		return t.pvesm(args)
	case "qm":
		return t.qm(args)
	}
	return fmt.Errorf("%s: not found", name)
}

func (t Tools) call(method, path string, form map[string]string, into any) error {
	return t.Call(HostCall{Method: method, Path: "nodes/" + t.Node + "/" + path, Form: form}, into)
}

func (t Tools) pvesm(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "path":
		storage, _, _ := strings.Cut(args[1], ":")
		var volume struct {
			Path string `json:"path"`
		}
		if err := t.call("GET", "storage/"+storage+"/content/"+args[1], nil, &volume); err != nil {
			return err
		}
		fmt.Fprintln(t.Out, volume.Path)
		return nil
	case len(args) == 1 && args[0] == "status":
		return t.storages()
	}
	return errors.New("ERROR: unknown command 'pvesm " + strings.Join(args, " ") + "'")
}

func (t Tools) storages() error {
	var all []struct {
		Storage, Type      string
		Total, Used, Avail int64
	}
	if err := t.call("GET", "storage", nil, &all); err != nil {
		return err
	}
	width := 0
	for _, s := range all {
		width = max(width, len(s.Storage)+1)
	}
	fmt.Fprintf(t.Out, "%-*s %10s %10s %15s %15s %15s %8s\n", width, "Name", "Type", "Status", "Total", "Used", "Available", "%")
	for _, s := range all { // in KiB
		fmt.Fprintf(t.Out, "%-*s %10s %10s %15d %15d %15d % 7.2f%%\n", width, s.Storage, s.Type, "active", s.Total>>10, s.Used>>10, s.Avail>>10, float64(s.Used)*100/float64(s.Total))
	}
	return nil
}

// What qm's commands take besides the VM's id.
var (
	vmOptions = `acpi|affinity|agent|arch|args|audio0|autostart|balloon|bios|boot|bootdisk|cdrom|cicustom|cipassword|citype|ciupgrade|ciuser|cores|cpu|` +
		`cpulimit|cpuunits|description|efidisk0|force|freeze|hookscript|hostpci\d+|hotplug|hugepages|ide[0-3]|ipconfig\d+|ivshmem|keephugepages|keyboard|kvm|` +
		`localtime|machine|memory|migrate_downtime|migrate_speed|name|nameserver|net\d+|numa\d*|onboot|ostype|parallel[0-2]|protection|reboot|rng0|sata[0-5]|` +
		`scsi\d+|scsihw|searchdomain|serial[0-3]|shares|skiplock|smbios1|smp|sockets|spice_enhancements|sshkeys|startdate|startup|tablet|tags|tdf|template|` +
		`tpmstate0|usb\d+|vcpus|vga|virtio\d+|vmgenid|vmstatestorage|watchdog`
	commandOptions = map[string]*regexp.Regexp{
		"create":   regexp.MustCompile(`^(` + vmOptions + `|pool|storage|unique)$`),
		"set":      regexp.MustCompile(`^(` + vmOptions + `|delete|digest)$`),
		"destroy":  regexp.MustCompile(`^(purge|skiplock|destroy-unreferenced-disks)$`),
		"template": regexp.MustCompile(`^(disk)$`),
		"config":   regexp.MustCompile(`^(current)$`),
		"status":   regexp.MustCompile(`^(verbose)$`),
		"list":     regexp.MustCompile(`^(full)$`),
	}
	// flags stand for themselves, or with a value behind them.
	flags = []string{
		"acpi", "autostart", "ciupgrade", "current", "destroy-unreferenced-disks", "force", "freeze", "full", "keephugepages", "kvm", "localtime", "numa", "onboot",
		"protection", "purge", "reboot", "skiplock", "tablet", "tdf", "template", "unique", "verbose",
	}
)

// options reads the options of a command as Proxmox VE does: --name value, --name=value, or with one hyphen.
func options(command string, words []string) (map[string]string, error) {
	form := map[string]string{}
	for len(words) > 0 {
		if !strings.HasPrefix(words[0], "-") {
			return nil, errors.New("400 too many arguments")
		}
		name, value, given := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(words[0], "-"), "-"), "=")
		words = words[1:]
		if !commandOptions[command].MatchString(name) {
			return nil, fail(400, "Unknown option: %s", name)
		}
		flag := slices.Contains(flags, name)
		switch {
		case given:
		case flag && (len(words) == 0 || words[0] != "0" && words[0] != "1"):
			value = "1"
		case len(words) == 0:
			return nil, fail(400, "Option %s requires an argument", name)
		default:
			value, words = words[0], words[1:]
		}
		form[name] = value
	}
	return form, nil
}

func (t Tools) qm(args []string) error {
	if len(args) == 0 {
		return errors.New("ERROR: no command specified")
	}
	command, rest := args[0], args[1:]
	if commandOptions[command] == nil {
		return errors.New("ERROR: unknown command 'qm " + command + "'")
	}
	id := ""
	if command != "list" {
		if len(rest) == 0 {
			return errors.New("400 not enough arguments")
		}
		id, rest = rest[0], rest[1:]
		if n := atoi(id); n < 100 || n > 999_999_999 {
			return errors.New("400 Parameter verification failed.\nvmid: invalid format - value does not look like a valid VM ID")
		}
	}
	form, err := options(command, rest)
	if err != nil {
		return err
	}
	vm := "qemu/" + id
	switch command {
	case "create":
		form["vmid"] = id
		return t.call("POST", "qemu", form, nil)
	case "set":
		return t.call("PUT", vm+"/config", form, nil)
	case "template":
		return t.call("POST", vm+"/template", form, nil)
	case "destroy":
		return t.call("DELETE", vm, form, nil)
	case "config":
		return t.config(vm, form)
	case "status":
		var now struct{ Status string }
		if err := t.call("GET", vm+"/status/current", nil, &now); err != nil {
			return err
		}
		fmt.Fprintln(t.Out, "status: "+now.Status)
		return nil
	}
	return t.list()
}

// config prints each option on a line, so a description of several is escaped.
func (t Tools) config(vm string, form map[string]string) error {
	config := map[string]any{}
	if err := t.call("GET", vm+"/config", form, &config); err != nil {
		return err
	}
	delete(config, "digest") // nobody sees it at the shell
	for _, key := range slices.Sorted(maps.Keys(config)) {
		value := fmt.Sprint(config[key])
		if key == "description" {
			value = escaped(value)
		}
		fmt.Fprintf(t.Out, "%s: %s\n", key, value)
	}
	return nil
}

// escaped is a text without control characters and with what is not ASCII escaped, as Proxmox VE writes descriptions.
func escaped(text string) string {
	var out strings.Builder
	for _, b := range []byte(text) {
		if b < ' ' || b > '~' || b == '%' {
			fmt.Fprintf(&out, "%%%02X", b)
		} else {
			out.WriteByte(b)
		}
	}
	return out.String()
}

func (t Tools) list() error {
	var vms []struct {
		VMID, PID       int
		Name, Status    string
		MaxMem, MaxDisk int64
	}
	if err := t.call("GET", "qemu", nil, &vms); err != nil || len(vms) == 0 {
		return err
	}
	fmt.Fprintf(t.Out, "%10s %-20s %-10s %-10s %12s %-10s\n", "VMID", "NAME", "STATUS", "MEM(MB)", "BOOTDISK(GB)", "PID")
	for _, v := range vms {
		fmt.Fprintf(t.Out, "%10d %-20s %-10s %-10d %12.2f %-10d\n", v.VMID, v.Name, v.Status, v.MaxMem>>20, float64(v.MaxDisk)/(1<<30), v.PID)
	}
	return nil
}
