"""From one old server: it becomes the first of three, with all that it has."""

import pulumi
from pulumi_k3sha import K3sHaCluster

k3s = K3sHaCluster(
    "k3s",
    cluster_name="k3s",
    proxmox={"nodes": ["pve1", "pve2", "pve3"], "template_id": 9000},
    network={"cidr": "192.168.1.0/24", "gateway": "192.168.1.1", "vip": "192.168.1.220"},
    servers={
        "first_address": "192.168.1.201",
        "nodes": {"1": {"ip": "192.168.1.50", "name": "homelab", "adopt": True}},
    },
    workers={"worker": {"count": 2, "first_address": "192.168.1.211"}},
    load_balancers={"first_address": "192.168.1.221"},
    k3s={"version": "v1.31.6+k3s1", "secrets_encryption": False},
    ssh={"private_key": pulumi.Config().require_secret("sshPrivateKey")},
)

pulumi.export("kubeconfig", k3s.kubeconfig)
