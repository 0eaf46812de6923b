// The component with as many workers as the configuration says.
package main

import (
	"github.com/k3sha/pulumi-k3sha/sdk/go/k3sha"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		version := config.Get(ctx, "version")
		if version == "" {
			version = "v1.31.6+k3s1"
		}
		_, err := k3sha.NewK3sHaCluster(ctx, "k3s", &k3sha.K3sHaClusterArgs{
			ClusterName: "k3s",
			Proxmox:     &k3sha.ProxmoxArgs{Nodes: []string{"pve1"}, TemplateId: pulumi.Int(9000), CloneLanes: new(config.RequireInt(ctx, "cloneLanes"))},
			Network:     k3sha.NetworkArgs{Cidr: "10.10.0.0/16", Gateway: "10.10.0.1", Vip: new("10.10.0.2")},
			Servers:     &k3sha.ServersArgs{FirstAddress: new("10.10.1.1"), FirstVmId: new(9900)},
			Workers: map[string]k3sha.WorkerPoolArgs{"worker": {
				Count: new(config.RequireInt(ctx, "workers")), FirstAddress: new("10.10.10.1"), FirstVmId: new(10000), MaxUnavailable: new(30),
			}},
			LoadBalancers: &k3sha.LoadBalancersArgs{FirstAddress: new("10.10.2.1"), FirstVmId: new(9950)},
			K3s:           k3sha.K3sArgs{Version: version, ServerConfig: map[string]any{"cluster-cidr": "10.128.0.0/12"}},
			Ssh:           k3sha.SshArgs{PrivateKey: config.RequireSecret(ctx, "sshPrivateKey")},
		})
		return err
	})
}
