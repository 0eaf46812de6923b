package component

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"
)

type noResources struct{}

func (noResources) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) { return nil, nil }

func (noResources) NewResource(pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	return "", nil, nil
}

// The preview of a machine that is made anew knows no host key of it. What is made of that is known all the same; in an update every host
// key is waited for.
func TestKnown(t *testing.T) {
	t.Parallel()
	for _, preview := range []bool{true, false} {
		err := pulumi.RunErr(func(ctx *pulumi.Context) error {
			b := &bootstrap{ctx: ctx}
			unmet := pulumi.UnsafeUnknownOutput(nil).ApplyT(func(any) string { return "" }).(pulumi.StringOutput)
			for _, c := range []struct {
				out   pulumi.StringOutput
				value any
				known bool
			}{
				{pulumi.String("ssh-ed25519 A").ToStringOutput(), "ssh-ed25519 A", true},
				{unmet, map[bool]any{true: "", false: nil}[preview], preview},
			} {
				got, err := internals.UnsafeAwaitOutput(ctx.Context(), b.known(c.out))
				if err != nil {
					return err
				}
				if got.Known != c.known || c.known && got.Value != c.value {
					t.Errorf("preview %t: %v, known %t; want %v, known %t", preview, got.Value, got.Known, c.value, c.known)
				}
			}
			return nil
		}, pulumi.WithMocks("project", "stack", noResources{}), func(i *pulumi.RunInfo) { i.DryRun = preview })
		if err != nil {
			t.Fatal(err)
		}
	}
}
