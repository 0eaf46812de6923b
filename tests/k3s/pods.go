package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"

	"github.com/k3sha/pulumi-k3sha/tests/k3s/cri"
)

const (
	podStart = 500 * time.Millisecond // from scheduled to Ready
	podEnd   = time.Second            // from asked to end to ended, unless endsAfter says otherwise
	// endsAfter is an annotation of a pod: how many seconds it takes to end when asked to, at most its grace.
	endsAfter = "k3s-standin/ends-after"
)

// livePods plays the kubelet for the node's pods: they run a moment after they were scheduled here, and end when they are deleted, within
// their grace. Nobody else ends them: when this process dies its pods stay as the API last saw them, as on a lost node.
func (n *node) livePods(ctx context.Context) {
	factory := informers.NewSharedInformerFactoryWithOptions(n.client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", n.name).String()
	}))
	pods := factory.Core().V1().Pods().Informer()
	go pods.Run(ctx.Done())
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, object := range pods.GetStore().List() {
				if pod, ok := object.(*corev1.Pod); ok {
					n.live(ctx, pod.DeepCopy(), now)
				}
			}
		}
	}
}

func (n *node) live(ctx context.Context, pod *corev1.Pod, now time.Time) {
	client := n.client.CoreV1().Pods(pod.Namespace)
	switch {
	case pod.DeletionTimestamp != nil:
		grace := time.Duration(0)
		if s := pod.DeletionGracePeriodSeconds; s != nil {
			grace = time.Duration(*s) * time.Second
		}
		takes := podEnd
		if s, err := strconv.Atoi(pod.Annotations[endsAfter]); err == nil {
			takes = time.Duration(s) * time.Second
		}
		// The timestamp is when the grace is over.
		if now.After(pod.DeletionTimestamp.Add(-grace).Add(min(grace, takes))) {
			zero := int64(0)
			n.endContainers(pod)
			_ = client.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &zero, Preconditions: &metav1.Preconditions{UID: &pod.UID}})
		}
	case pod.Status.Phase == corev1.PodPending && now.After(scheduledAt(pod).Add(podStart)), pod.Status.Phase == corev1.PodRunning && !podReady(pod):
		if pod.Status.Phase == corev1.PodPending {
			if !n.pulled(ctx, pod, now) {
				return
			}
			n.startContainers(pod)
		}
		n.runs(pod)
		_, _ = client.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	}
}

func scheduledAt(pod *corev1.Pod) time.Time {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionTrue {
			return c.LastTransitionTime.Time
		}
	}
	return pod.CreationTimestamp.Time
}

func podReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// runs sets a pod's status to running and ready.
func (n *node) runs(pod *corev1.Pod) {
	now := metav1.Now()
	s := &pod.Status
	s.Phase, s.HostIP = corev1.PodRunning, n.ip
	if s.StartTime == nil {
		s.StartTime = &now
	}
	if s.PodIP == "" {
		hash := fnv.New32a()
		_, _ = hash.Write([]byte(pod.UID)) // a hash's Write never fails
		s.PodIP = fmt.Sprintf("10.42.%d.%d", byte(hash.Sum32()>>8), byte(hash.Sum32()))
		s.PodIPs = []corev1.PodIP{{IP: s.PodIP}}
	}
	for _, kind := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		i := slices.IndexFunc(s.Conditions, func(c corev1.PodCondition) bool { return c.Type == kind })
		if i < 0 {
			s.Conditions = append(s.Conditions, corev1.PodCondition{Type: kind})
			i = len(s.Conditions) - 1
		}
		if s.Conditions[i].Status != corev1.ConditionTrue {
			s.Conditions[i] = corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: now}
		}
	}
	s.ContainerStatuses = nil
	started := true
	for _, c := range pod.Spec.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, ImageID: c.Image, Ready: true, Started: &started, ContainerID: "containerd://" + string(pod.UID) + c.Name,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: *s.StartTime}},
		})
	}
}

// capacity is what the scheduler counts with: the machine's own memory and cores, or the limits that its hypervisor has written down.
func capacity(o *options) corev1.ResourceList {
	cores, memory, pods := int64(2), int64(4<<30), int64(110)
	for _, arg := range o.values["kubelet-arg"] {
		_, _ = fmt.Sscanf(strings.TrimLeft(arg, "-"), "max-pods=%d", &pods)
	}
	if data, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib int64
		if _, err := fmt.Sscanf(string(data), "MemTotal: %d kB", &kib); err == nil {
			memory = kib << 10
		}
	}
	if data, err := os.ReadFile("/etc/vm-limits"); err == nil { // cores and MiB, of a VM that sees its host's
		var mib int64
		if _, err := fmt.Sscanf(string(data), "%d %d", &cores, &mib); err == nil {
			memory = mib << 20
		}
	}
	return corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewQuantity(cores, resource.DecimalSI), corev1.ResourceMemory: *resource.NewQuantity(memory, resource.BinarySI),
		corev1.ResourcePods: *resource.NewQuantity(pods, resource.DecimalSI), corev1.ResourceEphemeralStorage: *resource.NewQuantity(30<<30, resource.BinarySI),
	}
}

// kubeletFlags are those of the kubelet's flags that people give; it ends at any other.
var kubeletFlags = []string{
	"max-pods", "node-status-update-frequency", "eviction-hard", "eviction-soft", "eviction-soft-grace-period", "system-reserved", "kube-reserved", "image-gc-high-threshold",
	"image-gc-low-threshold", "container-log-max-size", "container-log-max-files", "serialize-image-pulls", "feature-gates", "v", "cgroup-driver", "fail-swap-on",
	"resolv-conf", "pod-max-pids", "shutdown-grace-period", "allowed-unsafe-sysctls", "config", "cpu-manager-policy", "topology-manager-policy", "node-labels",
	"register-with-taints", "streaming-connection-idle-timeout", "rotate-server-certificates", "make-iptables-util-chains", "tls-cipher-suites", "event-qps",
}

// startKubelet checks the kubelet's own arguments, imports images and opens its ports.
func (n *node) startKubelet(serving tls.Certificate, clientCA []byte, containerd *cri.Containerd) error {
	var err error
	if n.images, err = importImages(n.o.dataDir(), containerd); err != nil {
		return err
	}
	for _, arg := range n.o.values["kubelet-arg"] {
		key, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !slices.Contains(kubeletFlags, strings.TrimRight(key, "+-")) {
			return fmt.Errorf("kubelet exited: failed to parse kubelet flag: unknown flag: --%s", key)
		}
	}
	if err := n.serveContainers(serving, clientCA); err != nil {
		return fmt.Errorf("kubelet exited: %w", err)
	}
	vxlan, err := net.ListenPacket("udp", ":8472")
	if err != nil {
		return fmt.Errorf("flannel exited: %w", err)
	}
	go func() {
		for buf := make([]byte, 2048); ; {
			if _, _, err := vxlan.ReadFrom(buf); err != nil {
				return
			}
		}
	}()
	return nil
}
