package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
)

const (
	dialTimeout = 5 * time.Second  // one try of SSH, and one connection through it
	aliveEvery  = 15 * time.Second // an SSH connection is asked whether it still lives
)

// tunnel is a connection by SSH into the cluster's network. A removal takes minutes, in which the node that it leads through may restart:
// then it is opened again, through whichever way leads to the API by then.
type tunnel struct {
	ways     []Way
	jump     *contact.Host
	api      string // address and port of the API at the VIP
	at       string // where it is on the way that is used now
	life     context.Context
	end      context.CancelFunc
	mutex    sync.Mutex
	client   *ssh.Client
	closeSSH func()
}

func newTunnel(ways []Way, jump *contact.Host, api string) *tunnel {
	life, end := context.WithCancel(context.Background())
	return &tunnel{ways: ways, jump: jump, api: api, life: life, end: end, closeSSH: func() {}}
}

// open opens the tunnel through one way, if the way leads to the API.
func (t *tunnel) open(ctx context.Context, way Way) error {
	client, closeSSH, err := contact.Dial(ctx, way.Host, t.jump, dialTimeout)
	if err != nil {
		return fmt.Errorf("SSH: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	at := t.api
	if way.API != "" {
		at = way.API
	}
	conn, err := client.DialContext(limited, "tcp", at)
	if err != nil {
		closeSSH()
		return fmt.Errorf("SSH is fine, but nothing answers at %s: %w", at, err)
	}
	_ = conn.Close()
	t.client, t.closeSSH, t.at = client, closeSSH, at
	go keepAlive(t.life, client)
	return nil
}

// dial connects to an address in the cluster's network.
func (t *tunnel) dial(ctx context.Context, network, address string) (net.Conn, error) {
	client, at, err := t.current(ctx, nil)
	if err != nil {
		return nil, err
	}
	conn, err := dialThrough(ctx, client, network, t.there(address, at))
	var refused *ssh.OpenChannelError
	if err == nil || errors.As(err, &refused) || ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		return conn, err // the address is what does not answer
	}
	if client, at, err = t.current(ctx, client); err != nil {
		return nil, err
	}
	return dialThrough(ctx, client, network, t.there(address, at))
}

// there is an address as it is on a way where the API is at another one.
func (t *tunnel) there(address, at string) string {
	if address == t.api {
		return at
	}
	return address
}

func dialThrough(ctx context.Context, client *ssh.Client, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return client.DialContext(ctx, network, address)
}

// current is the SSH connection, another one than the broken one, and where the API is on its way.
func (t *tunnel) current(ctx context.Context, broken *ssh.Client) (*ssh.Client, string, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.life.Err() != nil {
		return nil, "", errors.New("the tunnel to the cluster is closed")
	}
	if t.client != nil && t.client != broken {
		return t.client, t.at, nil
	}
	t.closeSSH()
	t.client, t.closeSSH = nil, func() {}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.life, cancel)()
	var seen []error
	for _, way := range t.ways {
		err := t.open(ctx, way)
		if err == nil {
			return t.client, t.at, nil
		}
		seen = append(seen, fmt.Errorf("through %s: %w", way.Node, err))
	}
	return nil, "", errors.Join(seen...)
}

func (t *tunnel) close() {
	t.end()
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.closeSSH()
}

// keepAlive closes an SSH connection whose other end is silent: nothing else would notice for many minutes.
func keepAlive(life context.Context, client *ssh.Client) {
	ended := make(chan struct{})
	go func() { _ = client.Wait(); close(ended) }()
	for {
		select {
		case <-life.Done():
			return
		case <-ended:
			return
		case <-time.After(aliveEvery):
		}
		answered := make(chan struct{})
		go func() {
			_, _, _ = client.SendRequest("keepalive@openssh.com", true, nil) // a refusal is an answer too
			close(answered)
		}()
		select {
		case <-answered:
		case <-time.After(aliveEvery):
			_ = client.Close()
			return
		}
	}
}
