// What comes back, used in the same program: a namespace and a ConfigMap through the VIP.
package main

import (
	"github.com/k3sha/pulumi-k3sha/sdk/go/k3sha"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		k3s, err := k3sha.NewK3sHaCluster(ctx, "k3s", &k3sha.K3sHaClusterArgs{
			ClusterName:   "k3s",
			Proxmox:       &k3sha.ProxmoxArgs{Nodes: []string{"pve1"}, TemplateId: pulumi.Int(9000)},
			Network:       k3sha.NetworkArgs{Cidr: "192.168.1.0/24", Gateway: new("192.168.1.1"), Vip: new("192.168.1.220")},
			Servers:       &k3sha.ServersArgs{FirstAddress: new("192.168.1.201")},
			Workers:       map[string]k3sha.WorkerPoolArgs{"worker": {Count: new(2), FirstAddress: new("192.168.1.211")}},
			LoadBalancers: &k3sha.LoadBalancersArgs{FirstAddress: new("192.168.1.221")},
			K3s:           k3sha.K3sArgs{Version: "v1.31.6+k3s1"},
			Ssh:           k3sha.SshArgs{PrivateKey: config.RequireSecret(ctx, "sshPrivateKey")},
		})
		if err != nil {
			return err
		}
		provider, err := kubernetes.NewProvider(ctx, "k3s", &kubernetes.ProviderArgs{Kubeconfig: k3s.Kubeconfig})
		if err != nil {
			return err
		}
		namespace, err := corev1.NewNamespace(ctx, "app", &corev1.NamespaceArgs{
			Metadata: &metav1.ObjectMetaArgs{Name: pulumi.String("app")},
		}, pulumi.Provider(provider))
		if err != nil {
			return err
		}
		_, err = corev1.NewConfigMap(ctx, "cluster", &corev1.ConfigMapArgs{
			Metadata: &metav1.ObjectMetaArgs{Name: pulumi.String("cluster"), Namespace: namespace.Metadata.Name()},
			Data:     pulumi.StringMap{"endpoint": k3s.Endpoint},
		}, pulumi.Provider(provider))
		ctx.Export("kubeconfig", k3s.Kubeconfig)
		return err
	})
}
