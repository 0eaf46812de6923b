package cluster

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	etcdLabel      = "node-role.kubernetes.io/etcd"
	votes          = corev1.NodeConditionType("EtcdIsVoter")
	nodeLeases     = corev1.NamespaceNodeLease
	system         = metav1.NamespaceSystem
	freshFor       = 40 * time.Second // a kubelet renews its lease every 10 s
	passwordSuffix = ".node-password.k3s"
)

// node is the Node of a name, nil if there is none.
func (c *Cluster) node(ctx context.Context, name string) (*corev1.Node, error) {
	var found *corev1.Node
	err := c.until(ctx, "looking for node "+name, c.waits.Ask, func(ctx context.Context) (bool, error) {
		node, err := c.kube.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			found = nil
			return true, nil
		case err != nil:
			return false, err
		}
		found = node
		return true, nil
	})
	return found, err
}

// isServer says whether a node has an etcd member.
func isServer(node *corev1.Node) bool { return node.Labels[etcdLabel] == "true" }

// condition is the status of a node's condition, "missing" if it has none.
func condition(node *corev1.Node, kind corev1.NodeConditionType) string {
	for _, c := range node.Status.Conditions {
		if c.Type == kind {
			return string(c.Status)
		}
	}
	return "missing"
}

// internalIP is the address of a node in the cluster's network.
func internalIP(node *corev1.Node) string {
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			return a.Address
		}
	}
	return ""
}

// silent says what is wrong with a node's lease; "" if it is fresh. A node's conditions tell the same only after 40 s and more.
func (c *Cluster) silent(ctx context.Context, name string) (string, error) {
	lease, err := c.kube.CoordinationV1().Leases(nodeLeases).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), err == nil && lease.Spec.RenewTime == nil:
		return "has no lease", nil
	case err != nil:
		return "", err
	}
	if age := c.now().Sub(lease.Spec.RenewTime.Time); age > freshFor {
		return fmt.Sprintf("has not renewed its lease for %s", span(age.Truncate(time.Second))), nil
	}
	return "", nil
}

// alive says whether a node's kubelet is there to end pods. One that was lost a moment ago still looks Ready, so it is asked itself, too.
func (c *Cluster) alive(ctx context.Context, node *corev1.Node) (bool, error) {
	if condition(node, corev1.NodeReady) != string(corev1.ConditionTrue) {
		return false, nil
	}
	gone, err := c.gone(ctx, node)
	return !gone, err
}

// gone says whether nothing of a node runs any more: its lease is silent, or nobody listens where its kubelet was.
func (c *Cluster) gone(ctx context.Context, node *corev1.Node) (bool, error) {
	var reason string
	err := c.until(ctx, "reading the lease of node "+node.Name, c.waits.Ask, func(ctx context.Context) (done bool, err error) {
		reason, err = c.silent(ctx, node.Name)
		return true, err
	})
	if err != nil || reason != "" {
		return err == nil, err
	}
	ip := internalIP(node)
	return ip != "" && !c.kubelet(ctx, ip), nil
}
