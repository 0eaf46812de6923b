// Package lab is a place where a cluster can live on one Linux machine: a network of its own, VMs, the Proxmox VE API,
// an artifact server. Nothing of it can be reached from outside of the lab's network namespaces.
package lab

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/k3sha/pulumi-k3sha/tests/lab/guest"
)

// Addresses inside of the lab's network.
const (
	Gateway   = "192.168.1.1"
	ProxmoxAt = Gateway + ":8006"
	FilesAt   = Gateway + ":8080"
	ImagesAt  = FilesAt + "/files"
	S3At      = Gateway + ":9000"
	Mirror    = "http://" + FilesAt + "/k3s"
	Token     = "root@pam!lab=00000000-0000-0000-0000-000000000000"
)

// The lab's bucket, behind S3At with TLS, and who may use it.
const (
	S3Bucket    = "k3sha"
	S3AccessKey = "lab-access-key"
	S3SecretKey = "lab-secret-key"
)

// Lab is one lab on this machine; several can run side by side under different names.
type Lab struct {
	Name  string
	Build string // what make build has made: bin, rootfs, apt, k3s
	Dir   string // state
}

var namePattern = regexp.MustCompile(`^[a-z0-9][-a-z0-9]{0,19}$`)

// Open names a lab. It need not run.
func Open(name, build string) *Lab {
	return &Lab{Name: name, Build: build, Dir: filepath.Join("/var/tmp/k3sha-lab", name)}
}

// Namespace is the lab's network namespace.
func (l *Lab) Namespace() string { return "k3sha-" + l.Name }

// Guests is the lab's VM driver.
func (l *Lab) Guests() guest.Containers {
	return guest.Containers{Namespace: l.Namespace(), Root: l.system("rootfs"), Dir: filepath.Join(l.Dir, "vms")}
}

// system is the root file system of the VMs or their apt repository: Debian's, or those in the folder of the build that LAB_SYSTEM names.
func (l *Lab) system(name string) string { return l.path(filepath.Join(os.Getenv("LAB_SYSTEM"), name)) }

func (l *Lab) path(name string) string { return filepath.Join(l.Build, name) }
func (l *Lab) socket() string          { return filepath.Join(l.Dir, "control.sock") }

// KeyFile is the private key of the lab's clusters.
func (l *Lab) KeyFile() string { return filepath.Join(l.Dir, "id_ed25519") }

// Images is the folder that is served at ImagesAt, over plain HTTP: for images, and for whatever else a test has to fetch.
func (l *Lab) Images() string { return l.state("files") }

func (l *Lab) state(name string) string { return filepath.Join(l.Dir, name) }

// Releases is the folder of k3s releases: LAB_K3S or the stand-in's.
func (l *Lab) Releases() string {
	if dir := os.Getenv("LAB_K3S"); dir != "" {
		return dir
	}
	return l.path("k3s")
}

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// Up starts the lab, after whatever an earlier run has left is gone.
func (l *Lab) Up(null bool) error {
	if !namePattern.MatchString(l.Name) {
		return fmt.Errorf("%q is not a lab's name; use at most 20 lower-case letters, digits and hyphens", l.Name)
	}
	if err := l.Down(); err != nil {
		return err
	}
	for _, dir := range []string{l.Dir, l.Images()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err := l.newKey(); err != nil {
		return err
	}
	if err := l.newS3CA(); err != nil {
		return err
	}
	if err := l.newHostKey(); err != nil {
		return err
	}
	if err := l.installPlugins(); err != nil {
		return err
	}
	raiseLimits()
	ns := l.Namespace()
	for _, args := range [][]string{
		{"netns", "add", ns},
		{"-n", ns, "link", "set", "lo", "up"},
		{"-n", ns, "link", "add", "br0", "type", "bridge"},
		{"-n", ns, "addr", "add", Gateway + "/24", "dev", "br0"},
		{"-n", ns, "link", "set", "br0", "up"},
		{"-n", ns, "addr", "add", hosts["pve1"] + "/32", "dev", "br0"},
		{"-n", ns, "addr", "add", hosts["pve2"] + "/32", "dev", "br0"},
		{"-n", ns, "addr", "add", hosts["pve3"] + "/32", "dev", "br0"},
	} {
		if err := ip(args...); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(l.state("daemon.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	daemon := exec.Command(self, "serve")
	if null {
		daemon.Args = append(daemon.Args, "--null")
	}
	daemon.Env = append(os.Environ(), "LAB_NAME="+l.Name, "LAB_BUILD="+l.Build)
	daemon.Stdout, daemon.Stderr = log, log
	daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := daemon.Start(); err != nil {
		return err
	}
	if err := os.WriteFile(l.state("daemon.pid"), []byte(strconv.Itoa(daemon.Process.Pid)), 0o600); err != nil {
		return err
	}
	go func() { _ = daemon.Wait() }()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if l.Control("GET", "/vms", nil, nil) == nil {
			return nil
		}
	}
	text, _ := os.ReadFile(l.state("daemon.log"))
	return fmt.Errorf("the lab's daemon does not answer: %s", text)
}

// raiseLimits makes room for the inits of many VMs: the kernel's defaults end at about fourteen. They are only raised.
func raiseLimits() {
	for name, least := range map[string]int{"fs/inotify/max_user_instances": 1024, "kernel/keys/maxkeys": 2000} {
		file := "/proc/sys/" + name
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if now, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && now < least {
			_ = os.WriteFile(file, []byte(strconv.Itoa(least)), 0o600)
		}
	}
}

// installPlugins puts the plugins where Pulumi has downloaded ones. Those in LAB_PLUGINS win.
func (l *Lab) installPlugins() error {
	if err := os.MkdirAll(l.state("bin"), 0o700); err != nil {
		return err
	}
	if cli := os.Getenv("LAB_PULUMI"); cli != "" {
		if err := l.linkTool("pulumi", cli); err != nil {
			return err
		}
	}
	if dir := os.Getenv("LAB_PLUGINS"); dir != "" {
		hosts, err := filepath.Glob(filepath.Join(dir, "pulumi-language-*"))
		if err != nil {
			return err
		}
		for _, host := range hosts {
			if err := l.linkTool(filepath.Base(host), host); err != nil {
				return err
			}
		}
	}
	plugins, err := filepath.Abs(os.Getenv("LAB_PLUGINS"))
	if err != nil {
		return err
	}
	own, err := exec.Command(l.path("plugins/pulumi-resource-k3sha"), "--version").Output()
	if err != nil {
		return fmt.Errorf("asking the k3sha plugin for its version: %w", err)
	}
	for name, version := range map[string]string{"k3sha": strings.TrimSpace(string(own)), "command": "1.2.1", "proxmoxve": "6.18.1"} {
		binary := "pulumi-resource-" + name
		source := filepath.Join(plugins, binary)
		if _, err := os.Stat(source); os.Getenv("LAB_PLUGINS") == "" || err != nil {
			source = l.path("plugins/" + binary)
		}
		dir := l.state(fmt.Sprintf("pulumi/plugins/resource-%s-v%s", name, version))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.Symlink(source, filepath.Join(dir, binary)); err != nil {
			return err
		}
	}
	return l.installOthers()
}

// installOthers puts plugins that the lab has no version of its own for, like kubernetes, where Pulumi has downloaded ones. On the PATH
// they would shadow the others, and Pulumi would warn.
func (l *Lab) installOthers() error {
	others, err := filepath.Glob(filepath.Join(os.Getenv("LAB_PLUGINS"), "pulumi-resource-*"))
	if err != nil || os.Getenv("LAB_PLUGINS") == "" {
		return err
	}
	for _, path := range others {
		name := strings.TrimPrefix(filepath.Base(path), "pulumi-resource-")
		if name == "k3sha" || name == "command" || name == "proxmoxve" || strings.Contains(name, ".") {
			continue
		}
		out, err := exec.Command(path, "--version").Output()
		if err != nil {
			return fmt.Errorf("asking the %s plugin for its version: %w", name, err)
		}
		dir := l.state(fmt.Sprintf("pulumi/plugins/resource-%s-v%s", name, strings.TrimPrefix(strings.TrimSpace(string(out)), "v")))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.Symlink(path, filepath.Join(dir, filepath.Base(path))); err != nil {
			return err
		}
	}
	return nil
}

// linkTool has a program win over the lab's own of that name.
func (l *Lab) linkTool(name, path string) error {
	target, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return os.Symlink(target, filepath.Join(l.state("bin"), name))
}

// newKey makes the SSH key of the lab's clusters.
func (l *Lab) newKey() error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "lab")
	if err != nil {
		return err
	}
	return os.WriteFile(l.KeyFile(), pem.EncodeToMemory(block), 0o600)
}

// Down ends everything that runs in the lab's namespaces and removes its state. It also cleans up after a crash.
func (l *Lab) Down() error {
	if data, err := os.ReadFile(l.state("daemon.pid")); err == nil {
		pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && pid > 1 && strings.Contains(string(name), "\x00serve") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	l.Reap()
	guests := l.Guests()
	for _, id := range guests.IDs() {
		if err := guests.Delete(id); err != nil {
			return err
		}
	}
	_ = ip("netns", "del", l.Namespace())
	return os.RemoveAll(l.Dir)
}

// Reap ends what runs in the lab's own namespace: engines and plugins, which outlive a killed engine.
func (l *Lab) Reap() {
	for range 20 {
		out, err := exec.Command("ip", "netns", "pids", l.Namespace()).Output()
		pids := strings.Fields(string(out))
		if err != nil || len(pids) == 0 {
			return
		}
		for _, field := range pids {
			if pid, err := strconv.Atoi(field); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Processes lists what runs in the lab's own namespace.
func (l *Lab) Processes() ([]string, error) {
	out, err := exec.Command("ip", "netns", "pids", l.Namespace()).Output()
	return strings.Fields(string(out)), err
}

// Control calls the daemon's control endpoint.
func (l *Lab) Control(method, path string, body, into any) error {
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", l.socket()) },
	}}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, "http://lab"+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s %s: %s", method, path, bytes.TrimSpace(text))
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// VM is a VM as the control endpoint lists it.
type VM struct {
	ID      int               `json:"id"`
	Name    string            `json:"name"`
	Node    string            `json:"node"`
	Status  string            `json:"status"`
	Restart bool              `json:"restart"`
	Config  map[string]string `json:"config"`
}

// IP is the VM's address by its cloud-init settings.
func (v VM) IP() string {
	_, rest, _ := strings.Cut(v.Config["ipconfig0"], "ip=")
	ip, _, _ := strings.Cut(rest, "/")
	return ip
}

// VMs lists the VMs by name.
func (l *Lab) VMs() (map[string]VM, error) {
	var list []VM
	if err := l.Control("GET", "/vms", nil, &list); err != nil {
		return nil, err
	}
	out := make(map[string]VM, len(list))
	for _, vm := range list {
		out[vm.Name] = vm
	}
	return out, nil
}

// VM finds one VM.
func (l *Lab) VM(name string) (VM, error) {
	vms, err := l.VMs()
	if err != nil {
		return VM{}, fmt.Errorf("lab %s does not answer, is it up? %w", l.Name, err)
	}
	vm, found := vms[name]
	if !found {
		return VM{}, fmt.Errorf("there is no VM %s in lab %s", name, l.Name)
	}
	return vm, nil
}

// Exec is a command inside of a VM, as root.
func (l *Lab) Exec(name string, args ...string) (*exec.Cmd, error) {
	vm, err := l.VM(name)
	if err != nil {
		return nil, err
	}
	pid := l.Guests().Init(vm.ID)
	if pid == 0 {
		return nil, fmt.Errorf("VM %s does not run", name)
	}
	return exec.Command("nsenter", append([]string{"-t", strconv.Itoa(pid), "-m", "-u", "-i", "-n", "-p", "-C", "--"}, args...)...), nil
}

// Console is the file with what a VM printed on its console.
func (l *Lab) Console(id int) string {
	return filepath.Join(l.Guests().Dir, strconv.Itoa(id), "console.log")
}

// Kill takes a VM's power away.
func (l *Lab) Kill(name string) error {
	vm, err := l.VM(name)
	if err != nil {
		return err
	}
	return l.Control("POST", "/kill", map[string]int{"id": vm.ID}, nil)
}

// PowerOn starts a VM by Proxmox VE's API, as a person would.
func (l *Lab) PowerOn(name string) error {
	return l.proxmox(name, "status/start")
}

// Migrate moves a VM that runs to another Proxmox node by Proxmox VE's API, as its own HA does.
func (l *Lab) Migrate(name, to string) error {
	return l.proxmox(name, "migrate", "target="+to, "online=1")
}

// proxmox has Proxmox VE's API do something with a VM.
func (l *Lab) proxmox(name, what string, form ...string) error {
	vm, err := l.VM(name)
	if err != nil {
		return err
	}
	args := []string{"-skf", "-X", "POST", "-H", "Authorization: PVEAPIToken=" + Token}
	for _, field := range form {
		args = append(args, "-d", field)
	}
	args = append(args, fmt.Sprintf("https://%s/api2/json/nodes/%s/qemu/%d/%s", ProxmoxAt, vm.Node, vm.ID, what))
	if out, err := l.Command("curl", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %s: %w: %s", name, what, err, out)
	}
	return nil
}

// Cable cuts a VM off from the network, or heals that.
func (l *Lab) Cable(name string, plugged bool) error {
	vm, err := l.VM(name)
	if err != nil {
		return err
	}
	state := "down"
	if plugged {
		state = "up"
	}
	return ip("-n", l.Namespace(), "link", "set", guest.Port(vm.ID), state)
}

// Command is a command inside of the lab's network, with Pulumi set up for it.
func (l *Lab) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("ip", append([]string{"netns", "exec", l.Namespace(), name}, args...)...)
	cmd.Env = l.Env()
	return cmd
}

// Env is the environment of commands in the lab: this lab's own Pulumi home, backend, plugins and nothing of the user's
// that would reach the providers.
func (l *Lab) Env() []string {
	var env []string
	for _, entry := range os.Environ() {
		key, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(key, "PULUMI_") && key != "PULUMI_EXPERIMENTAL" && key != "PULUMI_SKIP_CHECKPOINTS" || strings.HasPrefix(key, "PROXMOX_VE_") || key == "PATH" || key == "SSH_AUTH_SOCK" || key == "KUBECONFIG" || key == "HOME" {
			continue
		}
		env = append(env, entry)
	}
	path := l.state("bin") + ":" + l.path("bin") + ":" + os.Getenv("PATH")
	env = append(env, goCaches()...)
	return append(env, "PATH="+path, "HOME="+l.Dir, "PULUMI_HOME="+l.state("pulumi"), "PULUMI_BACKEND_URL=file://"+l.Dir, "PULUMI_CONFIG_PASSPHRASE=lab",
		"PULUMI_SKIP_UPDATE_CHECK=true", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true", "KUBECONFIG="+l.state("kubeconfig"))
}

// goCaches has Go programs in the lab built from the modules and builds outside of it: the lab has no way to fetch any.
var goCaches = sync.OnceValue(func() []string {
	var env []string
	for _, key := range []string{"GOCACHE", "GOMODCACHE"} {
		if out, err := exec.Command("go", "env", key).Output(); err == nil {
			env = append(env, key+"="+strings.TrimSpace(string(out)))
		}
	}
	return env
})

// StackConfig is the configuration that the programs of the examples take, for this lab.
func (l *Lab) StackConfig() map[string]string {
	endpoint, token := "https://"+ProxmoxAt+"/", Token
	if url, secret, found := strings.Cut(os.Getenv("LAB_PVE"), " "); found {
		endpoint, token = url, secret
	}
	return map[string]string{
		"proxmoxve:endpoint": endpoint, "proxmoxve:apiToken": token, "proxmoxve:insecure": "true", "k3sMirror": Mirror,
	}
}
