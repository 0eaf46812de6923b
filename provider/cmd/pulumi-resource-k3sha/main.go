// Command pulumi-resource-k3sha is the Pulumi plugin of package k3sha.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/k3sha/pulumi-k3sha/provider"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println(provider.Version)
		return
	}
	if err := provider.Serve(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
