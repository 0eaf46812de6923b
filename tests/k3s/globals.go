//go:build !minor32

package main

import (
	"context"

	utilfeature "k8s.io/apiserver/pkg/util/feature"
	utilversion "k8s.io/apiserver/pkg/util/version"
	"k8s.io/component-base/featuregate"
	kasoptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// globals registers Kubernetes' own version and its features; setGlobals makes them valid after the flags were read.
func globals() featuregate.FeatureGate {
	_, gate := utilversion.DefaultComponentGlobalsRegistry.ComponentGlobalsOrRegister(
		utilversion.DefaultKubeComponent, utilversion.DefaultBuildEffectiveVersion(), utilfeature.DefaultMutableFeatureGate)
	return gate
}

func setGlobals() error { return utilversion.DefaultComponentGlobalsRegistry.Set() }

// complete fills in what follows from the flags.
func complete(_ context.Context, opts *kasoptions.ServerRunOptions) (kasoptions.CompletedOptions, error) {
	return opts.Complete()
}
