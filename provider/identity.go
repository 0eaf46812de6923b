package provider

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// ClusterIdentity holds what must stay the same for a cluster's whole life. It creates nothing outside of the state;
// its Check sees old and new inputs, so it is where a change that would destroy a cluster is refused.
type ClusterIdentity struct{}

// ClusterIdentityArgs are the identity's inputs.
type ClusterIdentityArgs struct {
	ClusterName string `pulumi:"clusterName"`
	// "version" alone would be taken for the package's own.
	Version    string            `pulumi:"k3sVersion"`
	Fixed      map[string]string `pulumi:"fixed"`
	Token      *string           `pulumi:"token,optional" provider:"secret"`
	AgentToken *string           `pulumi:"agentToken,optional" provider:"secret"`
}

// ClusterIdentityState is the identity as the state keeps it. Tokens that were not given are here.
type ClusterIdentityState struct {
	ClusterName string `pulumi:"clusterName"`
	Version     string `pulumi:"k3sVersion"`
	Token       string `pulumi:"token" provider:"secret"`
	AgentToken  string `pulumi:"agentToken" provider:"secret"`
}

var (
	_ infer.CustomCheck[ClusterIdentityArgs]                        = ClusterIdentity{}
	_ infer.CustomCreate[ClusterIdentityArgs, ClusterIdentityState] = ClusterIdentity{}
	_ infer.CustomUpdate[ClusterIdentityArgs, ClusterIdentityState] = ClusterIdentity{}
	_ infer.CustomDiff[ClusterIdentityArgs, ClusterIdentityState]   = ClusterIdentity{}
)

// Check refuses another name for a living cluster, and releases that k3s cannot go to.
func (ClusterIdentity) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[ClusterIdentityArgs], error) {
	args, failures, err := infer.DefaultCheck[ClusterIdentityArgs](ctx, req.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[ClusterIdentityArgs]{Inputs: args, Failures: failures}, err
	}
	for key, token := range map[string]*string{"token": args.Token, "agentToken": args.AgentToken} {
		if token == nil {
			continue
		}
		if reason := tokenProblem(*token); reason != "" {
			failures = append(failures, p.CheckFailure{Reason: fmt.Sprintf("k3s.%s: %s", key, reason)})
		}
	}
	if req.OldInputs.Len() == 0 {
		return infer.CheckResponse[ClusterIdentityArgs]{Inputs: args, Failures: failures}, nil
	}
	text := func(key string) string {
		if v := req.OldInputs.Get(key); v.IsString() {
			return v.AsString()
		}
		return ""
	}
	if name := text("clusterName"); name != "" && name != args.ClusterName {
		failures = append(failures, p.CheckFailure{Property: "clusterName", Reason: fmt.Sprintf(
			"clusterName: the cluster is called %s, and its nodes, certificates and etcd members with it; "+
				"set it back, or create another cluster beside it", name)})
	}
	if version := text("k3sVersion"); version != "" {
		if err := topology.CheckUpgrade(version, args.Version); err != nil {
			failures = append(failures, p.CheckFailure{Property: "k3sVersion", Reason: "k3s.version: " + err.Error()})
		}
	}
	if old := req.OldInputs.Get("fixed"); old.IsMap() {
		for path, now := range args.Fixed {
			// A node or an option that wasn't there may come; one that was there stays as it is.
			if before := old.AsMap().Get(path); before.IsString() && before.AsString() != now {
				failures = append(failures, p.CheckFailure{Reason: fmt.Sprintf(
					"%s: is %q on the living cluster and cannot become %q without destroying what it is for; set it back", path, before.AsString(), now)})
			}
		}
	}
	for _, key := range []string{"token", "agentToken"} {
		before, now := req.OldInputs.Get(key), req.NewInputs.Get(key)
		if !now.IsComputed() && !before.WithSecret(false).Equals(now.WithSecret(false)) {
			// No property: the engine would print its value.
			failures = append(failures, p.CheckFailure{Reason: fmt.Sprintf(
				"k3s.%s: the cluster's token cannot change while it lives; set it back (or leave it out again)", key)})
		}
	}
	return infer.CheckResponse[ClusterIdentityArgs]{Inputs: args, Failures: failures}, nil
}

// Create keeps the given tokens and makes up those that were not given.
func (ClusterIdentity) Create(_ context.Context, req infer.CreateRequest[ClusterIdentityArgs]) (infer.CreateResponse[ClusterIdentityState], error) {
	state := ClusterIdentityState{ClusterName: req.Inputs.ClusterName, Version: req.Inputs.Version}
	if !req.DryRun {
		state.Token, state.AgentToken = tokenOr(req.Inputs.Token), tokenOr(req.Inputs.AgentToken)
	}
	return infer.CreateResponse[ClusterIdentityState]{ID: req.Inputs.ClusterName, Output: state}, nil
}

// Diff says that nothing of an identity is ever replaced, and only the release may change.
func (ClusterIdentity) Diff(_ context.Context, req infer.DiffRequest[ClusterIdentityArgs, ClusterIdentityState]) (infer.DiffResponse, error) {
	if req.Inputs.Version == req.State.Version {
		return infer.DiffResponse{}, nil
	}
	return infer.DiffResponse{HasChanges: true, DetailedDiff: map[string]p.PropertyDiff{"k3sVersion": {Kind: p.Update}}}, nil
}

// Update moves the identity to another release; tokens stay.
func (ClusterIdentity) Update(_ context.Context, req infer.UpdateRequest[ClusterIdentityArgs, ClusterIdentityState]) (infer.UpdateResponse[ClusterIdentityState], error) {
	state := req.State
	state.Version = req.Inputs.Version
	return infer.UpdateResponse[ClusterIdentityState]{Output: state}, nil
}

// WireDependencies keeps the tokens known, and secret, in the preview of another release.
func (ClusterIdentity) WireDependencies(f infer.FieldSelector, args *ClusterIdentityArgs, state *ClusterIdentityState) {
	f.OutputField(&state.ClusterName).DependsOn(f.InputField(&args.ClusterName))
	f.OutputField(&state.Version).DependsOn(f.InputField(&args.Version))
	f.OutputField(&state.Token).DependsOn(f.InputField(&args.Token))
	f.OutputField(&state.AgentToken).DependsOn(f.InputField(&args.AgentToken))
	f.OutputField(&state.Token).AlwaysSecret()
	f.OutputField(&state.AgentToken).AlwaysSecret()
}

func tokenOr(given *string) string {
	if given != nil && *given != "" {
		return *given
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // crypto/rand never fails
	return hex.EncodeToString(random)
}

// identity is the component's view of its ClusterIdentity.
type identity struct {
	pulumi.CustomResourceState
	Token      pulumi.StringOutput `pulumi:"token"`
	AgentToken pulumi.StringOutput `pulumi:"agentToken"`
}

// newIdentity comes after the servers' downloads: a release that cannot be had never becomes the cluster's.
func newIdentity(ctx *pulumi.Context, c *K3sHaCluster, name string, plan topology.Plan, args K3sArgs, after []pulumi.Resource) (*identity, error) {
	inputs := pulumi.Map{
		"clusterName": pulumi.String(plan.Spec.ClusterName), "k3sVersion": pulumi.String(plan.Spec.K3s.Version),
		"fixed": pulumi.ToStringMap(plan.Fixed()),
	}
	if args.Token != nil {
		inputs["token"] = pulumi.ToSecret(args.Token)
	}
	if args.AgentToken != nil {
		inputs["agentToken"] = pulumi.ToSecret(args.AgentToken)
	}
	var id identity
	err := ctx.RegisterResource(identityToken, name+"-identity", inputs, &id, pulumi.Parent(c), pulumi.DependsOn(after),
		pulumi.Version(Version), pulumi.PluginDownloadURL(downloadURL), pulumi.AdditionalSecretOutputs([]string{"token", "agentToken"}))
	return &id, err
}
