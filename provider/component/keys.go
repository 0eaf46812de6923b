package component

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"golang.org/x/crypto/ssh"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
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
		signer, reason := readPrivateKey(private)
		if reason != "" {
			return nil, errors.New("ssh.privateKey: " + reason)
		}
		keys, problems := authorizedKeys(signer, public)
		if len(problems) > 0 {
			return nil, errors.New(problems[0].String())
		}
		return keys, nil
	})
	return pulumi.Unsecret(out).(pulumi.StringArrayOutput)
}

// dsa is the type of DSA keys, which SSH servers refuse.
const dsa = "ssh-dss"

var pathPattern = regexp.MustCompile(`^(~|\.{0,2}/|[A-Za-z]:[\\/]|file:)[^\n]*$|\.(pem|key|pub)$|^\S*id_[a-z0-9]+$`)

// readPrivateKey reads a private key, or says what it is instead. The reason never quotes it.
func readPrivateKey(text string) (ssh.Signer, string) {
	trimmed := strings.TrimSpace(text)
	signer, err := ssh.ParsePrivateKey([]byte(text))
	var locked *ssh.PassphraseMissingError
	block, _ := pem.Decode([]byte(trimmed))
	_, _, _, _, public := ssh.ParseAuthorizedKey([]byte(trimmed))
	switch {
	case trimmed == "":
		return nil, "is empty; give the private key itself, as a secret"
	case err == nil && signer.PublicKey().Type() == dsa:
		return nil, "is a DSA key, which SSH servers refuse; make an ed25519 one: ssh-keygen -t ed25519 -N ''"
	case err == nil:
		return signer, ""
	case errors.As(err, &locked), block != nil && (block.Type == "ENCRYPTED PRIVATE KEY" || x509.IsEncryptedPEMBlock(block)): //nolint:staticcheck // to name it, not to read it
		return nil, "is protected by a passphrase; give a key without one, it is kept as a secret"
	case public == nil || block != nil && strings.HasSuffix(block.Type, "PUBLIC KEY") || strings.Contains(trimmed, "BEGIN SSH2 PUBLIC KEY"):
		return nil, "is a public key; give the private one, as a secret"
	case strings.HasPrefix(trimmed, "PuTTY-User-Key-File"):
		return nil, "is a key in PuTTY's form; export it in OpenSSH's (PuTTYgen: Conversions)"
	case block != nil && block.Type == "CERTIFICATE":
		return nil, "is a certificate; give the private key, as a secret"
	case !strings.Contains(trimmed, "\n") && pathPattern.MatchString(trimmed):
		return nil, "is the path of a file; give what is in the file, as a secret"
	}
	// The parser's own words might quote the key.
	return nil, "is not a private key in PEM or OpenSSH form; give the whole file, with its first and last line"
}

// authorizedKeys are the lines of authorized_keys.
func authorizedKeys(signer ssh.Signer, given []string) ([]string, []topology.Problem) {
	own := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	if len(given) == 0 {
		return []string{own}, nil
	}
	var keys []string
	var problems []topology.Problem
	for i, line := range given {
		note := func(format string, args ...any) {
			problems = append(problems, topology.Problem{Path: fmt.Sprintf("ssh.publicKeys[%d]", i), Reason: fmt.Sprintf(format, args...)})
		}
		key, comment, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
		switch {
		case strings.Contains(line, "PRIVATE KEY"):
			note("is a private key; give the public one")
		case strings.HasPrefix(strings.TrimSpace(line), "#"), err != nil, strings.TrimSpace(string(rest)) != "":
			note("is not one public key; write it as in authorized_keys, like ssh-ed25519 AAAA... name")
		case len(options) > 0:
			note("has options (%s) that a login for the cluster cannot have; give the key alone", strings.Join(options, ","))
		case key.Type() == dsa || strings.Contains(key.Type(), "-cert-"):
			note("is of type %s, which authorized_keys of the nodes cannot use; give a plain key, like ssh-ed25519 AAAA... name", key.Type())
		default:
			text := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
			keys = append(keys, strings.TrimSpace(text+" "+comment))
		}
	}
	if len(problems) == 0 && !slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k+" ", own+" ") }) {
		problems = append(problems, topology.Problem{Path: "ssh.publicKeys", Reason: fmt.Sprintf(
			"does not hold the public key of ssh.privateKey (%s), which would lock the nodes; add it", own)})
	}
	return keys, problems
}

var fingerprintPattern = regexp.MustCompile(`^(?:\d+ )?(SHA256:|MD5:|[0-9a-f]{2}(:[0-9a-f]{2}){15})`)

// hostKeyProblem says what a jump host's key is instead of one.
func hostKeyProblem(text string) string {
	const remedy = "give it as ssh-keyscan prints it, without the host: ssh-ed25519 AAAA..."
	trimmed := strings.TrimSpace(text)
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(trimmed))
	fields := strings.Fields(trimmed)
	switch {
	case trimmed == "":
		return "is empty; " + remedy
	case strings.Contains(trimmed, "PRIVATE KEY"):
		return "is a private key, which never leaves the jump host; " + remedy
	case fingerprintPattern.MatchString(trimmed):
		return "is a fingerprint; " + remedy
	case err == nil && len(options) == 0 && len(rest) == 0 && strings.Contains(key.Type(), "-cert-"):
		return "is a certificate; " + remedy
	case err == nil && len(options) == 0 && len(rest) == 0:
		return ""
	case strings.HasPrefix(trimmed, "AAAA"):
		return "lacks the key's type; " + remedy
	case len(fields) >= 3 && strings.HasPrefix(fields[len(fields)-1], "AAAA") || len(fields) >= 3 && strings.HasPrefix(fields[2], "AAAA"):
		return "has the host in front, as in known_hosts; " + remedy
	case strings.Contains(trimmed, "\n"):
		return "is more than one line; " + remedy
	}
	return "is not a public host key; " + remedy
}
