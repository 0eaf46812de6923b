// On machines that are there: bare metal, or anybody's VMs.
import * as pulumi from "@pulumi/pulumi";
import { K3sHaCluster } from "@k3sha/pulumi-k3sha";

const k3s = new K3sHaCluster("k3s", {
    clusterName: "k3s",
    network: { cidr: "192.168.1.0/24", vip: "192.168.1.220" },
    servers: {
        nodes: {
            "1": { ip: "192.168.1.21" },
            "2": { ip: "192.168.1.22" },
            "3": { ip: "192.168.1.35", sshPort: 2222 },
        },
    },
    workers: { worker: { count: 2, firstAddress: "192.168.1.41" } },
    loadBalancers: { firstAddress: "192.168.1.11" },
    k3s: { version: "v1.31.6+k3s1" },
    ssh: { privateKey: new pulumi.Config().requireSecret("sshPrivateKey"), user: "admin" },
});

export const kubeconfig = k3s.kubeconfig;
