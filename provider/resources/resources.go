// Package resources holds the resources of the package's own, which a K3sHaCluster is made of beside VMs and remote commands:
//
//	identity.go   what makes a cluster the one that it is: tokens and CAs
//	machines.go   what its VMs were last meant to be
//	release.go    the release that its servers may start
//	contact.go    the first contact with a VM
//	existing.go   a machine that is there, in the place of a VM
//	start.go      the one right to start the cluster
//	seat.go       a machine's place in the cluster: taken before it joins, left when it goes
//	absence.go    a node that is out of service for a moment, while it restarts
//	balanced.go   the look through an external load balancer
//	settled.go    the end of an update that restarts nodes
//	snapshot.go   a snapshot of etcd before machines change
//	backup.go     the proof that snapshots can be taken and read again, and which there are
//	restore.go    a snapshot in the place of the cluster's data
//	admin.go      the administrator's certificate, which renews itself
//	image.go      where a publisher's cloud image is, and its checksum
//	template.go   a VM template that its Proxmox host makes from it
//	disktemplate.go  a template whose disk has other options than the one that it is made from
//	access.go     the ways to nodes and cluster, and what proves to them that it is us: configuration of an explicit provider, kept once
//	describe.go   what the schema says of them
package resources

import "github.com/pulumi/pulumi-go-provider/infer"

// Tokens of the resources.
const (
	IdentityToken = "k3sha:index:ClusterIdentity"
	MachinesToken = "k3sha:index:ClusterMachines"
	ReleaseToken  = "k3sha:index:ClusterRelease"
	ContactToken  = "k3sha:index:Contact"
	StartToken    = "k3sha:index:ClusterStart"
	SeatToken     = "k3sha:index:Seat"
	AdminToken    = "k3sha:index:AdminCertificate"
	BalancedToken = "k3sha:index:ClusterBalanced"
	SettledToken  = "k3sha:index:ClusterSettled"
	SnapshotToken = "k3sha:index:ClusterSnapshot"
	BackupToken   = "k3sha:index:ClusterBackup"
	RestoreToken  = "k3sha:index:ClusterRestore"

	CloudImageToken   = "k3sha:index:CloudImage"
	TemplateToken     = "k3sha:index:Template"
	DiskTemplateToken = "k3sha:index:DiskTemplate"

	ExistingMachineToken = "k3sha:index:ExistingMachine"
)

// All lists the resources. Those that reach nodes or the cluster read the access from the provider's configuration.
func All(config *Config) []infer.InferredResource {
	return []infer.InferredResource{
		infer.Resource(ClusterIdentity{}), infer.Resource(ClusterMachines{}), infer.Resource(ClusterRelease{config}), infer.Resource(Contact{config}),
		infer.Resource(ClusterStart{config}), infer.Resource(Seat{config}), infer.Resource(AdminCertificate{config}), infer.Resource(ClusterSettled{config}),
		infer.Resource(ClusterSnapshot{config}), infer.Resource(ClusterBackup{config}), infer.Resource(ClusterRestore{config}), infer.Resource(ClusterBalanced{config}),
		infer.Resource(CloudImage{}), infer.Resource(Template{}), infer.Resource(DiskTemplate{}), infer.Resource(ExistingMachine{config}),
	}
}
