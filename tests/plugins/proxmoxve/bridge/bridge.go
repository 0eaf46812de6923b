// Package bridge maps the real bpg provider's VM resource to the tokens of proxmoxve v6.
package bridge

import (
	bpg "github.com/bpg/terraform-provider-proxmox/proxmoxtf/provider"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
)

// Version is what the plugin reports: the version that the component asks for.
const Version = "6.18.1"

// Provider is bpg's SDKv2 provider with the resources that the tests use.
func Provider(metadata []byte) tfbridge.ProviderInfo {
	upstream := bpg.ProxmoxVirtualEnvironment()
	info := tfbridge.ProviderInfo{
		P:            shimv2.NewProvider(upstream),
		Name:         "proxmoxve",
		Version:      Version,
		Description:  "Test build of the Proxmox VE provider.",
		License:      "Apache-2.0",
		MetadataInfo: tfbridge.NewProviderMetadata(metadata),
		Resources: map[string]*tfbridge.ResourceInfo{
			"proxmox_virtual_environment_vm":   {Tok: tfbridge.MakeResource("proxmoxve", "VM", "VirtualMachine"), Fields: fields},
			"proxmox_virtual_environment_pool": {Tok: tfbridge.MakeResource("proxmoxve", "Permission", "Pool")},
		},
	}
	for name := range upstream.ResourcesMap {
		if info.Resources[name] == nil {
			info.IgnoreMappings = append(info.IgnoreMappings, name)
		}
	}
	for name := range upstream.DataSourcesMap {
		info.IgnoreMappings = append(info.IgnoreMappings, name)
	}
	info.SetAutonaming(255, "-")
	return info
}
