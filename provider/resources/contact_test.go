package resources

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/crypto/ssh"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// A VM that an earlier update left half-made is named before anybody waits for it.
func TestAHalfMadeVMIsNamed(t *testing.T) {
	t.Parallel()
	start := time.Now()
	_, err := Contact{}.Create(t.Context(), infer.CreateRequest[ContactArgs]{Inputs: ContactArgs{
		Node: "k3s-worker-01", VM: ContactVM{ID: 211, ProxmoxNode: "pve2", Resource: "k3s-vm-k3s-worker-01"}, Address: "127.0.0.1",
	}})
	want := "k3s-worker-01: contact: VM 211 on Proxmox node pve2 is there, but does not run: an earlier update left it half-made (its tasks in Proxmox VE say why). " +
		"Nothing is on it yet, so make it anew: pulumi up --replace '**::k3s-vm-k3s-worker-01'"
	if err == nil || err.Error() != want || time.Since(start) > time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
}

// machine is an SSH server that shows a host key and runs nothing. It tells what it was sent.
func machine(t *testing.T, hostKey ssh.Signer) (port int, sent <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	scripts := make(chan string, 9)
	go serveSSH(listener, hostKey, func(script string) string { scripts <- script; return "" })
	return listener.Addr().(*net.TCPAddr).Port, scripts
}

// Whatever host key a blank machine shows is taken, and it is given its own; a machine that was met must show that one.
func TestAMachineThatWasMetShowsItsHostKey(t *testing.T) {
	t.Parallel()
	bundle := pki.Bundle{Authorities: pki.Authorities{Server: pki.Pair{Key: "CA"}}}
	own, err := ssh.ParsePrivateKey([]byte(bundle.HostKey("k3s-lb-01").Private))
	if err != nil {
		t.Fatal(err)
	}
	blank, err := ssh.ParsePrivateKey([]byte(bundle.HostKey("blank").Private))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		shows       ssh.Signer
		first, fine bool
	}{
		"first contact":     {blank, true, true},
		"an update":         {own, false, true},
		"an update, a liar": {blank, false, false},
	} {
		port, sent := machine(t, c.shows)
		contact := Contact{&Config{access: &Access{User: "ubuntu", Port: port, PrivateKey: bundle.HostKey("user").Private, Bundle: bundle}}}
		in := ContactArgs{Node: "k3s-lb-01", Address: "127.0.0.1", VM: ContactVM{ID: 101, Running: true}, Instance: "k3sha-1", Toolkit: "aa", Keys: []string{"ssh-ed25519 A"}}
		if c.first {
			_, err = contact.Create(t.Context(), infer.CreateRequest[ContactArgs]{Inputs: in})
		} else {
			_, err = contact.Update(t.Context(), infer.UpdateRequest[ContactArgs, ContactState]{Inputs: in})
		}
		if !c.fine {
			if err == nil || !strings.Contains(err.Error(), "k3s-lb-01: contact: its host key is ssh-ed25519 ") || len(sent) != 0 {
				t.Errorf("%s: %v, sent %d scripts", name, err, len(sent))
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		script := <-sent
		for _, want := range []string{"HOST_KEY='-----BEGIN OPENSSH PRIVATE KEY-----", "HOST_KEY_PUBLIC='" + bundle.HostKey("k3s-lb-01").Public + "'", "AUTHORIZED_KEYS='ssh-ed25519 A\n'", fmt.Sprintf("SSH_PORT='%d'", port)} {
			if !strings.Contains(script, "\n"+want) {
				t.Errorf("%s: sent without %s", name, want)
			}
		}
	}
}

// Every failure on a node, or on the way to it, names node and step and says what to do.
func TestFailuresOnANodeSayWhatToDo(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"k3s-lb-01: admit: it has no id; give it one": errors.New("k3s-lb-01: admit: it has no id; give it one"),
		"k3s-lb-01: admit: 10.0.0.1:22 has not answered for 2m0s; see that the node runs and lets user and key in by SSH, then run pulumi up again": errors.New("10.0.0.1:22 has not answered for 2m0s"),
		"k3s-lb-01: admit: jump host bastion: refused; check ssh.bastion, then run pulumi up again":                                                 &contact.JumpError{Host: "bastion", Err: errors.New("refused")},
	} {
		if got := explained("k3s-lb-01", topology.Admit, err); got == nil || got.Error() != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
	if err := explained("k3s-lb-01", topology.Admit, nil); err != nil {
		t.Error(err)
	}
}

// A boot that has upgraded everything first is told of, with what turns that off.
func TestUpgradeWarning(t *testing.T) {
	t.Parallel()
	in := ContactArgs{Node: "k3s-lb-01"}
	const want = "k3s-lb-01: contact: its first boot has upgraded all packages before anything else could begin, which took 95 s: so does cloud-init wherever Proxmox VE is not told otherwise. " +
		"In the template it can be turned off: qm set <template's id> --ciupgrade 0"
	if got := upgradeWarning(in, "upgraded 95\n"); got != want {
		t.Error(got)
	}
	if got := upgradeWarning(in, ""); got != "" {
		t.Error(got)
	}
}

// The waits are those that the schema and the documents name.
func TestWaitsOfAFirstContact(t *testing.T) {
	t.Parallel()
	if w := contact.DefaultWaits; w.Answer != 5*time.Minute || w.Login != time.Minute || w.Script > 20*time.Minute {
		t.Errorf("%+v", w)
	}
	schema, err := os.ReadFile("../../schema.json")
	if err != nil || !strings.Contains(string(schema), "when nothing answers for 5 minutes, or when the key is not taken for 1 minute") {
		t.Error("the schema names others")
	}
}
