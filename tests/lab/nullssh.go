package lab

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"os"
	"regexp"
	"sync"

	"golang.org/x/crypto/ssh"
)

// Answer is what the VMs of a lab without guests print for a command whose standard input has a text in it.
type Answer struct {
	Contains string `json:"contains"`
	Stdout   string `json:"stdout"`
}

// SetAnswers has the VMs of a lab without guests answer; whatever no answer is for succeeds, and prints nothing.
func (l *Lab) SetAnswers(answers ...Answer) error {
	data, err := json.Marshal(answers)
	if err != nil {
		return err
	}
	return os.WriteFile(l.state("answers.json"), data, 0o600)
}

// nullNetworks are routed to the lab itself when it has no guests.
var nullNetworks = []string{"192.168.1.128/25", "10.10.0.0/16"}

// serveSSH is every VM's SSH server at once, and those of the Proxmox nodes. It lets everybody in and runs nothing; only the host key that a script gives to a VM is
// shown there from then on.
func (l *Lab) serveSSH(listener net.Listener) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	blank, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return err
	}
	host, err := l.hostConfig()
	if err != nil {
		return err
	}
	var given sync.Map // signers by address
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		address, _, _ := net.SplitHostPort(conn.LocalAddr().String())
		if node := hostAt(address); node != "" {
			go l.serveHost(conn, host, node)
			continue
		}
		config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return &ssh.Permissions{}, nil }}
		if key, found := given.Load(address); found {
			config.AddHostKey(key.(ssh.Signer))
		} else {
			config.AddHostKey(blank)
		}
		go func() {
			_, channels, requests, err := ssh.NewServerConn(conn, config)
			if err != nil {
				conn.Close()
				return
			}
			go ssh.DiscardRequests(requests)
			for channel := range channels {
				go l.session(channel, func(stdin []byte) {
					if found := hostKey.FindSubmatch(stdin); found != nil {
						if key, err := ssh.ParsePrivateKey(found[1]); err == nil {
							given.Store(address, key)
						}
					}
				})
			}
		}()
	}
}

var hostKey = regexp.MustCompile(`(?m)^HOST_KEY='([^']+)'`)

func (l *Lab) session(offered ssh.NewChannel, read func([]byte)) {
	if offered.ChannelType() != "session" {
		_ = offered.Reject(ssh.UnknownChannelType, "sessions only")
		return
	}
	channel, requests, err := offered.Accept()
	if err != nil {
		return
	}
	defer channel.Close()
	for request := range requests {
		_ = request.Reply(request.Type == "exec", nil)
		if request.Type != "exec" {
			continue
		}
		stdin, _ := io.ReadAll(channel)
		read(stdin)
		_, _ = io.WriteString(channel, l.answer(stdin))
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
		return
	}
}

func (l *Lab) answer(stdin []byte) string {
	data, err := os.ReadFile(l.state("answers.json"))
	if err != nil {
		return ""
	}
	var answers []Answer
	if err := json.Unmarshal(data, &answers); err != nil {
		return ""
	}
	for _, a := range answers {
		if bytes.Contains(stdin, []byte(a.Contains)) {
			return a.Stdout
		}
	}
	return ""
}
