// Command pulumi-resource-command is a test build of the command plugin: real SSH, with the schema and the
// semantics of v1.2.1 as far as Command goes, its faults included. The released plugin can stand in for it.
package main

import (
	"context"
	"fmt"
	"os"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/tests/plugins/command/local"
	"github.com/k3sha/pulumi-k3sha/tests/plugins/command/remote"
)

func main() {
	prov, err := infer.NewProviderBuilder().
		WithResources(infer.Resource(&remote.Command{}), infer.Resource(&local.Command{})).
		Build()
	if err == nil {
		err = p.RunProvider(context.Background(), "command", "1.2.1", prov)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
