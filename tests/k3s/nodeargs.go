package main

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const masked = "********"

// secretOptions are those whose values k3s does not show.
var secretOptions = []string{
	"K3S_TOKEN", "K3S_DATASTORE_ENDPOINT", "K3S_AGENT_TOKEN", "K3S_CLUSTER_SECRET", "--token", "-t", "--agent-token", "--datastore-endpoint",
	"--cluster-secret", "--etcd-s3-access-key", "--etcd-s3-secret-key",
}

// nodeArgs are the options that k3s was started with, from the configuration and the command line.
func (o *options) nodeArgs() []string {
	var out []string
	for _, arg := range o.args {
		if key, value, found := strings.Cut(arg, "="); found && strings.HasPrefix(arg, "--") {
			out = append(out, key, value)
		} else {
			out = append(out, arg)
		}
	}
	for i := 1; i < len(out); i++ {
		if slices.Contains(secretOptions, out[i-1]) {
			out[i] = masked
		}
	}
	return out
}

// nodeEnv are k3s' variables in the environment.
func nodeEnv() map[string]string {
	out := map[string]string{}
	for _, variable := range os.Environ() {
		key, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(key, "K3S_") {
			continue
		}
		if slices.Contains(secretOptions, key) {
			value = masked
		}
		out[key] = value
	}
	return out
}

// annotate writes on the node what it was started with.
func (n *node) annotate(ctx context.Context) error {
	args, err := json.Marshal(n.o.nodeArgs())
	if err != nil {
		return err
	}
	env, err := json.Marshal(nodeEnv())
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{
		"k3s.io/node-args": string(args), "k3s.io/node-env": string(env),
	}}})
	if err != nil {
		return err
	}
	_, err = n.client.CoreV1().Nodes().Patch(ctx, n.name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	return err
}
