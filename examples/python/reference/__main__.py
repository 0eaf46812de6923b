"""The reference cluster: two load balancers with the VIP, three servers, two workers."""

import pulumi
from pulumi_k3sha import K3sHaCluster

config = pulumi.Config()

k3s = K3sHaCluster(
    "k3s",
    cluster_name="k3s",
    proxmox={"nodes": ["pve1", "pve2", "pve3"], "template_id": 9000, "pool": "k3s"},
    network={"cidr": "192.168.1.0/24", "gateway": "192.168.1.1", "vip": "192.168.1.220"},
    servers={
        "first_address": "192.168.1.201",
        "taints": ["CriticalAddonsOnly=true:NoExecute"],
        "nodes": {"1": {"mac": "BC:24:11:66:6F:07"}, "2": {"mac": "BC:24:11:02:57:C8"}, "3": {"mac": "BC:24:11:4F:A3:86"}},
    },
    workers={
        "worker": {
            "count": 2,
            "first_address": "192.168.1.211",
            "nodes": {"1": {"mac": "BC:24:11:12:B1:D2"}, "2": {"mac": "BC:24:11:07:BA:1A"}},
        }
    },
    load_balancers={
        "first_address": "192.168.1.221",
        "virtual_router_id": 51,
        "nodes": {"1": {"mac": "BC:24:11:EA:6D:1F"}, "2": {"mac": "BC:24:11:6B:DC:F9"}},
    },
    k3s={"version": "v1.31.6+k3s1", "disable": ["traefik", "servicelb"], "mirror": config.get("k3sMirror") or ""},
    ssh={"private_key": config.require_secret("sshPrivateKey")},
)

pulumi.export("endpoint", k3s.endpoint)
pulumi.export("nodes", k3s.nodes)
pulumi.export("kubeconfig", k3s.kubeconfig)
pulumi.export("summary", k3s.summary)
