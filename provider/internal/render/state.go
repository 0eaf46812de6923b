package render

import (
	"strconv"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Do is what a load balancer is asked to do besides saying its state.
type Do string

// What a load balancer can be asked to do.
const (
	Nothing Do = ""
	Yield   Do = "yield" // let another one have the VIP
	Serve   Do = "serve" // start what does not run, and wait for it
	Begin   Do = "begin" // start what does not run
)

// StateScript asks a node what it does. Only a load balancer is told the VIP.
func StateScript(node, vip string, statusPort int, do Do) string {
	return compose([]string{"lib.sh", "state-node.sh"}, []variable{
		{"NODE", node}, {"STEP", string(topology.Restart)}, {"VIP", vip}, {"STATUS_PORT", strconv.Itoa(statusPort)}, {"DO", string(do)},
	})
}

// YieldScript has another server lead etcd.
func YieldScript(node string) string {
	return compose([]string{"lib.sh", "lib-etcd.sh", "yield-server.sh"}, []variable{{"NODE", node}, {"STEP", string(topology.Restart)}})
}

// ReachedScript asks a server which release of k3s has come up there last.
func ReachedScript(node string) string {
	return compose([]string{"lib.sh", "reached-node.sh"}, []variable{{"NODE", node}, {"STEP", string(topology.Release)}})
}

// ArriveScript has a load balancer give up the VIP and the port that there were before, when everything has moved to those that there are now.
func ArriveScript(node, vip string, apiPort int) string {
	return compose([]string{"lib.sh", "lib-loadbalancer.sh", "arrive-loadbalancer.sh"}, []variable{
		{"NODE", node}, {"STEP", string(topology.Settle)}, {"VIP", vip}, {"API_PORT", strconv.Itoa(apiPort)},
	})
}

// SteerScript has a load balancer send new connections to a node no more, or again: those of forwards, and of the API.
func SteerScript(node, server string, ready, api bool) string {
	state, also := "drain", ""
	if ready {
		state = "ready"
	}
	if api {
		also = "yes"
	}
	return compose([]string{"lib.sh", "steer-loadbalancer.sh"}, []variable{
		{"NODE", node}, {"STEP", string(topology.Restart)}, {"SERVER", server}, {"STATE", state}, {"API", also},
	})
}
