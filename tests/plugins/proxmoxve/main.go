// Command pulumi-resource-proxmoxve is a test build of the Proxmox VE plugin: the real bpg provider under the tokens of v6. The
// released plugin can stand in for it.
//
// It is built twice. By default with bpg v0.73.0, which behaves as the released 6.18.1 (bpg v0.69.1, which does not resolve as a
// module); and, with -modfile=newer.mod -tags newer, with v0.111.1, which users may pass as an explicit provider.
package main

import (
	"context"
	_ "embed"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"

	"github.com/k3sha/pulumi-k3sha/tests/plugins/proxmoxve/bridge"
)

//go:embed bridge-metadata.json
var metadata []byte

func main() {
	tfbridge.MainWithMuxer(context.Background(), "proxmoxve", bridge.Provider(metadata), schema)
}
