// Behind a firewall that balances: no load balancer VMs, its address is where the API is.
import * as pulumi from "@pulumi/pulumi";
import { K3sHaCluster } from "@k3sha/pulumi-k3sha";

const k3s = new K3sHaCluster("k3s", {
    clusterName: "k3s",
    proxmox: { nodes: ["pve1"], templateId: 9000 },
    network: { cidr: "192.168.1.0/24", gateway: "192.168.1.1" },
    servers: { firstAddress: "192.168.1.201" },
    workers: { worker: { count: 2, firstAddress: "192.168.1.211" } },
    loadBalancers: { external: { endpoint: "192.168.1.2" } },
    k3s: { version: "v1.31.6+k3s1" },
    ssh: { privateKey: new pulumi.Config().requireSecret("sshPrivateKey") },
});

export const backend = k3s.backend;
export const kubeconfig = k3s.kubeconfig;
