// The reference cluster: two load balancers with the VIP, three servers, two workers.
import * as pulumi from "@pulumi/pulumi";
import { K3sHaCluster } from "@k3sha/pulumi-k3sha";

const config = new pulumi.Config();

const k3s = new K3sHaCluster("k3s", {
    clusterName: "k3s",
    proxmox: { nodes: ["pve1", "pve2", "pve3"], templateId: 9000, pool: "k3s" },
    network: { cidr: "192.168.1.0/24", gateway: "192.168.1.1", vip: "192.168.1.220" },
    servers: {
        firstAddress: "192.168.1.201",
        taints: ["CriticalAddonsOnly=true:NoExecute"],
        nodes: { "1": { mac: "BC:24:11:66:6F:07" }, "2": { mac: "BC:24:11:02:57:C8" }, "3": { mac: "BC:24:11:4F:A3:86" } },
    },
    workers: {
        worker: {
            count: 2,
            firstAddress: "192.168.1.211",
            nodes: { "1": { mac: "BC:24:11:12:B1:D2" }, "2": { mac: "BC:24:11:07:BA:1A" } },
        },
    },
    loadBalancers: {
        firstAddress: "192.168.1.221",
        virtualRouterId: 51,
        nodes: { "1": { mac: "BC:24:11:EA:6D:1F" }, "2": { mac: "BC:24:11:6B:DC:F9" } },
    },
    k3s: { version: "v1.31.6+k3s1", disable: ["traefik", "servicelb"], mirror: config.get("k3sMirror") ?? "" },
    ssh: { privateKey: config.requireSecret("sshPrivateKey") },
});

export const endpoint = k3s.endpoint;
export const nodes = k3s.nodes;
export const kubeconfig = k3s.kubeconfig;
export const summary = k3s.summary;
