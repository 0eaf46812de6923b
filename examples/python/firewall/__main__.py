"""Behind a firewall that balances: no load balancer VMs, its address is where the API is."""

import pulumi
from pulumi_k3sha import K3sHaCluster

k3s = K3sHaCluster(
    "k3s",
    cluster_name="k3s",
    proxmox={"nodes": ["pve1"], "template_id": 9000},
    network={"cidr": "192.168.1.0/24", "gateway": "192.168.1.1"},
    servers={"first_address": "192.168.1.201"},
    workers={"worker": {"count": 2, "first_address": "192.168.1.211"}},
    load_balancers={"external": {"endpoint": "192.168.1.2"}},
    k3s={"version": "v1.31.6+k3s1"},
    ssh={"private_key": pulumi.Config().require_secret("sshPrivateKey")},
)

pulumi.export("backend", k3s.backend)
pulumi.export("kubeconfig", k3s.kubeconfig)
