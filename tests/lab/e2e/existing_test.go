package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

// there are the machines of TestLongExisting, by what they call themselves: two that balance, three servers, three workers.
var there = []string{"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"}

func addressOf(machine string) string {
	return fmt.Sprintf("192.168.1.%d", 131+slices.Index(there, machine))
}

// newMachines makes machines that are there, by a program of its own: nothing in it is the component's.
func newMachines(t *testing.T, l *lab.Lab, names []string, addressOf func(machine string) string) *place {
	t.Helper()
	m := newPlace(t, l, "machines")
	public := m.publicKey(m.KeyFile())
	program := "name: k3s-ha\nruntime: yaml\nresources:\n"
	for i, name := range names {
		program += fmt.Sprintf(`  %[1]s:
    type: proxmoxve:VM/virtualMachine:VirtualMachine
    properties:
      nodeName: pve%[2]d
      vmId: %[3]d
      name: %[1]s
      clone: {vmId: 9000, nodeName: pve1, full: true}
      cpu: {cores: 2}
      memory: {dedicated: 4096}
      networkDevices: [{bridge: vmbr0, macAddress: "BC:24:13:00:00:%02[4]X"}]
      disks: [{interface: scsi0, datastoreId: local-lvm, size: 32}]
      initialization:
        datastoreId: local-lvm
        interface: ide2
        ipConfigs: [{ipv4: {address: %[5]s/24, gateway: 192.168.1.1}}]
        userAccount: {username: ubuntu, keys: [%[6]q]}
      stopOnDestroy: true
    options: {version: 6.18.1, deleteBeforeReplace: true, ignoreChanges: [disks, vga]}
`, name, 1+i%3, 801+i, i+1, addressOf(name), public)
	}
	m.write(program)
	m.up()
	for _, name := range names {
		hostKeyOf(m, addressOf(name))
	}
	return m
}

// programHead is what programs for a cluster of the test's own begin with.
const programHead = `name: k3s-ha
runtime: yaml
config:
  sshPrivateKey: {type: string, secret: true}
  k3sMirror: {type: string, default: ""}
resources:
  k3s:
    type: k3sha:K3sHaCluster
    properties:
      clusterName: k3s
`

// onExisting is a program for them.
func onExisting(proxmox, servers, workers, more string) string {
	return programHead + fmt.Sprintf(`%s      network: {cidr: 192.168.1.0/24, gateway: 192.168.1.1, vip: 192.168.1.220}
      servers: %s
      workers:
        worker: %s
%s      loadBalancers: {machines: existing, firstAddress: 192.168.1.131, virtualRouterId: 51}
      k3s: {version: %s, disable: [traefik, servicelb], mirror: "${k3sMirror}"}
      ssh: {privateKey: "${sshPrivateKey}"}
outputs:
  kubeconfig: ${k3s.kubeconfig}
  summary: ${k3s.summary}
`, proxmox, servers, workers, more, release)
}

// TestLongExisting has a cluster on machines that are there: they keep what is theirs, come back when they were installed anew, are left alone
// when they leave, and stand beside VMs.
func TestLongExisting(t *testing.T) {
	l := newLab(t, "existing", false)
	m := newMachines(t, l, there, addressOf)
	p := newPlace(t, l, "existing")
	keys := map[string]string{}
	for _, name := range there {
		keys[name] = hostKeyOf(m, addressOf(name))
	}
	// One listens elsewhere.
	m.in("epsilon", "", "sh", "-c", "echo 'Port 2222' >/etc/ssh/sshd_config.d/port.conf && systemctl restart ssh")
	servers := fmt.Sprintf(`{machines: existing, firstAddress: 192.168.1.133, nodes: {"2": {hostKey: %q}, "3": {sshPort: 2222}}}`, keys["delta"])
	three := onExisting("", servers, "{machines: existing, count: 3, firstAddress: 192.168.1.136}", "")
	nodes := []string{"k3s-server-01", "k3s-server-02", "k3s-server-03", "k3s-worker-01", "k3s-worker-02", "k3s-worker-03"}

	t.Run("a preview contacts nobody", func(t *testing.T) {
		p.t = t
		p.write(three)
		before := m.in("alpha", "", "sh", "-c", "journalctl -q -u ssh | grep -c Accepted")
		r, out := p.must(2*time.Minute, "preview")
		if r.Changed() == 0 || strings.Contains(out, "proxmoxve") {
			t.Errorf("%v\n%s", r.Changes, tail(out))
		}
		if after := m.in("alpha", "", "sh", "-c", "journalctl -q -u ssh | grep -c Accepted"); after != before {
			t.Errorf("logins: %s before, %s after", before, after)
		}
	})

	t.Run("two machines with one id are refused", func(t *testing.T) {
		p.t, m.t = t, t
		own := m.in("theta", "", "cat", "/etc/machine-id")
		m.in("theta", m.in("eta", "", "cat", "/etc/machine-id")+"\n", "sh", "-c", "cat >/etc/machine-id")
		p.mustRefuse(3*time.Minute, "k3s-worker-02 and k3s-worker-03 have the same id in /etc/machine-id")
		if got := m.in("gamma", "", "ls", "/usr/local/lib/k3sha"); !strings.Contains(got, "No such file") && got != "" {
			t.Errorf("something was done on a machine: %s", got)
		}
		m.in("theta", own+"\n", "sh", "-c", "cat >/etc/machine-id")
	})

	t.Run("somebody else's k3s is left alone", func(t *testing.T) {
		p.t, m.t = t, t
		m.in("zeta", "", "sh", "-c", "rm -rf /var/lib/k3sha; mkdir -p /var/lib/rancher/k3s/server/db")
		p.mustRefuse(3*time.Minute, "k3s-worker-01: meet: k3s lives on this machine, and was not put there by this package (/var/lib/rancher/k3s/server/db)", "--replace", p.urn("k3s-meet-k3s-worker-01"))
		m.in("zeta", "", "rm", "-rf", "/var/lib/rancher")
	})

	t.Run("they become a cluster", func(t *testing.T) {
		p.t, m.t = t, t
		p.up("--refresh")
		p.cluster(release, nodes...)
		if r, _ := p.up(); r.Changed() != 0 {
			t.Errorf("the second up changes %v", changedNames(r))
		}
		for _, name := range there {
			if name != "epsilon" && hostKeyOf(m, addressOf(name)) != keys[name] {
				t.Errorf("%s has another host key", name)
			}
			if got := m.in(name, "", "sh", "-c", "cat /proc/sys/kernel/hostname; wc -l </home/ubuntu/.ssh/authorized_keys"); got != name+"\n1" {
				t.Errorf("%s calls itself, and lets in: %q", name, got)
			}
		}
	})

	t.Run("a release rolls", func(t *testing.T) {
		p.t = t
		p.write(strings.Replace(three, release, minor, 1))
		s := p.service(func() { p.up() })
		p.within(s, time.Second)
		if s.Failed > 1 {
			t.Error(s)
		}
		p.cluster(minor, nodes...)
	})
	three = strings.Replace(three, release, minor, 1)

	t.Run("a server and a worker were installed anew", func(t *testing.T) {
		p.t, m.t = t, t
		m.up("--replace", m.urn("delta"), "--replace", m.urn("zeta"))
		hostKeyOf(m, addressOf("delta"))
		// The server's key is the program's to say.
		p.mustRefuse(5*time.Minute, "its host key is", "--refresh")
		three = strings.Replace(three, keys["delta"], hostKeyOf(m, addressOf("delta")), 1)
		p.write(three)
		p.up("--refresh")
		p.cluster(minor, nodes...)
		if n := len(strings.Split(p.kubectl("get", "nodes", "-l", "node-role.kubernetes.io/etcd=true", "-o", "name"), "\n")); n != 3 {
			t.Errorf("etcd has %d members", n)
		}
	})

	t.Run("one leaves and stays", func(t *testing.T) {
		p.t, m.t = t, t
		two := strings.Replace(three, "count: 3", "count: 2", 1)
		p.write(two)
		_, out := p.must(2*time.Minute, "preview")
		if want := "takes k3s-worker-03 away; uninstalls k3s, or what balances, on k3s-worker-03, which stay"; !strings.Contains(out, want) {
			t.Errorf("the preview does not say %q:\n%s", want, tail(out))
		}
		p.up()
		p.cluster(minor, nodes[:5]...)
		if got := m.in("theta", "", "sh", "-c", "ls -d /usr/local/bin/k3s /var/lib/rancher/k3s /var/lib/k3sha 2>/dev/null; systemctl is-active k3s-agent; cat /proc/sys/kernel/hostname"); got != "inactive\ntheta" {
			t.Errorf("it has %q", got)
		}
	})

	t.Run("VMs beside them", func(t *testing.T) {
		p.t = t
		p.write(strings.Replace(onExisting("      proxmox: {nodes: [pve1, pve2, pve3], templateId: 9000}\n", strings.Split(strings.Split(three, "servers: ")[1], "\n")[0],
			"{machines: existing, keep: true, count: 2, firstAddress: 192.168.1.136}", "        vm: {count: 1, firstAddress: 192.168.1.211}\n"), release, minor, 1))
		p.up()
		p.cluster(minor, append(slices.Clone(nodes[:5]), "k3s-vm-01")...)
		if r, _ := p.must(2*time.Minute, "preview"); r.Changed() != 0 {
			t.Errorf("the next preview changes %v", changedNames(r))
		}
		out, err := p.Pulumi(t.Context(), p.project, p.stack, "stack", "output", "summary").Output()
		if err != nil || !strings.Contains(string(out), "a machine that is there") || !strings.Contains(string(out), " on pve1") {
			t.Errorf("%s (%v)", out, err)
		}
	})

	t.Run("all is taken down, and the machines stay", func(t *testing.T) {
		p.t, m.t = t, t
		p.must(6*time.Minute, "destroy", "--yes", "--skip-preview")
		expect(t, "VMs", p.nodes(), slices.Sorted(slices.Values(there)))
		for name, want := range map[string]string{"gamma": "inactive\ninactive\ninactive", "alpha": "inactive\ninactive\ninactive", "zeta": "inactive\nactive\ninactive"} {
			if got := m.in(name, "", "sh", "-c", "systemctl is-active k3s; systemctl is-active k3s-agent; systemctl is-active haproxy"); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	})
}
