//go:build newer

package bridge

import "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"

var fields map[string]*tfbridge.SchemaInfo
