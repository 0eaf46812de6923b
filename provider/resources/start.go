package resources

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// ClusterStart is the one right to start the cluster. It is given once, to one machine, with the cluster's CAs; a machine that is made anew
// gets neither. Only another mark of servers.startOver gives it again, and not while a server of the cluster answers.
type ClusterStart struct{ config *Config }

// ClusterStartArgs say who may start. Node, VM and address are those of the day on which the right was given: they change nothing.
type ClusterStartArgs struct {
	StartOver string `pulumi:"startOver"`
	Node      string `pulumi:"node"`
	VM        string `pulumi:"vm"`
	Address   string `pulumi:"address"`
	Adopted   bool   `pulumi:"adopted"`
	Adopt     bool   `pulumi:"adopt,optional"` // the machine itself brings the cluster
}

// ClusterStartState is the right that was given.
type ClusterStartState struct {
	StartOver string `pulumi:"startOver"`
	Node      string `pulumi:"node"`
}

var (
	_ infer.CustomCreate[ClusterStartArgs, ClusterStartState] = ClusterStart{}
	_ infer.CustomDiff[ClusterStartArgs, ClusterStartState]   = ClusterStart{}
)

// stepWaits fit a machine that has been met before.
var stepWaits = contact.Waits{Answer: 2 * time.Minute, Login: 30 * time.Second, Script: 5 * time.Minute, Dial: 10 * time.Second, Pause: time.Second}

// Create gives the right to the machine. An adopted cluster lives already: nobody may start it, unless that is what is asked for, or it is one
// server's with its data in SQLite.
func (s ClusterStart) Create(ctx context.Context, req infer.CreateRequest[ClusterStartArgs]) (infer.CreateResponse[ClusterStartState], error) {
	in := req.Inputs
	resp := infer.CreateResponse[ClusterStartState]{ID: "start", Output: ClusterStartState{StartOver: in.StartOver, Node: in.Node}}
	if req.DryRun {
		return resp, nil
	}
	if in.Adopted && !in.Adopt && in.StartOver == "" {
		resp.Output.Node = ""
		return resp, nil
	}
	access, err := s.config.get()
	if err != nil {
		return resp, err
	}
	random := make([]byte, 8)
	_, _ = rand.Read(random) // crypto/rand never fails
	script := render.StartScript(render.StartInput{
		Node: in.Node, VM: in.VM, Cluster: access.Cluster, VIP: access.VIP, APIPort: access.APIPort, StartOver: in.StartOver, Adopt: in.Adopt, Right: hex.EncodeToString(random),
		Others: slices.DeleteFunc(slices.Clone(access.Others), func(a string) bool { return a == in.Address }),
		CA:     access.Bundle.Authorities.Server.Certificate, Authorities: access.Bundle.Authorities.Files(),
	})
	_, err = access.run(ctx, topology.Start, Way{Node: in.Node, Address: in.Address}, script, stepWaits)
	return resp, err
}

// Diff says that the right stays where it was given, whoever is the first server now, until the cluster is started over.
func (ClusterStart) Diff(_ context.Context, req infer.DiffRequest[ClusterStartArgs, ClusterStartState]) (infer.DiffResponse, error) {
	// Taken out again, the mark has done its work.
	if req.Inputs.StartOver == "" || req.Inputs.StartOver == req.State.StartOver {
		return infer.DiffResponse{}, nil
	}
	// Not deleted before: a right that could not be given anew stays the one that was.
	return infer.DiffResponse{HasChanges: true, DetailedDiff: map[string]p.PropertyDiff{"startOver": {Kind: p.UpdateReplace, InputDiff: true}}}, nil
}

// run runs a script on a node, as the remote steps do.
func (a Access) run(ctx context.Context, verb topology.Verb, way Way, script string, waits contact.Waits) (string, error) {
	out, err := contact.Run(ctx, a.host(way), a.Jump, render.Command(a.User, render.Deadline(verb)), script, waits)
	return out, explained(way.Node, verb, err)
}
