package topology

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	taintPattern = regexp.MustCompile(`^([^=:]+)(?:=([^=:]*))?:([A-Za-z]+)$`)
	labelName    = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	prefixLabel  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	taintEffects = []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}
)

func (v *validator) labelsAndTaints() {
	v.taints("servers.taints", v.spec.Servers.Taints)
	v.labels("servers.labels", v.spec.Servers.Labels)
	for _, pool := range sortedKeys(v.spec.Workers) {
		v.taints("workers."+pool+".taints", v.spec.Workers[pool].Taints)
		v.labels("workers."+pool+".labels", v.spec.Workers[pool].Labels)
	}
}

func (v *validator) taints(path string, taints []string) {
	seen := map[string]string{}
	for i, taint := range taints {
		at := fmt.Sprintf("%s[%d]", path, i)
		m := taintPattern.FindStringSubmatch(taint)
		if m == nil || !labelKey(m[1]) || (m[2] != "" && !labelName.MatchString(m[2])) {
			v.add(at, "%q is not a taint; write key=value:effect, like CriticalAddonsOnly=true:NoExecute", taint)
			continue
		}
		if !slices.Contains(taintEffects, m[3]) {
			v.add(at, "%q is not an effect of a taint;%s use %s", m[3], suggest(m[3], taintEffects), strings.Join(taintEffects, ", "))
			continue
		}
		if other := seen[m[1]+":"+m[3]]; other != "" {
			v.add(at, "%q has the key and effect of %q, and Kubernetes takes each pair once; leave one of them", taint, other)
		}
		seen[m[1]+":"+m[3]] = taint
	}
}

// ownLabels are the labels that k3s or the kubelet sets on a node itself.
var ownLabels = []string{
	"kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os", "beta.kubernetes.io/arch", "beta.kubernetes.io/os",
}

func (v *validator) labels(path string, labels map[string]string) {
	for _, key := range sortedKeys(labels) {
		at := path + "." + key
		switch {
		case !labelKey(key):
			v.add(at, "%q is not a label's name; write it like example.org/zone", key)
		case slices.Contains(ownLabels, key):
			v.add(at, "the node sets this label itself; take it out")
		case !kubeletMaySet(key):
			v.add(at, "Kubernetes does not let a node give itself this label; choose another name, like example.org/role")
		}
		if value := labels[key]; value != "" && !labelName.MatchString(value) {
			v.add(at, "%q is not a label's value; use at most 63 letters, digits and - _ .", value)
		}
	}
}

// kubeletMaySet: k3s ends at once when a node is given another label of Kubernetes' own.
func kubeletMaySet(key string) bool {
	prefix, _, found := strings.Cut(key, "/")
	own := prefix == "kubernetes.io" || prefix == "k8s.io" || strings.HasSuffix(prefix, ".kubernetes.io") || strings.HasSuffix(prefix, ".k8s.io")
	if !found || !own {
		return true
	}
	for _, allowed := range []string{"kubelet.kubernetes.io", "node.kubernetes.io"} {
		if prefix == allowed || strings.HasSuffix(prefix, "."+allowed) {
			return true
		}
	}
	return slices.Contains(append([]string{
		"topology.kubernetes.io/region", "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
		"beta.kubernetes.io/instance-type",
	}, ownLabels...), key)
}

func labelKey(key string) bool {
	prefix, name, found := strings.Cut(key, "/")
	if !found {
		return labelName.MatchString(key)
	}
	if len(prefix) > 253 || !labelName.MatchString(name) {
		return false
	}
	for label := range strings.SplitSeq(prefix, ".") {
		if !prefixLabel.MatchString(label) {
			return false
		}
	}
	return true
}
