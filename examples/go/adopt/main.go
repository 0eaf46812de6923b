// From one old server: it becomes the first of three, with all that it has.
package main

import (
	"github.com/k3sha/pulumi-k3sha/sdk/go/k3sha"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		k3s, err := k3sha.NewK3sHaCluster(ctx, "k3s", &k3sha.K3sHaClusterArgs{
			ClusterName: "k3s",
			Proxmox:     &k3sha.ProxmoxArgs{Nodes: []string{"pve1", "pve2", "pve3"}, TemplateId: pulumi.Int(9000)},
			Network:     k3sha.NetworkArgs{Cidr: "192.168.1.0/24", Gateway: new("192.168.1.1"), Vip: new("192.168.1.220")},
			Servers: &k3sha.ServersArgs{
				FirstAddress: new("192.168.1.201"),
				Nodes:        map[string]k3sha.NodeOverridesArgs{"1": {Ip: new("192.168.1.50"), Name: new("homelab"), Adopt: new(true)}},
			},
			Workers:       map[string]k3sha.WorkerPoolArgs{"worker": {Count: new(2), FirstAddress: new("192.168.1.211")}},
			LoadBalancers: &k3sha.LoadBalancersArgs{FirstAddress: new("192.168.1.221")},
			K3s:           k3sha.K3sArgs{Version: "v1.31.6+k3s1", SecretsEncryption: new(false)},
			Ssh:           k3sha.SshArgs{PrivateKey: config.RequireSecret(ctx, "sshPrivateKey")},
		})
		if err != nil {
			return err
		}
		ctx.Export("kubeconfig", k3s.Kubeconfig)
		return nil
	})
}
