package contact

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

type key struct {
	signer  ssh.Signer
	private string
}

func newKey(t *testing.T) key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return key{signer, string(pem.EncodeToMemory(block))}
}

func (k key) line() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.signer.PublicKey())))
}

// machine is an SSH server on loopback: it lets one key in, from a moment on, and forwards connections.
type machine struct {
	host     key
	lets     key
	from     time.Time    // when it begins to let the key in
	broken   atomic.Int32 // so many connections are closed before the handshake
	run      func(stdin string) (out, problems string, status uint32)
	listener net.Listener
}

func (m *machine) start(t *testing.T, address string) int {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	m.listener = listener
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, offered ssh.PublicKey) (*ssh.Permissions, error) {
		if time.Now().After(m.from) && string(offered.Marshal()) == string(m.lets.signer.PublicKey().Marshal()) {
			return &ssh.Permissions{}, nil
		}
		return nil, errors.New("no")
	}}
	config.AddHostKey(m.host.signer)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if m.broken.Add(-1) >= 0 {
				conn.Close()
				continue
			}
			go m.serve(conn, config)
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func (m *machine) serve(conn net.Conn, config *ssh.ServerConfig) {
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		conn.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		if offered.ChannelType() == "direct-tcpip" {
			go forward(offered)
			continue
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go func() {
			defer channel.Close()
			for request := range requests {
				_ = request.Reply(request.Type == "exec", nil)
				if request.Type != "exec" {
					continue
				}
				stdin, _ := io.ReadAll(channel)
				out, problems, status := m.run(string(stdin))
				_, _ = io.WriteString(channel, out)
				_, _ = io.WriteString(channel.Stderr(), problems)
				_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
				return
			}
		}()
	}
}

func forward(offered ssh.NewChannel) {
	var to struct {
		Host       string
		Port       uint32
		Origin     string
		OriginPort uint32
	}
	_ = ssh.Unmarshal(offered.ExtraData(), &to)
	conn, err := net.Dial("tcp", net.JoinHostPort(to.Host, itoa(to.Port)))
	if err != nil {
		_ = offered.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	channel, requests, err := offered.Accept()
	if err != nil {
		conn.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	go func() { _, _ = io.Copy(conn, channel); conn.Close() }()
	_, _ = io.Copy(channel, conn)
	channel.Close()
}

func itoa(n uint32) string {
	var b []byte
	for ; n > 0; n /= 10 {
		b = append([]byte{byte('0' + n%10)}, b...)
	}
	return string(b)
}

func echo(stdin string) (string, string, uint32) { return "ran: " + stdin + "\n", "", 0 }

var quick = Waits{Answer: 700 * time.Millisecond, Login: 700 * time.Millisecond, Script: time.Second, Dial: 500 * time.Millisecond, Pause: 20 * time.Millisecond}

func TestContact(t *testing.T) {
	t.Parallel()
	user, stranger := newKey(t), newKey(t)
	fails := func(string) (string, string, uint32) {
		return "", "k3s-lb-01: contact: cloud-init failed\n", 1
	}
	sudo := func(string) (string, string, uint32) { return "", "sudo: a password is required\n", 1 }
	hangs := func(string) (string, string, uint32) { time.Sleep(3 * time.Second); return "", "", 0 }
	for name, c := range map[string]struct {
		machine *machine
		key     key
		want    string // what comes back
		failure string // what the error has in it
	}{
		"answers":                      {&machine{run: echo}, user, "ran: script", ""},
		"takes the key after a moment": {&machine{run: echo, from: time.Now().Add(400 * time.Millisecond)}, user, "ran: script", ""},
		"first handshakes fail":        {func() *machine { m := &machine{run: echo}; m.broken.Store(3); return m }(), user, "ran: script", ""},
		"never takes the key":          {&machine{run: echo}, stranger, "", "user ubuntu is not let in after 700ms: it does not take the key"},
		"the script fails":             {&machine{run: fails}, user, "", "k3s-lb-01: contact: cloud-init failed"},
		"no right to sudo":             {&machine{run: sudo}, user, "", "user ubuntu cannot become root (sudo: a password is required): it has to be able to run sudo without a password, or be root; mend that in the template, or set ssh.user to one that is"},
		"the script hangs":             {&machine{run: hangs}, user, "", "its script has not ended for 1s"},
		"handshakes fail for ever":     {func() *machine { m := &machine{run: echo}; m.broken.Store(1e6); return m }(), user, "", "has not answered for 700ms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.machine.host, c.machine.lets = newKey(t), user
			port := c.machine.start(t, "127.0.0.1:0")
			got, err := Run(t.Context(), Host{Address: "127.0.0.1", Port: port, User: "ubuntu", PrivateKey: c.key.private}, nil, "sh", "script", quick)
			check(t, got, err, c.want, c.failure)
		})
	}
}

func check(t *testing.T, got string, err error, want, failure string) {
	t.Helper()
	switch {
	case failure == "" && (err != nil || got != want):
		t.Errorf("got %q, %v, want %q", got, err, want)
	case failure != "" && (err == nil || !strings.Contains(err.Error(), failure)):
		t.Errorf("got %q, %v, want an error with %q", got, err, failure)
	}
}

// A machine that is off, and one that boots while it is waited for.
func TestContactWaitsForTheBoot(t *testing.T) {
	t.Parallel()
	user := newKey(t)
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := reserved.Addr().(*net.TCPAddr).Port
	reserved.Close()
	host := Host{Address: "127.0.0.1", Port: port, User: "ubuntu", PrivateKey: user.private}
	_, err = Run(t.Context(), host, nil, "sh", "script", quick)
	check(t, "", err, "", "has not answered for 700ms (last seen: dial tcp 127.0.0.1")
	m := &machine{run: echo, host: newKey(t), lets: user}
	time.AfterFunc(300*time.Millisecond, func() { m.start(t, host.Address+":"+itoa(uint32(port))) }) //nolint:gosec // a port
	got, err := Run(t.Context(), host, nil, "sh", "script", quick)
	check(t, got, err, "ran: script", "")
}

// The jump host: its first handshakes fail, and each try begins anew; its key is pinned.
func TestContactThroughAJumpHost(t *testing.T) {
	t.Parallel()
	user, jumper := newKey(t), newKey(t)
	target := &machine{run: echo, host: newKey(t), lets: user}
	jump := &machine{host: newKey(t), lets: jumper}
	jump.broken.Store(2)
	host := Host{Address: "127.0.0.1", Port: target.start(t, "127.0.0.1:0"), User: "ubuntu", PrivateKey: user.private}
	through := Host{Address: "127.0.0.1", Port: jump.start(t, "127.0.0.1:0"), User: "jump", PrivateKey: jumper.private, HostKey: jump.host.line()}
	got, err := Run(t.Context(), host, &through, "sh", "script", quick)
	check(t, got, err, "ran: script", "")

	through.HostKey = newKey(t).line()
	start := time.Now()
	_, err = Run(t.Context(), host, &through, "sh", "script", Waits{Answer: time.Minute, Login: time.Minute, Script: time.Second, Dial: time.Second, Pause: 20 * time.Millisecond})
	check(t, "", err, "", "jump host 127.0.0.1: its host key is ssh-ed25519 SHA256:")
	if time.Since(start) > 10*time.Second {
		t.Error("another host key than the pinned one was waited for")
	}
}

func TestContactCanBeStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := Run(ctx, Host{Address: "127.0.0.1", Port: 1, User: "ubuntu", PrivateKey: newKey(t).private}, nil, "sh", "script", DefaultWaits)
	if err == nil || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}
