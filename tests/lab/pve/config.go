package pve

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	drivePattern = regexp.MustCompile(`^(ide|sata|scsi|virtio)\d+$`)
	sizePattern  = regexp.MustCompile(`^(\d+(?:\.\d+)?)([KMGT]?)$`)
)

func isDrive(key string) bool { return drivePattern.MatchString(key) }

// privilegesFor are what $check_vm_modify_config_perm of qemu-server asks for an option.
func privilegesFor(key string) []string {
	switch {
	case slices.Contains([]string{"cores", "sockets", "cpu", "cpuunits", "cpulimit", "vcpus", "numa"}, key):
		return []string{"VM.Config.CPU"}
	case key == "memory" || key == "balloon" || key == "shares":
		return []string{"VM.Config.Memory"}
	case slices.Contains([]string{"acpi", "machine", "scsihw", "smbios1", "tablet", "vga", "hotplug", "rng0", "watchdog", "keyboard", "kvm"}, key),
		strings.HasPrefix(key, "serial"):
		return []string{"VM.Config.HWType"}
	case strings.HasPrefix(key, "net"):
		return []string{"VM.Config.Network"}
	case key == "boot" || isDrive(key):
		return []string{"VM.Config.Disk"}
	case strings.HasPrefix(key, "ci"), strings.HasPrefix(key, "ipconfig"), key == "sshkeys", key == "nameserver", key == "searchdomain":
		return []string{"VM.Config.Cloudinit"}
	}
	return []string{"VM.Config.Options"}
}

func (c *call) putConfig(v *vm) (any, *apiError) {
	form := maps.Clone(map[string][]string(c.form))
	delete(form, "digest")
	deletes := strings.FieldsFunc(strings.Join(form["delete"], ","), func(r rune) bool { return strings.ContainsRune(",; ", r) })
	delete(form, "delete")
	if len(form) == 0 && len(deletes) == 0 {
		return nil, fail(500, "no options specified")
	}
	if v.lock != "" {
		return nil, fail(500, "VM is locked (%s)", v.lock)
	}
	for _, key := range deletes {
		if _, both := form[key]; both {
			return nil, badParameter("delete", fmt.Sprintf("you can't use '-%s' and '-delete %s' at the same time", key, key))
		}
		if err := c.mayDelete(v, key); err != nil {
			return nil, err
		}
	}
	changed := map[string]string{}
	for key, values := range form {
		value, err := c.normalise(v, key, values[0])
		if err != nil {
			return nil, err
		}
		if err := c.mayChange(v, key, value); err != nil {
			return nil, err
		}
		changed[key] = value
	}
	for _, key := range deletes {
		delete(v.config, key)
	}
	maps.Copy(v.config, changed)
	if err := c.plug(v); err != nil {
		return nil, fail(500, "%s", err)
	}
	if c.method == "POST" {
		return c.task(v, "qmconfig", func() error { return nil }), nil
	}
	return nil, nil
}

// plug gives a running guest the disks that it has now: Proxmox VE's hotplug has disks in it by default.
func (c *call) plug(v *vm) error {
	if !c.s.driver.Running(v.id) {
		return nil
	}
	return c.s.driver.Plug(v.id, v.disks())
}

// mayDelete: taking a drive out needs no right on its storage.
func (c *call) mayDelete(v *vm, key string) *apiError {
	if value := v.config[key]; isDrive(key) && strings.Contains(value, "media=cdrom") {
		if err := c.s.checkVM(c.user, v, "VM.Config.CDROM"); err != nil {
			return err
		}
		if strings.Contains(value, "cloudinit") {
			return c.s.checkVM(c.user, v, "VM.Config.Cloudinit")
		}
		return nil
	}
	return c.mayChange(v, key, v.config[key])
}

func (c *call) mayChange(v *vm, key, value string) *apiError {
	// Setting an option to nothing that it doesn't have, or deleting it, changes nothing but is checked all the same.
	for _, privilege := range privilegesFor(key) {
		if privilege == "VM.Config.Cloudinit" && c.s.mayVM(c.user, v, "VM.Config.Network") {
			continue // either will do
		}
		if strings.Contains(value, "media=cdrom") || isDrive(key) && strings.Contains(value, "cloudinit") {
			privilege = "VM.Config.CDROM"
		}
		if err := c.s.checkVM(c.user, v, privilege); err != nil {
			return err
		}
	}
	switch {
	case key == "startup":
		return c.s.check(c.user, "/", "Sys.Modify")
	case strings.HasPrefix(key, "ide") && strings.HasPrefix(value, "cdrom"):
		return c.s.check(c.user, "/", "Sys.Console")
	case isDrive(key) && strings.Contains(value, "cloudinit"):
		if err := c.s.checkVM(c.user, v, "VM.Config.Cloudinit"); err != nil {
			return err
		}
		name, _, _ := strings.Cut(value, ":")
		return c.s.check(c.user, "/storage/"+name, "Datastore.AllocateSpace")
	case strings.HasPrefix(key, "net"):
		_, options := list(value, "model")
		if bridge := options["bridge"]; bridge != "" {
			path := "/sdn/zones/localnetwork/" + bridge
			if options["tag"] != "" {
				path += "/" + options["tag"]
			}
			return c.s.check(c.user, path, "SDN.Use")
		}
	case slices.Contains([]string{"args", "hookscript", "affinity", "arch", "lock"}, key) && c.user != RootUser:
		return fail(500, "only root can set '%s' config", key)
	}
	return nil
}

// normalise turns a value as sent into the one that Proxmox VE stores and shows.
func (c *call) normalise(v *vm, key, value string) (string, *apiError) {
	switch {
	case strings.HasPrefix(key, "net"):
		return c.network(v, value)
	case isDrive(key):
		return c.drive(v, key, value)
	case key == "tags":
		parts := strings.FieldsFunc(strings.ToLower(value), func(r rune) bool { return strings.ContainsRune(",; ", r) })
		slices.Sort(parts)
		return strings.Join(slices.Compact(parts), ";"), nil
	case key == "cipassword" && value != "":
		return "**********", nil
	case key == "cpu":
		_, options := list(value, "cputype")
		return options["cputype"], nil
	case key == "agent" || key == "vga" || strings.HasPrefix(key, "ipconfig") || key == "startup":
		return strings.Trim(value, ","), nil
	}
	return value, nil
}

func (c *call) network(v *vm, value string) (string, *apiError) {
	keys, options := list(value, "model")
	model, mac := options["model"], options["macaddr"]
	for _, known := range []string{"virtio", "e1000", "e1000e", "rtl8139", "vmxnet3"} {
		if m, given := options[known]; given {
			model, mac = known, m
		}
	}
	if model == "" {
		return "", badParameter("net0", "invalid format - missing key in comma-separated list property")
	}
	if mac == "" {
		mac = fmt.Sprintf("BC:24:11:%02X:%02X:%02X", byte(v.id>>16), byte(v.id>>8), byte(v.id))
	}
	out := []string{model + "=" + strings.ToUpper(mac)}
	slices.Sort(keys)
	for _, key := range keys {
		if key != "model" && key != "macaddr" && key != model {
			out = append(out, key+"="+options[key])
		}
	}
	return strings.Join(out, ","), nil
}

func (c *call) drive(v *vm, key, value string) (string, *apiError) {
	_, options := list(value, "file")
	if options["file"] == "none" || options["file"] == "cdrom" {
		return options["file"] + ",media=cdrom", nil
	}
	storageName, volume, _ := strings.Cut(options["file"], ":")
	if c.s.storages[storageName] == nil {
		return "", fail(500, "storage '%s' does not exist", storageName)
	}
	if volume == "cloudinit" || strings.HasSuffix(volume, "-cloudinit") {
		return fmt.Sprintf("%s:vm-%d-cloudinit,media=cdrom", storageName, v.id), nil
	}
	if source, imported := options["import-from"]; imported {
		if volume != "0" {
			return "", badParameter(key, "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>")
		}
		f, err := c.image(v.node, source)
		if err != nil {
			return "", err
		}
		if err := c.s.check(c.user, "/storage/"+storageName, "Datastore.AllocateSpace"); err != nil {
			return "", err
		}
		number := 0
		for strings.Contains(fmt.Sprint(v.config), fmt.Sprintf("vm-%d-disk-%d", v.id, number)) {
			number++
		}
		delete(options, "import-from")
		options["file"], options["size"] = fmt.Sprintf("%s:vm-%d-disk-%d", storageName, v.id, number), human(f.virtualSize())
		return drive(nil, options), nil
	}
	if gib := atoi(volume); gib > 0 { // a new one
		number := 1
		for strings.Contains(fmt.Sprint(v.config), fmt.Sprintf("vm-%d-disk-%d", v.id, number)) {
			number++
		}
		delete(options, "format") // it was for the making
		options["file"], options["size"] = fmt.Sprintf("%s:vm-%d-disk-%d", storageName, v.id, number), human(int64(gib)<<30)
	}
	// A volume has the size that it has, whatever a request says or leaves out.
	if _, had := list(v.config[key], "file"); had["file"] == options["file"] && had["size"] != "" {
		options["size"] = had["size"]
	} else if size, given := options["size"]; given {
		options["size"] = human(bytes(size))
	}
	return drive(nil, options), nil
}

// drive writes a drive line: the volume first, then the options by name.
func drive(override, options map[string]string) string {
	merged := maps.Clone(options)
	maps.Copy(merged, override)
	out := []string{merged["file"]}
	for _, key := range slices.Sorted(maps.Keys(merged)) {
		if key != "file" {
			out = append(out, key+"="+merged[key])
		}
	}
	return strings.Join(out, ",")
}

// bytes reads a size like 32G, 3584M or a plain number of bytes.
func bytes(size string) int64 {
	m := sizePattern.FindStringSubmatch(size)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseFloat(m[1], 64) // digits by the pattern
	shift := map[string]uint{"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[m[2]]
	return int64(n * float64(int64(1)<<shift))
}

// human writes a size in the largest unit that keeps it whole.
func human(n int64) string {
	for _, unit := range []struct {
		name  string
		shift uint
	}{{"T", 40}, {"G", 30}, {"M", 20}, {"K", 10}} {
		if n >= 1<<unit.shift && n%(1<<unit.shift) == 0 {
			return fmt.Sprintf("%d%s", n>>unit.shift, unit.name)
		}
	}
	return fmt.Sprint(n)
}
