package render

import (
	"net/url"
	"strings"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Snapshots is where a cluster's snapshots are. Without an S3 they are on servers only.
type Snapshots struct {
	Folder               string // on servers
	S3                   *topology.S3
	AccessKey, SecretKey string
}

// vars are what lib-s3.sh needs.
func (s Snapshots) vars() []variable {
	out := []variable{{"FOLDER", s.Folder}}
	if s.S3 == nil {
		return out
	}
	at := "https://" + s.S3.Bucket + "." + s.S3.Endpoint
	if *s.S3.PathStyle {
		at = "https://" + s.S3.Endpoint + "/" + s.S3.Bucket
	}
	folder := s.S3.Folder
	if folder != "" {
		folder += "/"
	}
	return append(out, variable{"S3_URL", at}, variable{"S3_FOLDER", folder}, variable{"S3_PREFIX", url.QueryEscape(folder)}, variable{"S3_REGION", s.S3.Region},
		variable{"S3_CA", s.S3.CA}, variable{"S3_ACCESS_KEY", s.AccessKey}, variable{"S3_SECRET_KEY", s.SecretKey})
}

// TakeSnapshotScript has a server take a snapshot of a name, and read it again from S3.
func TakeSnapshotScript(node string, step topology.Verb, name string, s Snapshots) string {
	return compose([]string{"lib.sh", "lib-s3.sh", "take-snapshot.sh"},
		append([]variable{{"NODE", node}, {"STEP", string(step)}, {"NAME", name}}, s.vars()...))
}

// ListSnapshotsScript has a server list what it holds, and what is in S3 if that is given.
func ListSnapshotsScript(node string, s Snapshots) string {
	return compose([]string{"lib.sh", "lib-s3.sh", "list-snapshots.sh"}, append([]variable{{"NODE", node}, {"STEP", string(topology.Backup)}}, s.vars()...))
}

// RestorePart is a part of a restore.
type RestorePart string

// The parts, in their order; what each does is said in restore-server.sh.
const (
	RestoreLook  RestorePart = "look"
	RestoreCheck RestorePart = "check"
	RestoreStop  RestorePart = "stop"
	RestoreSwap  RestorePart = "swap"
)

// RestoreInput is what a restore is made of.
type RestoreInput struct {
	Node, IP, Version, Snapshot, ID, Start, Token, AgentToken, CA string
}

// RestoreScript has a server do its part of a restore.
func RestoreScript(part RestorePart, in RestoreInput, s Snapshots) string {
	return compose([]string{"lib.sh", "lib-s3.sh", "restore-server.sh"}, append([]variable{
		{"NODE", in.Node},
		{"STEP", string(topology.Restore)},
		{"NODE_IP", in.IP},
		{"K3S_VERSION", in.Version},
		{"SNAPSHOT", in.Snapshot},
		{"ID", in.ID},
		{"START", in.Start},
		{"TOKEN", in.Token},
		{"AGENT_TOKEN", in.AgentToken},
		{"CA", strings.TrimRight(in.CA, "\n")},
		{"DO", string(part)},
	}, s.vars()...))
}
