package pve

import (
	"cmp"
	"crypto/sha1"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

func vmPath(id int) string { return fmt.Sprintf("/vms/%d", id) }

func (s *Server) status(v *vm) string {
	if s.driver.Running(v.id) {
		return "running"
	}
	return "stopped"
}

func (s *Server) uptime(v *vm) int {
	if !s.driver.Running(v.id) {
		return 0
	}
	return int(time.Since(v.since).Seconds()) + 1
}

// needsRestart are the options that a running guest doesn't take over.
var needsRestart = []string{"net0", "cores", "sockets", "cpu", "memory", "balloon", "scsihw", "serial0", "smbios1", "vga"}

// ofDrive are likewise those of a disk that stays plugged, with what Proxmox VE has where nothing is said (vmconfig_update_disk). Others change live.
var ofDrive = map[string]string{"aio": "", "cache": "none", "discard": "ignore", "iothread": "0", "ro": "0", "ssd": "0"}

func (s *Server) pending(v *vm) bool {
	if !s.driver.Running(v.id) {
		return false
	}
	for key := range v.config {
		if before, plugged := v.running[key]; plugged && isDrive(key) && started(before) != started(v.config[key]) {
			return true
		}
	}
	return slices.ContainsFunc(needsRestart, func(key string) bool { return v.config[key] != v.running[key] })
}

// started is what QEMU was told of a disk besides what it is.
func started(value string) string {
	_, given := list(value, "file")
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(ofDrive)) {
		fmt.Fprintf(&out, "%s=%s,", key, cmp.Or(given[key], ofDrive[key]))
	}
	return out.String()
}

func (c *call) vmCall(node string, id int) (any, *apiError) {
	v := c.s.vms[id]
	if v == nil || v.node != node {
		if v == nil && c.method == "GET" { // who may see some VMs only is not told which there are
			if err := c.s.check(c.user, vmPath(id), "VM.Audit"); err != nil {
				return nil, err
			}
		}
		return nil, noSuchVM(node, id)
	}
	action := strings.Join(c.path[4:], "/")
	switch c.method + " " + action {
	case "GET config":
		return c.getConfig(v)
	case "PUT config", "POST config":
		return c.putConfig(v)
	case "GET status/current":
		return c.current(v)
	case "POST clone":
		return c.clone(v)
	case "PUT resize":
		return c.resize(v)
	case "PUT cloudinit":
		return nil, c.s.checkVM(c.user, v, "VM.Config.Cloudinit")
	case "POST status/start", "POST status/stop", "POST status/shutdown", "POST status/reboot":
		return c.power(v, strings.TrimPrefix(action, "status/"))
	case "DELETE ":
		return c.destroy(v)
	case "POST template":
		return c.becomeTemplate(v)
	case "POST move_disk":
		return c.moveDisk(v)
	case "POST migrate":
		return c.migrate(v)
	case "GET agent/network-get-interfaces":
		if err := c.agent(v); err != nil {
			return nil, err
		}
		return v.interfaces(), nil
	case "POST agent/ping":
		return nil, c.agent(v)
	}
	return nil, c.notImplemented()
}

func (c *call) task(v *vm, kind string, work func() error) string {
	return c.s.startTask(v.node, kind, strconv.Itoa(v.id), strings.ReplaceAll(c.user, "!", "%21"), c.fault, work, func() {})
}

func (c *call) agent(v *vm) *apiError {
	if !c.s.mayVM(c.user, v, "VM.GuestAgent.Audit") {
		return fail(403, "Permission check failed (%s, VM.GuestAgent.Audit)", vmPath(v.id))
	}
	if !c.s.driver.Running(v.id) {
		return fail(500, "VM %d not running", v.id)
	}
	if _, options := list(v.config["agent"], "enabled"); options["enabled"] != "1" {
		return fail(500, "No QEMU guest agent configured")
	}
	if !c.s.agents[v.id] {
		return fail(500, "QEMU guest agent is not running")
	}
	return nil
}

// interfaces is what a running guest agent answers.
func (v *vm) interfaces() any {
	_, network := list(v.config["net0"], "model")
	_, ip := list(v.config["ipconfig0"], "ip")
	address, _, _ := strings.Cut(ip["ip"], "/")
	return map[string]any{"result": []any{
		map[string]any{"name": "lo", "hardware-address": "00:00:00:00:00:00", "ip-addresses": []any{map[string]any{"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8}}},
		map[string]any{"name": "eth0", "hardware-address": strings.ToLower(network["virtio"]), "ip-addresses": []any{map[string]any{"ip-address": address, "ip-address-type": "ipv4", "prefix": 24}}},
	}}
}

// numbers are the options that the API shows as JSON numbers.
var numbers = []string{"cores", "sockets", "cpuunits", "vcpus", "onboot", "numa", "acpi", "tablet", "protection", "template", "kvm", "balloon", "ciupgrade"}

func (c *call) getConfig(v *vm) (any, *apiError) {
	if err := c.s.checkVM(c.user, v, "VM.Audit"); err != nil {
		return nil, err
	}
	if v.lock == "clone" { // until it is one there is no more than this
		return map[string]any{"description": "qmclone temporary file\n", "lock": "clone", "digest": digest(nil)}, nil
	}
	out := map[string]any{"digest": digest(v.config)}
	for key, value := range v.config {
		if slices.Contains(numbers, key) {
			out[key] = atoi(value)
		} else {
			out[key] = value
		}
	}
	if c.form.Get("current") == "1" && c.s.driver.Running(v.id) {
		for _, key := range needsRestart {
			if value, had := v.running[key]; had && !slices.Contains(numbers, key) {
				out[key] = value
			} else if had {
				out[key] = atoi(value)
			}
		}
	}
	if v.lock != "" {
		out["lock"] = v.lock
	}
	return out, nil
}

func digest(config map[string]string) string {
	var lines []string
	for key, value := range config {
		lines = append(lines, key+": "+value)
	}
	slices.Sort(lines)
	return fmt.Sprintf("%x", sha1.Sum([]byte(strings.Join(lines, "\n"))))
}

// vms lists a node's VMs that the user may see.
func (c *call) vms(node string) any {
	out := []any{}
	for _, id := range slices.Sorted(maps.Keys(c.s.vms)) {
		if v := c.s.vms[id]; v.node == node {
			if row, err := c.current(v); err == nil {
				out = append(out, row)
			}
		}
	}
	return out
}

func (c *call) current(v *vm) (any, *apiError) {
	if err := c.s.checkVM(c.user, v, "VM.Audit"); err != nil {
		return nil, err
	}
	_, disk := list(v.config["scsi0"], "file")
	out := map[string]any{
		"vmid": v.id, "name": v.name(), "status": c.s.status(v), "qmpstatus": c.s.status(v), "cpus": atoi(v.config["cores"]),
		"maxmem": mib(v.config["memory"]), "maxdisk": bytes(disk["size"]), "uptime": c.s.uptime(v),
		"ha": map[string]any{"managed": 0}, "template": bit(v.template),
	}
	if c.s.driver.Running(v.id) {
		out["pid"] = 4000 + v.id%1000
	}
	if v.lock != "" {
		out["lock"] = v.lock
	}
	if v.config["tags"] != "" {
		out["tags"] = v.config["tags"]
	}
	return out, nil
}

func (c *call) clone(source *vm) (any, *apiError) {
	s, id := c.s, atoi(c.form.Get("newid"))
	if id < 100 || id > 999_999_999 {
		return nil, badParameter("newid", "invalid format - value does not look like a valid VM ID")
	}
	if err := s.checkVM(c.user, source, "VM.Clone"); err != nil {
		return nil, err
	}
	pool, target := c.form.Get("pool"), c.form.Get("target")
	if !s.may(c.user, vmPath(id), "VM.Allocate") && (pool == "" || !s.may(c.user, "/pool/"+pool, "VM.Allocate")) {
		return nil, fail(403, "Permission check failed (%s, VM.Allocate)", vmPath(id))
	}
	if _, known := s.pools[pool]; pool != "" && !known {
		return nil, fail(500, "pool '%s' does not exist", pool)
	}
	_, disk := list(source.config["scsi0"], "file")
	storageName, _, _ := strings.Cut(disk["file"], ":")
	if want := c.form.Get("storage"); want != "" {
		storageName = want
	}
	st := s.storages[storageName]
	if st == nil {
		return nil, fail(500, "storage '%s' does not exist", storageName)
	}
	if err := s.check(c.user, "/storage/"+storageName, "Datastore.AllocateSpace"); err != nil {
		return nil, err
	}
	_, network := list(source.config["net0"], "model")
	if bridge := network["bridge"]; bridge != "" {
		if err := s.check(c.user, "/sdn/zones/localnetwork/"+bridge, "SDN.Use"); err != nil {
			return nil, err
		}
	}
	if s.vms[id] != nil {
		return nil, fail(500, "unable to create VM %d: config file already exists", id)
	}
	if source.lock != "" {
		return nil, fail(500, "VM is locked (%s)", source.lock)
	}
	node := source.node
	if target != "" {
		if !slices.Contains(s.nodes, target) {
			return nil, badParameter("target", "target node '"+target+"' does not exist")
		}
		if !st.shared {
			return nil, fail(500, "can't clone to non-shared storage '%s'", storageName)
		}
		node = target
	}
	v := &vm{id: id, node: node, pool: pool, lock: "clone", config: map[string]string{}}
	for key, value := range source.config {
		v.config[key] = value
	}
	delete(v.config, "template")
	delete(v.config, "lock")
	if name := c.form.Get("name"); name != "" {
		v.config["name"] = name
	}
	if text := c.form.Get("description"); text != "" {
		v.config["description"] = text
	}
	v.config["scsi0"] = drive(map[string]string{"file": fmt.Sprintf("%s:vm-%d-disk-0", storageName, id)}, disk)
	for key, value := range source.config {
		if isDrive(key) && strings.Contains(value, "-cloudinit") {
			v.config[key] = fmt.Sprintf("%s:vm-%d-cloudinit,media=cdrom", storageName, id)
		}
	}
	v.config["net0"] = fmt.Sprintf("virtio=BC:24:11:%02X:%02X:%02X,bridge=%s", byte(id>>16), byte(id>>8), byte(id), network["bridge"])
	s.vms[id] = v
	// The worker takes the template's lock and waits a second for it: a config edit or a migration of the template keeps clones away.
	// Full clones of one template do run side by side.
	work := func() error {
		if source.lock != "" {
			return fmt.Errorf("can't lock file '/var/lock/qemu-server/lock-%d.conf' - got timeout", source.id)
		}
		if st.full {
			return fmt.Errorf("clone failed: unable to write to storage '%s': No space left on device", storageName)
		}
		v.lock = ""
		return nil
	}
	undo := func() { delete(s.vms, id) } // a failed clone leaves nothing
	return s.startSlowTask(st.slow, source.node, "qmclone", strconv.Itoa(source.id), strings.ReplaceAll(c.user, "!", "%21"), c.fault, work, undo), nil
}

func (c *call) resize(v *vm) (any, *apiError) {
	if err := c.s.checkVM(c.user, v, "VM.Config.Disk"); err != nil {
		return nil, err
	}
	name := c.form.Get("disk")
	_, disk := list(v.config[name], "file")
	if v.config[name] == "" {
		return nil, fail(500, "disk '%s' does not exist", name)
	}
	storageName, _, _ := strings.Cut(disk["file"], ":")
	if err := c.s.check(c.user, "/storage/"+storageName, "Datastore.AllocateSpace"); err != nil {
		return nil, err
	}
	if v.lock != "" {
		return nil, fail(500, "VM is locked (%s)", v.lock)
	}
	size := c.form.Get("size")
	want := bytes(size)
	if grow, relative := strings.CutPrefix(size, "+"); relative {
		want = bytes(disk["size"]) + bytes(grow)
	}
	return c.task(v, "resize", func() error {
		if want < bytes(disk["size"]) {
			return fmt.Errorf("shrinking disks is not supported")
		}
		disk["size"] = human(want)
		v.config[name] = drive(nil, disk)
		return c.plug(v)
	}), nil
}

// moveDisk copies a disk to another storage and drops the old one.
func (c *call) moveDisk(v *vm) (any, *apiError) {
	if err := c.s.checkVM(c.user, v, "VM.Config.Disk"); err != nil {
		return nil, err
	}
	name, target := c.form.Get("disk"), c.form.Get("storage")
	_, disk := list(v.config[name], "file")
	st := c.s.storages[target]
	switch {
	case v.config[name] == "":
		return nil, fail(500, "disk '%s' does not exist", name)
	case st == nil:
		return nil, fail(500, "storage '%s' does not exist", target)
	case strings.HasPrefix(disk["file"], target+":"):
		return nil, fail(500, "you can't move to the same storage with same format")
	case v.lock != "":
		return nil, fail(500, "VM is locked (%s)", v.lock)
	}
	if err := c.s.check(c.user, "/storage/"+target, "Datastore.AllocateSpace"); err != nil {
		return nil, err
	}
	v.lock = "disk"
	return c.s.startSlowTask(st.slow, v.node, "qmmove", strconv.Itoa(v.id), strings.ReplaceAll(c.user, "!", "%21"), c.fault, func() error {
		v.lock = ""
		if st.full {
			return fmt.Errorf("storage migration failed: unable to write to storage '%s': No space left on device", target)
		}
		_, volume, _ := strings.Cut(disk["file"], ":")
		disk["file"] = target + ":" + volume
		v.config[name] = drive(nil, disk)
		return nil
	}, func() { v.lock = "" }), nil
}

// usedMemory is what the running VMs of a node have, in MiB.
func (s *Server) usedMemory(node string) int {
	used := 0
	for _, v := range s.vms {
		if v.node == node && s.driver.Running(v.id) {
			used += atoi(v.running["memory"])
		}
	}
	return used
}

func (c *call) power(v *vm, action string) (any, *apiError) {
	if err := c.s.checkVM(c.user, v, "VM.PowerMgmt"); err != nil {
		return nil, err
	}
	if v.lock != "" {
		return nil, fail(500, "VM is locked (%s)", v.lock)
	}
	if v.template && action == "start" {
		return nil, fail(500, "you can't start a vm if it's a template")
	}
	on := c.s.driver.Running(v.id)
	if !on && (action == "shutdown" || action == "reboot") {
		return nil, fail(500, "VM %d not running", v.id)
	}
	stop := func() error { return c.s.driver.Stop(v.id) }
	// What ACPI is for: the guest ends itself, or is cut off after the timeout if that was asked for.
	shutdown := func() error {
		within := time.Duration(max(1, atoi(c.form.Get("timeout")))) * time.Second
		if !c.s.deaf[v.id] {
			c.s.mu.Unlock() // others go on meanwhile
			done := c.s.driver.Shutdown(v.id, min(within, 20*time.Second))
			c.s.mu.Lock()
			if done {
				return nil
			}
		}
		if c.form.Get("forceStop") == "1" {
			return stop()
		}
		return fmt.Errorf("VM quit/powerdown failed - got timeout")
	}
	start := func() error {
		if c.s.vms[v.id] != v {
			return noSuchVM(v.node, v.id) // deleted while a slow task ran
		}
		guest, err := v.guest()
		if err != nil {
			return err
		}
		if !c.s.bridges[guest.Bridge] {
			return fmt.Errorf("bridge '%s' does not exist", guest.Bridge)
		}
		if guest.Cores > c.s.cores {
			return fmt.Errorf("MAX %d vcpus allowed per VM on this node", c.s.cores)
		}
		if used := c.s.usedMemory(v.node); used+guest.Memory > c.s.memory {
			return fmt.Errorf("start failed: QEMU exited with code 1: cannot set up guest memory 'pc.ram': Cannot allocate memory")
		}
		if err := c.s.driver.Start(guest); err != nil {
			return fmt.Errorf("start failed: %w", err)
		}
		v.since, v.running = time.Now(), map[string]string{}
		for key, value := range v.config {
			v.running[key] = value
		}
		return nil
	}
	return c.s.startSlowTask(time.Millisecond, v.node, "qm"+action, strconv.Itoa(v.id), strings.ReplaceAll(c.user, "!", "%21"), c.fault, func() error {
		switch action {
		case "start":
			if on {
				return fmt.Errorf("VM %d already running", v.id)
			}
			return start()
		case "reboot":
			if err := shutdown(); err != nil {
				return err
			}
			return start()
		case "shutdown":
			return shutdown()
		}
		return stop()
	}, func() {}), nil
}

func (c *call) destroy(v *vm) (any, *apiError) {
	if err := c.s.checkVM(c.user, v, "VM.Allocate"); err != nil {
		return nil, err
	}
	switch {
	case v.config["protection"] == "1":
		return nil, fail(500, "can't remove VM %d - protection mode enabled", v.id)
	case c.s.driver.Running(v.id):
		return nil, fail(500, "VM %d is running - destroy failed", v.id)
	case v.lock != "":
		return nil, fail(500, "VM is locked (%s)", v.lock)
	}
	return c.task(v, "qmdestroy", func() error {
		if err := c.s.driver.Delete(v.id); err != nil {
			return err
		}
		delete(c.s.vms, v.id)
		return nil
	}), nil
}

func (c *call) migrate(v *vm) (any, *apiError) {
	if err := c.s.checkVM(c.user, v, "VM.Migrate"); err != nil {
		return nil, err
	}
	target := c.form.Get("target")
	if !slices.Contains(c.s.nodes, target) || c.s.offline[target] {
		return nil, badParameter("target", "target node is not usable")
	}
	_, disk := list(v.config["scsi0"], "file")
	storageName, _, _ := strings.Cut(disk["file"], ":")
	takes := time.Duration(0)
	if st := c.s.storages[storageName]; st != nil && !st.shared {
		takes = st.slow
	}
	v.lock = "migrate"
	return c.s.startSlowTask(takes, v.node, "qmigrate", strconv.Itoa(v.id), strings.ReplaceAll(c.user, "!", "%21"), c.fault,
		func() error { v.node, v.lock = target, ""; return nil }, func() { v.lock = "" }), nil
}

// disks are those besides the first, by their interface.
func (v *vm) disks() map[string]Disk {
	out := map[string]Disk{}
	for key, value := range v.config {
		if _, options := list(value, "file"); strings.HasPrefix(key, "scsi") && isDrive(key) && key != "scsi0" {
			out[key] = Disk{Serial: options["serial"], Size: bytes(options["size"])}
		}
	}
	return out
}

// guest is what the cloud-init drive and the virtual hardware tell the guest.
func (v *vm) guest() (Guest, error) {
	_, network := list(v.config["net0"], "model")
	_, ip := list(v.config["ipconfig0"], "ip")
	keys, err := url.PathUnescape(v.config["sshkeys"])
	if err != nil {
		return Guest{}, fmt.Errorf("sshkeys: %w", err)
	}
	g := Guest{
		ID: v.id, Name: v.name(), MAC: network["virtio"], Memory: atoi(v.config["memory"]), Cores: atoi(v.config["cores"]),
		Bridge: network["bridge"], VLAN: atoi(network["tag"]), Firewall: network["firewall"] == "1",
		Network: NetworkSeed{Address: ip["ip"], Gateway: ip["gw"], Domain: v.config["searchdomain"], DNS: strings.Fields(v.config["nameserver"])},
		Disks:   v.disks(),
		User:    UserSeed{Name: v.config["ciuser"], Upgrade: v.config["ciupgrade"] != "0"},
	}
	for line := range strings.Lines(keys) {
		if line = strings.TrimSpace(line); line != "" {
			g.User.Keys = append(g.User.Keys, line)
		}
	}
	g.InstanceID = fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "%v %v %s %s", g.User, g.Network, g.MAC, g.Name)))
	return g, nil
}
