package provider

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"golang.org/x/crypto/ssh"
)

// publicKeys are the keys that may log in: the given ones, else the private key's own. An error here stops the VM or the
// authorize step, before anybody is locked out.
func (a SSHArgs) publicKeys() pulumi.StringArrayOutput {
	given := pulumi.StringArrayInput(pulumi.StringArray{})
	if a.PublicKeys != nil {
		given = a.PublicKeys
	}
	out := pulumi.All(a.PrivateKey, given).ApplyT(func(values []any) ([]string, error) {
		private, _ := values[0].(string)
		public, _ := values[1].([]string)
		return authorizedKeys(private, public)
	})
	return pulumi.Unsecret(out).(pulumi.StringArrayOutput)
}

func authorizedKeys(private string, given []string) ([]string, error) {
	signer, err := ssh.ParsePrivateKey([]byte(private))
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, errors.New("ssh.privateKey: is protected by a passphrase; give a key without one, it is kept as a secret")
	case err != nil:
		// The parser's own words might quote the key.
		return nil, errors.New("ssh.privateKey: is not a private key in PEM or OpenSSH form; give the whole file, with its first and last line")
	}
	own := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	if len(given) == 0 {
		return []string{own}, nil
	}
	var keys []string
	for i, line := range given {
		key, comment, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil || len(rest) > 0 {
			return nil, fmt.Errorf("ssh.publicKeys[%d]: is not one public key; write it as in authorized_keys, like ssh-ed25519 AAAA... name", i)
		}
		if len(options) > 0 {
			return nil, fmt.Errorf("ssh.publicKeys[%d]: has options (%s) that a login for the cluster cannot have; give the key alone", i, strings.Join(options, ","))
		}
		text := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
		keys = append(keys, strings.TrimSpace(text+" "+comment))
	}
	if !slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k+" ", own+" ") }) {
		return nil, fmt.Errorf("ssh.publicKeys: does not hold the public key of ssh.privateKey (%s), which would lock the nodes; add it", own)
	}
	return keys, nil
}
