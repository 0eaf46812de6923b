package resources

import (
	"context"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// ClusterBackup proves that snapshots can be taken and read again, whenever it is another configuration that they are taken with, and knows
// which there are.
type ClusterBackup struct{ config *Config }

// ClusterBackupArgs say where snapshots are.
type ClusterBackupArgs struct {
	Folder   string  `pulumi:"folder"`
	Compress bool    `pulumi:"compress"`
	S3       *S3Args `pulumi:"s3,optional"`
	Node     string  `pulumi:"node"`
	Address  string  `pulumi:"address"`
}

// S3Args is where snapshots are kept away from the cluster.
type S3Args struct {
	Endpoint  string `pulumi:"endpoint"`
	Bucket    string `pulumi:"bucket"`
	Region    string `pulumi:"region"`
	Folder    string `pulumi:"folder"`
	CA        string `pulumi:"ca"`
	PathStyle bool   `pulumi:"pathStyle"`
	AccessKey string `pulumi:"accessKey" provider:"secret"`
	SecretKey string `pulumi:"secretKey" provider:"secret"`
}

// ClusterBackupState is what was proven, and what there was.
type ClusterBackupState struct {
	Proven    string     `pulumi:"proven" provider:"secret"` // a hash of the inputs, keys included
	Snapshots []Snapshot `pulumi:"snapshots"`
}

// Snapshot is a snapshot of etcd.
type Snapshot struct {
	Name  string `pulumi:"name"`
	Place string `pulumi:"place"` // a server, or s3
	Bytes int    `pulumi:"bytes"`
	Time  string `pulumi:"time"` // RFC 3339
}

var (
	_ infer.CustomCreate[ClusterBackupArgs, ClusterBackupState] = ClusterBackup{}
	_ infer.CustomUpdate[ClusterBackupArgs, ClusterBackupState] = ClusterBackup{}
	_ infer.CustomDiff[ClusterBackupArgs, ClusterBackupState]   = ClusterBackup{}
	_ infer.CustomRead[ClusterBackupArgs, ClusterBackupState]   = ClusterBackup{}
)

// proof is a hash of all that must be right for a snapshot to be kept. It is a secret, for keys may be short enough to be guessed by it.
func (in ClusterBackupArgs) proof() string {
	text := fmt.Sprint(in.Folder, in.Compress)
	if in.S3 != nil {
		text += fmt.Sprintf("%#v", *in.S3)
	}
	return topology.Digest(text)
}

func (in ClusterBackupArgs) where() render.Snapshots { return where(in.Folder, in.S3) }

func where(folder string, s *S3Args) render.Snapshots {
	out := render.Snapshots{Folder: folder}
	if s != nil {
		out.S3 = &topology.S3{Endpoint: s.Endpoint, Bucket: s.Bucket, Region: s.Region, Folder: s.Folder, CA: s.CA, PathStyle: &s.PathStyle}
		out.AccessKey, out.SecretKey = s.AccessKey, s.SecretKey
	}
	return out
}

// Create proves it.
func (b ClusterBackup) Create(ctx context.Context, req infer.CreateRequest[ClusterBackupArgs]) (infer.CreateResponse[ClusterBackupState], error) {
	resp := infer.CreateResponse[ClusterBackupState]{ID: "backup", Output: ClusterBackupState{Snapshots: []Snapshot{}}}
	if req.DryRun {
		return resp, nil
	}
	var err error
	resp.Output, err = b.prove(ctx, req.Inputs)
	return resp, err
}

// Update proves it again.
func (b ClusterBackup) Update(ctx context.Context, req infer.UpdateRequest[ClusterBackupArgs, ClusterBackupState]) (infer.UpdateResponse[ClusterBackupState], error) {
	if req.DryRun {
		return infer.UpdateResponse[ClusterBackupState]{Output: req.State}, nil
	}
	out, err := b.prove(ctx, req.Inputs)
	return infer.UpdateResponse[ClusterBackupState]{Output: out}, err
}

// Diff does not care which server is asked.
func (ClusterBackup) Diff(_ context.Context, req infer.DiffRequest[ClusterBackupArgs, ClusterBackupState]) (infer.DiffResponse, error) {
	if req.Inputs.proof() == req.State.Proven {
		return infer.DiffResponse{}, nil
	}
	return infer.DiffResponse{HasChanges: true, DetailedDiff: map[string]p.PropertyDiff{"s3": {Kind: p.Update, InputDiff: true}}}, nil
}

// Read lists what there is now. A cluster that cannot be reached leaves the list as it was.
func (b ClusterBackup) Read(ctx context.Context, req infer.ReadRequest[ClusterBackupArgs, ClusterBackupState]) (infer.ReadResponse[ClusterBackupArgs, ClusterBackupState], error) {
	resp := infer.ReadResponse[ClusterBackupArgs, ClusterBackupState](req)
	access, err := b.config.get()
	if err != nil {
		return resp, err
	}
	if found, err := access.snapshots(ctx, req.Inputs); err == nil {
		resp.State.Snapshots = found
	}
	return resp, nil
}

func (b ClusterBackup) prove(ctx context.Context, in ClusterBackupArgs) (ClusterBackupState, error) {
	var out ClusterBackupState
	access, err := b.config.get()
	if err != nil {
		return out, err
	}
	way := Way{Node: in.Node, Address: in.Address}
	if _, err := access.run(ctx, topology.Backup, way, render.TakeSnapshotScript(in.Node, topology.Backup, "proof", in.where()), snapshotWaits); err != nil {
		return out, err
	}
	out.Snapshots, err = access.snapshots(ctx, in)
	out.Proven = in.proof()
	return out, err
}

// snapshots asks all servers what they hold, and one of them what is in S3.
func (a Access) snapshots(ctx context.Context, in ClusterBackupArgs) ([]Snapshot, error) {
	servers := a.ways(false)
	lists := make([][]Snapshot, len(servers))
	if err := atOnce(servers, func(server Way) error {
		what := in.where()
		if server.Node != in.Node {
			what.S3 = nil
		}
		text, err := a.run(ctx, topology.Backup, server, render.ListSnapshotsScript(server.Node, what), stateWaits)
		if err != nil {
			return err
		}
		found, err := parseSnapshots(server.Node, in.S3, text)
		lists[slices.Index(servers, server)] = found
		return err
	}); err != nil {
		return nil, err
	}
	all := slices.Concat(append([][]Snapshot{{}}, lists...)...)
	slices.SortFunc(all, func(x, y Snapshot) int {
		return strings.Compare(y.Time+x.Name+x.Place, x.Time+y.Name+y.Place)
	})
	return all, nil
}

// parseSnapshots reads what list-snapshots.sh has printed: lines, then S3's own list.
func parseSnapshots(node string, s3 *S3Args, text string) ([]Snapshot, error) {
	var out []Snapshot
	lines, list, _ := strings.Cut(text, "<?xml")
	for line := range strings.Lines(lines) {
		var s Snapshot
		var seconds int64
		if _, err := fmt.Sscan(line, &s.Bytes, &seconds, &s.Name); err != nil {
			return nil, fmt.Errorf("%s: its list of snapshots has a line that cannot be read: %q", node, line)
		}
		s.Place, s.Time = node, time.Unix(seconds, 0).UTC().Format(time.RFC3339)
		out = append(out, s)
	}
	if list == "" {
		return out, nil
	}
	var bucket struct {
		Contents []struct {
			Key          string
			Size         int
			LastModified time.Time
		}
	}
	if err := xml.Unmarshal([]byte("<?xml"+list), &bucket); err != nil {
		return nil, fmt.Errorf("the list of snapshots that S3 gives cannot be read: %w", err)
	}
	folder := ""
	if s3 != nil && s3.Folder != "" {
		folder = s3.Folder + "/"
	}
	for _, object := range bucket.Contents {
		name := strings.TrimPrefix(object.Key, folder)
		if name == "" || strings.Contains(name, "/") {
			continue // k3s keeps what it knows of each in a folder of its own
		}
		out = append(out, Snapshot{Name: name, Place: "s3", Bytes: object.Size, Time: object.LastModified.UTC().Format(time.RFC3339)})
	}
	return out, nil
}
