package pki

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/pem"
	"strings"

	"golang.org/x/crypto/ssh"
)

// HostKey is a node's SSH host key: the private one as OpenSSH keeps it, the public one as in known_hosts, without the host.
type HostKey struct{ Private, Public string }

// HostKey is the SSH host key of a node. It is the cluster's, not the machine's: a machine that takes a node's place later has the same, so
// connections are pinned to what is known before it boots. It is derived from the key of a CA, which never leaves the state.
func (b Bundle) HostKey(node string) HostKey {
	seed := hmac.New(sha256.New, []byte(b.Authorities.Server.Key))
	seed.Write([]byte("SSH host key of " + node))
	key := ed25519.NewKeyFromSeed(seed.Sum(nil))
	private, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		panic(err) // of an unknown kind, or with a passphrase
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		panic(err)
	}
	return HostKey{Private: string(pem.EncodeToMemory(private)), Public: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))}
}
