package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// namedPods is how many pods an error names.
const namedPods = 5

// blocked names the pods that are still there when the time of a drain is over, and what keeps each of them.
func (c *Cluster) blocked(ctx context.Context, left []corev1.Pod, refusals map[types.UID]error) error {
	var each, advice []string
	advise := func(text string) {
		if !slices.Contains(advice, text) {
			advice = append(advice, text)
		}
	}
	for i := range left[:min(len(left), namedPods)] {
		pod := &left[i]
		name, refusal := pod.Namespace+"/"+pod.Name, refusals[pod.UID]
		budgets := c.budgets(ctx, pod)
		switch {
		case refusal == nil:
			each = append(each, fmt.Sprintf("pod %s has not ended for %s", name, span(c.drainFor)))
			advise("see what keeps it (its grace period, its finalizers, its node)")
		case len(budgets) > 0:
			each = append(each, fmt.Sprintf("pod %s cannot be evicted for %s: PodDisruptionBudget %s allows no disruption", name, span(c.drainFor), strings.Join(budgets, " and ")))
			advise("raise the replicas or change the budget")
		default:
			each = append(each, fmt.Sprintf("pod %s cannot be evicted for %s: %v", name, span(c.drainFor), refusal))
			advise("see why the API refuses it")
		}
	}
	if more := len(left) - namedPods; more > 0 {
		each = append(each, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("%s; %s, then run pulumi up again", strings.Join(each, "; "), strings.Join(advice, ", "))
}

// budgets are the PodDisruptionBudgets that keep a pod where it is.
func (c *Cluster) budgets(ctx context.Context, pod *corev1.Pod) []string {
	list, err := c.kube.PolicyV1().PodDisruptionBudgets(pod.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil // the refusal itself is told then
	}
	var names []string
	for _, budget := range list.Items {
		selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
		if err == nil && budget.Status.DisruptionsAllowed == 0 && selector.Matches(labels.Set(pod.Labels)) {
			names = append(names, budget.Namespace+"/"+budget.Name)
		}
	}
	return names
}
