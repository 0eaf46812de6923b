package component

import (
	_ "embed"
	"fmt"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

//go:embed docs/k3shacluster.md
var clusterDoc string

// What a change of an input does, in the words that all descriptions use.
const (
	inPlace    = "\n\nChange: in place."
	reboots    = "\n\nChange: in place; Proxmox VE restarts the VM, one of a group at a time, each drained before and waited for."
	renews     = "\n\nChange: a higher one replaces VMs, one of a group at a time; a lower one is refused at preview."
	ofServers  = "\n\nChange: rolls through the servers one by one."
	lbOnly     = "\n\nChange: reloads the load balancers, one after the other; nothing else."
	atCreation = "\n\nChange: ignored by VMs that exist; it seeds new ones."
	applies    = "\n\nChange: k3s applies it within 15 s after the update; nothing restarts."
	rolls      = "rolls through the servers one by one, then the workers."
	marks      = "\n\nChange: nodes that have registered get them through the API, nothing restarts; what somebody else has set stays."
	ofANode    = "\n\nChange: refused at preview for a node that exists; take its slot out, and bring it back with the new value."
	forbidden  = "\n\nChange: refused at preview."
)

// The schema's types are named without Args: SDKs add it to the types of inputs.

// Annotate describes the component.
func (c *K3sHaCluster) Annotate(a infer.Annotator) {
	a.Describe(c, clusterDoc)
	a.Describe(&c.Kubeconfig, "The admin's kubeconfig, with the VIP, or `network.endpoint`, as its server. Known and byte for byte the same at every update unless its certificate is renewed, or the VIP, `network.endpoint`, `k3s.context` or `loadBalancers.apiPort` changes. "+
		"Its client certificate is valid for `k3s.adminCertificateDays`, and is renewed by the first `pulumi up` in its last 60 days. It comes when the API answers through the VIP.")
	a.Describe(&c.Endpoint, "URL of the Kubernetes API at the VIP, or at `network.endpoint`, like `https://192.168.1.220:6443`. Known at preview.")
	a.Describe(&c.ClientCertificate, "The kubeconfig's client certificate, PEM, for providers and programs that take no kubeconfig. It is renewed as the kubeconfig is.")
	a.Describe(&c.ClientKey, "The kubeconfig's client key, PEM.")
	a.Describe(&c.AgentToken, "The workers' token in full, `K10<hash of the CA>::node:<password>`: a machine that is not this program's joins as a worker with `K3S_URL` the `endpoint` and `K3S_TOKEN` this, the release that of `k3s.version`.\n\nUpstream: /var/lib/rancher/k3s/server/agent-token.")
	a.Describe(&c.AnsibleInventory, "An inventory for Ansible, YAML: groups `load_balancers`, `servers`, `workers` and, for each pool, `workers_<pool>`, with address, user, port and jump host. It holds no keys. Nodes are pinned to their host keys; the jump host is known, or not, to who runs Ansible. Known when the cluster's identity is.")
	a.Describe(&c.Summary, "The cluster on one screen, as text: nodes, addresses, release, endpoint, what to do next. Known when the API answers through the VIP.")
	a.Describe(&c.CACertificate, "The cluster's server CA, PEM. Made before the first machine; k3s serves the same at `/cacerts`.")
	a.Describe(&c.Token, "The servers' token in full, `K10<hash of the CA>::server:<password>`. Restoring an etcd snapshot needs it.\n\nUpstream: /var/lib/rancher/k3s/server/token.")
	a.Describe(&c.RecoveryBundle, "What makes the cluster the one that it is: its name, its tokens, its CAs with their keys. Keep a copy away from the state: with it as `k3s.recoveryBundle` a new stack goes on with this cluster. Who has it is the cluster's administrator for ever.")
	a.Describe(&c.CertificatesUntil, "When the first of k3s' own certificates on the servers ends, RFC 3339, as the last step on each of them saw it. k3s renews them when it starts in their last 90 days.")
	a.Describe(&c.Snapshots, "Snapshots of etcd, the newest first, as the last `pulumi up --refresh`, or change of `backup`, has found them on servers and in S3. Empty without `backup`.")
	a.Describe(&c.Nodes, "All nodes by name, load balancers included. Known at preview.")
	a.Describe(&c.Backend, "What a load balancer in front of the servers has to know, if it is not this program's (`loadBalancers.external`). Known at preview.")
}

// Annotate describes a node of the outputs.
func (n *NodeInfo) Annotate(a infer.Annotator) {
	a.SetToken("index", "NodeInfo")
	a.Describe(n, "A machine of the cluster.")
	a.Describe(&n.Role, "What the machine is for.")
	a.Describe(&n.IP, "IPv4 address.")
	a.Describe(&n.MAC, "MAC address.")
	a.Describe(&n.VMID, "Proxmox VE's id of the VM.")
	a.Describe(&n.ProxmoxNode, "Proxmox node on which the VM was created.")
}

// Annotate describes the inputs.
func (i *K3sHaClusterArgs) Annotate(a infer.Annotator) {
	a.Describe(&i.ClusterName, "Name of the cluster: at most 40 lower-case letters, digits and hyphens, a letter first. Names of VMs (`<clusterName>-server-01`), VM ids and MACs not given, "+
		"and the default VRRP router id derive from it."+forbidden)
	a.Describe(&i.Proxmox, "Where the VMs live. Left out where all machines are there (`machines: existing`). Credentials are not here: the proxmoxve provider of the stack has them, or the one passed in `providers`.")
	a.Describe(&i.Network, "The network that all nodes share.")
	a.Describe(&i.Servers, fmt.Sprintf("The servers: k3s' control plane with embedded etcd. Default: %d of them.", topology.DefaultServerCount))
	a.Describe(&i.Workers, "Pools of workers by name. A pool's name is part of its nodes' names: `<clusterName>-<pool>-01`. At most 15 lower-case letters, digits and hyphens. Default: no workers.")
	a.Describe(&i.LoadBalancers, fmt.Sprintf("The load balancers: HAProxy, and Keepalived for the VIP, or an external one. Default: %d of them.", topology.DefaultLoadBalancerCount))
	a.Describe(&i.K3s, "What is installed on servers and workers, and how it is configured.")
	a.Describe(&i.Reapply, "Any new word has every step run again on every node: what somebody has changed by hand there (a configuration, a unit that was disabled) is put right. What is right stays as it is, and nothing that is right restarts. Default: none.\n\nChange: in place.")
	a.Describe(&i.Backup, "Snapshots of etcd: when, how many, where. Default: k3s' own, each 12 hours, the last five, on the servers themselves."+ofServers)
	a.Describe(&i.Restore, "A snapshot to go back to, once. Default: none.\n\nChange: another `id` restores.")
	a.Describe(&i.SSH, "How nodes are reached. The first contact gives a node its host key, derived from the cluster's identity; every later connection is pinned to it, also when another machine has taken the node's place.")
}

// Annotate describes the Proxmox group.
func (p *ProxmoxArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Proxmox")
	a.Describe(p, "Where the VMs live.")
	a.Describe(&p.Nodes, "Proxmox nodes; slots are spread over them in turn."+atCreation+"\n\nUpstream: `nodeName` of proxmoxve's VirtualMachine.")
	a.Describe(&p.TemplateID, "VM id of the template to clone: a cloud image with cloud-init, a virtio-scsi disk and a serial console, no guest agent needed. May be an output."+atCreation+"\n\nUpstream: `clone.vmId`.")
	a.Describe(&p.TemplateNode, "Proxmox node that has the template. Default: the first of `nodes`."+atCreation+"\n\nUpstream: `clone.nodeName`.")
	a.Describe(&p.Datastore, "Storage for disks and cloud-init drives. With several Proxmox nodes it must be shared, or exist under the same name on each. Default: `"+topology.DefaultDatastore+"`.\n\nChange: in place; Proxmox VE shuts the VM down, moves its disk and starts it, one of a group at a time, each drained before and waited for.\n\nUpstream: `disks[0].datastoreId`.")
	a.Describe(&p.Bridge, "Bridge of the VMs' network device. Default: `"+topology.DefaultBridge+"`."+reboots+"\n\nUpstream: `networkDevices[0].bridge`.")
	a.Describe(&p.VLAN, "VLAN tag of the network device, 1 to 4094. Default: untagged."+reboots+"\n\nUpstream: `networkDevices[0].vlanId`.")
	a.Describe(&p.Firewall, "Whether Proxmox VE's firewall applies to the network device. It must let IP protocol 112 (VRRP) pass between load balancers. Default: false."+reboots+"\n\nUpstream: `networkDevices[0].firewall`.")
	a.Describe(&p.Pool, "Resource pool of the VMs; it must exist. Default: none."+inPlace+"\n\nUpstream: `poolId`.")
	a.Describe(&p.Tags, "Tags of the VMs besides the cluster's name and the role. Lower-cased and sorted. Default: none."+inPlace+"\n\nUpstream: `tags`.")
	a.Describe(&p.API, "Proxmox VE's API for this package itself. Needed for `diskOptions` alone. Default: as the environment says.\n\nChange: used from then on.")
	a.Describe(&p.CloneLanes, fmt.Sprintf("How many clones run at a time. Parallel clones of one template run into lock timeouts on many storages. Default: %d.", topology.DefaultCloneLanes)+inPlace)
	a.Describe(&p.Spread, "What becomes of two servers, or two load balancers, that would share a Proxmox node although others of `nodes` have fewer: that node takes more with it than it must when it fails. "+
		"VMs that exist are where they are. Default: `require`, an error at preview.\n\nChange: changes nothing itself.")
	a.Describe(&p.RestartTogether, "Whether an update restarts VMs wherever it has to at once, without asking the cluster or draining: for one that is down anyway. The API is away until they are back. (k3s itself restarts on one server at a time all the same, while the others carry on.) For one update; take it out again. Default: false.\n\nChange: changes nothing itself.")
	a.Describe(&p.CloneRetries, fmt.Sprintf("How often a clone is tried. Give 1 with plugins from v8 on: there a second try takes over a foreign VM that has the id. Default: %d.", topology.DefaultCloneRetries)+atCreation+"\n\nUpstream: `clone.retries`.")
}

// Annotate describes the network group.
func (n *NetworkArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Network")
	a.Describe(n, "The network that all nodes share.")
	a.Describe(&n.CIDR, "The network, like `192.168.1.0/24`."+reboots+"\n\nUpstream: `initialization.ipConfigs`.")
	a.Describe(&n.Gateway, "The router's address. Required where there are VMs."+reboots+"\n\nUpstream: `initialization.ipConfigs`.")
	a.Describe(&n.VIP, "The virtual address of the Kubernetes API, without prefix: free, inside of the network, outside of DHCP ranges. It is in every server's certificate. Required, but with `loadBalancers.external`, whose `endpoint` stands for it."+"\n\nChange: load balancers hold both, servers roll one by one, then the workers, and the former one is given up; the kubeconfig follows.\n\nUpstream: Keepalived's `virtual_ipaddress`, k3s' `server` and `tls-san`.")
	a.Describe(&n.Endpoint, "Host name that resolves to the VIP, like `api.example.org`: it stands in every server's certificate, and as the server in the kubeconfig. Nodes use the VIP itself. Default: none."+
		"\n\nChange: rolls through the servers one by one; the kubeconfig follows.\n\nUpstream: k3s' `tls-san`.")
	a.Describe(&n.DNS, "Name servers. Default: the gateway."+reboots+"\n\nUpstream: `initialization.dns.servers`.")
	a.Describe(&n.SearchDomain, "DNS search domain. Default: the template's, usually none."+reboots+" Taken out, VMs that have it keep it."+"\n\nUpstream: `initialization.dns.domain`.")
	a.Describe(&n.Proxy, "A proxy between nodes and the internet. Default: none.")
}

// Annotate describes an override.
func (n *NodeArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "NodeOverrides")
	a.Describe(n, "What one slot has instead of what its group says.")
	a.Describe(&n.IP, "IPv4 address. Default: the group's first address plus slot minus 1."+ofANode)
	a.Describe(&n.MAC, "MAC address, like `BC:24:11:66:6F:07`. Default: derived from the node's name."+reboots+"\n\nUpstream: `networkDevices[0].macAddress`.")
	a.Describe(&n.VMID, "VM id, 100 to 999999999. Default: the group's first VM id plus slot minus 1, else derived from the node's name."+ofANode+"\n\nUpstream: `vmId`.")
	a.Describe(&n.ProxmoxNode, "Proxmox node; one of `proxmox.nodes`. Default: spread by slot."+atCreation+"\n\nUpstream: `nodeName`.")
	a.Describe(&n.Cores, "CPU cores. Default: the group's."+reboots+"\n\nUpstream: `cpu.cores`.")
	a.Describe(&n.Memory, "Memory in MiB. Default: the group's."+reboots+"\n\nUpstream: `memory.dedicated`.")
	a.Describe(&n.Disk, "Disk in GiB; it can only grow. Default: the group's."+reboots+"\n\nUpstream: `disks[0].size`.")
	describeHardware(a, hardwareFields{&n.CPUType, &n.SCSIHardware, &n.DiskOptions, &n.Agent, &n.Balloon, &n.OnBoot, &n.Protection, &n.Startup, &n.TemplateID, &n.Datastore, &n.Bridge, &n.VLAN, &n.Firewall, &n.Tags}, "the group's")
	a.Describe(&n.Name, "Name of a machine that is there as a Kubernetes node. Default: like that of a VM, made of the cluster's name, the group and the slot.\n\nChange: another node; the former one leaves.\n\nUpstream: k3s' `node-name`.")
	a.Describe(&n.Adopt, "Whether the slot is a machine that is there and runs k3s already, which becomes this node with all that it has: a server or a worker, also beside VMs. The first server brings the cluster: its data (in SQLite, which k3s moves to etcd then, or in embedded etcd), CAs and tokens. Its version, its options and its node's name must fit; all that does not is said before anything is touched. It stays set afterwards. Default: false.\n\nChange: counts for the first update with the machine; taken out beside VMs, the slot would be a VM, which is refused.")
	a.Describe(&n.SSHPort, "SSH port of a machine that is there. Default: `ssh.port`.\n\nChange: used from then on.")
	a.Describe(&n.HostKey, "SSH host key of a machine that is there, ed25519, as `ssh-keyscan -t ed25519` prints it, without the host. Default: the one that it shows first, to which it is pinned afterwards.\n\nChange: another key is another machine.")
	a.Describe(&n.Generation, "A number. A higher one makes the slot's VM anew from the template as it is then. Default: the group's."+renews)
}

// Annotate describes a data disk.
func (d *DataDiskArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "DataDisk")
	a.Describe(d, "One more disk of each VM of a group, blank at first: for Longhorn, Ceph, or volumes of local-path. It goes with its VM. The first is `scsi1` in Proxmox VE, and so on.")
	const stays = "\n\nChange: refused at preview, for VMs that stay."
	a.Describe(&d.Name, "Up to 12 lower-case letters, digits and hyphens: its serial number in the VM (`lsblk -o PATH,SERIAL`), and the label of its file system."+stays+"\n\nUpstream: `disks[].serial`.")
	a.Describe(&d.Size, "Size in GiB; it can only grow, and its file system with it."+reboots+"\n\nUpstream: `disks[].size`.")
	a.Describe(&d.Datastore, "Storage. Default: the VM's.\n\nChange: Proxmox VE moves it.\n\nUpstream: `disks[].datastoreId`.")
	a.Describe(&d.MountPoint, "Folder at which it is mounted, by its label, before k3s starts. It is formatted only if it is blank; what it holds otherwise, and a folder with something in it, end the step. Default: none, the disk stays raw.\n\nChange: it is mounted there, too; the former place stays until the VM restarts.")
	a.Describe(&d.FileSystem, "File system: `ext4` or `xfs`. Default: `ext4`, if `mountPoint` is given.\n\nChange: counts for blank disks; another one on the disk ends the step.")
	a.Describe(&d.Discard, "Whether what is deleted in the VM is given back to the storage (TRIM). Default: false."+reboots+"\n\nUpstream: `disks[].discard`.")
	a.Describe(&d.SSD, "Whether the VM sees an SSD. Default: false."+reboots+"\n\nUpstream: `disks[].ssd`.")
	a.Describe(&d.IOThread, "Whether it has a thread of its own in QEMU; of use with `scsiHardware: virtio-scsi-single`. Default: false."+reboots+"\n\nUpstream: `disks[].iothread`.")
	a.Describe(&d.Cache, "How Proxmox VE caches it: `none`, `directsync`, `writethrough`, `writeback` or `unsafe`. Default: `none`."+reboots+"\n\nUpstream: `disks[].cache`.")
	a.Describe(&d.Backup, "Whether it is part of Proxmox VE's backups of the VM. Default: true."+inPlace+"\n\nUpstream: `disks[].backup`.")
	a.Describe(&d.Keep, "Whether an update that would destroy the VM, and with it the disk, is refused at preview: its slot taken out, or a higher generation. (Proxmox VE keeps no disk of a VM that it destroys. `pulumi destroy` destroys it.) Default: false."+inPlace)
}

// Annotate describes the options of a VM's first disk.
func (d *DiskOptionsArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "DiskOptions")
	a.Describe(d, "Options of a VM's first disk.")
	const later = "\n\nChange: in place; in effect when the VM starts the next time."
	a.Describe(&d.Discard, "Whether what is deleted in the VM is given back to the storage (TRIM). Default: the template's."+later+"\n\nUpstream: `disks[0].discard`.")
	a.Describe(&d.SSD, "Whether the VM sees an SSD. Default: the template's."+later+"\n\nUpstream: `disks[0].ssd`.")
	a.Describe(&d.IOThread, "Whether it has a thread of its own in QEMU; of use with `scsiHardware: virtio-scsi-single`. Default: the template's."+later+"\n\nUpstream: `disks[0].iothread`.")
	a.Describe(&d.Cache, "How Proxmox VE caches it: `none`, `directsync`, `writethrough`, `writeback` or `unsafe`. Default: the template's."+later+"\n\nUpstream: `disks[0].cache`.")
	a.Describe(&d.Backup, "Whether it is part of Proxmox VE's backups of the VM. Default: the template's."+later+"\n\nUpstream: `disks[0].backup`.")
}

// Annotate describes Proxmox VE's API.
func (p *ProxmoxAPIArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "ProxmoxApi")
	a.Describe(p, "Proxmox VE's API, as the plugin's own provider has it, which is not shown to anybody else. What is left out is taken from the environment, as by the plugin.")
	const then = "\n\nChange: used from then on."
	a.Describe(&p.Endpoint, "Its URL, like `https://pve.example.org:8006/`. Default: `PROXMOX_VE_ENDPOINT` in the environment."+then+"\n\nUpstream: `endpoint`.")
	a.Describe(&p.APIToken, "Token, `user@realm!name=secret`. It needs what the plugin's needs to clone VMs. A secret in the state; default: `PROXMOX_VE_API_TOKEN` in the environment, which no state keeps."+then+"\n\nUpstream: `apiToken`.")
	a.Describe(&p.Insecure, "Whether its certificate is not checked. Default: `PROXMOX_VE_INSECURE` in the environment, else false."+then+"\n\nUpstream: `insecure`.")
}

// Annotate describes a startup.
func (s *StartupArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Startup")
	a.Describe(s, "When Proxmox VE starts a VM with its host, and stops it.")
	a.Describe(&s.Order, "VMs with a lower number are started before those with a higher one, and stopped after them. Default: 1 for load balancers, 2 for servers, 3 for workers."+inPlace+"\n\nUpstream: `startup.order`.")
	a.Describe(&s.UpDelay, "Seconds after this VM before the next one is started, up to 3600. Default: none."+inPlace+"\n\nUpstream: `startup.upDelay`.")
	a.Describe(&s.DownDelay, "Seconds that this VM may take to stop before the next one is stopped, up to 3600. Default: Proxmox VE's, 180."+inPlace+"\n\nUpstream: `startup.downDelay`.")
}

// groupFields are the fields that all groups share.
type groupFields struct {
	count, slots, firstAddress, firstVMID, cores, memory, disk, generation, nodes, machines, keep any
	hardware                                                                                      hardwareFields
}

// hardwareFields are those of a VM besides its size, which slots have, too.
type hardwareFields struct {
	cpuType, scsiHardware, diskOptions, agent, balloon, onBoot, protection, startup, templateID, datastore, bridge, vlan, firewall, tags any
}

func describeHardware(a infer.Annotator, f hardwareFields, of string) {
	def := func(text string) string {
		if of == "" {
			return "Default: " + text + "."
		}
		return "Default: " + of + "."
	}
	a.Describe(f.cpuType, "CPU type, as Proxmox VE names it. `host` is what the host has, AVX-512 included, and the fastest; a VM with it can move, while it runs, to hosts with the very same CPU only. "+
		"`x86-64-v3` has AVX2, on hosts since Haswell and Zen. "+def("`"+topology.DefaultCPUType+"`, which has no AVX and runs anywhere")+reboots+"\n\nUpstream: `cpu.type`.")
	a.Describe(f.scsiHardware, "SCSI controller, if not the template's: `virtio-scsi-single` has a thread for each disk with `iothread`. "+def("the template's")+"\n\nChange: in place; Proxmox VE restarts the VM, one of a group at a time. Taken out, VMs get `virtio-scsi-pci`.\n\nUpstream: `scsiHardware`.")
	a.Describe(f.diskOptions, "Options of the first disk. The plugin (6.18.1) gives a clone none: where the template has others, Proxmox VE's API is asked for a template with these (a full clone, on `datastore`, under an id that is derived), and VMs are cloned from that one; see `proxmox.api`. "+def("the template's, each")+"\n\nChange: written to the VMs that there are; the plugin restarts a VM for the first change of its disk alone, in its turn, later ones are in effect when it starts the next time. Taken out, VMs stay as they are.\n\nUpstream: `disks[0]`.")
	a.Describe(f.agent, "Whether the QEMU guest agent is installed and its channel is there: Proxmox VE then shows the VM's addresses, freezes its file systems in backups, and shuts it down by it. "+def("false")+reboots+"\n\nUpstream: `agent.enabled`.")
	a.Describe(f.balloon, "Memory in MiB that the VM keeps when its host needs some, by ballooning; at most `memory`. The kubelet takes all of `memory` for its own, so leave it out unless hosts are overcommitted. "+def("no ballooning")+reboots+"\n\nUpstream: `memory.floating`.")
	a.Describe(f.onBoot, "Whether Proxmox VE starts the VM with its host. "+def("true")+inPlace+"\n\nUpstream: `onBoot`.")
	a.Describe(f.protection, "Whether Proxmox VE refuses to destroy the VM or its disks. Taken out of the program, or made anew by a higher generation, a protected VM is refused at preview; `pulumi destroy` ends with Proxmox VE's refusal. "+def("false")+inPlace+"\n\nUpstream: `protection`.")
	a.Describe(f.startup, "When Proxmox VE starts the VM with its host, and stops it; `{}` is load balancers first, then servers, then workers. Proxmox VE lets only those set it who may change the host: the token needs `Sys.Modify` on `/` for it. "+def("in no order")+inPlace+"\n\nUpstream: `startup`.")
	a.Describe(f.templateID, "VM id of the template to clone, for another system or other drivers. May be an output. "+def("`proxmox.templateId`")+atCreation+"\n\nUpstream: `clone.vmId`.")
	a.Describe(f.datastore, "Storage for disk and cloud-init drive. "+def("`proxmox.datastore`")+"\n\nChange: as with `proxmox.datastore`.\n\nUpstream: `disks[0].datastoreId`.")
	a.Describe(f.bridge, "Bridge of the network device; addresses stay those of `network.cidr`. "+def("`proxmox.bridge`")+reboots+"\n\nUpstream: `networkDevices[0].bridge`.")
	a.Describe(f.vlan, "VLAN tag of the network device, 1 to 4094. "+def("`proxmox.vlan`")+reboots+"\n\nUpstream: `networkDevices[0].vlanId`.")
	a.Describe(f.firewall, "Whether Proxmox VE's firewall applies to the network device. "+def("`proxmox.firewall`")+reboots+"\n\nUpstream: `networkDevices[0].firewall`.")
	a.Describe(f.tags, "More tags, besides those of `proxmox.tags` and, in a slot, of the group. Default: none."+inPlace+"\n\nUpstream: `tags`.")
}

func describeGroup(a infer.Annotator, f groupFields, count string, cores, memory int) {
	a.Describe(f.count, count+" Their slots are 1 to count. Excludes `slots`.\n\nChange: adds nodes, or takes the last ones away; the others stay as they are.")
	a.Describe(f.slots, "The slots, when one in the middle goes: `[1, 3, 4]`. A slot is the number in a node's name, 1 to 999. Excludes `count`.\n\nChange: adds and removes those nodes; the others stay as they are.")
	a.Describe(f.firstAddress, "IPv4 address of slot 1; slot n has it plus n minus 1. Needed unless every slot has an `ip` in `nodes`."+ofANode)
	a.Describe(f.firstVMID, "VM id of slot 1; slot n has it plus n minus 1. Default: derived from the nodes' names."+ofANode+"\n\nUpstream: `vmId`.")
	a.Describe(f.cores, fmt.Sprintf("CPU cores of each. Default: %d.", cores)+reboots+"\n\nUpstream: `cpu.cores`.")
	a.Describe(f.memory, fmt.Sprintf("Memory of each in MiB. Default: %d.", memory)+reboots+"\n\nUpstream: `memory.dedicated`.")
	a.Describe(f.disk, fmt.Sprintf("Disk of each in GiB; it can only grow. Default: %d.", topology.DefaultDisk)+reboots+"\n\nUpstream: `disks[0].size`.")
	a.Describe(f.generation, "A number. A higher one makes the VMs of the group anew, from the template as it is then (also another `templateId`), one after the other: each leaves the cluster, drained, and another one joins in its place. Default: 0."+renews)
	describeHardware(a, f.hardware, "")
	a.Describe(f.nodes, "Overrides by slot, the slot written as a string: `{\"1\": {mac: \"BC:24:11:66:6F:07\"}}`. Default: none.")
	a.Describe(f.machines, "Where the machines of the group come from: `proxmox` makes VMs; with `existing` each slot is a machine that is there, Debian or Ubuntu, amd64 or arm64, which `ssh.user` can log in to and become root on. Everything else that is for VMs is left out then. "+
		"Such a machine keeps its name, its host key and its authorized_keys; one that already has k3s, or HAProxy, of somebody else's is refused. One that was installed anew since is noticed by `pulumi up --refresh`, and joins again. Default: `proxmox` if there is `proxmox`, else `existing`.\n\nChange: refused at preview, for slots that stay.")
	a.Describe(f.keep, "Whether k3s stays, and runs on, on machines that are there when they leave the cluster, or the cluster is destroyed; they are taken out of Kubernetes and etcd all the same. Default: false, k3s' own script uninstalls it, and the preview says so.\n\nChange: counts from then on.")
}

// Annotate describes the servers.
func (s *ServersArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Servers")
	a.Describe(s, "The servers: k3s' control plane with embedded etcd.")
	describeGroup(a, groupFields{
		&s.Count, &s.Slots, &s.FirstAddress, &s.FirstVMID, &s.Cores, &s.Memory, &s.Disk, &s.Generation, &s.Nodes, &s.Machines, &s.Keep,
		hardwareFields{&s.CPUType, &s.SCSIHardware, &s.DiskOptions, &s.Agent, &s.Balloon, &s.OnBoot, &s.Protection, &s.Startup, &s.TemplateID, &s.Datastore, &s.Bridge, &s.VLAN, &s.Firewall, &s.Tags},
	},
		fmt.Sprintf("How many servers: 1, 3, 5 or 7. Default: %d. They join and leave one at a time.", topology.DefaultServerCount), topology.DefaultServerCores, topology.DefaultServerMemory)
	a.Describe(&s.First, "Slot of the server that starts a new cluster. Once the cluster lives it is a server like any other. Default: the lowest slot (1).\n\nChange: the order in which servers converge; nothing runs again.")
	a.Describe(&s.StartOver, "A mark, like a date: any new word says that the cluster is lost for good, and gives the first server the right to start it anew, empty, with the same tokens and CAs. Make the VMs of servers that hold old data anew first. "+
		"Refused by `up` while a server of the cluster answers. Default: none.\n\nChange: a new word starts over; taking it out again changes nothing.")
	a.Describe(&s.Others, "Addresses of living servers of this same cluster that are not this program's, for a stack that adopts it by `k3s.recoveryBundle`: load balancers send requests to them, too. Default: none."+lbOnly)
	a.Describe(&s.DataDisks, "More disks of each VM. Default: none.\n\nChange: new ones behind those that there are are added; one that is taken out is refused at preview, for VMs that stay.")
	a.Describe(&s.Taints, "Taints of the servers, like `CriticalAddonsOnly=true:NoExecute`. Default: none."+marks+"\n\nUpstream: k3s' `node-taint`.")
	a.Describe(&s.Labels, "Labels of the servers. Default: none."+marks+"\n\nUpstream: k3s' `node-label`.")
}

// Annotate describes a pool of workers.
func (w *WorkerArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "WorkerPool")
	a.Describe(w, "A pool of workers.")
	describeGroup(a, groupFields{
		&w.Count, &w.Slots, &w.FirstAddress, &w.FirstVMID, &w.Cores, &w.Memory, &w.Disk, &w.Generation, &w.Nodes, &w.Machines, &w.Keep,
		hardwareFields{&w.CPUType, &w.SCSIHardware, &w.DiskOptions, &w.Agent, &w.Balloon, &w.OnBoot, &w.Protection, &w.Startup, &w.TemplateID, &w.Datastore, &w.Bridge, &w.VLAN, &w.Firewall, &w.Tags},
	},
		"How many workers. No default: give count or slots.", topology.DefaultWorkerCores, topology.DefaultWorkerMemory)
	a.Describe(&w.MaxUnavailable, fmt.Sprintf("How many workers of the pool may be out of service at a time, while VMs or k3s restart. Default: %d.\n\nChange: changes nothing itself.", topology.DefaultMaxUnavailable))
	a.Describe(&w.DataDisks, "More disks of each VM. Default: none.\n\nChange: new ones behind those that there are are added; one that is taken out is refused at preview, for VMs that stay.")
	a.Describe(&w.Taints, "Taints of the workers. Default: none."+marks+"\n\nUpstream: k3s' `node-taint`.")
	a.Describe(&w.Labels, "Labels of the workers. Default: none."+marks+"\n\nUpstream: k3s' `node-label`.")
}

// Annotate describes the load balancers.
func (l *LoadBalancersArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "LoadBalancers")
	a.Describe(l, "The load balancers: HAProxy, and Keepalived for the VIP.")
	describeGroup(a, groupFields{
		&l.Count, &l.Slots, &l.FirstAddress, &l.FirstVMID, &l.Cores, &l.Memory, &l.Disk, &l.Generation, &l.Nodes, &l.Machines, &l.Keep,
		hardwareFields{&l.CPUType, &l.SCSIHardware, &l.DiskOptions, &l.Agent, &l.Balloon, &l.OnBoot, &l.Protection, &l.Startup, &l.TemplateID, &l.Datastore, &l.Bridge, &l.VLAN, &l.Firewall, &l.Tags},
	},
		fmt.Sprintf("How many load balancers: 1 to 3. Default: %d.", topology.DefaultLoadBalancerCount), topology.DefaultLBCores, topology.DefaultLBMemory)
	a.Describe(&l.VirtualRouterID, "VRRP router id, 1 to 255, unique on the network. Default: derived from `clusterName`."+lbOnly+"\n\nUpstream: Keepalived's `virtual_router_id`.")
	a.Describe(&l.AdvertInterval, fmt.Sprintf("Seconds between VRRP adverts, 0.1 to 40. The VIP moves about 3.5 intervals after its holder is lost. Default: %g.", topology.DefaultAdvertInterval)+lbOnly+"\n\nUpstream: Keepalived's `advert_int`.")
	a.Describe(&l.Preempt, "Whether the load balancer with the highest priority takes the VIP back when it returns. Default: false, the VIP stays where it is."+lbOnly+"\n\nUpstream: Keepalived's `nopreempt`.")
	a.Describe(&l.Interface, "Network interface of the VIP. Default: the one that has the node's address."+lbOnly+"\n\nUpstream: Keepalived's `interface`.")
	a.Describe(&l.Balance, "How HAProxy chooses a server. Default: `"+topology.DefaultBalance+"`."+lbOnly+"\n\nUpstream: HAProxy's `balance`.")
	a.Describe(&l.CheckInterval, fmt.Sprintf("Milliseconds between health checks of a server, 100 to 60000. Default: %d.", topology.DefaultCheckInterval)+lbOnly+"\n\nUpstream: HAProxy's `inter`.")
	a.Describe(&l.CheckFall, fmt.Sprintf("Failed checks after which a server is out. Default: %d.", topology.DefaultCheckFall)+lbOnly+"\n\nUpstream: HAProxy's `fall`.")
	a.Describe(&l.CheckRise, fmt.Sprintf("Passed checks after which a server is in again. Default: %d.", topology.DefaultCheckRise)+lbOnly+"\n\nUpstream: HAProxy's `rise`.")
	a.Describe(&l.APIPort, fmt.Sprintf("Port of the Kubernetes API at the VIP. Servers themselves listen on 6443. Default: %d.", topology.DefaultAPIPort)+"\n\nChange: load balancers answer at both, the workers roll, and the former one is given up; the kubeconfig follows.\n\nUpstream: HAProxy's `bind`.")
	a.Describe(&l.StatusPort, fmt.Sprintf("Port at which load balancers say over HTTP which cluster this is, at `/alive`. Default: %d.", topology.DefaultStatusPort)+lbOnly+"\n\nUpstream: HAProxy's `bind`.")
	a.Describe(&l.Forward, "Ports at the VIP that go on to nodes: to the ingress of the workers, or any other TCP service. Default: none."+lbOnly)
	a.Describe(&l.VIPs, fmt.Sprintf("More virtual addresses by name, each with a VRRP instance and forwards of its own: so that the ingress has another address than the API. "+
		"The API is not reached there. At most 8; a name is up to 15 lower-case letters, digits and hyphens. Default: none.%s", lbOnly))
	a.Describe(&l.Stats, "HAProxy's statistics page, and its metrics. Default: none.")
	a.Describe(&l.External, "A load balancer that is not the program's, instead of VMs with HAProxy and Keepalived. Of the other inputs here only `apiPort` goes with it, and `network.vip` is left out. Default: none.\n\nChange: VMs come, or go last, when nodes know the other endpoint.")
	a.Describe(&l.ExtraLines, "More lines for HAProxy's frontend of the API, one an entry, like an allow-list. Checked by `haproxy -c` before use. Default: none."+lbOnly)
}

// Annotate describes an external load balancer.
func (x *ExternalArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "External")
	a.Describe(x, "A load balancer that is not the program's: a firewall's, a cloud's, a machine of its own. It takes TCP connections at `endpoint` and `loadBalancers.apiPort` and passes them on, TLS as it is, to port 6443 of servers that answer HTTPS GET /readyz with 200 or 401 (`backend` has the list). "+
		"It must do so before the first update; every update that changes machines makes connections through it until each server has answered, by a certificate of the cluster, and fails after 2 minutes with what is missing.")
	a.Describe(&x.Endpoint, "Its IPv4 address, or a host name that nodes can resolve, without port. It is in every server's certificate, and nodes join there.\n\nChange: rolls through the servers one by one, then the workers; the kubeconfig follows. The former one must answer until then.\n\nUpstream: k3s' `server` and `tls-san`.")
}

// Annotate describes what a load balancer has to know.
func (b *Backend) Annotate(a infer.Annotator) {
	a.SetToken("index", "Backend")
	a.Describe(b, "What a load balancer in front of the servers has to know.")
	a.Describe(&b.Servers, "Where connections go, by slot.")
	a.Describe(&b.Check, "How it sees which servers are ready.")
}

// Annotate describes a server behind a load balancer.
func (b *BackendServer) Annotate(a infer.Annotator) {
	a.SetToken("index", "BackendServer")
	a.Describe(b, "A server behind a load balancer.")
	a.Describe(&b.Name, "Its name.")
	a.Describe(&b.Address, "Its IPv4 address.")
	a.Describe(&b.Port, "Port of its API.")
}

// Annotate describes the check of a load balancer.
func (b *BackendCheck) Annotate(a infer.Annotator) {
	a.SetToken("index", "BackendCheck")
	a.Describe(b, "The request by which a load balancer sees that a server is ready, at the port that connections go to. The certificate is the cluster's own (`caCertificate`).")
	a.Describe(&b.Scheme, "`https`.")
	a.Describe(&b.Method, "`GET`.")
	a.Describe(&b.Path, "`/readyz`.")
	a.Describe(&b.Statuses, "The answers of a server that is ready: 200, or 401 where it wants a certificate first.")
}

// Annotate describes a forward.
func (f *ForwardArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Forward")
	a.Describe(f, "A TCP port at a VIP whose connections HAProxy sends to nodes that pass a check. A node that is drained gets no new ones before its pods go.")
	a.Describe(&f.Name, "What it is, like `https`: up to 15 lower-case letters, digits and hyphens, once for each address."+lbOnly)
	a.Describe(&f.Port, "Port at the VIP, 1 to 65535."+lbOnly+"\n\nUpstream: HAProxy's `bind`.")
	a.Describe(&f.TargetPort, "Port on nodes on which something listens itself, like an ingress with `hostPort`. Excludes `nodePort`. Default: `port`."+lbOnly)
	a.Describe(&f.NodePort, "Port of a Service of type NodePort, 30000 to 32767. Excludes `targetPort`. Default: none."+lbOnly)
	a.Describe(&f.Pools, "Pools of workers to whose nodes connections go; `servers` are the servers. Default: all workers, or the servers where there are none."+lbOnly)
	a.Describe(&f.ProxyProtocol, "Whether nodes are told a client's address by the PROXY protocol, version 2; what listens there must expect it. Default: false, they see the load balancer's."+lbOnly+"\n\nUpstream: HAProxy's `send-proxy-v2`.")
	a.Describe(&f.Check, "How a node is looked at, once a second: `tcp` connects to it; a path, like `/healthz`, asks for it over HTTP and wants an answer of 200 to 399. Default: `tcp`."+lbOnly+"\n\nUpstream: HAProxy's `option httpchk`.")
	a.Describe(&f.CheckPort, "Port on nodes for the check, like the `healthCheckNodePort` of a Service, or an ingress' own port for its health. Default: where connections go."+lbOnly+"\n\nUpstream: HAProxy's `port`.")
	a.Describe(&f.SourceRanges, "IPv4 networks and addresses from which clients may connect. Default: from everywhere."+lbOnly+"\n\nUpstream: HAProxy's `src`.")
}

// Annotate describes a VIP.
func (v *VIPArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Vip")
	a.Describe(v, "One more virtual address. It moves between load balancers like the API's, by itself.")
	a.Describe(&v.Address, "IPv4 address, without prefix: free, inside of the network, outside of DHCP ranges.\n\nChange: reloads the load balancers, one after the other; the former address is given up at once.\n\nUpstream: Keepalived's `virtual_ipaddress`.")
	a.Describe(&v.VirtualRouterID, "VRRP router id, 1 to 255, unique on the network. Default: derived from `clusterName` and the name."+lbOnly+"\n\nUpstream: Keepalived's `virtual_router_id`.")
	a.Describe(&v.Forward, "Ports at this address that go on to nodes. Default: none."+lbOnly)
}

// Annotate describes k3s.
func (k *K3sArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "K3s")
	a.Describe(k, "What is installed on servers and workers, and how it is configured.")
	a.Describe(&k.Version, "Release of k3s in full, like `v1.31.6+k3s1`; v1.27 or newer.\n\nChange: rolls through the servers one by one, each waited for until its etcd member votes and its node is Ready, then the workers. "+
		"A downgrade or a skipped minor version is refused at preview. A release with which no server has come up can be taken back.\n\nUpstream: `INSTALL_K3S_VERSION`.")
	a.Describe(&k.Disable, "Packaged components that k3s leaves out, like `traefik` and `servicelb`. Default: none."+ofServers+"\n\nUpstream: k3s' `disable`.")
	a.Describe(&k.TLSSANs, "Host names and addresses for the servers' certificate, besides the VIP and each server's own address. Default: none."+ofServers+" Names that are taken out stay in certificates.\n\nUpstream: k3s' `tls-san`.")
	a.Describe(&k.ServerConfig, "More options for the servers' config.yaml, as k3s takes them. Texts may be secrets, or outputs of other resources: previews leave them out. Options that the cluster decides are refused; what `etcd` sets goes before `etcd-arg`. Default: none.\n\nChange: rolls through the servers one by one; refused at preview for what data in etcd depends on (cluster-cidr, service-cidr, flannel-backend and the like).\n\nUpstream: /etc/rancher/k3s/config.yaml.")
	a.Describe(&k.WorkerConfig, "More options for the workers' config.yaml, as k3s takes them. Texts may be secrets, or outputs of other resources: previews leave them out. Options that the cluster decides are refused. Default: none.\n\nChange: restarts k3s on the workers.\n\nUpstream: /etc/rancher/k3s/config.yaml.")
	a.Describe(&k.SecretsEncryption, "Whether Kubernetes secrets are encrypted in etcd. Default: true."+forbidden+"\n\nUpstream: k3s' `secrets-encryption`.")
	a.Describe(&k.Token, "The servers' token, its password part. Default: made up once, and kept in the state."+forbidden+"\n\nUpstream: k3s' `token`.")
	a.Describe(&k.AgentToken, "The workers' token, its password part. Default: made up once, and kept in the state."+forbidden+"\n\nUpstream: k3s' `agent-token`.")
	a.Describe(&k.Mirror, "URL below which releases lie as `<version>/k3s`, `<version>/sha256sum-<arch>.txt` and `<version>/install.sh`, for closed networks. Default: the release and the tag on GitHub.\n\nChange: used by later downloads.\n\nUpstream: `GITHUB_URL` of the install script.")
	a.Describe(&k.BinarySHA256, "SHA-256 of the k3s binary, 64 hex digits. The release's own list comes from the same place as the binary; this doesn't. Default: only the release's list is checked."+inPlace)
	a.Describe(&k.InstallScriptSHA256, "SHA-256 of the install script, 64 hex digits. Default: not checked."+inPlace)
	a.Describe(&k.Context, "Name of the kubeconfig's context. Default: `clusterName`.\n\nChange: the kubeconfig follows.")
	a.Describe(&k.AdminCertificateDays, "How many days the kubeconfig's certificate is good, 90 to 3650. It is renewed by the first `pulumi up` in its last 60. Default: 365.\n\nChange: renews it; no node notices.")
	a.Describe(&k.Restart, "Any new word restarts k3s on every server and worker, one after the other as for a new release. k3s renews its own certificates when it starts in their last 90 days. Default: none. The word may stay or be taken out later.\n\nChange: rolls through the servers one by one, then the workers; nothing when it is taken out.")
	a.Describe(&k.Drain, "When a node is drained before k3s restarts on it: its pods are evicted as their PodDisruptionBudgets allow, DaemonSets' and static pods stay, emptyDir volumes are lost. Before its VM restarts, or goes, it always is. Default: `minor`.\n\nChange: changes nothing itself.")
	a.Describe(&k.DrainTimeout, fmt.Sprintf("Seconds that a node may take to be drained, 10 to 7200. Then the update ends with an error that names pod and budget, and the node is uncordoned. Default: %d.\n\nChange: changes nothing itself.", topology.DefaultDrainTimeout))
	a.Describe(&k.DrainForce, "Whether pods that are left after `drainTimeout` are deleted, which overrides their PodDisruptionBudgets. Default: false.\n\nChange: changes nothing itself.")
	a.Describe(&k.RecoveryBundle, "Another stack's `recoveryBundle` output, as a secret: this stack goes on with that cluster, by its tokens and CAs. No server of it may start the cluster: they join the living one (`servers.others`). Default: a new cluster.\n\nChange: may be taken out again; another one is refused at preview.")
	a.Describe(&k.Registries, "Where nodes get container images from. Default: the registries that images name, without credentials.\n\nChange: mirrors and TLS: nodes take them over, the servers one after the other, then the workers; nothing restarts. Credentials, and all of it with a k3s before v1.27.10, v1.28.6 and v1.29.1, or beside its options `embedded-registry`, `disable-default-registry-endpoint` and `private-registry`: "+rolls+"\n\nUpstream: /etc/rancher/k3s/registries.yaml.")
	a.Describe(&k.Manifests, "What k3s itself applies to the cluster, by name: a manifest of Kubernetes each, HelmChart resources among them. A name is up to 63 lower-case letters, digits and hyphens. Default: none."+applies+
		" One that is taken out is emptied, and k3s deletes what it made.\n\nUpstream: /var/lib/rancher/k3s/server/manifests; `kubectl -n kube-system get addons` shows what k3s has applied, and its events what it could not.")
	a.Describe(&k.Airgap, "Whether nodes reach no registry: k3s' own images come from `mirror` as `<version>/k3s-airgap-images-<arch>.tar.zst`, verified by the release's list, and pods resolve names by `network.dns`. Default: false.\n\nChange: "+rolls+"\n\nUpstream: k3s' air-gap installation.")
	a.Describe(&k.Images, "More archives of images that nodes import, by name. Default: none.\n\nChange: "+rolls+"\n\nUpstream: /var/lib/rancher/k3s/agent/images.")
	a.Describe(&k.Etcd, "Etcd's timers. Default: k3s' own, 500 and 5000 ms: writes stall for 5 to 10 s when the etcd leader is lost.")
}

// Annotate describes registries.
func (r *RegistriesArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Registries")
	a.Describe(r, "Mirrors of registries, and how registries are reached.")
	a.Describe(&r.Mirrors, "By the name of a registry, like `docker.io`, or `*` for all: where its images are looked for before it is asked itself. Default: none.")
	a.Describe(&r.Configs, "By the name of a registry or a mirror, with its port if it is not 443, like `registry.example.org:5000`: credentials and TLS. Default: none.")
}

// Annotate describes a mirror.
func (m *RegistryMirrorArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "RegistryMirror")
	a.Describe(m, "Where the images of a registry are looked for first.")
	a.Describe(&m.Endpoint, "URLs, asked in their order, like `https://registry.example.org:5000`. Default: the registry itself.\n\nUpstream: `mirrors.<registry>.endpoint`.")
	a.Describe(&m.Rewrite, "Regular expressions for images' names, and what takes their place at the mirror, like `^rancher/(.*)` and `mirrored/$1`. Default: none.\n\nUpstream: `mirrors.<registry>.rewrite`.")
}

// Annotate describes how a registry is reached.
func (c *RegistryConfigArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "RegistryConfig")
	a.Describe(c, "How a registry is reached.")
	a.Describe(&c.Auth, "Who asks: `username` and `password`, or `identityToken`. Default: nobody in particular.\n\nUpstream: `configs.<registry>.auth`.")
	a.Describe(&c.TLS, "How its certificate is verified. Default: by the CAs that the node's system trusts.\n\nUpstream: `configs.<registry>.tls`.")
}

// Annotate describes credentials.
func (r *RegistryAuthArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "RegistryAuth")
	a.Describe(r, "Credentials for a registry. On nodes they stand in a file of root's alone.")
	a.Describe(&r.Username, "User. Belongs to `password`.\n\nUpstream: `auth.username`.")
	a.Describe(&r.Password, "Password. Kept as a secret.\n\nUpstream: `auth.password`.")
	a.Describe(&r.IdentityToken, "Token in place of user and password. Kept as a secret.\n\nUpstream: `auth.identity_token`.")
}

// Annotate describes TLS.
func (t *RegistryTLSArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "RegistryTls")
	a.Describe(t, "How a registry's certificate is verified, and what it is shown.")
	a.Describe(&t.CA, "Certificate of the CA that signed the registry's, PEM.\n\nUpstream: `tls.ca_file`.")
	a.Describe(&t.Certificate, "Certificate that nodes show, PEM. Belongs to `key`.\n\nUpstream: `tls.cert_file`.")
	a.Describe(&t.Key, "Its private key, PEM. Kept as a secret.\n\nUpstream: `tls.key_file`.")
	a.Describe(&t.InsecureSkipVerify, "Whether the registry's certificate is not verified. Default: false.\n\nUpstream: `tls.insecure_skip_verify`.")
}

// Annotate describes a manifest.
func (m *ManifestArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Manifest")
	a.Describe(m, "What k3s applies: `content`, or `url` and `sha256`.")
	a.Describe(&m.Content, "Manifests of Kubernetes, YAML. May be a secret. Up to 512 KiB."+applies)
	a.Describe(&m.URL, "Where each server fetches them. No credentials.\n\nChange: counts with another `sha256`.")
	a.Describe(&m.SHA256, "SHA-256 of that file, 64 hex digits."+applies)
}

// Annotate describes a file.
func (f *RemoteFileArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "RemoteFile")
	a.Describe(f, "A file that nodes fetch, and verify.")
	a.Describe(&f.URL, "Where it is. No credentials.\n\nChange: "+rolls)
	a.Describe(&f.SHA256, "Its SHA-256, 64 hex digits.\n\nChange: "+rolls)
}

// Annotate describes a proxy.
func (p *ProxyArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Proxy")
	a.Describe(p, "A proxy for what nodes fetch themselves: packages, k3s' release, images. It is not written into the system's own settings.")
	a.Describe(&p.HTTP, "URL for http, like `http://proxy.example.org:3128`; it may carry user and password. Kept as a secret. Default: none.\n\nChange: "+rolls+"\n\nUpstream: `HTTP_PROXY`.")
	a.Describe(&p.HTTPS, "URL for https. Kept as a secret. Default: none.\n\nChange: "+rolls+"\n\nUpstream: `HTTPS_PROXY`.")
	a.Describe(&p.NoProxy, "Hosts, domains, addresses and networks that are reached without it, besides the cluster's own: nodes, pods, services, the API. Default: none more.\n\nChange: "+rolls+"\n\nUpstream: `NO_PROXY`.")
}

// Annotate describes the statistics page.
func (s *StatsArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Stats")
	a.Describe(s, "HAProxy's statistics page on each load balancer, over TLS by a certificate of the cluster's CA (`caCertificate`), good for the load balancers' addresses and the VIPs; at `/metrics` the same for Prometheus.")
	a.Describe(&s.User, "Who may look. Default: `"+topology.DefaultStatsUser+"`."+lbOnly)
	a.Describe(&s.Password, "The password, at least 8 characters. Kept as a secret; load balancers have a hash of it."+lbOnly)
	a.Describe(&s.Port, fmt.Sprintf("Port. Default: %d.", topology.DefaultStatsPort)+lbOnly+"\n\nUpstream: HAProxy's `bind`.")
	a.Describe(&s.SourceRanges, "IPv4 networks and addresses from which it can be reached. Default: from everywhere."+lbOnly)
}

// Annotate describes snapshots.
func (b *BackupArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Backup")
	a.Describe(b, "How k3s keeps snapshots of etcd.")
	a.Describe(&b.Schedule, "When each server takes one: a cron expression of five fields, by the servers' clock. Default: `"+topology.DefaultSnapshotSchedule+"`."+ofServers+"\n\nUpstream: k3s' `etcd-snapshot-schedule-cron`.")
	a.Describe(&b.Retention, fmt.Sprintf("How many of each server's are kept, 1 to 1000; as many in S3. Default: %d.", topology.DefaultSnapshotRetention)+ofServers+"\n\nUpstream: k3s' `etcd-snapshot-retention`.")
	a.Describe(&b.Compress, "Whether they are packed as .zip. Default: false."+ofServers+"\n\nUpstream: k3s' `etcd-snapshot-compress`.")
	a.Describe(&b.Folder, "Folder on the servers. Default: `"+topology.DefaultSnapshotFolder+"`."+ofServers+"\n\nUpstream: k3s' `etcd-snapshot-dir`.")
	a.Describe(&b.BeforeChanges, "Whether the first server that can takes one before another release, before VMs are made anew by `generation`, and before a server or worker is taken away; it is read again from `s3`. Without `s3` it stays on that server, and goes with its VM. The update ends if none can; not in the update that brings `backup`. Default: true.\n\nChange: changes nothing itself.")
	a.Describe(&b.S3, "Where they are kept away from the cluster, besides. At the first update with it a snapshot is taken, and read again from there. Default: nowhere.")
}

// Annotate describes S3.
func (s *S3Args) Annotate(a infer.Annotator) {
	a.SetToken("index", "S3")
	a.Describe(s, "An S3 bucket, or a compatible one. Servers reach it by HTTPS; the machine that runs Pulumi does not.")
	a.Describe(&s.Endpoint, "Host, with a port if it is not 443. Default: `"+topology.DefaultS3Endpoint+"`."+ofServers+"\n\nUpstream: k3s' `etcd-s3-endpoint`.")
	a.Describe(&s.Bucket, "The bucket, which must exist."+ofServers+"\n\nUpstream: k3s' `etcd-s3-bucket`.")
	a.Describe(&s.Region, "The region. Default: `"+topology.DefaultS3Region+"`."+ofServers+"\n\nUpstream: k3s' `etcd-s3-region`.")
	a.Describe(&s.Folder, "Folder in the bucket, for this cluster alone. Default: none."+ofServers+"\n\nUpstream: k3s' `etcd-s3-folder`.")
	a.Describe(&s.AccessKey, "Access key that may read, write, list and delete there. Kept as a secret."+ofServers+"\n\nUpstream: k3s' `etcd-s3-access-key`.")
	a.Describe(&s.SecretKey, "Its secret key. Kept as a secret."+ofServers+"\n\nUpstream: k3s' `etcd-s3-secret-key`.")
	a.Describe(&s.CA, "Certificate of the CA that signed the endpoint's, PEM. Default: those that the servers' system trusts."+ofServers+"\n\nUpstream: k3s' `etcd-s3-endpoint-ca`.")
	a.Describe(&s.PathStyle, "Whether the bucket stands in the path of URLs and not in their host name. Default: false for Amazon's own endpoints, true for all others, as k3s has it."+ofServers+"\n\nUpstream: k3s' `etcd-s3-bucket-lookup-type`.")
}

// Annotate describes a restore.
func (r *RestoreArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Restore")
	a.Describe(r, "A snapshot that the cluster goes back to. Everything that was written after it is lost. Wrong ones (of another token, another cluster, a newer minor version of k3s) are refused before anything is stopped; then k3s stops on all servers, the first one starts with the snapshot's data, the others join it. VMs, kubeconfig, CAs and tokens stay. The data before it stay on the servers as `/var/lib/rancher/k3s/server/db-before-restore`.")
	a.Describe(&r.Snapshot, "Its name, as in the output `snapshots`: it is looked for in `backup.s3`, if that is given, else in `backup.folder` on the first server. Or the absolute path of a file on the first server.\n\nChange: counts with another `id` alone.\n\nUpstream: k3s' `cluster-reset-restore-path`.")
	a.Describe(&r.ID, "Any new word: each is restored once.\n\nChange: another one restores again. Taken out, it has done its work.")
}

// Annotate describes etcd's timers.
func (e *EtcdArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Etcd")
	a.Describe(e, "Etcd's timers, both or neither.")
	a.Describe(&e.HeartbeatInterval, "Milliseconds between the leader's heartbeats; about the round trip between servers, like 100.\n\nChange: rolls through the servers one by one.\n\nUpstream: etcd's `heartbeat-interval`.")
	a.Describe(&e.ElectionTimeout, "Milliseconds without a heartbeat after which a member stands for election; at least five heartbeats, ten are usual.\n\nChange: rolls through the servers one by one.\n\nUpstream: etcd's `election-timeout`.")
}

// Annotate describes SSH.
func (s *SSHArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Ssh")
	a.Describe(s, "How nodes are reached.")
	a.Describe(&s.User, "User of the nodes: the template's cloud-init user, with sudo. Default: `"+topology.DefaultSSHUser+"`."+forbidden+"\n\nUpstream: `initialization.userAccount.username`.")
	a.Describe(&s.PrivateKey, "Private key for the nodes, PEM or OpenSSH, without passphrase. Kept as a secret."+
		"\n\nChange: to rotate it, add the new public key to `publicKeys` and update, switch this one and update, drop the old public key and update. No service is restarted.")
	a.Describe(&s.PublicKeys, "Public keys that may log in to the nodes: exactly these stand in the user's authorized_keys. Must hold the one of `privateKey`. Default: that one."+inPlace+"\n\nUpstream: `initialization.userAccount.keys` for the first boot.")
	a.Describe(&s.Port, fmt.Sprintf("SSH port of the nodes. Default: %d.", topology.DefaultSSHPort)+inPlace)
	a.Describe(&s.Bastion, "A jump host in front of the nodes. Default: none."+inPlace)
}

// Annotate describes the bastion.
func (b *BastionArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Bastion")
	a.Describe(b, "A jump host in front of the nodes; its host key is pinned too.")
	a.Describe(&b.Host, "Host name or address."+inPlace)
	a.Describe(&b.Port, fmt.Sprintf("SSH port. Default: %d.", topology.DefaultSSHPort)+inPlace)
	a.Describe(&b.User, "User. Default: that of the nodes."+inPlace)
	a.Describe(&b.PrivateKey, "Private key, PEM or OpenSSH, without passphrase. Kept as a secret."+inPlace)
	a.Describe(&b.HostKey, "Host key as in known_hosts without the host: `ssh-ed25519 AAAA...`."+inPlace)
}
