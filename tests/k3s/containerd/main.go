// Command containerd is what the stand-in of k3s runs in place of containerd: of the image that it is asked for it fetches the manifest, by
// containerd's own resolver, of k3s' fork, which rewrites names. It is a program of its own, as containerd is one beside k3s, for containerd
// wants another version of Kubernetes' modules.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/sirupsen/logrus"
)

// request is what k3s hands over: the configuration as it was when k3s started, for containerd reads it once, and an image to pull.
type request struct {
	Config string `json:"config"`
	Image  string `json:"image"`
}

func main() {
	logrus.SetOutput(os.Stdout) // which k3s has in containerd.log; what is wrong goes back to it
	if err := serve(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(ctx context.Context) error {
	var r request
	if err := json.NewDecoder(os.Stdin).Decode(&r); err != nil {
		return err
	}
	registry, err := readConfig(r.Config)
	if err != nil {
		return err
	}
	return registry.pull(ctx, r.Image)
}
