// Command pulumi-resource-proxmoxve is a test build of the Proxmox VE plugin: the real bpg provider under the
// tokens of v6. The released plugin can stand in for it.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"

	"github.com/k3sha/pulumi-k3sha/tests/plugins/proxmoxve/bridge"
)

//go:embed schema.json
var schema []byte

//go:embed bridge-metadata.json
var metadata []byte

func main() {
	tfbridge.Main("proxmoxve", bridge.Version, bridge.Provider(metadata), schema)
}
