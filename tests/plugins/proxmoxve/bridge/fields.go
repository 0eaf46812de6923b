//go:build !newer

package bridge

import "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"

// fields hides what bpg v0.73.0 has and the released 6.18.1 lacks.
var fields = map[string]*tfbridge.SchemaInfo{
	"reboot_after_update": {Omit: true},
	"rng":                 {Omit: true},
}
