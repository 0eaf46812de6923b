// The reference cluster: two load balancers with the VIP, three servers, two workers.
package main

import (
	"github.com/k3sha/pulumi-k3sha/sdk/go/k3sha"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		mac := func(mac string) k3sha.NodeOverridesArgs { return k3sha.NodeOverridesArgs{Mac: &mac} }
		type nodes = map[string]k3sha.NodeOverridesArgs
		k3s, err := k3sha.NewK3sHaCluster(ctx, "k3s", &k3sha.K3sHaClusterArgs{
			ClusterName: "k3s",
			Proxmox:     &k3sha.ProxmoxArgs{Nodes: []string{"pve1", "pve2", "pve3"}, TemplateId: pulumi.Int(9000), Pool: new("k3s")},
			Network:     k3sha.NetworkArgs{Cidr: "192.168.1.0/24", Gateway: new("192.168.1.1"), Vip: new("192.168.1.220")},
			Servers: &k3sha.ServersArgs{FirstAddress: new("192.168.1.201"), Taints: []string{"CriticalAddonsOnly=true:NoExecute"},
				Nodes: nodes{"1": mac("BC:24:11:66:6F:07"), "2": mac("BC:24:11:02:57:C8"), "3": mac("BC:24:11:4F:A3:86")}},
			Workers: map[string]k3sha.WorkerPoolArgs{"worker": {Count: new(2), FirstAddress: new("192.168.1.211"),
				Nodes: nodes{"1": mac("BC:24:11:12:B1:D2"), "2": mac("BC:24:11:07:BA:1A")}}},
			LoadBalancers: &k3sha.LoadBalancersArgs{FirstAddress: new("192.168.1.221"), VirtualRouterId: new(51),
				Nodes: nodes{"1": mac("BC:24:11:EA:6D:1F"), "2": mac("BC:24:11:6B:DC:F9")}},
			K3s: k3sha.K3sArgs{Version: "v1.31.6+k3s1", Disable: []string{"traefik", "servicelb"}, Mirror: new(config.Get(ctx, "k3sMirror"))},
			Ssh: k3sha.SshArgs{PrivateKey: config.RequireSecret(ctx, "sshPrivateKey")},
		})
		if err != nil {
			return err
		}
		ctx.Export("endpoint", k3s.Endpoint)
		ctx.Export("nodes", k3s.Nodes)
		ctx.Export("kubeconfig", k3s.Kubeconfig)
		ctx.Export("summary", k3s.Summary)
		return nil
	})
}
