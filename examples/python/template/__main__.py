"""From a bare Proxmox VE: the template, and a cluster of its clones."""

import pulumi
from pulumi_k3sha import CloudImageTemplate, K3sHaCluster

config = pulumi.Config()

ubuntu = CloudImageTemplate(
    "ubuntu",
    node="pve1",
    vm_id=9100,
    image="ubuntu-24.04",
    discard=True,
    ssd=True,
    host={
        "address": "192.168.1.5",
        "private_key": config.require_secret("proxmoxPrivateKey"),
        "host_key": config.require("proxmoxHostKey"),
    },
)

k3s = K3sHaCluster(
    "k3s",
    cluster_name="k3s",
    proxmox={"nodes": ["pve1"], "template_id": ubuntu.vm_id},
    network={"cidr": "192.168.1.0/24", "gateway": "192.168.1.1", "vip": "192.168.1.220"},
    servers={"first_address": "192.168.1.201"},
    workers={"worker": {"count": 2, "first_address": "192.168.1.211"}},
    load_balancers={"first_address": "192.168.1.221"},
    k3s={"version": "v1.31.6+k3s1"},
    ssh={"private_key": config.require_secret("sshPrivateKey")},
)

pulumi.export("kubeconfig", k3s.kubeconfig)
