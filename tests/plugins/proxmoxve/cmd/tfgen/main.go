// Command tfgen writes schema.json for the plugin's main:
//
//	go run ./cmd/tfgen schema --out . ; go run -modfile=newer.mod -tags newer ./cmd/tfgen schema --out newer
package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfgen"

	"github.com/k3sha/pulumi-k3sha/tests/plugins/proxmoxve/bridge"
)

func main() { tfgen.MainWithMuxer("proxmoxve", bridge.Provider([]byte("{}"))) }
