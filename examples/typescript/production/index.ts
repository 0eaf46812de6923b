// An ingress behind the same VIP as the API, images from a private registry, a proxy as the only way out, and a page to look at.
import * as pulumi from "@pulumi/pulumi";
import { K3sHaCluster } from "@k3sha/pulumi-k3sha";

const config = new pulumi.Config();
const proxy = "http://proxy.example.org:3128";

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
`;

const k3s = new K3sHaCluster("k3s", {
    clusterName: "k3s",
    proxmox: {
        nodes: ["pve1"], templateId: 9000,
        api: { endpoint: "https://pve1.example.org:8006", apiToken: config.requireSecret("proxmoxToken") }, // for diskOptions
    },
    network: {
        cidr: "192.168.1.0/24", gateway: "192.168.1.1", vip: "192.168.1.220", endpoint: "api.example.org",
        proxy: { http: proxy, https: proxy, noProxy: [".example.org"] },
    },
    servers: { firstAddress: "192.168.1.201" },
    workers: { worker: { count: 2, firstAddress: "192.168.1.211", cpuType: "host", diskOptions: { discard: true, ssd: true } } },
    loadBalancers: {
        firstAddress: "192.168.1.221",
        forward: [
            { name: "http", port: 80, nodePort: 30080, pools: ["worker"] },
            { name: "https", port: 443, nodePort: 30443, pools: ["worker"] },
        ],
        stats: { password: config.requireSecret("statsPassword"), sourceRanges: ["192.168.1.0/24"] },
    },
    k3s: {
        version: "v1.31.6+k3s1",
        disable: ["traefik", "servicelb"],
        registries: {
            mirrors: { "docker.io": { endpoint: ["https://registry.example.org"], rewrite: { "^(.*)$": "dockerhub/$1" } } },
            configs: { "registry.example.org": { auth: { username: "puller", password: config.requireSecret("registryPassword") } } },
        },
        manifests: { "ingress-nginx": { content: ingress } },
    },
    ssh: { privateKey: config.requireSecret("sshPrivateKey") },
});

export const kubeconfig = k3s.kubeconfig;
export const summary = k3s.summary;
