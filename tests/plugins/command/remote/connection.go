// Package remote runs commands over SSH.
package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// Base holds what direct and jump connections share.
type Base struct {
	User               *string  `pulumi:"user,optional"`
	Password           *string  `pulumi:"password,optional" provider:"secret"`
	Host               string   `pulumi:"host"`
	Port               *float64 `pulumi:"port,optional"`
	PrivateKey         *string  `pulumi:"privateKey,optional" provider:"secret"`
	PrivateKeyPassword *string  `pulumi:"privateKeyPassword,optional" provider:"secret"`
	AgentSocketPath    *string  `pulumi:"agentSocketPath,optional"`
	DialErrorLimit     *int     `pulumi:"dialErrorLimit,optional"`
	PerDialTimeout     *int     `pulumi:"perDialTimeout,optional"`
	HostKey            *string  `pulumi:"hostKey,optional"`
}

// Connection says how to reach a machine.
type Connection struct {
	Base
	Proxy *ProxyConnection `pulumi:"proxy,optional"`
}

// ProxyConnection is a jump host.
type ProxyConnection struct{ Base }

// Annotate gives the defaults that SDKs fill in.
func (c *Base) Annotate(a infer.Annotator) {
	user, port, limit, per := "root", 22.0, 10, 15
	a.SetDefault(&c.User, user)
	a.SetDefault(&c.Port, port)
	a.SetDefault(&c.DialErrorLimit, limit)
	a.SetDefault(&c.PerDialTimeout, per)
}

func or[T any](v *T, def T) T {
	if v == nil {
		return def
	}
	return *v
}

func (c *Base) config() (*ssh.ClientConfig, error) {
	cfg := &ssh.ClientConfig{
		User:            or(c.User, "root"),
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		Timeout:         time.Duration(or(c.PerDialTimeout, 15)) * time.Second,
	}
	if c.HostKey != nil {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*c.HostKey))
		if err != nil {
			return nil, fmt.Errorf("failed to parse host key: %w", err)
		}
		cfg.HostKeyCallback = ssh.FixedHostKey(key)
		cfg.HostKeyAlgorithms = []string{key.Type()}
	}
	if c.PrivateKey != nil {
		var signer ssh.Signer
		var err error
		if c.PrivateKeyPassword != nil {
			signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(*c.PrivateKey), []byte(*c.PrivateKeyPassword))
		} else {
			signer, err = ssh.ParsePrivateKey([]byte(*c.PrivateKey))
		}
		if err != nil {
			return nil, err
		}
		cfg.Auth = append(cfg.Auth, ssh.PublicKeys(signer))
	}
	if c.Password != nil {
		cfg.Auth = append(cfg.Auth, ssh.Password(*c.Password))
	}
	socket := or(c.AgentSocketPath, os.Getenv("SSH_AUTH_SOCK"))
	if socket != "" {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return nil, err
		}
		cfg.Auth = append(cfg.Auth, ssh.PublicKeysCallback(agent.NewClient(conn).Signers))
	}
	return cfg, nil
}

func (c *Base) endpoint() string {
	return net.JoinHostPort(c.Host, strconv.Itoa(int(or(c.Port, 22))))
}

// dialRetry tries until it works, the limit of errors is reached or the context ends. Every error counts,
// refused keys too.
func dialRetry[T any](ctx context.Context, what string, limit int, dial func() (T, error)) (T, error) {
	var zero T
	delay, tries := 100*time.Millisecond, 0
	for {
		conn, err := dial()
		if err == nil {
			return conn, nil
		}
		tries++
		if limit > -1 && tries > limit {
			return zero, fmt.Errorf("after %d failed attempts: %w", tries, err)
		}
		count := "inf"
		if limit > -1 {
			count = strconv.Itoa(limit)
		}
		p.GetLogger(ctx).InfoStatusf("%s %d/%s failed: retrying", what, tries, count)
		select {
		case <-ctx.Done():
			return zero, errors.Join(ctx.Err(), err)
		case <-time.After(delay):
		}
		delay = min(delay*3/2, 5*time.Second)
	}
}

// Dial connects, through the jump host if there is one. As in the released plugin nobody closes the client:
// connections stay open until the plugin ends.
func (c *Connection) Dial(ctx context.Context) (*ssh.Client, error) {
	cfg, err := c.config()
	if err != nil {
		return nil, err
	}
	limit := or(c.DialErrorLimit, 10)
	if c.Proxy == nil {
		return dialRetry(ctx, "Dial", limit, func() (*ssh.Client, error) { return ssh.Dial("tcp", c.endpoint(), cfg) })
	}
	proxyCfg, err := c.Proxy.config()
	if err != nil {
		return nil, err
	}
	proxy, err := dialRetry(ctx, "Dial proxy", or(c.Proxy.DialErrorLimit, 10), func() (*ssh.Client, error) {
		return ssh.Dial("tcp", c.Proxy.endpoint(), proxyCfg)
	})
	if err != nil {
		return nil, err
	}
	netConn, err := dialRetry(ctx, "Dial from proxy", limit, func() (net.Conn, error) { return proxy.Dial("tcp", c.endpoint()) })
	if err != nil {
		return nil, err
	}
	conn, chans, reqs, err := ssh.NewClientConn(netConn, c.endpoint(), cfg)
	if err != nil {
		return nil, err
	}
	return ssh.NewClient(conn, chans, reqs), nil
}
