package resources

import "github.com/pulumi/pulumi-go-provider/infer"

// What a change of an input does, in the words that all descriptions use.
const (
	forbidden = "\n\nChange: refused at preview."
	stays     = "\n\nChange: none; what was done stays done."
)

// Annotate describes the machines.
func (c *ClusterMachines) Annotate(a infer.Annotator) {
	a.Describe(c, "What a cluster's VMs were last meant to be. A K3sHaCluster makes its own, before its VMs; it is not meant for programs. It creates nothing outside of the state. "+
		"It refuses at preview what would destroy a living cluster: addresses and VM ids changed, disks that shrink. "+
		"Where no cluster has come up yet, `pulumi up --replace '**-machines'` passes by it.")
}

// Annotate describes the machines' inputs.
func (m *ClusterMachinesArgs) Annotate(a infer.Annotator) {
	a.Describe(&m.Machines, "The VMs by name.\n\nChange: in place, or refused at preview.")
	a.Describe(&m.Seed, "What VMs are made from.\n\nChange: none; it counts for those that a higher generation makes anew.")
	a.Describe(&m.Seeds, "What those are made from that have another template, or storage, by name.\n\nChange: none; it counts for those that a higher generation makes anew.")
	a.Describe(&m.Configuration, "What HAProxy, Keepalived and k3s run with, by file, without secrets: here a preview shows what changes in it. Machines get it by their own steps.\n\nChange: in place.")
	a.Describe(&m.Sent, "Hashes of what nodes are sent besides it, passwords and manifests among it: `servers`, `workers`, `manifests`.\n\nChange: in place.")
}

// Annotate describes a machine.
func (m *MachineArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "Machine")
	a.Describe(m, "A VM of a cluster.")
	a.Describe(&m.Role, "What it is for.")
	a.Describe(&m.Path, "The input that holds its group.")
	a.Describe(&m.Slot, "Its slot in its group.")
	a.Describe(&m.IP, "Its IPv4 address."+forbidden)
	a.Describe(&m.VMID, "Proxmox VE's id of it."+forbidden)
	a.Describe(&m.Disk, "Its disk in GiB.\n\nChange: it can grow; less is refused at preview.")
	a.Describe(&m.VM, "A hash of what restarts it when it changes.\n\nChange: in place.")
	a.Describe(&m.K3s, "A hash of what restarts k3s on it when it changes.\n\nChange: in place.")
	a.Describe(&m.Protected, "Whether Proxmox VE refuses to destroy it. Taken away or made anew, a protected one is refused at preview.\n\nChange: in place.")
	a.Describe(&m.Data, "Its data disks, a line each: name, GiB, whether it is kept.")
	a.Describe(&m.Keep, "Whether k3s stays on it when it leaves.\n\nChange: in place.")
	a.Describe(&m.Generation, "How often it was made anew.\n\nChange: a higher one makes it anew; a lower one is refused at preview.")
}

// Annotate describes the machines' outputs.
func (m *ClusterMachinesState) Annotate(a infer.Annotator) {
	a.Describe(&m.Machines, "The VMs by name.")
	a.Describe(&m.Changes, "How often they have changed.")
	a.Describe(&m.Renewed, "Those that the last change makes anew.")
	a.Describe(&m.Seed, "What from.")
	a.Describe(&m.Seeds, "What from, by name, where that is something else.")
	a.Describe(&m.ManifestChanges, "The same of manifests.")
	a.Describe(&m.RegistryChanges, "The same of registries.")
	a.Describe(&m.Sent, "Hashes of what nodes are sent besides their configuration, as they were then.")
	a.Describe(&m.K3sChanges, "How often what k3s is started with has changed, by node: a change that is taken back counts, too, so that its step runs again where it has failed.")
	a.Describe(&m.Hashes, "Hashes of the configuration, by file.")
	a.Describe(&m.Change, "What this update is about to do, in a preview; nothing afterwards.")
}

// Annotate describes what becomes of machines.
func (m *MachineChange) Annotate(a infer.Annotator) {
	a.SetToken("index", "MachineChange")
	a.Describe(m, "What an update does to the machines of a cluster.")
	a.Describe(&m.Joins, "Those that are new.")
	a.Describe(&m.Leaves, "Those that go.")
	a.Describe(&m.VMs, "Those whose VM restarts.")
	a.Describe(&m.K3s, "Those on which k3s restarts.")
	a.Describe(&m.Reloads, "Load balancers that take another configuration over as they run.")
	a.Describe(&m.Uninstalls, "Machines that leave, and stay: k3s is taken off them.")
}

// Annotate describes what VMs are made from.
func (m *MachineSeed) Annotate(a infer.Annotator) {
	a.SetToken("index", "MachineSeed")
	a.Describe(m, "What a VM is made from.")
	a.Describe(&m.TemplateID, "VM id of its template.")
	a.Describe(&m.TemplateNode, "Proxmox node that has the template.")
	a.Describe(&m.Datastore, "Storage for its disk.")
	a.Describe(&m.Retries, "How often a clone is tried.")
}

// once is what a change of a contact's inputs does.
const once = "\n\nChange: none; a contact is made once in a VM's life."

// Annotate describes the contact.
func (c *Contact) Annotate(a infer.Annotator) {
	a.Describe(c, "The first contact with a VM by SSH: waits until it has booted and gives it the host key to which every later connection is pinned. A K3sHaCluster makes its own; it is not meant for programs. "+
		"It ends with an error when nothing answers for 5 minutes, or when the key is not taken for 1 minute.")
}

// Annotate describes the contact's inputs.
func (c *ContactArgs) Annotate(a infer.Annotator) {
	a.Describe(&c.Node, "The node's name."+once)
	a.Describe(&c.Address, "The node's address."+once)
	a.Describe(&c.VM, "What Proxmox VE says of the VM."+once)
	a.Describe(&c.Instance, "The VM's instance.\n\nChange: it is another machine, met for the first time.")
	a.Describe(&c.Toolkit, "A hash of the parts of all scripts, which the contact brings to the VM.\n\nChange: brings the new ones, in place.")
	a.Describe(&c.Keys, "Public keys that may log in as the user: exactly these stand in its authorized_keys.\n\nChange: in place.")
	a.Describe(&c.Network, "The VM's network settings, in words. With others cloud-init puts the keys of the VM's creation back.\n\nChange: brings the keys again.")
}

// Annotate describes the VM of a contact.
func (c *ContactVM) Annotate(a infer.Annotator) {
	a.SetToken("index", "ContactVm")
	a.Describe(c, "A VM as Proxmox VE shows it.")
	a.Describe(&c.ID, "Its id.")
	a.Describe(&c.ProxmoxNode, "The Proxmox node that it is on.")
	a.Describe(&c.Running, "Whether it runs. One that doesn't is refused at once: it was left half-made.")
	a.Describe(&c.Resource, "The name of its resource, for messages.")
}

// Annotate describes the contact's output.
func (c *ContactState) Annotate(a infer.Annotator) {
	a.Describe(&c.Instance, "The VM's instance.")
	a.Describe(&c.Toolkit, "A hash of the parts of scripts that the VM has.")
	a.Describe(&c.Keys, "Public keys that may log in to the VM.")
	a.Describe(&c.Network, "The VM's network settings at that time.")
}

// Annotate describes the look through an external load balancer.
func (b *ClusterBalanced) Annotate(a infer.Annotator) {
	a.Describe(b, "The proof that an external load balancer leads to every server, by connections through it. A K3sHaCluster with `loadBalancers.external` makes its own; it is not meant for programs. It creates nothing outside of the state.")
}

// Annotate describes what it has to lead to.
func (b *ClusterBalancedArgs) Annotate(a infer.Annotator) {
	a.Describe(&b.Servers, "Addresses of the servers, by name.\n\nChange: it is looked through again.")
	a.Describe(&b.Endpoint, "URL of the API at the load balancer.\n\nChange: it is looked through again.")
	a.Describe(&b.Changes, "How often machines have changed.\n\nChange: it is looked through again.")
	a.Describe(&b.Reapply, "The component's `reapply`.\n\nChange: it is looked through again.")
}

// Annotate describes what was seen.
func (b *ClusterBalancedState) Annotate(a infer.Annotator) {
	a.Describe(&b.Servers, "The servers that have answered.")
	a.Describe(&b.Endpoint, "URL of the API at the load balancer.")
	a.Describe(&b.Changes, "How often machines had changed.")
	a.Describe(&b.Reapply, "The component's `reapply` at that time.")
}

// Annotate describes the end of an update.
func (s *ClusterSettled) Annotate(a infer.Annotator) {
	a.Describe(s, "The end of every update that takes nodes out of service: all of them are back, and none stays cordoned, also when an update before was interrupted. "+
		"Registered nodes get their labels and taints here, and a VIP that has moved is given up. A K3sHaCluster makes its own; it is not meant for programs. "+
		"It creates nothing outside of the state. It ends with an error that names the node when one is not back for 10 minutes.")
}

// Annotate describes the inputs of the end of an update.
func (s *ClusterSettledArgs) Annotate(a infer.Annotator) {
	a.Describe(&s.Nodes, "The nodes by name.\n\nChange: waits until those that have changed are back, in place.")
	a.Describe(&s.Changes, "How often machines have changed.\n\nChange: looks at all nodes, in place.")
	a.Describe(&s.Groups, "Labels and taints of the groups' nodes, by the input that holds the group.\n\nChange: registered nodes get them through the API, in place; nothing restarts.")
	a.Describe(&s.Endpoint, "URL of the API at the VIP.\n\nChange: load balancers give the former VIP or port up, in place.")
	a.Describe(&s.Version, "The k3s release that all nodes reach.\n\nChange: in place; a downgrade or a skipped minor version is refused at preview.")
	a.Describe(&s.Reapply, "The cluster's `reapply`.\n\nChange: a new word gives all nodes their labels and taints again.")
}

// Annotate describes the marks of a group.
func (s *SettledMark) Annotate(a infer.Annotator) {
	a.SetToken("index", "SettledMark")
	a.Describe(s, "Labels and taints of the nodes of a group.")
	a.Describe(&s.Labels, "The labels.")
	a.Describe(&s.Taints, "The taints, as key=value:effect.")
}

// Annotate describes the outputs of the end of an update.
func (s *ClusterSettledState) Annotate(a infer.Annotator) {
	a.Describe(&s.Nodes, "The nodes by name.")
	a.Describe(&s.Changes, "How often machines had changed then.")
	a.Describe(&s.Groups, "Labels and taints that the groups' nodes have.")
	a.Describe(&s.Endpoint, "URL of the API at the VIP.")
	a.Describe(&s.Version, "The k3s release that all nodes have reached.")
	a.Describe(&s.Reapply, "The last word of `reapply`.")
	a.Describe(&s.Holder, "The load balancer that had the VIP then; empty if none could say so.")
}

// Annotate describes a node that was waited for.
func (s *SettledNode) Annotate(a infer.Annotator) {
	a.SetToken("index", "SettledNode")
	a.Describe(s, "A node of a cluster.")
	a.Describe(&s.Role, "What it is for.")
	a.Describe(&s.Path, "The input that holds its group.")
	a.Describe(&s.Address, "Its address.")
	a.Describe(&s.Hash, "A hash of what takes it out of service for a moment when it changes.")
}

// Annotate describes the identity.
func (c *ClusterIdentity) Annotate(a infer.Annotator) {
	a.Describe(c, "What makes a cluster the one that it is, made before any of its machines: tokens and CAs. A K3sHaCluster makes its own; it is not meant for programs. It creates nothing outside of the state.")
}

// Annotate describes the identity's inputs.
func (i *ClusterIdentityArgs) Annotate(a infer.Annotator) {
	a.Describe(&i.ClusterName, "The cluster's name."+forbidden)
	a.Describe(&i.Fixed, "What must stay as it is while the cluster lives, by property.\n\nChange: entries may come and go; a changed one is refused at preview.")
	a.Describe(&i.Token, "The servers' token. Default: made up."+forbidden)
	a.Describe(&i.AgentToken, "The workers' token. Default: made up."+forbidden)
	a.Describe(&i.RecoveryBundle, "The recovery bundle of the cluster that is adopted. Default: a new cluster.\n\nChange: may be taken out; another one is refused at preview.")
}

// Annotate describes the identity's outputs.
func (s *ClusterIdentityState) Annotate(a infer.Annotator) {
	a.Describe(&s.ClusterName, "The cluster's name.")
	a.Describe(&s.Token, "The servers' token.")
	a.Describe(&s.AgentToken, "The workers' token.")
	a.Describe(&s.RecoveryBundle, "All of it with the CAs' keys, for another stack.")
	a.Describe(&s.CACertificate, "The certificate of the CA of the API's serving certificates, PEM.")
	a.Describe(&s.CAHash, "That CA's hash, as in full tokens of k3s.")
	a.Describe(&s.Adopted, "Whether the identity came with a recovery bundle.")
}

// Annotate describes the release.
func (c *ClusterRelease) Annotate(a infer.Annotator) {
	a.Describe(c, "The k3s release that a cluster's servers may start. A K3sHaCluster makes its own; it is not meant for programs. It creates nothing outside of the state.")
}

// Annotate describes the release's input.
func (c *ClusterReleaseArgs) Annotate(a infer.Annotator) {
	a.Describe(&c.Version, "The release.\n\nChange: in place; refused when a server has come up with a newer one, or with one that is more than a minor version behind.")
}

// Annotate describes the release's output.
func (c *ClusterReleaseState) Annotate(a infer.Annotator) {
	a.Describe(&c.Version, "The release.")
}

// Annotate describes the right to start.
func (c *ClusterStart) Annotate(a infer.Annotator) {
	a.Describe(c, "The one right to start a cluster, given to one machine, once. A K3sHaCluster makes its own; it is not meant for programs.")
}

// Annotate describes the right's inputs.
func (c *ClusterStartArgs) Annotate(a infer.Annotator) {
	a.Describe(&c.StartOver, "The cluster's `servers.startOver`.\n\nChange: another mark gives the right anew; refused while a server of the cluster answers.")
	a.Describe(&c.Node, "The machine that gets the right."+stays)
	a.Describe(&c.VM, "The name of its VM's resource."+stays)
	a.Describe(&c.Address, "Its address."+stays)
	a.Describe(&c.Adopted, "Whether the cluster's identity came with a recovery bundle: then nobody may start it, unless `startOver` says so."+stays)
	a.Describe(&c.Adopt, "Whether the machine brings the cluster: with its data in SQLite it gets the right to make one of them, with those in etcd it goes on."+stays)
}

// Annotate describes the right that was given.
func (c *ClusterStartState) Annotate(a infer.Annotator) {
	a.Describe(&c.StartOver, "The mark of `servers.startOver` for which it was given.")
	a.Describe(&c.Node, "The machine that got it; empty for an adopted cluster.")
}

// Annotate describes the seat.
func (s *Seat) Annotate(a infer.Annotator) {
	a.Describe(s, "A machine's place in the cluster. Taken before a server or worker joins: a Node of its name that is another machine's is removed, with its etcd member and its password. "+
		"Left before the machine's VM goes: its pods are evicted, and it is removed from Kubernetes and etcd, one at a time in a cluster. A load balancer that leaves lets another one have the VIP. A K3sHaCluster makes its own; it is not meant for programs.")
}

// Annotate describes the seat's inputs.
func (s *SeatArgs) Annotate(a infer.Annotator) {
	a.Describe(&s.Node, "The node's name.")
	a.Describe(&s.Role, "What it is for.")
	a.Describe(&s.Instance, "The machine's instance.\n\nChange: the seat is left and taken again.")
	a.Describe(&s.StartOver, "The cluster's `servers.startOver`.\n\nChange: a new mark takes the seat in the cluster that was started anew.")
	a.Describe(&s.RestoreID, "The cluster's `restore.id`.\n\nChange: a new one takes the seat in the cluster that has gone back to a snapshot.")
	a.Describe(&s.Address, "The machine's address."+stays)
}

// Annotate describes who has the seat.
func (s *SeatState) Annotate(a infer.Annotator) {
	a.Describe(&s.Node, "The node's name.")
	a.Describe(&s.Role, "What it is for.")
	a.Describe(&s.Address, "The machine's address.")
	a.Describe(&s.Instance, "The machine's instance.")
	a.Describe(&s.StartOver, "The mark of the cluster in which it is.")
	a.Describe(&s.RestoreID, "The restore after which it was taken.")
	a.Describe(&s.MachineID, "The machine's own id, as Kubernetes shows it.")
}

// Annotate describes the certificate.
func (c *AdminCertificate) Annotate(a infer.Annotator) {
	a.Describe(c, "The administrator's certificate, which the kubeconfig holds. It renews itself in the first update of its last 60 days. A K3sHaCluster makes its own; it is not meant for programs.")
}

// Annotate describes the certificate's input.
func (c *AdminCertificateArgs) Annotate(a infer.Annotator) {
	a.Describe(&c.Days, "How many days it is good.\n\nChange: renews it.")
}

// Annotate describes the certificate's outputs.
func (c *AdminCertificateState) Annotate(a infer.Annotator) {
	a.Describe(&c.Days, "How many days it is good.")
	a.Describe(&c.Certificate, "The certificate and its CA's, PEM.")
	a.Describe(&c.Key, "The key, PEM.")
	a.Describe(&c.Until, "When it ends, RFC 3339.")
}

// Annotate describes the snapshots before changes.
func (c *ClusterSnapshot) Annotate(a infer.Annotator) {
	a.Describe(c, "A snapshot of etcd before what cannot be taken back: another release, VMs made anew, nodes that go. A K3sHaCluster with `backup` makes its own, before its VMs; it is not meant for programs. At creation it takes none.")
}

// Annotate describes its inputs.
func (c *ClusterSnapshotArgs) Annotate(a infer.Annotator) {
	a.Describe(&c.Version, "The release.\n\nChange: a snapshot is taken.")
	a.Describe(&c.Generations, "The nodes, and how often each was made anew.\n\nChange: a snapshot is taken, unless nodes are only added.")
	a.Describe(&c.Folder, "Folder on the servers."+stays)
	a.Describe(&c.S3, "Where it is read again from."+stays)
}

// Annotate describes its outputs.
func (c *ClusterSnapshotState) Annotate(a infer.Annotator) {
	a.Describe(&c.Version, "The release.")
	a.Describe(&c.Generations, "The nodes, and how often each was made anew.")
	a.Describe(&c.Last, "The last snapshot's name.")
}

// Annotate describes the proof.
func (c *ClusterBackup) Annotate(a infer.Annotator) {
	a.Describe(c, "The proof that snapshots of etcd can be taken and, with S3, read again; and a list of those that there are, anew with `pulumi up --refresh`. A K3sHaCluster with `backup` makes its own; it is not meant for programs.")
}

// Annotate describes its inputs.
func (c *ClusterBackupArgs) Annotate(a infer.Annotator) {
	a.Describe(&c.Folder, "Folder on the servers.\n\nChange: proven again.")
	a.Describe(&c.Compress, "Whether snapshots are packed.\n\nChange: proven again.")
	a.Describe(&c.S3, "Where snapshots are kept away from the cluster.\n\nChange: proven again.")
	a.Describe(&c.Node, "The server that is asked."+stays)
	a.Describe(&c.Address, "Its address."+stays)
}

// Annotate describes S3.
func (s *S3Args) Annotate(a infer.Annotator) {
	const again = "\n\nChange: proven again."
	a.SetToken("index", "SnapshotStore")
	a.Describe(s, "An S3 bucket, or a compatible one.")
	a.Describe(&s.Endpoint, "Host and port."+again)
	a.Describe(&s.Bucket, "The bucket."+again)
	a.Describe(&s.Region, "The region."+again)
	a.Describe(&s.Folder, "Folder in the bucket."+again)
	a.Describe(&s.CA, "CA of the endpoint's certificate, PEM; empty for those that the system trusts."+again)
	a.Describe(&s.PathStyle, "Whether the bucket stands in the path of URLs."+again)
	a.Describe(&s.AccessKey, "Access key."+again)
	a.Describe(&s.SecretKey, "Secret key."+again)
}

// Annotate describes its outputs.
func (c *ClusterBackupState) Annotate(a infer.Annotator) {
	a.Describe(&c.Proven, "A hash of what was proven.")
	a.Describe(&c.Snapshots, "The snapshots, the newest first.")
}

// Annotate describes a snapshot.
func (s *Snapshot) Annotate(a infer.Annotator) {
	a.SetToken("index", "Snapshot")
	a.Describe(s, "A snapshot of etcd.")
	a.Describe(&s.Name, "Its name, for `restore.snapshot`.")
	a.Describe(&s.Place, "The server that holds it, or `s3`.")
	a.Describe(&s.Bytes, "Its size.")
	a.Describe(&s.Time, "When it was taken, RFC 3339.")
}

// Annotate describes the restore.
func (c *ClusterRestore) Annotate(a infer.Annotator) {
	a.Describe(c, "A snapshot in the place of the cluster's data, once for each id. A K3sHaCluster with `restore` makes its own; it is not meant for programs.")
}

// Annotate describes its inputs.
func (c *ClusterRestoreArgs) Annotate(a infer.Annotator) {
	a.Describe(&c.Snapshot, "The snapshot."+stays)
	a.Describe(&c.RestoreID, "The word for it.\n\nChange: restores.")
	a.Describe(&c.Version, "The release that reads it."+stays)
	a.Describe(&c.Folder, "Folder on the servers."+stays)
	a.Describe(&c.S3, "Where snapshots are kept away from the cluster."+stays)
	a.Describe(&c.Node, "The server that gets the data."+stays)
	a.Describe(&c.Address, "Its address."+stays)
}

// Annotate describes its outputs.
func (c *ClusterRestoreState) Annotate(a infer.Annotator) {
	a.Describe(&c.RestoreID, "The word for what was restored last.")
	a.Describe(&c.Snapshot, "The snapshot.")
	a.Describe(&c.Coming, "What this update goes back to, in a preview; nothing afterwards.")
}

// Annotate describes a publisher's image.
func (c *CloudImage) Annotate(a infer.Annotator) {
	a.Describe(c, "Where a publisher's cloud image is, and its checksum, as the publisher's own list had it when this was made. A CloudImageTemplate makes its own; it is not meant for programs. It creates nothing outside of the state.")
}

// Annotate describes what names an image.
func (c *CloudImageArgs) Annotate(a infer.Annotator) {
	const anew = "\n\nChange: it is looked up anew."
	a.Describe(&c.Image, "Its name."+anew)
	a.Describe(&c.Version, "Which one of it; `latest` is the newest."+anew)
	a.Describe(&c.Mirror, "URL below which the publisher's folders lie."+anew)
}

// Annotate describes an image.
func (c *CloudImageState) Annotate(a infer.Annotator) {
	a.Describe(&c.Image, "Its name.")
	a.Describe(&c.Version, "Which one of it was asked for.")
	a.Describe(&c.Mirror, "URL below which the publisher's folders lie.")
	a.Describe(&c.URL, "Where it is.")
	a.Describe(&c.Checksum, "Its checksum.")
	a.Describe(&c.Algorithm, "Of which kind that is: `sha256` or `sha512`.")
}

// Annotate describes a template.
func (t *Template) Annotate(a infer.Annotator) {
	a.Describe(t, "A VM template that a Proxmox node's own shell makes from an image on one of its storages. A CloudImageTemplate makes its own; it is not meant for programs.")
}

// Annotate describes what a template is made from.
func (t *TemplateArgs) Annotate(a infer.Annotator) {
	t.describe(a, "\n\nChange: the template is made anew.")
}

// Annotate describes a template as it was made.
func (t *TemplateState) Annotate(a infer.Annotator) { (*TemplateArgs)(t).describe(a, "") }

func (t *TemplateArgs) describe(a infer.Annotator, change string) {
	a.Describe(&t.Node, "Proxmox node."+change)
	a.Describe(&t.VMID, "Its VM id."+change)
	a.Describe(&t.Name, "Its name."+change)
	a.Describe(&t.Image, "Volume of the image."+change)
	a.Describe(&t.Checksum, "The image's checksum."+change)
	a.Describe(&t.Datastore, "Storage of its disk."+change)
	a.Describe(&t.Bridge, "Bridge of its network card."+change)
	a.Describe(&t.VLAN, "VLAN id of its network card."+change)
	a.Describe(&t.Memory, "Memory in MiB."+change)
	a.Describe(&t.SCSI, "SCSI controller."+change)
	a.Describe(&t.Disk, "Options of its disk, as Proxmox VE writes them, each with a comma before it."+change)
	a.Describe(&t.Pool, "Resource pool."+change)
	a.Describe(&t.Tags, "Tags."+change)
	a.Describe(&t.CIUpgrade, "Whether cloud-init upgrades all packages at first boot."+change)
	a.Describe(&t.Host, "How the node's shell is reached.")
}

// Annotate describes a host.
func (h *TemplateHost) Annotate(a infer.Annotator) {
	a.SetToken("index", "TemplateShell")
	a.Describe(h, "The shell of a Proxmox node.")
	a.Describe(&h.Address, "Its address.")
	a.Describe(&h.Port, "SSH port.")
	a.Describe(&h.User, "Who logs in.")
	a.Describe(&h.PrivateKey, "The private key that logs in.")
	a.Describe(&h.HostKey, "The node's host key.")
}

// Annotate describes a machine that is there.
func (e *ExistingMachine) Annotate(a infer.Annotator) {
	a.Describe(e, "A machine that is there, as it was met: its id and its host key. A K3sHaCluster makes its own for groups with `machines: existing`, and slots with `adopt`; it is not meant for programs. When it goes, k3s' own script uninstalls k3s from the machine, unless it is to be kept.")
}

// Annotate describes how it is reached.
func (e *ExistingMachineArgs) Annotate(a infer.Annotator) {
	a.Describe(&e.Node, "Name of the node.")
	a.Describe(&e.Role, "What it is for.")
	a.Describe(&e.Address, "Its IPv4 address.\n\nChange: it is met there.")
	a.Describe(&e.Port, "SSH port.\n\nChange: used from then on.")
	a.Describe(&e.HostKey, "Its host key. Default: the one that it shows first.\n\nChange: it is met by that one.")
	a.Describe(&e.Keep, "Whether k3s stays on it when it leaves.\n\nChange: counts from then on.")
	a.Describe(&e.Adopt, "What the k3s that it brings is to become. Default: it brings none.\n\nChange: counts for the first meeting alone.")
}

// Annotate describes an adoption.
func (d *Adoption) Annotate(a infer.Annotator) {
	a.SetToken("index", "Adoption")
	a.Describe(d, "What the k3s that a machine brings is to become.")
	a.Describe(&d.Path, "The input that holds its group.")
	a.Describe(&d.Slot, "Its slot in its group.")
	a.Describe(&d.Version, "The k3s release that it is to run.")
	a.Describe(&d.Options, "The options that its k3s is to be started with; what may be secret is hidden.")
}

// Annotate describes what it was when it was met.
func (e *ExistingMachineState) Annotate(a infer.Annotator) {
	a.Describe(&e.Node, "Name of the node.")
	a.Describe(&e.Role, "What it is for.")
	a.Describe(&e.Address, "Its IPv4 address.")
	a.Describe(&e.Port, "SSH port.")
	a.Describe(&e.Keep, "Whether k3s stays on it when it leaves.")
	a.Describe(&e.Given, "The host key that was given; none if it was taken as it was shown.")
	a.Describe(&e.HostKey, "Its host key.")
	a.Describe(&e.MachineID, "Its /etc/machine-id.")
	a.Describe(&e.Architecture, "`amd64` or `arm64`.")
	a.Describe(&e.Meeting, "Made up: it tells this meeting from another one of the same machine.")
	a.Describe(&e.CAHash, "Of a machine that brought its k3s: the hash of its cluster's CA, as in full tokens.")
	a.Describe(&e.RecoveryBundle, "Of a server that brought its k3s: its cluster's identity as a whole, its tokens and CAs with their keys.")
	a.Describe(&e.Met, "False where a refresh has seen another machine than the one that was met.")
}

// Annotate describes a template for other options of a disk.
func (d *DiskTemplate) Annotate(a infer.Annotator) {
	a.Describe(d, "A VM template whose first disk has the options that VMs are to have: the one that it is made from, if that has them, else a full clone of it, made by Proxmox VE's API. A K3sHaCluster makes its own for `diskOptions`; it is not meant for programs.")
}

// Annotate describes what it is made from.
func (d *DiskTemplateArgs) Annotate(a infer.Annotator) {
	d.describe(a, "\n\nChange: it is made anew, under its id.")
}

// Annotate describes it as it was made.
func (d *DiskTemplateState) Annotate(a infer.Annotator) {
	d.describe(a, "")
	a.Describe(&d.CloneID, "VM id of the template to clone.")
}

func (d *DiskTemplateArgs) describe(a infer.Annotator, change string) {
	a.Describe(&d.Node, "Proxmox node."+change)
	a.Describe(&d.TemplateID, "VM id of the template that it is made from."+change)
	a.Describe(&d.VMID, "Its VM id."+change)
	a.Describe(&d.Name, "Its name."+change)
	a.Describe(&d.Datastore, "Storage of its disk."+change)
	a.Describe(&d.Pool, "Resource pool."+change)
	a.Describe(&d.Options, "Options of its first disk, as Proxmox VE has them."+change)
	a.Describe(&d.API, "Proxmox VE's API.")
}

// Annotate describes Proxmox VE's API.
func (p *ProxmoxAPI) Annotate(a infer.Annotator) {
	a.SetToken("index", "DiskTemplateApi")
	a.Describe(p, "Proxmox VE's API. What is left out, the environment has.")
	a.Describe(&p.Endpoint, "Its URL.")
	a.Describe(&p.APIToken, "The token that opens it.")
	a.Describe(&p.Insecure, "Whether its certificate is not checked.")
}
