// A highly available k3s cluster on Proxmox VE: VMs, HAProxy and Keepalived in front, k3s with embedded etcd.
package k3sha
