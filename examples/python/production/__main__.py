"""An ingress behind the same VIP as the API, images from a private registry, a proxy as the only way out, and a page to look at."""

import pulumi
from pulumi_k3sha import K3sHaCluster

config = pulumi.Config()
proxy = "http://proxy.example.org:3128"

ingress = """apiVersion: helm.cattle.io/v1
kind: HelmChart
metadata: {name: ingress-nginx, namespace: kube-system}
spec:
  repo: https://kubernetes.github.io/ingress-nginx
  chart: ingress-nginx
  version: 4.12.1
  targetNamespace: ingress-nginx
  createNamespace: true
  valuesContent: |
    controller:
      service: {type: NodePort, nodePorts: {http: 30080, https: 30443}}
"""

k3s = K3sHaCluster(
    "k3s",
    cluster_name="k3s",
    proxmox={
        "nodes": ["pve1"],
        "template_id": 9000,
        "api": {"endpoint": "https://pve1.example.org:8006", "api_token": config.require_secret("proxmoxToken")},  # for disk_options
    },
    network={
        "cidr": "192.168.1.0/24",
        "gateway": "192.168.1.1",
        "vip": "192.168.1.220",
        "endpoint": "api.example.org",
        "proxy": {"http": proxy, "https": proxy, "no_proxy": [".example.org"]},
    },
    servers={"first_address": "192.168.1.201"},
    workers={
        "worker": {
            "count": 2,
            "first_address": "192.168.1.211",
            "cpu_type": "host",
            "disk_options": {"discard": True, "ssd": True},
        }
    },
    load_balancers={
        "first_address": "192.168.1.221",
        "forward": [
            {"name": "http", "port": 80, "node_port": 30080, "pools": ["worker"]},
            {"name": "https", "port": 443, "node_port": 30443, "pools": ["worker"]},
        ],
        "stats": {"password": config.require_secret("statsPassword"), "source_ranges": ["192.168.1.0/24"]},
    },
    k3s={
        "version": "v1.31.6+k3s1",
        "disable": ["traefik", "servicelb"],
        "registries": {
            "mirrors": {"docker.io": {"endpoint": ["https://registry.example.org"], "rewrite": {"^(.*)$": "dockerhub/$1"}}},
            "configs": {"registry.example.org": {"auth": {"username": "puller", "password": config.require_secret("registryPassword")}}},
        },
        "manifests": {"ingress-nginx": {"content": ingress}},
    },
    ssh={"private_key": config.require_secret("sshPrivateKey")},
)

pulumi.export("kubeconfig", k3s.kubeconfig)
pulumi.export("summary", k3s.summary)
