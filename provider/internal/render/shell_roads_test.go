package render_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write puts a file below a folder of the test's own.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A machine that is there is taken if it is a Debian or Ubuntu on which no k3s of somebody else's lives, and no other cluster of ours; a look
// refuses nothing and leaves nothing.
func TestMeetMachine(t *testing.T) {
	t.Parallel()
	const met = "0123 amd64 ssh-ed25519 KEY"
	for name, c := range map[string]struct{ marked, has, meeting, out, failure, mark string }{
		"a blank one":          {"", "", "ab", met, "", "k3s k3s-server-01 ab"},
		"the same, once more":  {"k3s k3s-server-01 ab\n", "server/db", "cd", met, "", "k3s k3s-server-01 cd"},
		"of another cluster":   {"prod k3s-server-01 ab\n", "", "cd", "", "this machine is k3s-server-01 of cluster prod; give another address, or take it out there first", "prod k3s-server-01 ab\n"},
		"of another slot":      {"k3s k3s-worker-01 ab\n", "", "cd", "", "this machine is k3s-worker-01 of cluster k3s; give another address, or take it out there first", "k3s k3s-worker-01 ab\n"},
		"somebody else's k3s":  {"", "server/db", "ab", "", "k3s lives on this machine, and was not put there by this package (DIR/rancher/server/db); uninstall it there first (k3s-uninstall.sh or k3s-agent-uninstall.sh), if nothing is lost with it; or adopt it (adopt)", ""},
		"somebody's agent":     {"", "agent/kubelet.kubeconfig", "ab", "", "k3s lives on this machine, and was not put there by this package (DIR/rancher/agent/kubelet.kubeconfig); uninstall it there first (k3s-uninstall.sh or k3s-agent-uninstall.sh), if nothing is lost with it; or adopt it (adopt)", ""},
		"left alone":           {"prod k3s-server-01 ab\n", "adopting", "ef", met, "", "k3s k3s-server-01 ef"},
		"in the middle":        {"k3s k3s-server-01 ef\n", "adopting", "ef", met, "", "k3s k3s-server-01 ef"},
		"a look":               {"", "server/db", "", met, "", ""},
		"a look at another's":  {"prod k3s-server-01 ab\n", "", "", met, "", "prod k3s-server-01 ab\n"},
		"no key of that kind":  {"", "", "ab", "", "it has no ed25519 host key; make one: ssh-keygen -A, then restart its SSH server", ""},
		"no id":                {"", "", "ab", "", "the machine has no id in /etc/machine-id; run systemd-machine-id-setup there", ""},
		"another architecture": {"", "", "ab", "", "its processor is riscv64; k3s' releases are for x86_64 and aarch64", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, text := range map[string]string{"id": "0123\n", "key.pub": "ssh-ed25519 KEY root@alpha\n", "run/x": ""} {
				if name == "no key of that kind" && file == "key.pub" || name == "no id" && file == "id" {
					text = ""
				}
				write(t, dir+"/"+file, text)
			}
			if c.marked != "" {
				write(t, dir+"/k3sha/member", c.marked)
			}
			switch c.has {
			case "":
			case "adopting":
				write(t, dir+"/k3sha/adopting", strings.TrimSpace(c.marked[len(c.marked)-3:]))
			default:
				write(t, dir+"/rancher/"+c.has, "")
			}
			machine := "x86_64"
			if name == "another architecture" {
				machine = "riscv64"
			}
			program(t, dir, "uname", "echo "+machine)
			program(t, dir, "apt-get", "exit 1")
			text, err := os.ReadFile("files/meet-machine.sh")
			if err != nil {
				t.Fatal(err)
			}
			body := strings.NewReplacer("/var/lib/k3sha", dir+"/k3sha", "/var/lib/rancher/k3s", dir+"/rancher", "/etc/machine-id", dir+"/id", "/etc/ssh/ssh_host_ed25519_key.pub", dir+"/key.pub", "/var/backups", dir+"/backups", "/run/systemd/system", dir+"/run").Replace(string(text))
			out, stderr, _ := shell(t, dir, "CLUSTER=k3s ADOPT= MEETING="+c.meeting, []string{"lib.sh"}, body)
			failure := strings.ReplaceAll(strings.ReplaceAll(strings.TrimPrefix(stderr, "k3s-server-01: converge: "), dir+"/id", "/etc/machine-id"), dir, "DIR")
			if out != c.out || failure != c.failure {
				t.Errorf("%q, %q, want %q, %q", out, failure, c.out, c.failure)
			}
			if mark, _ := os.ReadFile(dir + "/k3sha/member"); string(mark) != c.mark {
				t.Errorf("it is marked %q, want %q", mark, c.mark)
			}
		})
	}
}

// A machine that leaves has k3s taken off by k3s' own script, unless it is to be kept, or it is not the machine, or the meeting, that is left.
func TestLeaveMachine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		id, meeting, keep, ran string
		marked                 bool
	}{
		"it leaves":            {"0123", "ab", "", "uninstalled", false},
		"it keeps k3s":         {"0123", "ab", "yes", "", false},
		"installed anew since": {"4567", "ab", "", "", true},
		"never taken over":     {"0123", "ab", "", "", false},
		"taken over in part":   {"0123", "ab", "", "went back", false},
		"met again since":      {"0123", "cd", "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir+"/id", "0123\n")
			write(t, dir+"/k3sha/member", "k3s k3s-server-01 ab\n")
			if c.ran != "uninstalled" && !c.marked && c.keep == "" {
				write(t, dir+"/k3sha/adopting", "ab")
			}
			if c.ran == "went back" {
				write(t, dir+"/backups/k3s-before-adoption/former", "")
				write(t, dir+"/backups/k3s-before-adoption/way-back.sh", "echo went back >"+dir+"/ran")
			}
			program(t, dir, "k3s-uninstall.sh", "echo uninstalled >"+dir+"/ran")
			program(t, dir, "systemctl", "true")
			text, err := os.ReadFile("files/leave-machine.sh")
			if err != nil {
				t.Fatal(err)
			}
			body := strings.NewReplacer("/var/lib/k3sha", dir+"/k3sha", "/etc/machine-id", dir+"/id", "/usr/local/bin", dir+"/bin", "/var/backups", dir+"/backups", "/run/k3sha", dir+"/log", "/usr/local/lib/k3sha", dir+"/lib", "/etc/systemd", dir+"/systemd").Replace(string(text))
			if _, stderr, err := shell(t, dir, "ROLE=server MACHINE_ID="+c.id+" MEETING="+c.meeting+" KEEP="+c.keep, []string{"lib.sh"}, body); err != nil {
				t.Errorf("%v: %s", err, stderr)
			}
			ran, _ := os.ReadFile(dir + "/ran")
			_, missing := os.Stat(dir + "/k3sha/member")
			if strings.TrimSpace(string(ran)) != c.ran || (missing == nil) != c.marked {
				t.Errorf("ran %q, want %q; marked %t, want %t", ran, c.ran, missing == nil, c.marked)
			}
		})
	}
}

// qm is Proxmox VE's program with one VM's configuration in a file. It writes down what it is asked to change.
const qm = `echo "$*" >>DIR/asked
case $1 in
config) cat DIR/vm 2>/dev/null || { echo "Configuration file 'nodes/pve1/qemu-server/9100.conf' does not exist" >&2; exit 255; } ;;
create) printf 'name: %s\ndescription: %s\n' "$4" "${16}" >DIR/vm ;;
destroy) rm -f DIR/vm ;;
set) [ ! -e DIR/fails ] || { echo "storage is full" >&2; exit 255; } ;;
template) echo 'template: 1' >>DIR/vm ;;
esac`

// A template is made once: what is left of an earlier try goes, somebody else's VM stays, and one failure leaves nothing.
func TestMakeTemplate(t *testing.T) {
	t.Parallel()
	const create = "create 9100 --name ubuntu --memory 2048 --net0 virtio,bridge=vmbr0 --scsihw virtio-scsi-pci --ostype l26 --agent 0 --description k3sha template abc begun --tags k3s"
	whole := []string{
		"config 9100", create, "set 9100 --scsi0 local-lvm:0,import-from=/iso/a.img,discard=on", "set 9100 --ide2 local-lvm:cloudinit",
		"set 9100 --boot order=scsi0 --serial0 socket --vga serial0 --ciupgrade 0 --description k3sha template abc", "template 9100",
	}
	for name, c := range map[string]struct {
		host, vm, fails string
		asked           []string
		failure         string
	}{
		"there is none":                {"pve1", "", "", whole, ""},
		"it is there":                  {"pve1.example.org", "name: ubuntu\ndescription: k3sha template abc\ntemplate: 1\n", "", []string{"config 9100"}, ""},
		"one that was begun":           {"pve1", "name: ubuntu\ndescription: k3sha template abc begun\n", "", append([]string{"config 9100", "destroy 9100"}, whole[1:]...), ""},
		"one that was nearly done":     {"pve1", "name: ubuntu\ndescription: k3sha template abc\n", "", append([]string{"config 9100", "destroy 9100"}, whole[1:]...), ""},
		"one from something else":      {"pve1", "name: old\ndescription: k3sha template def\ntemplate: 1\n", "", []string{"config 9100"}, "VM 9100 exists already, a template, old, that was made by this package from something else; give another vmId, or take that one away first"},
		"somebody else's":              {"pve1", "name: theirs\n", "", []string{"config 9100"}, "VM 9100 exists already, theirs, which was not made here; give another vmId, or take that one away first"},
		"another node":                 {"pve2", "", "", nil, "this host is Proxmox node pve2, and the template is to be on pve1; give the address of pve1 in host.address"},
		"a storage that takes no more": {"pve1", "", "yes", append(append([]string{}, whole[:3]...), "destroy 9100"), "qm set --scsi0 failed: storage is full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if c.vm != "" {
				write(t, dir+"/vm", c.vm)
			}
			if c.fails != "" {
				write(t, dir+"/fails", "")
			}
			program(t, dir, "hostname", "echo "+c.host)
			program(t, dir, "qm", strings.ReplaceAll(qm, "DIR", dir))
			program(t, dir, "pvesm", "echo /iso/a.img")
			var body strings.Builder
			for _, part := range []string{"lib-template.sh", "make-template.sh"} {
				text, err := os.ReadFile("files/" + part)
				if err != nil {
					t.Fatal(err)
				}
				body.WriteString(strings.ReplaceAll(string(text), "/run/lock", dir))
			}
			_, stderr, _ := shell(t, dir, "PVE_NODE=pve1 ID=9100 NAME=ubuntu IMAGE=local:iso/a.img MEMORY=2048 NET=virtio,bridge=vmbr0 SCSIHW=virtio-scsi-pci DATASTORE=local-lvm DISK=,discard=on POOL= TAGS=k3s CIUPGRADE=0 DONE='k3sha template abc' BEGUN='k3sha template abc begun'", []string{"lib.sh"}, body.String())
			asked, _ := os.ReadFile(dir + "/asked")
			if got := strings.TrimSpace(string(asked)); got != strings.Join(c.asked, "\n") {
				t.Errorf("asked\n%s\nwant\n%s", got, strings.Join(c.asked, "\n"))
			}
			if got := strings.TrimPrefix(stderr, "k3s-server-01: converge: "); got != c.failure {
				t.Errorf("%q, want %q", got, c.failure)
			}
		})
	}
}
