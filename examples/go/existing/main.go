// On machines that are there: bare metal, or anybody's VMs.
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
			Network:     k3sha.NetworkArgs{Cidr: "192.168.1.0/24", Vip: new("192.168.1.220")},
			Servers: &k3sha.ServersArgs{Nodes: map[string]k3sha.NodeOverridesArgs{
				"1": {Ip: new("192.168.1.21")},
				"2": {Ip: new("192.168.1.22")},
				"3": {Ip: new("192.168.1.35"), SshPort: new(2222)},
			}},
			Workers:       map[string]k3sha.WorkerPoolArgs{"worker": {Count: new(2), FirstAddress: new("192.168.1.41")}},
			LoadBalancers: &k3sha.LoadBalancersArgs{FirstAddress: new("192.168.1.11")},
			K3s:           k3sha.K3sArgs{Version: "v1.31.6+k3s1"},
			Ssh:           k3sha.SshArgs{PrivateKey: config.RequireSecret(ctx, "sshPrivateKey"), User: new("admin")},
		})
		if err != nil {
			return err
		}
		ctx.Export("kubeconfig", k3s.Kubeconfig)
		return nil
	})
}
