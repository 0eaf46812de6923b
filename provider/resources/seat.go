package resources

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/cluster"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Seat is a server's or worker's place in the cluster. It is taken before the machine joins: what another machine of its name has left there
// goes first. It is left before the machine's VM goes: drained, and removed from Kubernetes and etcd.
type Seat struct{ config *Config }

// SeatArgs say whose seat it is. Address and host key are the way to the machine; they change nothing.
type SeatArgs struct {
	Node     string `pulumi:"node"`
	Server   bool   `pulumi:"server"`
	Instance string `pulumi:"instance"`
	Address  string `pulumi:"address"`
	HostKey  string `pulumi:"hostKey"`
}

// SeatState is who has the seat.
type SeatState struct {
	Node      string `pulumi:"node"`
	Server    bool   `pulumi:"server"`
	Instance  string `pulumi:"instance"`
	MachineID string `pulumi:"machineId"`
}

var (
	_ infer.CustomCreate[SeatArgs, SeatState] = Seat{}
	_ infer.CustomDiff[SeatArgs, SeatState]   = Seat{}
	_ infer.CustomDelete[SeatState]           = Seat{}
)

// reachWait is how long the API may be away when a seat is taken or left: a load balancer may be on its way up, or moving the VIP.
const reachWait = 2 * time.Minute

// Create takes the seat.
func (s Seat) Create(ctx context.Context, req infer.CreateRequest[SeatArgs]) (infer.CreateResponse[SeatState], error) {
	in := req.Inputs
	resp := infer.CreateResponse[SeatState]{ID: in.Node, Output: SeatState{Node: in.Node, Server: in.Server, Instance: in.Instance}}
	if req.DryRun {
		return resp, nil
	}
	access, err := s.config.get()
	if err != nil {
		return resp, err
	}
	way := Way{Node: in.Node, Address: in.Address, HostKey: in.HostKey}
	out, err := access.run(ctx, topology.Admit, in.Node, way, render.AdmitScript(in.Node))
	if err != nil {
		return resp, err
	}
	id, first, _ := strings.Cut(out, " ")
	resp.Output.MachineID = id
	if first != "" {
		return resp, nil // it is the one that starts the cluster
	}
	c, err := cluster.Reach(ctx, access.toCluster(way), reachWait)
	if err != nil {
		return resp, fmt.Errorf("%s: admit: %w; bring the API back, then run pulumi up again. If the cluster is lost for good, set servers.startOver to a new word to start it anew, empty", in.Node, err)
	}
	defer c.Close()
	if _, err := c.Take(ctx, cluster.Machine{Node: in.Node, Server: in.Server, MachineID: id}); err != nil {
		return resp, fmt.Errorf("%s: admit: %w", in.Node, err)
	}
	return resp, nil
}

// Diff says that another machine needs the seat anew.
func (Seat) Diff(_ context.Context, req infer.DiffRequest[SeatArgs, SeatState]) (infer.DiffResponse, error) {
	return replacedWith("instance", req.Inputs.Instance, req.State.Instance), nil
}

// Delete leaves the seat.
func (s Seat) Delete(ctx context.Context, req infer.DeleteRequest[SeatState]) (infer.DeleteResponse, error) {
	access, err := s.config.get()
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	node := req.State.Node
	c, err := cluster.Reach(ctx, access.toCluster(), reachWait)
	if err != nil {
		return infer.DeleteResponse{}, fmt.Errorf("%s: leave: %w; bring the API back, then run pulumi up again", node, err)
	}
	defer c.Close()
	if err := c.Leave(ctx, cluster.Machine{Node: node, Server: req.State.Server, MachineID: req.State.MachineID}); err != nil {
		return infer.DeleteResponse{}, fmt.Errorf("%s: leave: %w", node, err)
	}
	return infer.DeleteResponse{}, nil
}
