package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/retry"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
)

const (
	memberFinalizer = "wrangler.cattle.io/managed-etcd-controller"
	nodeFinalizer   = "wrangler.cattle.io/node"
	memberName      = "etcd.k3s.cattle.io/node-name"
	memberAddress   = "etcd.k3s.cattle.io/node-address"
	removeMember    = "etcd.k3s.cattle.io/remove"
	removedMember   = "etcd.k3s.cattle.io/removed-node-name"
)

// startScheduler runs the real scheduler, until it loses its lease, which ends this process.
func (s *server) startScheduler() error {
	kubeconfig := s.path("cred/scheduler.kubeconfig")
	if err := s.kubeconfig(kubeconfig, "client-scheduler", "https://127.0.0.1:6444"); err != nil {
		return err
	}
	command := app.NewSchedulerCommand()
	args := []string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1", "--secure-port=10259", "--profiling=false",
	}
	for _, arg := range s.o.values["kube-scheduler-arg"] {
		args = append(args, "--"+arg)
	}
	command.SetArgs(args)
	go func() {
		err := command.Execute()
		shutdown(fmt.Errorf("scheduler exited: %w", err))
	}()
	return nil
}

// elected runs work on one server at a time, as wrangler's controllers do: a lease of 45 s, whose loss ends k3s.
func (s *server) elected(ctx context.Context, name string, work func(ctx context.Context)) {
	host, _ := os.Hostname()
	lock := &resourcelock.LeaseLock{
		LeaseMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: name}, Client: s.kube.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: host},
	}
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: 45 * time.Second, RenewDeadline: 30 * time.Second, RetryPeriod: 2 * time.Second,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: work,
			OnStoppedLeading: func() {
				if ctx.Err() == nil {
					shutdown(fmt.Errorf("leaderelection lost for %s", name))
				}
			},
		},
	})
}

// each looks at every node once a second; work that fails is tried again.
func (s *server) each(work func(ctx context.Context, node *corev1.Node) error) func(ctx context.Context) {
	return func(ctx context.Context) {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			list, err := s.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
			if err != nil {
				continue
			}
			for i := range list.Items {
				if err := work(ctx, &list.Items[i]); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
					logf("node %s: %v", list.Items[i].Name, err)
				}
			}
		}
	}
}

// ownNode is k3s' node controller: the password goes with the node.
func (s *server) ownNode(ctx context.Context, node *corev1.Node) error {
	if node.DeletionTimestamp == nil {
		return s.finalize(ctx, node.Name, nodeFinalizer, true)
	}
	if !slices.Contains(node.Finalizers, nodeFinalizer) {
		return nil
	}
	err := s.kube.CoreV1().Secrets("kube-system").Delete(ctx, node.Name+".node-password.k3s", metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return s.finalize(ctx, node.Name, nodeFinalizer, false)
}

// ownMember is k3s' member controller: a server's etcd member goes before its node does, or when an annotation asks for it.
func (s *server) ownMember(ctx context.Context, node *corev1.Node) error {
	isEtcd := node.Labels["node-role.kubernetes.io/etcd"] == "true"
	if node.DeletionTimestamp == nil {
		if isEtcd && node.Annotations[removeMember] == "true" {
			if err := s.dropMember(ctx, node.Annotations[memberName]); err != nil {
				return err
			}
			patch, _ := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{
				removedMember: node.Annotations[memberName], memberName: nil, memberAddress: nil, removeMember: nil,
			}}})
			_, err := s.kube.CoreV1().Nodes().Patch(ctx, node.Name, types.MergePatchType, patch, metav1.PatchOptions{})
			return err
		}
		return s.finalize(ctx, node.Name, memberFinalizer, true)
	}
	if !slices.Contains(node.Finalizers, memberFinalizer) {
		return nil
	}
	if isEtcd && node.Annotations[removedMember] == "" {
		name := node.Annotations[memberName]
		if name == "" {
			return fmt.Errorf("node name annotation for node %s not found", node.Name)
		}
		logf("Removing etcd member from cluster due to node delete")
		if err := s.dropMember(ctx, name); err != nil {
			return err
		}
	}
	return s.finalize(ctx, node.Name, memberFinalizer, false)
}

// dropMember removes a member by its name; one that leads hands over first.
func (s *server) dropMember(ctx context.Context, name string) error {
	for _, m := range s.members() {
		if m.Name != name {
			continue
		}
		remove, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		if m.ID == uint64(s.etcd.Server.ID()) && s.leads() {
			if err := s.etcd.Server.TransferLeadership(); err != nil {
				return err
			}
		}
		_, err := s.etcd.Server.RemoveMember(remove, m.ID)
		return err
	}
	return nil
}

// finalize puts a finalizer on a node, or takes it off.
func (s *server) finalize(ctx context.Context, node, finalizer string, on bool) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		object, err := s.kube.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if err != nil || slices.Contains(object.Finalizers, finalizer) == on {
			return err
		}
		if on {
			object.Finalizers = append(object.Finalizers, finalizer)
		} else {
			object.Finalizers = slices.DeleteFunc(object.Finalizers, func(f string) bool { return f == finalizer })
		}
		_, err = s.kube.CoreV1().Nodes().Update(ctx, object, metav1.UpdateOptions{})
		return err
	})
}

// setVoters is the etcd leader's: at its tick it writes on each server's node whether the member votes.
func (s *server) setVoters(ctx context.Context) {
	if !s.ready.Load() {
		return
	}
	list, err := s.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: "node-role.kubernetes.io/etcd=true"})
	if err != nil {
		return
	}
	quiet := hook("not-voting")
	for i := range list.Items {
		node := &list.Items[i]
		name := node.Annotations[memberName]
		status, reason, message := corev1.ConditionFalse, "NotAMember", "Node is not a member of the etcd cluster"
		for _, m := range s.members() {
			if m.Name != name {
				continue
			}
			if m.Learner || slices.Contains(strings.Fields(quiet), node.Name) {
				status, reason, message = corev1.ConditionFalse, "MemberIsLearner", "Node has not been promoted to voting member of the etcd cluster"
			} else {
				status, reason, message = corev1.ConditionTrue, "MemberNotLearner", "Node is a voting member of the etcd cluster"
			}
		}
		if setCondition(&node.Status, "EtcdIsVoter", status, reason, message) {
			_, _ = s.kube.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
		}
	}
}

// hook is a fault of a test's: a file in /run/k3s-standin on the machine.
//
//	not-voting      names of servers whose nodes are said not to vote
//	promote-after   seconds that a learner has to wait before it is promoted
//	move-pause      milliseconds to wait after each key that goes from SQLite to etcd
func hook(name string) string {
	return read("/run/k3s-standin/" + name)
}
