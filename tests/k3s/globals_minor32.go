//go:build minor32

package main

import (
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/component-base/featuregate"
	utilversion "k8s.io/component-base/version"
)

// globals registers Kubernetes' own version and its features; setGlobals makes them valid after the flags were read.
func globals() featuregate.FeatureGate {
	_, gate := featuregate.DefaultComponentGlobalsRegistry.ComponentGlobalsOrRegister(
		featuregate.DefaultKubeComponent, utilversion.DefaultBuildEffectiveVersion(), utilfeature.DefaultMutableFeatureGate)
	return gate
}

func setGlobals() error { return featuregate.DefaultComponentGlobalsRegistry.Set() }
