"""On machines that are there: bare metal, or anybody's VMs."""

import pulumi
from pulumi_k3sha import K3sHaCluster

k3s = K3sHaCluster(
    "k3s",
    cluster_name="k3s",
    network={"cidr": "192.168.1.0/24", "vip": "192.168.1.220"},
    servers={
        "nodes": {
            "1": {"ip": "192.168.1.21"},
            "2": {"ip": "192.168.1.22"},
            "3": {"ip": "192.168.1.35", "ssh_port": 2222},
        }
    },
    workers={"worker": {"count": 2, "first_address": "192.168.1.41"}},
    load_balancers={"first_address": "192.168.1.11"},
    k3s={"version": "v1.31.6+k3s1"},
    ssh={"private_key": pulumi.Config().require_secret("sshPrivateKey"), "user": "admin"},
)

pulumi.export("kubeconfig", k3s.kubeconfig)
