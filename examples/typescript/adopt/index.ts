// From one old server: it becomes the first of three, with all that it has.
import * as pulumi from "@pulumi/pulumi";
import { K3sHaCluster } from "@k3sha/pulumi-k3sha";

const k3s = new K3sHaCluster("k3s", {
    clusterName: "k3s",
    proxmox: { nodes: ["pve1", "pve2", "pve3"], templateId: 9000 },
    network: { cidr: "192.168.1.0/24", gateway: "192.168.1.1", vip: "192.168.1.220" },
    servers: {
        firstAddress: "192.168.1.201",
        nodes: { "1": { ip: "192.168.1.50", name: "homelab", adopt: true } },
    },
    workers: { worker: { count: 2, firstAddress: "192.168.1.211" } },
    loadBalancers: { firstAddress: "192.168.1.221" },
    k3s: { version: "v1.31.6+k3s1", secretsEncryption: false },
    ssh: { privateKey: new pulumi.Config().requireSecret("sshPrivateKey") },
});

export const kubeconfig = k3s.kubeconfig;
