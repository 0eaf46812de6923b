package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

const jumpHost = "192.168.1.130"

// TestLongBastion: nodes that can be reached by SSH only through a jump host, whose key is pinned; and in the same program, what a
// user does with the outputs: kubectl with the kubeconfig as it is, through the VIP, as soon as the outputs are there.
func TestLongBastion(t *testing.T) {
	l := newLab(t, "bastion", false)
	key := newKey(t)
	jump := newJump(t, l, key)
	hostKey := hostKeyOf(jump, jumpHost)

	// From here on, nobody in the lab's own namespace, where Pulumi runs, reaches a node's port 22.
	if out, err := exec.Command("ip", "-n", l.Namespace(), "rule", "add", "to", "192.168.1.192/26", "ipproto", "tcp", "dport", "22", "prohibit").CombinedOutput(); err != nil {
		t.Fatalf("ip rule: %v %s", err, out)
	}
	p := newPlace(t, l, "bastion")
	if err := p.Command("ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "ConnectTimeout=3", "ubuntu@192.168.1.201", "true").Run(); err == nil {
		t.Fatal("a node can be reached without the jump host")
	}
	private, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	set := p.Pulumi(t.Context(), p.project, p.stack, "config", "set", "bastionKey", "--secret", "--config-file", p.ConfigFile(p.stack))
	set.Stdin = bytes.NewReader(private)
	if out, err := set.CombinedOutput(); err != nil {
		t.Fatalf("config set: %v %s", err, out)
	}
	through := func(hostKey string) {
		p.program("config:\n", "config:\n  bastionKey: {type: string, secret: true}\n",
			"        privateKey: ${sshPrivateKey}\n", fmt.Sprintf(`        privateKey: ${sshPrivateKey}
        bastion: {host: %s, user: ubuntu, privateKey: "${bastionKey}", hostKey: %q}
  used:
    type: command:local:Command
    properties:
      stdin: ${k3s.kubeconfig}
      create: |
        set -eu
        umask 077
        cat > kubeconfig
        k() { kubectl --kubeconfig kubeconfig --request-timeout 10s "$@"; }
        k create namespace app >&2
        k -n app create configmap cluster --from-literal=endpoint=${k3s.endpoint} >&2
        k -n app get configmap cluster -o 'jsonpath={.data.endpoint}'
    options: {version: 1.2.1}
`, jumpHost, hostKey), "outputs:\n", "outputs:\n  used: ${used.stdout}\n")
	}

	t.Run("another key of the jump host lets nobody in", func(t *testing.T) {
		p.t = t
		through(strings.TrimSpace(jump.publicKey(newKey(t))))
		out, ended := p.upUntil("k3s-contact-k3s-lb-01 created", after(0))
		if !ended {
			t.Error("a step went through a jump host with another key than the pinned one")
		}
		if !strings.Contains(out, "host key") {
			t.Errorf("the error does not speak of a host key: %s", tail(out))
		}
	})

	t.Run("with its own key the cluster comes up, and its outputs work at once", func(t *testing.T) {
		p.t = t
		through(hostKey)
		p.up()
		p.cluster(release, kubernetesNodes()...)
		out, err := p.Pulumi(t.Context(), p.project, p.stack, "stack", "output", "used", "--show-secrets").Output()
		if want := "https://" + vip + ":6443"; err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("the ConfigMap holds %q, want %s (%v)", out, want, err)
		}
		if r, _ := p.up(); r.Changed() != 0 {
			t.Errorf("still changing: %v", changedNames(r))
		}
	})

	t.Run("a server that was lost comes back through it", func(t *testing.T) {
		p.t = t
		p.lose("k3s-server-02")
		p.up("--refresh")
		p.cluster(release, kubernetesNodes()...)
		if n := p.members("k3s-server-02"); n != 3 {
			t.Errorf("etcd has %d members", n)
		}
	})
}

// newJump makes a jump host.
func newJump(t *testing.T, l *lab.Lab, key string) *place {
	t.Helper()
	return newMachine(t, l, "jump", jumpHost, key)
}

// newMachine makes a VM that is no part of any cluster, and lets one key in.
func newMachine(t *testing.T, l *lab.Lab, name, address, key string) *place {
	t.Helper()
	m := newPlace(t, l, name)
	m.write(fmt.Sprintf(`name: k3s-ha
runtime: yaml
resources:
  machine:
    type: proxmoxve:VM/virtualMachine:VirtualMachine
    properties:
      nodeName: pve1
      vmId: 800
      name: %s
      clone: {vmId: 9000, full: true}
      cpu: {cores: 1}
      memory: {dedicated: 1024}
      networkDevices: [{bridge: vmbr0, macAddress: "BC:24:13:00:00:01"}]
      initialization:
        datastoreId: local-lvm
        interface: ide2
        ipConfigs: [{ipv4: {address: %s/24, gateway: 192.168.1.1}}]
        userAccount: {username: ubuntu, keys: [%q]}
      stopOnDestroy: true
    options: {version: 6.18.1}
`, name, address, m.publicKey(key)))
	m.up()
	return m
}

// newKey makes a private key, and returns its file.
func newKey(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v %s", err, out)
	}
	return file
}

// hostKeyOf waits for a machine's SSH and returns its host key.
func hostKeyOf(p *place, host string) string {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		out, err := p.Command("ssh-keyscan", "-T", "5", "-t", "ed25519", host).Output()
		if fields := bytes.Fields(out); err == nil && len(fields) >= 3 {
			return string(fields[1]) + " " + string(fields[2])
		}
	}
	p.t.Fatalf("%s does not answer", host)
	return ""
}

// TestLongExamples takes the reference example up and down in every language that has a program for it.
func TestLongExamples(t *testing.T) {
	l := newLab(t, "languages", false)
	for _, language := range []string{"go", "typescript", "python"} {
		t.Run(language, func(t *testing.T) {
			p := newExample(t, l, language, "reference")
			p.up()
			p.cluster(release, kubernetesNodes()...)
			if r, _ := p.up(); r.Changed() != 0 {
				t.Errorf("the second up changes %v", changedNames(r))
			}
			p.must(3*time.Minute, "destroy", "--yes", "--skip-preview")
			expect(t, "VMs", p.nodes(), nil)
		})
	}
	// With a Kubernetes plugin at hand the programs that use the outputs run too; without, TestLabExamples has checked their types.
	if _, err := os.Stat(filepath.Join(os.Getenv("LAB_PLUGINS"), "pulumi-resource-kubernetes")); os.Getenv("LAB_PLUGINS") == "" || err != nil {
		t.Log("no pulumi-resource-kubernetes in LAB_PLUGINS: the outputs examples are type-checked only")
		return
	}
	// The lab has no way to the releases: its own mirror has them.
	for language, mirrored := range map[string][]string{
		"yaml":       {"version: v1.31.6+k3s1}", "version: v1.31.6+k3s1, mirror: " + lab.Mirror + "}"},
		"go":         {`Version: "v1.31.6+k3s1"`, `Version: "v1.31.6+k3s1", Mirror: new("` + lab.Mirror + `")`},
		"typescript": {`version: "v1.31.6+k3s1"`, `version: "v1.31.6+k3s1", mirror: "` + lab.Mirror + `"`},
		"python":     {`"version": "v1.31.6+k3s1"`, `"version": "v1.31.6+k3s1", "mirror": "` + lab.Mirror + `"`},
	} {
		t.Run(language+" outputs", func(t *testing.T) {
			p := newExample(t, l, language, "outputs")
			p.edit(program[language], mirrored...)
			p.up()
			if got := p.kubectl("-n", "app", "get", "configmap", "cluster", "-o", "jsonpath={.data.endpoint}"); got != "https://"+vip+":6443" {
				t.Errorf("the ConfigMap holds %q", got)
			}
			p.must(3*time.Minute, "destroy", "--yes", "--skip-preview")
		})
	}
}
