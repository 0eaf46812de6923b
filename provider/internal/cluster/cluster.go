// Package cluster is what the provider asks of a living cluster: to reach it, to know its nodes, and to cordon, empty and
// remove a node. It knows no Pulumi.
package cluster

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/kubernetes"
)

// Cluster is a living cluster that has been reached.
type Cluster struct {
	servers  int           // how many it is meant to have
	drainFor time.Duration // how long a drain may take
	force    bool          // pods that are left then are deleted
	run      string        // which run of Pulumi this is
	kube     kubernetes.Interface
	web      *http.Client                                       // trusts the API's CA, shows no certificate
	answers  func(ctx context.Context, ip string) error         // whether the API of one server answers
	kubelet  func(ctx context.Context, ip string) bool          // whether there may be a kubelet at an address
	members  func(ctx context.Context) (map[string]bool, error) // the nodes that are in etcd
	now      func() time.Time                                   // by the cluster's clock
	waits    waits
	close    func()
}

// waits are how long the parts of the work may take.
type waits struct {
	Ask     time.Duration // until the API has carried out a simple request
	Health  time.Duration // until the other servers are healthy
	Back    time.Duration // until a node that was restarted is back
	Recover time.Duration // until one whose restart has failed is as it was
	Gone    time.Duration // until a deleted Node is gone: k3s needs up to 48 s when the holder of its lease is dead
	Turn    time.Duration // until another run has ended its removal
	Renew   time.Duration // between renewals of the lease that keeps other runs out
	Undo    time.Duration // for what is taken back after a failure
	Pause   time.Duration // between tries
}

var defaultWaits = waits{
	Ask: time.Minute, Health: 120 * time.Second, Back: 10 * time.Minute, Recover: 30 * time.Second, Gone: 180 * time.Second, Turn: 10 * time.Minute, Renew: 15 * time.Second,
	Undo: 5 * time.Second, Pause: 2 * time.Second,
}

// Close closes the tunnel.
func (c *Cluster) Close() { c.close() }

// serverPort is where every k3s server answers, whatever the port on the VIP is.
const serverPort = "6443"

// kubeletPort is where the kubelet of a server or worker listens.
const kubeletPort = "10250"

// ask asks one server's own API whether it is ready. A server that wants a certificate first is one that answers.
func (c *Cluster) ask(ctx context.Context, ip string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+net.JoinHostPort(ip, serverPort)+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := c.web.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusUnauthorized {
		return statusError(response.Status)
	}
	return nil
}

// statusError is an answer of a server that is not the wanted one.
type statusError string

func (e statusError) Error() string { return "it answers " + string(e) }
