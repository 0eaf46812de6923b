// Package bridge maps the real bpg provider's VM resource, and its download of files, to the tokens of proxmoxve v6.
package bridge

import (
	"context"

	framework "github.com/bpg/terraform-provider-proxmox/fwprovider"
	bpg "github.com/bpg/terraform-provider-proxmox/proxmoxtf/provider"
	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
)

// Version is what the plugin reports: the version that the component asks for.
const Version = "6.18.1"

// Provider is both halves of bpg's provider, as the released plugin has them, with the resources that the tests use.
func Provider(metadata []byte) tfbridge.ProviderInfo {
	upstream := pf.MuxShimWithPF(context.Background(), shimv2.NewProvider(bpg.ProxmoxVirtualEnvironment()), framework.New(Version)())
	info := tfbridge.ProviderInfo{
		P:            upstream,
		Name:         "proxmoxve",
		Version:      Version,
		Description:  "Test build of the Proxmox VE provider.",
		License:      "Apache-2.0",
		MetadataInfo: tfbridge.NewProviderMetadata(metadata),
		Resources: map[string]*tfbridge.ResourceInfo{
			"proxmox_virtual_environment_vm":            {Tok: tfbridge.MakeResource("proxmoxve", "VM", "VirtualMachine"), Fields: fields},
			"proxmox_virtual_environment_pool":          {Tok: tfbridge.MakeResource("proxmoxve", "Permission", "Pool")},
			"proxmox_virtual_environment_download_file": {Tok: tfbridge.MakeResource("proxmoxve", "Download", "File")},
		},
	}
	ignore := func(name string) { info.IgnoreMappings = append(info.IgnoreMappings, name) }
	upstream.ResourcesMap().Range(func(name string, _ shim.Resource) bool {
		if info.Resources[name] == nil {
			ignore(name)
		}
		return true
	})
	upstream.DataSourcesMap().Range(func(name string, _ shim.Resource) bool { ignore(name); return true })
	info.SetAutonaming(255, "-")
	return info
}
