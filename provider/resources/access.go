package resources

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/k3sha/pulumi-k3sha/provider/internal/cluster"
	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
)

// Access is how nodes and cluster are reached, and what proves to them that it is us. A component hands it to an explicit provider of its
// own as one secret text: the state then holds it once, and not with each node, and a node that goes is taken out with today's keys and not
// with those that it came with. (One whose VM is replaced goes at the beginning of the update, with those of the update before.)
type Access struct {
	Cluster    string            `json:"cluster"`
	VIP        string            `json:"vip"`
	APIPort    int               `json:"apiPort"`
	StatusPort int               `json:"statusPort"`
	Servers    int               `json:"servers"` // how many the cluster is meant to have
	Others     []string          `json:"others"`  // addresses of all servers
	StartOver  string            `json:"startOver,omitempty"`
	RestoreID  string            `json:"restoreId,omitempty"`
	User       string            `json:"user"`
	Port       int               `json:"port"`
	PrivateKey string            `json:"privateKey"`
	Jump       *contact.Host     `json:"jump,omitempty"`
	Ports      map[string]int    `json:"ports,omitempty"`    // of SSH, by node, where it is another one
	HostKeys   map[string]string `json:"hostKeys,omitempty"` // of machines that keep theirs, by node
	Existing   []string          `json:"existing,omitempty"` // those machines
	Ways       []Way             `json:"ways"`               // the nodes through whose SSH the cluster can be reached, the likeliest first
	Bundle     pki.Bundle        `json:"bundle"`
	Drain      int               `json:"drainTimeout"` // seconds
	DrainForce bool              `json:"drainForce,omitempty"`
	Owner      string            `json:"owner"`              // the component, with its stack
	Forwards   bool              `json:"forwards,omitempty"` // load balancers send more than the API to nodes
}

// Way is a node that leads into the cluster's network.
type Way struct {
	Node         string `json:"node"`
	Address      string `json:"address"`
	LoadBalancer bool   `json:"loadBalancer,omitempty"`
}

// ParseAccess reads what Text wrote.
func ParseAccess(text string) (Access, error) {
	var a Access
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return a, errors.New("the provider's configuration is not the one that K3sHaCluster gives it") // its words might quote it
	}
	return a, nil
}

// Text is the access as the provider's configuration holds it.
func (a Access) Text() string {
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(text)
}

// host is a node that has been met: pinned to its host key.
func (a Access) host(way Way) contact.Host {
	key, own := a.HostKeys[way.Node]
	if !own {
		key = a.Bundle.HostKey(way.Node).Public
	}
	return contact.Host{Address: way.Address, Port: cmp.Or(a.Ports[way.Node], a.Port), User: a.User, PrivateKey: a.PrivateKey, HostKey: key}
}

// toCluster is the access as package cluster takes it. A node that is spoken to anyway is the first way.
func (a Access) toCluster(first ...Way) cluster.Access {
	out := cluster.Access{
		Cluster: a.Cluster, VIP: a.VIP, APIPort: a.APIPort, Servers: a.Servers, Jump: a.Jump,
		DrainTimeout: time.Duration(a.Drain) * time.Second, DrainForce: a.DrainForce, Run: cluster.Run(a.Owner), Token: a.Bundle.Token,
		ServerCA: a.Bundle.Authorities.Server.Certificate, ClientCA: a.Bundle.Authorities.Client,
	}
	for _, way := range first {
		out.Ways = append(out.Ways, cluster.Way{Node: way.Node, Host: a.host(way)})
	}
	for _, way := range a.Ways {
		to := cluster.Way{Node: way.Node, Host: a.host(way)}
		if !way.LoadBalancer {
			to.API = net.JoinHostPort(way.Address, "6443")
		}
		out.Ways = append(out.Ways, to)
	}
	return out
}

// ways are those to the load balancers, or to the servers.
func (a Access) ways(loadBalancers bool) []Way {
	return slices.DeleteFunc(slices.Clone(a.Ways), func(way Way) bool { return way.LoadBalancer != loadBalancers })
}

// atOnce does something with several machines at the same time.
func atOnce(ways []Way, do func(Way) error) error {
	wrong := make([]error, len(ways))
	var all sync.WaitGroup
	for i, way := range ways {
		all.Go(func() { wrong[i] = do(way) })
	}
	all.Wait()
	return errors.Join(wrong...)
}

// AccessKey is the configuration's name.
const AccessKey = "access"

// Config is the configuration of a provider: none, or a cluster's access.
type Config struct {
	mu     sync.Mutex
	access *Access
}

func (c *Config) get() (Access, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.access == nil {
		return Access{}, errors.New("this resource is a part of K3sHaCluster and cannot be made by itself")
	}
	return *c.access, nil
}

// Install has a provider take the configuration. It is not the framework's own, which would have every change of it replace the provider,
// and with it all of its resources.
func (c *Config) Install(prov *p.Provider) {
	prov.CheckConfig = func(_ context.Context, req p.CheckRequest) (p.CheckResponse, error) {
		return p.CheckResponse{Inputs: req.Inputs}, nil
	}
	prov.DiffConfig = func(_ context.Context, req p.DiffRequest) (p.DiffResponse, error) {
		if plain(req.Inputs.Get(AccessKey)).Equals(plain(req.OldInputs.Get(AccessKey))) {
			return p.DiffResponse{}, nil
		}
		return p.DiffResponse{HasChanges: true, DetailedDiff: map[string]p.PropertyDiff{AccessKey: {Kind: p.Update, InputDiff: true}}}, nil
	}
	prov.Configure = func(_ context.Context, req p.ConfigureRequest) error {
		text := plain(req.Args.Get(AccessKey))
		if !text.IsString() {
			return nil
		}
		access, err := ParseAccess(text.AsString())
		if err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.access = &access
		return nil
	}
}

func plain(v property.Value) property.Value { return v.WithSecret(false).WithDependencies(nil) }
