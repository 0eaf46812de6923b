// Package provider is the Pulumi package k3sha: the component K3sHaCluster, and CloudImageTemplate for what its VMs are cloned from.
//
// The code is three rings. Inside, and pure, internal/topology decides what there is and in which order, and
// internal/render writes what machines read. This package turns the plan into resources, one file per concern:
//
//	provider.go, server.go   the plugin; schema.go what it says of itself; beside.go one cluster against another of the same program
//	component/               K3sHaCluster: inputs, and the plan turned into resources
//	resources/               the resources of our own: identity, start, seats, ...
//	internal/topology        what there is, in which order; internal/render the text that machines read; internal/pki certificates
//	internal/contact         SSH; internal/cluster what is asked of a living cluster
//
// Arrows run downwards.
package provider

import (
	"context"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/component"
	"github.com/k3sha/pulumi-k3sha/provider/resources"
)

// Name is the Pulumi package's name.
const Name = component.Package

// Version is the package's version. A release sets it by -X github.com/k3sha/pulumi-k3sha/provider.Version.
var Version = "0.1.0"

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
		WithPluginDownloadURL(component.DownloadURL).
		WithGoImportPath("github.com/k3sha/pulumi-k3sha/sdk/go/k3sha").
		WithModuleMap(map[tokens.ModuleName]tokens.ModuleName{"component": "index", "resources": "index"}).
		WithComponents(infer.ComponentF(newCluster), infer.ComponentF(newTemplate)).
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

func newTemplate(ctx *pulumi.Context, name string, args component.CloudImageTemplateArgs, opts ...pulumi.ResourceOption) (*component.CloudImageTemplate, error) {
	return component.NewTemplate(ctx, Version, name, args, opts...)
}

func newCluster(ctx *pulumi.Context, name string, args component.K3sHaClusterArgs, opts ...pulumi.ResourceOption) (*component.K3sHaCluster, error) {
	return component.New(ctx, Version, name, args, opts...)
}
