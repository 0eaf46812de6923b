"""What comes back, used in the same program: a namespace and a ConfigMap through the VIP."""

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_k3sha import K3sHaCluster

k3s = K3sHaCluster(
    "k3s",
    cluster_name="k3s",
    proxmox={"nodes": ["pve1"], "template_id": 9000},
    network={"cidr": "192.168.1.0/24", "gateway": "192.168.1.1", "vip": "192.168.1.220"},
    servers={"first_address": "192.168.1.201"},
    workers={"worker": {"count": 2, "first_address": "192.168.1.211"}},
    load_balancers={"first_address": "192.168.1.221"},
    k3s={"version": "v1.31.6+k3s1"},
    ssh={"private_key": pulumi.Config().require_secret("sshPrivateKey")},
)

through_the_vip = pulumi.ResourceOptions(provider=kubernetes.Provider("k3s", kubeconfig=k3s.kubeconfig))
namespace = kubernetes.core.v1.Namespace("app", metadata={"name": "app"}, opts=through_the_vip)
kubernetes.core.v1.ConfigMap(
    "cluster",
    metadata={"name": "cluster", "namespace": namespace.metadata["name"]},
    data={"endpoint": k3s.endpoint},
    opts=through_the_vip,
)

pulumi.export("kubeconfig", k3s.kubeconfig)
