package resources

import (
	"context"
	"fmt"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/cluster"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Seat is a machine's place in the cluster. A server's or worker's is taken before it joins: what another machine of its name has left there
// goes first. It is left before the machine's VM goes: drained, and removed from Kubernetes and etcd. A load balancer that leaves lets another
// one have the VIP.
type Seat struct{ config *Config }

// SeatArgs say whose seat it is. The address is the way to the machine; it changes nothing.
type SeatArgs struct {
	Node      string `pulumi:"node"`
	Role      string `pulumi:"role"`
	Instance  string `pulumi:"instance"`
	StartOver string `pulumi:"startOver"`
	RestoreID string `pulumi:"restoreId,optional"`
	Address   string `pulumi:"address"`
}

// SeatState is who has the seat.
type SeatState struct {
	Node      string `pulumi:"node"`
	Role      string `pulumi:"role"`
	Address   string `pulumi:"address"`
	Instance  string `pulumi:"instance"`
	StartOver string `pulumi:"startOver"`          // the mark of the cluster in which it is
	RestoreID string `pulumi:"restoreId,optional"` // the restore after which it was taken
	MachineID string `pulumi:"machineId"`
}

var (
	_ infer.CustomCreate[SeatArgs, SeatState] = Seat{}
	_ infer.CustomUpdate[SeatArgs, SeatState] = Seat{}
	_ infer.CustomDiff[SeatArgs, SeatState]   = Seat{}
	_ infer.CustomDelete[SeatState]           = Seat{}
)

// reachWait is how long the API may be away when a seat is taken or left: a load balancer may be on its way up, or moving the VIP.
const reachWait = 2 * time.Minute

// Create takes the seat.
func (s Seat) Create(ctx context.Context, req infer.CreateRequest[SeatArgs]) (infer.CreateResponse[SeatState], error) {
	in := req.Inputs
	resp := infer.CreateResponse[SeatState]{ID: in.Node, Output: SeatState{Node: in.Node, Role: in.Role, Address: in.Address, Instance: in.Instance, StartOver: in.StartOver, RestoreID: in.RestoreID}}
	if req.DryRun {
		return resp, nil
	}
	var err error
	resp.Output.MachineID, err = s.take(ctx, in)
	return resp, err
}

// Update takes a seat in the cluster that was started anew, or has gone back to a snapshot.
func (s Seat) Update(ctx context.Context, req infer.UpdateRequest[SeatArgs, SeatState]) (infer.UpdateResponse[SeatState], error) {
	resp := infer.UpdateResponse[SeatState]{Output: req.State}
	if req.DryRun {
		return resp, nil
	}
	id, err := s.take(ctx, req.Inputs)
	if err == nil {
		resp.Output.StartOver, resp.Output.RestoreID, resp.Output.MachineID = req.Inputs.StartOver, req.Inputs.RestoreID, id
	}
	return resp, err
}

// take frees the seat for the machine, and returns its id.
func (s Seat) take(ctx context.Context, in SeatArgs) (string, error) {
	access, err := s.config.get()
	if err != nil {
		return "", err
	}
	if n := (topology.Node{Name: in.Node, Role: topology.Role(in.Role), IP: in.Address}); n.Role == topology.LoadBalancer {
		_, err := access.state(ctx, n, render.Begin, stepWaits) // it may have begun to leave
		return "", err
	}
	way := Way{Node: in.Node, Address: in.Address}
	out, err := access.run(ctx, topology.Admit, way, render.AdmitScript(in.Node, in.StartOver), stepWaits)
	if err != nil {
		return "", err
	}
	id, first, _ := strings.Cut(out, " ")
	if first != "" {
		return id, nil // it is the one that starts the cluster
	}
	c, err := cluster.Reach(ctx, access.toCluster(way), reachWait)
	if err != nil {
		return "", fmt.Errorf("%s: admit: %w%s", in.Node, err, lostForGood)
	}
	defer c.Close()
	if topology.Role(in.Role) == topology.Server || access.Forwards {
		access.steer(ctx, in.Node, back) // the machine before it was kept out when it left
	}
	if _, err := c.Take(ctx, cluster.Machine{Node: in.Node, Server: topology.Role(in.Role) == topology.Server, MachineID: id}); err != nil {
		return "", fmt.Errorf("%s: admit: %w", in.Node, err)
	}
	return id, nil
}

const lostForGood = ". If the cluster is lost for good, set servers.startOver to a new word to start it anew, empty"

// withoutReplace: what is new in an update is not known yet when its replacements begin.
const withoutReplace = " (if it is set already, or ssh has changed: run pulumi up without --replace first)"

// Diff says that another machine needs the seat anew.
func (Seat) Diff(_ context.Context, req infer.DiffRequest[SeatArgs, SeatState]) (infer.DiffResponse, error) {
	diff := replacedWith("instance", req.Inputs.Instance, req.State.Instance)
	// Taken out again, a mark has done its work.
	for _, mark := range []struct{ name, now, old string }{
		{"startOver", req.Inputs.StartOver, req.State.StartOver}, {"restoreId", req.Inputs.RestoreID, req.State.RestoreID},
	} {
		if !diff.HasChanges && mark.now != "" && mark.now != mark.old {
			diff = infer.DiffResponse{HasChanges: true, DetailedDiff: map[string]p.PropertyDiff{mark.name: {Kind: p.Update, InputDiff: true}}}
		}
	}
	return diff, nil
}

// Delete leaves the seat.
func (s Seat) Delete(ctx context.Context, req infer.DeleteRequest[SeatState]) (infer.DeleteResponse, error) {
	access, err := s.config.get()
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	node, role := req.State.Node, topology.Role(req.State.Role)
	if role == topology.LoadBalancer {
		return infer.DeleteResponse{}, access.leaveVIP(ctx, topology.Node{Name: node, Role: role, IP: req.State.Address})
	}
	if access.StartOver != "" && access.StartOver != req.State.StartOver {
		return infer.DeleteResponse{}, nil // the cluster in which it was has been given up
	}
	if access.RestoreID != "" && access.RestoreID != req.State.RestoreID {
		return infer.DeleteResponse{}, nil // so have its data; what the snapshot has of this machine goes when the next one takes its seat
	}
	c, err := cluster.Reach(ctx, access.toCluster(), reachWait)
	if err != nil {
		return infer.DeleteResponse{}, fmt.Errorf("%s: leave: %w%s%s", node, err, lostForGood, withoutReplace)
	}
	defer c.Close()
	switch {
	case role == topology.Server:
		access.steer(ctx, node, awayFromAPI)
		access.handOver(ctx, topology.Node{Name: node, Role: role, IP: req.State.Address})
	case access.Forwards:
		access.steer(ctx, node, away)
	}
	if err := c.Leave(ctx, cluster.Machine{Node: node, Server: role == topology.Server, MachineID: req.State.MachineID}); err != nil {
		if role == topology.Server || access.Forwards {
			access.steer(context.WithoutCancel(ctx), node, back)
		}
		return infer.DeleteResponse{}, fmt.Errorf("%s: leave: %w", node, err)
	}
	return infer.DeleteResponse{}, nil
}
