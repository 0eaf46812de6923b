package pki

import (
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// A node's host key stays the same for ever, is no other node's and no other cluster's, and its private half is what OpenSSH reads.
func TestHostKeys(t *testing.T) {
	t.Parallel()
	one, other := Bundle{Authorities: Authorities{Server: Pair{Key: "one"}}}, Bundle{Authorities: Authorities{Server: Pair{Key: "other"}}}
	key := one.HostKey("k3s-server-01")
	if key.Public != "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINm5Tf+Gp5d+oN5pl3sIHCTnyQ9rZyf4hWkP8FcjIglc" {
		t.Errorf("it has changed, and no node would be let in to any more: %s", key.Public)
	}
	if key.Public == one.HostKey("k3s-server-02").Public || key.Public == other.HostKey("k3s-server-01").Public {
		t.Error("two nodes have the same")
	}
	signer, err := ssh.ParsePrivateKey([]byte(key.Private))
	if err != nil || strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) != key.Public {
		t.Errorf("%v: the halves do not belong together", err)
	}
}
