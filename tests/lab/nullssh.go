package lab

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Answer is what the VMs of a lab without guests print for a command whose standard input has a text in it. HOSTKEY
// in what they print stands for their host key.
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

// serveSSH is every VM's SSH server at once. It lets everybody in and runs nothing.
func (l *Lab) serveSSH(listener net.Listener) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return err
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return &ssh.Permissions{}, nil }}
	config.AddHostKey(key)
	hostKey := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			_, channels, requests, err := ssh.NewServerConn(conn, config)
			if err != nil {
				conn.Close()
				return
			}
			go ssh.DiscardRequests(requests)
			for channel := range channels {
				go l.session(channel, hostKey)
			}
		}()
	}
}

func (l *Lab) session(offered ssh.NewChannel, hostKey string) {
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
		_, _ = io.WriteString(channel, strings.ReplaceAll(l.answer(stdin), "HOSTKEY", hostKey))
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
