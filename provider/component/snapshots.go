package component

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
	"github.com/k3sha/pulumi-k3sha/provider/resources"
)

// SnapshotArrayOutput is the snapshots output.
type SnapshotArrayOutput struct{ *pulumi.OutputState }

// ElementType tells the SDK and the schema what the output holds.
func (SnapshotArrayOutput) ElementType() reflect.Type { return reflect.TypeFor[[]resources.Snapshot]() }

func init() { pulumi.RegisterOutputType(SnapshotArrayOutput{}) }

type (
	clusterSnapshot struct {
		pulumi.CustomResourceState
		Last pulumi.StringOutput `pulumi:"last"`
	}
	clusterBackup struct {
		pulumi.CustomResourceState
		Snapshots SnapshotArrayOutput `pulumi:"snapshots"`
	}
	clusterRestore struct {
		pulumi.CustomResourceState
		RestoreID pulumi.StringOutput `pulumi:"restoreId"`
		Coming    pulumi.StringOutput `pulumi:"coming"`
	}
)

// s3Keys are the keys of S3, empty without it.
func (b *bootstrap) s3Keys() (access, secret pulumi.StringOutput) {
	if backup := b.args.Backup; backup != nil && backup.S3 != nil {
		return pulumi.ToSecret(backup.S3.AccessKey).(pulumi.StringOutput), pulumi.ToSecret(backup.S3.SecretKey).(pulumi.StringOutput)
	}
	return pulumi.String("").ToStringOutput(), pulumi.String("").ToStringOutput()
}

// restoreID is the word of the restore that the program asks for.
func (b *bootstrap) restoreID() string {
	if r := b.plan.Spec.Restore; r != nil {
		return r.ID
	}
	return ""
}

// folder is where servers keep snapshots.
func (b *bootstrap) folder() string {
	if backup := b.plan.Spec.Backup; backup != nil {
		return backup.Folder
	}
	return topology.DefaultSnapshotFolder
}

// ofSnapshots makes a resource that takes, proves or restores snapshots. The first server proves and restores.
func (b *bootstrap) ofSnapshots(step topology.Step) error {
	s, first := b.plan.Spec, b.plan.Servers()[0]
	inputs := pulumi.Map{"folder": pulumi.String(b.folder())}
	if step.Verb != topology.Snapshot {
		inputs["node"], inputs["address"] = pulumi.String(first.Name), pulumi.String(first.IP)
	}
	if backup := s.Backup; backup != nil && backup.S3 != nil {
		access, secret := b.s3Keys()
		t := backup.S3
		inputs["s3"] = pulumi.Map{
			"endpoint": pulumi.String(t.Endpoint), "bucket": pulumi.String(t.Bucket), "region": pulumi.String(t.Region), "folder": pulumi.String(t.Folder),
			"ca": pulumi.String(t.CA), "pathStyle": pulumi.Bool(*t.PathStyle), "accessKey": access, "secretKey": secret,
		}
	}
	switch step.Verb {
	case topology.Snapshot:
		generations := pulumi.IntMap{}
		for _, n := range append(b.plan.Servers(), b.plan.Workers()...) {
			generations[n.Name] = pulumi.Int(n.Generation)
		}
		inputs["k3sVersion"], inputs["generations"] = pulumi.String(s.K3s.Version), generations
		var r clusterSnapshot
		err := b.register(resources.SnapshotToken, b.childName(step), inputs, &r, b.reaching(step)...)
		b.finish(step, &r, idOf(&r))
		return err
	case topology.Restore:
		inputs["snapshot"], inputs["restoreId"], inputs["k3sVersion"] = pulumi.String(s.Restore.Snapshot), pulumi.String(s.Restore.ID), pulumi.String(s.K3s.Version)
		var r clusterRestore
		err := b.register(resources.RestoreToken, b.childName(step), inputs, &r, b.reaching(step)...)
		b.finish(step, &r, r.RestoreID)
		b.coming = r.Coming
		return err
	default:
		inputs["compress"] = pulumi.Bool(s.Backup.Compress)
		var r clusterBackup
		err := b.register(resources.BackupToken, b.childName(step), inputs, &r, b.reaching(step)...)
		b.finish(step, &r, idOf(&r))
		b.snapshots = r.Snapshots
		return err
	}
}
