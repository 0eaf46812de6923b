package cluster

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Marks are the labels and taints of a node, taints as key=value:effect.
type Marks struct {
	Labels map[string]string
	Taints []string
}

// Mark gives a registered node the labels and taints that it is meant to have, and takes away those that it was meant to have before. Others
// stay: they are somebody else's. A node that is gone needs nothing.
func (c *Cluster) Mark(ctx context.Context, name string, was, now Marks) error {
	return c.until(ctx, "marking node "+name, c.waits.Ask, func(ctx context.Context) (bool, error) {
		node, err := c.kube.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		if err != nil || !remark(node, was, now) {
			return err == nil, err
		}
		_, err = c.kube.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{}) // a conflict: somebody was faster
		return err == nil, err
	})
}

// remark changes a node's marks; it says whether anything has changed.
func remark(node *corev1.Node, was, now Marks) bool {
	changed := false
	for key := range was.Labels {
		_, stays := now.Labels[key]
		if _, has := node.Labels[key]; has && !stays {
			delete(node.Labels, key)
			changed = true
		}
	}
	for key, value := range now.Labels {
		if has, found := node.Labels[key]; !found || has != value {
			if node.Labels == nil {
				node.Labels = map[string]string{}
			}
			node.Labels[key] = value
			changed = true
		}
	}
	for _, text := range was.Taints {
		if old := taint(text); !slices.ContainsFunc(now.Taints, func(t string) bool { same := taint(t); return same.MatchTaint(&old) }) {
			before := len(node.Spec.Taints)
			node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&old) })
			changed = changed || len(node.Spec.Taints) != before
		}
	}
	for _, text := range now.Taints {
		wanted := taint(text)
		at := slices.IndexFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&wanted) })
		switch {
		case at < 0:
			node.Spec.Taints = append(node.Spec.Taints, wanted)
			changed = true
		case node.Spec.Taints[at].Value != wanted.Value:
			node.Spec.Taints[at].Value = wanted.Value
			changed = true
		}
	}
	return changed
}

// taint reads key=value:effect; the value may be missing.
func taint(text string) corev1.Taint {
	left, effect, _ := strings.Cut(text, ":")
	key, value, _ := strings.Cut(left, "=")
	return corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
}
