// Package provider is the Pulumi package k3sha: one component resource, K3sHaCluster.
//
// The code is three rings. Inside, and pure, internal/topology decides what there is and in which order, and
// internal/render writes what machines read. This package turns the plan into resources, one file per concern:
//
//	args.go, describe.go   inputs and outputs, and what the schema says of them; enums.go the closed sets
//	shape.go, inputs.go    inputs as they arrive, all that is wrong with them in one list; beside.go against another cluster's
//	keys.go, spec.go       keys looked at; the rest turned into plain values
//	cluster.go             the component from end to end
//	bootstrap.go           walks the plan; vms.go, remote.go and own.go make its resources
//	resources/             the resources of our own: identity, start, seats, ...
//	progress.go            what the component's row says meanwhile
//	server.go, schema.go   the plugin around it
//
// Secrets travel in the standard input of remote commands and nowhere else. At preview nothing is contacted: everything
// that decides which resources there are is a plain input.
package provider

import (
	"context"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"github.com/k3sha/pulumi-k3sha/provider/resources"
)

// Name is the Pulumi package's name.
const Name = "k3sha"

// Version is the package's version. A release sets it by -X github.com/k3sha/pulumi-k3sha/provider.Version.
var Version = "0.1.0"

const (
	clusterToken = "k3sha:index:K3sHaCluster"
	downloadURL  = "github://api.github.com/k3sha/pulumi-k3sha"
)

// New builds the provider: the component, the identity, and their schema.
func New() (p.Provider, error) {
	config := &resources.Config{}
	prov, err := infer.NewProviderBuilder().
		WithDisplayName("k3s HA on Proxmox VE").
		WithDescription("A highly available k3s cluster on Proxmox VE: VMs, HAProxy and Keepalived in front, k3s with embedded etcd.").
		WithKeywords("pulumi", "kubernetes", "k3s", "proxmox", "high-availability", "kind/component", "category/infrastructure").
		WithLicense("Apache-2.0").
		WithHomepage("https://github.com/k3sha/pulumi-k3sha").
		WithRepository("https://github.com/k3sha/pulumi-k3sha").
		WithPublisher("k3sha").
		WithNamespace("k3sha").
		WithLogoURL("https://raw.githubusercontent.com/k3sha/pulumi-k3sha/main/docs/logo.png").
		WithPluginDownloadURL(downloadURL).
		WithGoImportPath("github.com/k3sha/pulumi-k3sha/sdk/go/k3sha").
		WithModuleMap(map[tokens.ModuleName]tokens.ModuleName{"provider": "index", "resources": "index"}).
		WithComponents(infer.ComponentF(NewK3sHaCluster)).
		WithResources(resources.All(config)...).
		Build()
	if err != nil {
		return p.Provider{}, err
	}
	config.Install(&prov)
	inner := prov.GetSchema
	prov.GetSchema = func(ctx context.Context, req p.GetSchemaRequest) (p.GetSchemaResponse, error) {
		resp, err := inner(ctx, req)
		if err != nil {
			return resp, err
		}
		return patchSchema(resp)
	}
	return prov, nil
}
