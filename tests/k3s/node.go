package main

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-base/version"
	"k8s.io/utils/ptr"
)

const renewal = 10 * time.Second

// node stands for a kubelet: it registers a Node, keeps its status and renews its lease.
type node struct {
	o          *options
	name, ip   string
	client     *kubernetes.Clientset
	admin      *kubernetes.Clientset // sets role labels, which a node may not give itself; nil on agents
	labels     map[string]string     // of the role
	containers sync.Mutex
	processes  map[types.UID][]*exec.Cmd // of the pods that this process has started
	images     *imageStore
	pulls      map[types.UID]*pull
	member     string // a server's in etcd; empty on agents, and with SQLite
}

func newNode(o *options, name, ip string) *node {
	return &node{o: o, name: name, ip: ip, processes: map[types.UID][]*exec.Cmd{}, pulls: map[types.UID]*pull{}}
}

func (n *node) register(ctx context.Context) error {
	labels := map[string]string{
		"kubernetes.io/hostname": n.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
		"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64", "node.kubernetes.io/instance-type": "k3s", "beta.kubernetes.io/instance-type": "k3s",
	}
	for _, label := range n.o.values["node-label"] {
		key, value, _ := strings.Cut(label, "=")
		labels[key] = value
	}
	var taints []corev1.Taint
	for _, taint := range n.o.values["node-taint"] {
		left, effect, _ := strings.Cut(taint, ":")
		key, value, _ := strings.Cut(left, "=")
		taints = append(taints, corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)})
	}
	object := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.name, Labels: labels, Annotations: map[string]string{"k3s.io/internal-ip": n.ip, "k3s.io/hostname": n.name}},
		Spec:       corev1.NodeSpec{ProviderID: "k3s://" + n.name, Taints: taints},
	}
	for {
		_, err := n.client.CoreV1().Nodes().Create(ctx, object, metav1.CreateOptions{})
		if err == nil || apierrors.IsAlreadyExists(err) {
			if err = n.beat(ctx); err == nil {
				err = n.annotate(ctx)
			}
			if err == nil {
				return n.setRole(ctx)
			}
		}
		logf("Waiting to register node %s: %v", n.name, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (n *node) setRole(ctx context.Context) error {
	if n.admin == nil {
		return nil
	}
	annotations := map[string]string{}
	if n.member != "" {
		annotations[memberAddress], annotations[memberName] = n.ip, n.member
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": n.labels, "annotations": annotations}})
	if err != nil {
		return err
	}
	_, err = n.admin.CoreV1().Nodes().Patch(ctx, n.name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	return err
}

// run beats until the end. A lost connection is the next beat's business.
func (n *node) run(ctx context.Context) {
	tick := time.NewTicker(renewal)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			beat, cancel := context.WithTimeout(ctx, renewal)
			err := n.beat(beat) // a kubelet registers once in its life: a deleted node does not come back
			cancel()
			if err != nil && ctx.Err() == nil {
				logf("Updating node %s: %v", n.name, err)
			}
		}
	}
}

func (n *node) beat(ctx context.Context) error {
	if err := n.renew(ctx); err != nil {
		return err
	}
	for {
		object, err := n.client.CoreV1().Nodes().Get(ctx, n.name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		n.status(&object.Status)
		_, err = n.client.CoreV1().Nodes().UpdateStatus(ctx, object, metav1.UpdateOptions{})
		if !apierrors.IsConflict(err) {
			return err
		}
	}
}

func (n *node) renew(ctx context.Context) error {
	leases := n.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	now := metav1.NewMicroTime(time.Now())
	lease, err := leases.Get(ctx, n.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = leases.Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: n.name},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &n.name, LeaseDurationSeconds: ptr.To(int32(40)), RenewTime: &now},
		}, metav1.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	lease.Spec.RenewTime = &now
	_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	return err
}

// setCondition sets a condition and says whether it is another one now.
func setCondition(s *corev1.NodeStatus, kind corev1.NodeConditionType, status corev1.ConditionStatus, reason, message string) bool {
	now := metav1.Now()
	for i := range s.Conditions {
		if c := &s.Conditions[i]; c.Type == kind {
			changed := c.Status != status || c.Reason != reason
			if c.Status != status {
				c.LastTransitionTime = now
			}
			c.Status, c.Reason, c.Message, c.LastHeartbeatTime = status, reason, message, now
			return changed
		}
	}
	s.Conditions = append(s.Conditions, corev1.NodeCondition{Type: kind, Status: status, Reason: reason, Message: message, LastHeartbeatTime: now, LastTransitionTime: now})
	return true
}

func (n *node) status(s *corev1.NodeStatus) {
	condition := func(kind corev1.NodeConditionType, on bool, reason, message string) {
		status := corev1.ConditionFalse
		if on {
			status = corev1.ConditionTrue
		}
		setCondition(s, kind, status, reason, message)
	}
	condition(corev1.NodeMemoryPressure, false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available")
	condition(corev1.NodeDiskPressure, false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure")
	condition(corev1.NodePIDPressure, false, "KubeletHasSufficientPID", "kubelet has sufficient PID available")
	condition(corev1.NodeReady, true, "KubeletReady", "kubelet is posting ready status")
	s.Capacity, s.Allocatable = capacity(n.o), capacity(n.o)
	s.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: n.ip}, {Type: corev1.NodeHostName, Address: n.name}}
	s.NodeInfo = corev1.NodeSystemInfo{
		KubeletVersion: version.Get().GitVersion, KubeProxyVersion: version.Get().GitVersion, ContainerRuntimeVersion: "containerd://2.0.2-k3s2",
		OperatingSystem: "linux", Architecture: "amd64", OSImage: osImage(), KernelVersion: kernel(), MachineID: read("/etc/machine-id"), BootID: read("/proc/sys/kernel/random/boot_id"),
	}
	s.DaemonEndpoints.KubeletEndpoint.Port = 10250
}

func read(path string) string {
	data, _ := os.ReadFile(path)
	return strings.TrimSpace(string(data))
}

func osImage() string {
	for line := range strings.Lines(read("/etc/os-release")) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); found {
			return strings.Trim(name, `"`)
		}
	}
	return "Linux"
}

func kernel() string {
	var u syscall.Utsname
	if syscall.Uname(&u) != nil {
		return ""
	}
	var b []byte
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		b = append(b, byte(c))
	}
	return string(b)
}

// notifyReady tells systemd, for units of Type=notify.
func notifyReady() {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	if strings.HasPrefix(socket, "@") {
		socket = "\x00" + socket[1:]
	}
	conn, err := net.Dial("unixgram", socket)
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte("READY=1"))
}
