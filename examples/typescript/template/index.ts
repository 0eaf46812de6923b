// From a bare Proxmox VE: the template, and a cluster of its clones.
import * as pulumi from "@pulumi/pulumi";
import { CloudImageTemplate, K3sHaCluster } from "@k3sha/pulumi-k3sha";

const config = new pulumi.Config();

const ubuntu = new CloudImageTemplate("ubuntu", {
    node: "pve1",
    vmId: 9100,
    image: "ubuntu-24.04",
    discard: true,
    ssd: true,
    host: { address: "192.168.1.5", privateKey: config.requireSecret("proxmoxPrivateKey"), hostKey: config.require("proxmoxHostKey") },
});

const k3s = new K3sHaCluster("k3s", {
    clusterName: "k3s",
    proxmox: { nodes: ["pve1"], templateId: ubuntu.vmId },
    network: { cidr: "192.168.1.0/24", gateway: "192.168.1.1", vip: "192.168.1.220" },
    servers: { firstAddress: "192.168.1.201" },
    workers: { worker: { count: 2, firstAddress: "192.168.1.211" } },
    loadBalancers: { firstAddress: "192.168.1.221" },
    k3s: { version: "v1.31.6+k3s1" },
    ssh: { privateKey: config.requireSecret("sshPrivateKey") },
});

export const kubeconfig = k3s.kubeconfig;
