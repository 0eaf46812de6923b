// An ingress behind the same VIP as the API, images from a private registry, a proxy as the only way out, and a page to look at.
package main

import (
	"github.com/k3sha/pulumi-k3sha/sdk/go/k3sha"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

const ingress = `apiVersion: helm.cattle.io/v1
kind: HelmChart
metadata: {name: ingress-nginx, namespace: kube-system}
spec:
  repo: https://kubernetes.github.io/ingress-nginx
  chart: ingress-nginx
  version: 4.12.1
  targetNamespace: ingress-nginx
  createNamespace: true
  valuesContent: |
    controller:
      service: {type: NodePort, nodePorts: {http: 30080, https: 30443}}
`

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		proxy := pulumi.String("http://proxy.example.org:3128")
		k3s, err := k3sha.NewK3sHaCluster(ctx, "k3s", &k3sha.K3sHaClusterArgs{
			ClusterName: "k3s",
			Proxmox: &k3sha.ProxmoxArgs{
				Nodes: []string{"pve1"}, TemplateId: pulumi.Int(9000),
				Api: &k3sha.ProxmoxApiArgs{Endpoint: new("https://pve1.example.org:8006"), ApiToken: config.RequireSecret(ctx, "proxmoxToken")}, // for DiskOptions
			},
			Network: k3sha.NetworkArgs{
				Cidr: "192.168.1.0/24", Gateway: new("192.168.1.1"), Vip: new("192.168.1.220"), Endpoint: new("api.example.org"),
				Proxy: &k3sha.ProxyArgs{Http: proxy, Https: proxy, NoProxy: []string{".example.org"}},
			},
			Servers: &k3sha.ServersArgs{FirstAddress: new("192.168.1.201")},
			Workers: map[string]k3sha.WorkerPoolArgs{"worker": {
				Count: new(2), FirstAddress: new("192.168.1.211"), CpuType: new("host"), DiskOptions: &k3sha.DiskOptionsArgs{Discard: new(true), Ssd: new(true)},
			}},
			LoadBalancers: &k3sha.LoadBalancersArgs{
				FirstAddress: new("192.168.1.221"),
				Forward: []k3sha.ForwardArgs{
					{Name: "http", Port: 80, NodePort: new(30080), Pools: []string{"worker"}},
					{Name: "https", Port: 443, NodePort: new(30443), Pools: []string{"worker"}},
				},
				Stats: &k3sha.StatsArgs{Password: config.RequireSecret(ctx, "statsPassword"), SourceRanges: []string{"192.168.1.0/24"}},
			},
			K3s: k3sha.K3sArgs{
				Version: "v1.31.6+k3s1",
				Disable: []string{"traefik", "servicelb"},
				Registries: &k3sha.RegistriesArgs{
					Mirrors: map[string]k3sha.RegistryMirrorArgs{
						"docker.io": {Endpoint: []string{"https://registry.example.org"}, Rewrite: map[string]string{"^(.*)$": "dockerhub/$1"}},
					},
					Configs: map[string]k3sha.RegistryConfigArgs{
						"registry.example.org": {Auth: &k3sha.RegistryAuthArgs{Username: pulumi.String("puller"), Password: config.RequireSecret(ctx, "registryPassword")}},
					},
				},
				Manifests: map[string]k3sha.ManifestArgs{"ingress-nginx": {Content: pulumi.String(ingress)}},
			},
			Ssh: k3sha.SshArgs{PrivateKey: config.RequireSecret(ctx, "sshPrivateKey")},
		})
		if err != nil {
			return err
		}
		ctx.Export("kubeconfig", k3s.Kubeconfig)
		ctx.Export("summary", k3s.Summary)
		return nil
	})
}
