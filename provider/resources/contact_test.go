package resources

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// A VM that an earlier update left half-made is named before anybody waits for it.
func TestAHalfMadeVMIsNamed(t *testing.T) {
	t.Parallel()
	start := time.Now()
	_, err := Contact{}.Create(t.Context(), infer.CreateRequest[ContactArgs]{Inputs: ContactArgs{
		Node: "k3s-worker-01", VM: ContactVM{ID: 211, ProxmoxNode: "pve2", Resource: "k3s-vm-k3s-worker-01"}, Host: ContactHost{Address: "127.0.0.1", Port: 1},
	}})
	want := "k3s-worker-01: contact: VM 211 on Proxmox node pve2 is there, but does not run: an earlier update left it half-made (its tasks in Proxmox VE say why). " +
		"Nothing is on it yet, so make it anew: pulumi up --replace '**::k3s-vm-k3s-worker-01'"
	if err == nil || err.Error() != want || time.Since(start) > time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
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
