package lab

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// hosts are the Proxmox nodes' own addresses, at which their SSH servers answer.
var hosts = map[string]string{"pve1": "192.168.1.5", "pve2": "192.168.1.6", "pve3": "192.168.1.7"}

// Host is a Proxmox node's own address.
func (l *Lab) Host(node string) string { return hosts[node] }

// hostTools are what a host's shell has of Proxmox VE's own: links to this program.
var hostTools = []string{"qm", "pvesm", "hostname"}

// newHostKey makes the host key of the Proxmox nodes, one for all, and the folder of their tools.
func (l *Lab) newHostKey() error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.state("host_key"), pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(l.state("host/bin"), 0o700); err != nil {
		return err
	}
	for _, tool := range hostTools {
		if err := os.Symlink(self, filepath.Join(l.state("host/bin"), tool)); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) hostSigner() (ssh.Signer, error) {
	data, err := os.ReadFile(l.state("host_key"))
	if err != nil {
		return nil, err
	}
	return ssh.ParsePrivateKey(data)
}

// HostKey is the host key of the Proxmox nodes, as known_hosts has it.
func (l *Lab) HostKey() (string, error) {
	signer, err := l.hostSigner()
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))), nil
}

// hostConfig lets in who has the lab's key.
func (l *Lab) hostConfig() (*ssh.ServerConfig, error) {
	signer, err := l.hostSigner()
	if err != nil {
		return nil, err
	}
	own, err := os.ReadFile(l.KeyFile())
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePrivateKey(own)
	if err != nil {
		return nil, err
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, offered ssh.PublicKey) (*ssh.Permissions, error) {
		if c.User() != "root" || string(offered.Marshal()) != string(key.PublicKey().Marshal()) {
			return nil, errors.New("not the lab's key")
		}
		return &ssh.Permissions{}, nil
	}}
	config.AddHostKey(signer)
	return config, nil
}

// hostAt is the Proxmox node that has an address; "" if it is a VM's.
func hostAt(address string) string {
	for node, own := range hosts {
		if own == address {
			return node
		}
	}
	return ""
}

// serveHosts is the shell of every Proxmox node.
func (l *Lab) serveHosts(errs chan<- error) error {
	config, err := l.hostConfig()
	if err != nil {
		return err
	}
	for node, address := range hosts {
		listener, err := l.listen(address + ":22")
		if err != nil {
			return err
		}
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					errs <- err
					return
				}
				go l.serveHost(conn, config, node)
			}
		}()
	}
	return nil
}

func (l *Lab) serveHost(conn net.Conn, config *ssh.ServerConfig, node string) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		go l.hostSession(offered, node)
	}
}

func (l *Lab) hostSession(offered ssh.NewChannel, node string) {
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
		var line struct{ Command string }
		if request.Type != "exec" || ssh.Unmarshal(request.Payload, &line) != nil {
			_ = request.Reply(false, nil)
			continue
		}
		_ = request.Reply(true, nil)
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(l.hostRun(channel, node, line.Command))}))
		return
	}
}

// hostRun runs a command as a host's shell does, with the tools of Proxmox VE before all others.
func (l *Lab) hostRun(channel ssh.Channel, node, command string) int {
	// They are where every PATH looks first, for this command alone.
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", `mount --bind "$0" /usr/local/sbin && exec /bin/sh -c "$1"`, l.state("host/bin"), command)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LAB_NAME=" + l.Name, "LAB_BUILD=" + l.Build, "LAB_NODE=" + node}
	cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
	// A pipe of our own: with the channel itself as its input, a command that reads none of it would not end before the client closes it.
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 127
	}
	if err := cmd.Start(); err != nil {
		return 127
	}
	go func() {
		defer stdin.Close()
		_, _ = io.Copy(stdin, channel)
	}()
	var exit *exec.ExitError
	switch err := cmd.Wait(); {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return 127
}

// fetchInside gets a URL from inside of the lab's network, for the emulator.
func (l *Lab) fetchInside(url string) ([]byte, error) {
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: l.Dial, DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return nil, fmt.Errorf("500 %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	return io.ReadAll(response.Body)
}
