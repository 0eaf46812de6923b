// Package contact reaches a machine by SSH for the first time, when nothing is known of it: it waits for a boot, takes the host key that
// it finds, and runs one script. Every later connection is pinned. It knows no Pulumi.
package contact

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Host is a machine and how to log in to it.
type Host struct {
	Address    string
	Port       int
	User       string
	PrivateKey string
	HostKey    string // as in known_hosts, without the host; empty for a machine that nobody has met
}

// Waits are how long a machine may take for each part of a first contact.
type Waits struct {
	Answer time.Duration // until something listens on its SSH port
	Login  time.Duration // from then on until it takes the key: cloud-init puts it there
	Script time.Duration // the script
	Dial   time.Duration // one try
	Pause  time.Duration // between tries
}

// DefaultWaits fit cloud images on slow disks.
var DefaultWaits = Waits{Answer: 5 * time.Minute, Login: time.Minute, Script: 16 * time.Minute, Dial: 10 * time.Second, Pause: time.Second}

// Run waits for the machine and runs a command there, with the script as its standard input. It returns what the command printed.
// Each try opens all of its connections anew: a jump host that was away for a moment is no lost one.
func Run(ctx context.Context, host Host, jump *Host, command, script string, w Waits) (string, error) {
	client, closeAll, err := login(ctx, host, jump, w)
	if err != nil {
		return "", err
	}
	defer closeAll()
	return execute(ctx, client, command, script, w.Script)
}

// JumpError is a failure of the jump host, before the machine behind it was asked.
type JumpError struct {
	Host string
	Err  error
}

func (e *JumpError) Error() string { return "jump host " + e.Host + ": " + e.Err.Error() }
func (e *JumpError) Unwrap() error { return e.Err }

// errRefused: the machine answers and does not take the key.
var errRefused = errors.New("it does not take the key")

func login(ctx context.Context, host Host, jump *Host, w Waits) (*ssh.Client, func(), error) {
	answerBy := time.Now().Add(w.Answer)
	var loginBy time.Time
	for {
		client, closeAll, err := Dial(ctx, host, jump, w.Dial)
		if err == nil {
			return client, closeAll, nil
		}
		now := time.Now()
		var fixed *unchangeable
		switch {
		case ctx.Err() != nil:
			return nil, nil, fmt.Errorf("stopped while waiting (last seen: %w)", err)
		case errors.As(err, &fixed):
			return nil, nil, err
		case errors.Is(err, errRefused):
			if loginBy.IsZero() {
				loginBy = now.Add(w.Login)
			}
			if now.After(loginBy) {
				user := host.User
				if at := new(JumpError); errors.As(err, &at) {
					user = jump.User
				}
				return nil, nil, fmt.Errorf("user %s is not let in after %s: %w", user, w.Login, err)
			}
		case now.After(answerBy):
			return nil, nil, fmt.Errorf("%s has not answered for %s (last seen: %w)", net.JoinHostPort(host.Address, strconv.Itoa(host.Port)), w.Answer, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(w.Pause):
		}
	}
}

// unchangeable is an error that no waiting cures.
type unchangeable struct{ error }

// Dial tries once to log in to the machine, through the jump host if there is one. Each of the two connections may take the timeout.
// The function that it returns closes both.
func Dial(ctx context.Context, host Host, jump *Host, timeout time.Duration) (*ssh.Client, func(), error) {
	ctx, cancel := context.WithTimeout(ctx, 2*timeout)
	defer cancel()
	dial := (&net.Dialer{Timeout: timeout}).DialContext
	closeJump := func() {}
	if jump != nil {
		through, err := connect(ctx, *jump, dial, timeout)
		if err != nil {
			return nil, nil, &JumpError{jump.Address, err}
		}
		dial = through.DialContext
		closeJump = func() { _ = through.Close() }
	}
	client, err := connect(ctx, host, dial, timeout)
	if err != nil {
		closeJump()
		return nil, nil, err
	}
	return client, func() { _ = client.Close(); closeJump() }, nil
}

func connect(ctx context.Context, host Host, dial func(context.Context, string, string) (net.Conn, error), timeout time.Duration) (*ssh.Client, error) {
	signer, err := ssh.ParsePrivateKey([]byte(host.PrivateKey))
	if err != nil {
		return nil, &unchangeable{errors.New("its private key cannot be read")} // the parser's words might quote it
	}
	config := &ssh.ClientConfig{User: host.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: timeout, HostKeyCallback: ssh.InsecureIgnoreHostKey()} //nolint:gosec // first contact, see the package
	if host.HostKey != "" {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(host.HostKey))
		if err != nil {
			return nil, &unchangeable{errors.New("its host key is not one")}
		}
		config.HostKeyCallback = pinned(key)
		config.HostKeyAlgorithms = algorithms(key.Type())
	}
	address := net.JoinHostPort(host.Address, strconv.Itoa(host.Port))
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	// The handshake has no deadline of its own, and a connection through a jump host takes none: closing it ends it.
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stays := context.AfterFunc(limited, func() { _ = conn.Close() })
	inner, channels, requests, err := ssh.NewClientConn(conn, address, config)
	if !stays() && err == nil {
		err = context.Cause(limited)
	}
	if err != nil {
		_ = conn.Close()
		var wrong *unchangeable
		if strings.Contains(err.Error(), "unable to authenticate") {
			return nil, fmt.Errorf("%w (%w)", errRefused, err)
		}
		if errors.As(err, &wrong) {
			return nil, wrong
		}
		return nil, err
	}
	return ssh.NewClient(inner, channels, requests), nil
}

func pinned(want ssh.PublicKey) ssh.HostKeyCallback {
	return func(_ string, _ net.Addr, got ssh.PublicKey) error {
		if !bytes.Equal(got.Marshal(), want.Marshal()) {
			return &unchangeable{fmt.Errorf("its host key is %s %s, not the pinned %s", got.Type(), ssh.FingerprintSHA256(got), ssh.FingerprintSHA256(want))}
		}
		return nil
	}
}

// algorithms are the signatures that a key of a type can make.
func algorithms(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}
	}
	return []string{keyType}
}

// execute runs the command; its error is what it printed to stderr, from the beginning, where the cause stands.
func execute(ctx context.Context, client *ssh.Client, command, script string, timeout time.Duration) (string, error) {
	session, err := client.NewSession()
	if err != nil {
		return "", fmt.Errorf("opening a session: %w", err)
	}
	defer session.Close()
	var out, problems bytes.Buffer
	session.Stdin, session.Stdout, session.Stderr = strings.NewReader(script), &out, &limited{Buffer: &problems}
	ended := make(chan error, 1)
	go func() { ended <- session.Run(command) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(timeout):
		return "", fmt.Errorf("its script has not ended for %s", timeout)
	}
	if err != nil {
		text := strings.TrimSpace(problems.String())
		if first, _, _ := strings.Cut(text, "\n"); strings.HasPrefix(first, "sudo: ") || strings.HasSuffix(first, "sudo: command not found") {
			return "", fmt.Errorf("user %s cannot become root (%s): it has to be able to run sudo without a password, or be root; mend that in the template, or set ssh.user to one that is", client.User(), first)
		}
		if text != "" {
			return "", errors.New(text)
		}
		return "", err
	}
	return strings.TrimSpace(out.String()), nil
}

// limited keeps the beginning of what a script prints.
type limited struct{ *bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	if room := 16<<10 - l.Len(); room > 0 {
		_, _ = l.Buffer.Write(b[:min(len(b), room)])
	}
	return len(b), nil
}

var _ io.Writer = &limited{}
