package resources

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// fleet is machines on loopback addresses, each with its own host key, that answer a state as they are told and note what they are asked.
type fleet struct {
	mu     sync.Mutex
	states map[string]string // by node
	log    []string
}

func (f *fleet) did() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

// answer notes what a script asks for, and returns the node's state.
func (f *fleet) answer(node, script string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	field := func(name string) string {
		_, rest, _ := strings.Cut(script, "\n"+name+"='")
		value, _, _ := strings.Cut(rest, "'")
		return value
	}
	switch {
	case strings.Contains(script, "\nSERVER='"):
		f.log = append(f.log, node+": "+field("SERVER")+" "+field("STATE")+" "+field("API"))
	case field("DO") != "":
		f.log = append(f.log, node+": "+field("DO"))
	case strings.Contains(script, "\nSTEP='settle'"):
		f.log = append(f.log, node+": arrived at "+field("VIP")+":"+field("API_PORT"))
	}
	return f.states[node]
}

// start has each node listen on its address, all on one port.
func (f *fleet) start(t *testing.T, nodes ...topology.Node) Access {
	t.Helper()
	bundle := pki.Bundle{Authorities: pki.Authorities{Server: pki.Pair{Key: "CA"}}}
	access := Access{Cluster: "k3s", VIP: "192.168.1.220", StatusPort: 8405, User: "ubuntu", PrivateKey: bundle.HostKey("user").Private, Bundle: bundle}
	for _, n := range nodes {
		listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", n.IP, access.Port))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		access.Port = listener.Addr().(*net.TCPAddr).Port
		if n.Role == topology.LoadBalancer {
			access.Ways = append(access.Ways, Way{Node: n.Name, Address: n.IP, LoadBalancer: true})
		}
		key, err := ssh.ParsePrivateKey([]byte(bundle.HostKey(n.Name).Private))
		if err != nil {
			t.Fatal(err)
		}
		go serveSSH(listener, key, func(script string) string { return f.answer(n.Name, script) })
	}
	return access
}

// serveSSH is a machine's SSH server: it shows a host key, lets everybody in, runs nothing, and prints what it has for a script.
func serveSSH(listener net.Listener, hostKey ssh.Signer, answer func(script string) string) {
	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return &ssh.Permissions{}, nil }}
	config.AddHostKey(hostKey)
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			_, channels, requests, err := ssh.NewServerConn(conn, config)
			if err != nil {
				return
			}
			go ssh.DiscardRequests(requests)
			for offered := range channels {
				channel, requests, _ := offered.Accept()
				for request := range requests {
					_ = request.Reply(true, nil)
					stdin, _ := io.ReadAll(channel)
					_, _ = io.WriteString(channel, answer(string(stdin)))
					_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
					channel.Close()
				}
			}
		}()
	}
}

func node(role topology.Role, name, ip string) topology.Node {
	return topology.Node{Name: name, Role: role, IP: ip}
}

// A load balancer goes, for a moment or for good, only while another one serves, and lets that one have the VIP.
func TestLoadBalancersYield(t *testing.T) {
	t.Parallel()
	for i, c := range []struct {
		name, own, other string
		want             string // of the error
		did              []string
	}{
		{"another one serves", "serves holds 192.168.1.220\n", "serves\n", "", []string{"k3s-lb-01: yield"}},
		{"no other one does", "serves holds 192.168.1.220\n", "idle\n", "will not take this load balancer away, for nobody would hold the VIP: k3s-lb-02 does not serve", nil},
		{"it does not serve itself", "idle\n", "serves\n", "", nil},
		{"it never did", "", "", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lbs := []topology.Node{node(topology.LoadBalancer, "k3s-lb-01", fmt.Sprintf("127.1.%d.1", i)), node(topology.LoadBalancer, "k3s-lb-02", fmt.Sprintf("127.1.%d.2", i))}
			f := &fleet{states: map[string]string{"k3s-lb-01": c.own, "k3s-lb-02": c.other}}
			access := f.start(t, lbs...)
			for doing, do := range map[string]func(ctx context.Context) error{
				"restart": func(ctx context.Context) error { _, err := access.Pause(ctx, lbs[0], true); return err },
				"leave":   func(ctx context.Context) error { return access.leaveVIP(ctx, lbs[0]) },
			} {
				limited, cancel := context.WithTimeout(t.Context(), time.Second)
				err := do(limited)
				cancel()
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "k3s-lb-01: "+doing+": "+c.want)) {
					t.Errorf("%s: %v, want %q", doing, err, c.want)
				}
			}
			if got := f.did(); !slices.Equal(got, append(slices.Clone(c.did), c.did...)) {
				t.Errorf("did %v, want %v twice", got, c.did)
			}
		})
	}
}

// What never began to serve is restarted without asking anybody: there may be no cluster yet.
func TestWhatNeverServedIsNotAskedFor(t *testing.T) {
	t.Parallel()
	server := node(topology.Server, "k3s-server-01", "127.1.9.1")
	f := &fleet{states: map[string]string{"k3s-server-01": ""}}
	access := f.start(t, server)
	absence, err := access.Pause(t.Context(), server, true)
	if err != nil || absence.serves {
		t.Errorf("%+v %v", absence, err)
	}
	if err := access.Resume(t.Context(), absence, false); err != nil {
		t.Error(err)
	}
}

// All load balancers are told about a node: about its ports, and about its API.
func TestSteer(t *testing.T) {
	t.Parallel()
	lbs := []topology.Node{node(topology.LoadBalancer, "k3s-lb-01", "127.1.8.1"), node(topology.LoadBalancer, "k3s-lb-02", "127.1.8.2")}
	f := &fleet{states: map[string]string{}}
	access := f.start(t, lbs...)
	access.steer(t.Context(), "k3s-server-02", away)
	access.steer(t.Context(), "k3s-server-02", awayFromAPI)
	access.steer(t.Context(), "k3s-server-02", back)
	got := f.did()
	for i := 0; i+1 < len(got); i += 2 {
		slices.Sort(got[i : i+2])
	}
	want := []string{
		"k3s-lb-01: k3s-server-02 drain ", "k3s-lb-02: k3s-server-02 drain ",
		"k3s-lb-01: k3s-server-02 drain yes", "k3s-lb-02: k3s-server-02 drain yes",
		"k3s-lb-01: k3s-server-02 ready ", "k3s-lb-02: k3s-server-02 ready ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("did %v", got)
	}
}

// The holder is who has the API's VIP, not who has another one.
func TestHolder(t *testing.T) {
	t.Parallel()
	for i, c := range []struct{ first, second, want string }{
		{"serves holds 192.168.1.230\n", "serves holds 192.168.1.220\n", "k3s-lb-02"},
		{"serves holds 192.168.1.220 192.168.1.230\n", "serves\n", "k3s-lb-01"},
		{"serves holds 192.168.1.22\n", "idle\n", ""},
	} {
		lbs := []topology.Node{node(topology.LoadBalancer, "k3s-lb-01", fmt.Sprintf("127.1.%d.1", 20+i)), node(topology.LoadBalancer, "k3s-lb-02", fmt.Sprintf("127.1.%d.2", 20+i))}
		f := &fleet{states: map[string]string{"k3s-lb-01": c.first, "k3s-lb-02": c.second}}
		access := f.start(t, lbs...)
		if got := access.holder(t.Context()); got != c.want {
			t.Errorf("%q, %q: %q", c.first, c.second, got)
		}
		if !access.Holds(t.Context(), lbs[0]) {
			t.Errorf("%q: nothing is held", c.first)
		}
	}
}
