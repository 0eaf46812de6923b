package resources

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
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
