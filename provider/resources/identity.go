package resources

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
)

// ClusterIdentity is what makes a cluster the one that it is, made before any of its machines: tokens and CAs. It creates nothing outside
// of the state; its Check sees old and new inputs, so it is where a change that would destroy a cluster is refused.
type ClusterIdentity struct{}

// ClusterIdentityArgs are the identity's inputs.
type ClusterIdentityArgs struct {
	ClusterName    string            `pulumi:"clusterName"`
	Fixed          map[string]string `pulumi:"fixed"`
	Token          *string           `pulumi:"token,optional" provider:"secret"`
	AgentToken     *string           `pulumi:"agentToken,optional" provider:"secret"`
	RecoveryBundle *string           `pulumi:"recoveryBundle,optional" provider:"secret"`
}

// ClusterIdentityState is the identity as the state keeps it.
type ClusterIdentityState struct {
	ClusterName    string `pulumi:"clusterName"`
	Token          string `pulumi:"token" provider:"secret"`
	AgentToken     string `pulumi:"agentToken" provider:"secret"`
	RecoveryBundle string `pulumi:"recoveryBundle" provider:"secret"` // all of it, with the CAs
	CACertificate  string `pulumi:"caCertificate"`
	CAHash         string `pulumi:"caHash"`
	Adopted        bool   `pulumi:"adopted"` // it came with a recovery bundle: its cluster lives, or did
}

var (
	_ infer.CustomCheck[ClusterIdentityArgs]                        = ClusterIdentity{}
	_ infer.CustomCreate[ClusterIdentityArgs, ClusterIdentityState] = ClusterIdentity{}
	_ infer.CustomDiff[ClusterIdentityArgs, ClusterIdentityState]   = ClusterIdentity{}
)

// Check refuses another name, other tokens and other fixed settings for a living cluster.
func (ClusterIdentity) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[ClusterIdentityArgs], error) {
	args, failures, err := infer.DefaultCheck[ClusterIdentityArgs](ctx, req.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[ClusterIdentityArgs]{Inputs: args, Failures: failures}, err
	}
	for key, token := range map[string]*string{"token": args.Token, "agentToken": args.AgentToken} {
		if token == nil {
			continue
		}
		if reason := TokenProblem(*token); reason != "" {
			failures = append(failures, p.CheckFailure{Reason: fmt.Sprintf("k3s.%s: %s", key, reason)})
		}
	}
	if args.RecoveryBundle != nil && *args.RecoveryBundle == "" {
		args.RecoveryBundle = nil // of a machine that brings none
	}
	if args.RecoveryBundle != nil {
		if reason := BundleProblem(*args.RecoveryBundle, args.ClusterName); reason != "" {
			failures = append(failures, p.CheckFailure{Reason: "k3s.recoveryBundle: " + reason})
		}
	}
	if req.OldInputs.Len() == 0 {
		return infer.CheckResponse[ClusterIdentityArgs]{Inputs: args, Failures: failures}, nil
	}
	if old := req.OldInputs.Get("clusterName"); old.IsString() && old.AsString() != args.ClusterName {
		failures = append(failures, p.CheckFailure{Property: "clusterName", Reason: fmt.Sprintf(
			"clusterName: the cluster is called %s, and its nodes, certificates and etcd members with it; "+
				"set it back, or create another cluster beside it", old.AsString())})
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
	// Taken out, a bundle has done its work. Another one would be another cluster's.
	if before, now := req.OldInputs.Get("recoveryBundle"), req.NewInputs.Get("recoveryBundle"); now.IsString() && now.AsString() != "" && !before.WithSecret(false).Equals(now.WithSecret(false)) {
		failures = append(failures, p.CheckFailure{Reason: "k3s.recoveryBundle: this stack's cluster has an identity already; leave the bundle out, or give it to a new stack"})
	}
	return infer.CheckResponse[ClusterIdentityArgs]{Inputs: args, Failures: failures}, nil
}

// Create takes the identity from a recovery bundle, or makes one up around the tokens that were given.
func (ClusterIdentity) Create(_ context.Context, req infer.CreateRequest[ClusterIdentityArgs]) (infer.CreateResponse[ClusterIdentityState], error) {
	resp := infer.CreateResponse[ClusterIdentityState]{ID: req.Inputs.ClusterName, Output: ClusterIdentityState{ClusterName: req.Inputs.ClusterName}}
	if req.DryRun {
		return resp, nil
	}
	bundle := pki.Bundle{Cluster: req.Inputs.ClusterName, Token: tokenOr(req.Inputs.Token), AgentToken: tokenOr(req.Inputs.AgentToken)}
	var err error
	if text := req.Inputs.RecoveryBundle; text != nil {
		if bundle, err = pki.Decode(*text); err != nil {
			return resp, fmt.Errorf("k3s.recoveryBundle: %w", err)
		}
	} else if bundle.Authorities, err = pki.NewAuthorities(time.Now()); err != nil {
		return resp, err
	}
	ca := bundle.Authorities.Server.Certificate
	hash, err := pki.Hash(ca)
	resp.Output = ClusterIdentityState{
		ClusterName: bundle.Cluster, Token: bundle.Token, AgentToken: bundle.AgentToken, RecoveryBundle: bundle.Encode(),
		CACertificate: ca, CAHash: hash, Adopted: req.Inputs.RecoveryBundle != nil,
	}
	return resp, err
}

// Diff says that nothing of an identity ever changes.
func (ClusterIdentity) Diff(context.Context, infer.DiffRequest[ClusterIdentityArgs, ClusterIdentityState]) (infer.DiffResponse, error) {
	return infer.DiffResponse{}, nil
}

// WireDependencies keeps secret what is.
func (ClusterIdentity) WireDependencies(f infer.FieldSelector, args *ClusterIdentityArgs, state *ClusterIdentityState) {
	f.OutputField(&state.ClusterName).DependsOn(f.InputField(&args.ClusterName))
	f.OutputField(&state.Token).AlwaysSecret()
	f.OutputField(&state.AgentToken).AlwaysSecret()
	f.OutputField(&state.RecoveryBundle).AlwaysSecret()
	f.OutputField(&state.CACertificate).NeverSecret()
	f.OutputField(&state.CAHash).NeverSecret()
	f.OutputField(&state.Adopted).NeverSecret()
}

func tokenOr(given *string) string {
	if given != nil && *given != "" {
		return *given
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // crypto/rand never fails
	return hex.EncodeToString(random)
}

// BundleProblem says why a text is not the recovery bundle of a cluster.
func BundleProblem(text, clusterName string) string {
	bundle, err := pki.Decode(text)
	switch {
	case err != nil:
		return err.Error() + "; give a cluster's recoveryBundle output, as a secret"
	case bundle.Cluster != clusterName:
		return fmt.Sprintf("is of cluster %s, and this one is called %s; give that cluster's own, or set clusterName to %s", bundle.Cluster, clusterName, bundle.Cluster)
	}
	return ""
}
