// Command tfgen writes schema.json beside the plugin's main.
package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"

	"github.com/k3sha/pulumi-k3sha/tests/plugins/proxmoxve/bridge"
)

func main() { tfgen.Main("proxmoxve", bridge.Version, bridge.Provider([]byte("{}"))) }
