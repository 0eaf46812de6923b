package resources

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// A snapshot is taken before what cannot be taken back, and named for it.
func TestSnapshotsBeforeChanges(t *testing.T) {
	t.Parallel()
	old := ClusterSnapshotState{Version: "v1.31.6+k3s1", Generations: map[string]int{"k3s-server-01": 0, "k3s-worker-01": 1}}
	for want, in := range map[string]ClusterSnapshotArgs{
		"":         {Version: "v1.31.6+k3s1", Generations: map[string]int{"k3s-server-01": 0, "k3s-worker-01": 1, "k3s-worker-02": 0}},
		"upgrade":  {Version: "v1.31.7+k3s1", Generations: map[string]int{"k3s-server-01": 0, "k3s-worker-01": 1}},
		"rebuild":  {Version: "v1.31.6+k3s1", Generations: map[string]int{"k3s-server-01": 1, "k3s-worker-01": 1}},
		"removal":  {Version: "v1.31.7+k3s1", Generations: map[string]int{"k3s-server-01": 0}},
		"upgrade ": {Version: "v1.31.5+k3s1", Generations: map[string]int{"k3s-server-01": 0, "k3s-worker-01": 1}},
	} {
		if got := before(old, in); got != strings.TrimSpace(want) {
			t.Errorf("before %q: %q", want, got)
		}
	}
}

func TestListOfSnapshots(t *testing.T) {
	t.Parallel()
	text := "104 1795714003 etcd-snapshot-k3s-server-01-1795714003\n99 1795714100 before-upgrade-k3s-server-01-1795714100.zip\n" +
		`<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Contents><Key>prod/proof-k3s-server-01-1795714200</Key><Size>104</Size><LastModified>2026-11-26T16:10:00.000Z</LastModified></Contents>` +
		`<Contents><Key>prod/.metadata/proof-k3s-server-01-1795714200</Key><Size>1</Size><LastModified>2026-11-26T16:10:00.000Z</LastModified></Contents></ListBucketResult>`
	got, err := parseSnapshots("k3s-server-01", &S3Args{Folder: "prod"}, text)
	want := []Snapshot{
		{"etcd-snapshot-k3s-server-01-1795714003", "k3s-server-01", 104, "2026-11-26T17:26:43Z"},
		{"before-upgrade-k3s-server-01-1795714100.zip", "k3s-server-01", 99, "2026-11-26T17:28:20Z"},
		{"proof-k3s-server-01-1795714200", "s3", 104, "2026-11-26T16:10:00Z"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
	for _, broken := range []string{"no numbers here\n", "<?xml version='1.0'?><Error"} {
		if _, err := parseSnapshots("k3s-server-01", nil, broken); err == nil {
			t.Errorf("%q is taken for a list", broken)
		}
	}
}

// The keys of S3 make another proof necessary; where the way leads does not.
func TestProofOfABackup(t *testing.T) {
	t.Parallel()
	in := ClusterBackupArgs{Folder: "/srv", S3: &S3Args{Bucket: "b", SecretKey: "one"}, Node: "k3s-server-01"}
	state := ClusterBackupState{Proven: in.proof()}
	other := in
	other.S3 = &S3Args{Bucket: "b", SecretKey: "two"}
	elsewhere := in
	elsewhere.Node = "k3s-server-02"
	for want, now := range map[bool]ClusterBackupArgs{true: other, false: elsewhere} {
		diff, err := ClusterBackup{}.Diff(t.Context(), infer.DiffRequest[ClusterBackupArgs, ClusterBackupState]{Inputs: now, State: state})
		if err != nil || diff.HasChanges != want {
			t.Errorf("%+v: %+v %v", now, diff, err)
		}
	}
}

// A restore looks at all servers and checks the snapshot before it stops k3s anywhere, and takes the data over last.
func TestRestoreInOrder(t *testing.T) {
	t.Parallel()
	for i, c := range []struct {
		name, first string
		away        bool
		want        []string
		wrong       string
	}{
		{"all well", "", false, []string{"look look", "check k3s-server-01", "stop stop", "swap k3s-server-01"}, ""},
		{"done before", "restored", false, []string{"look look", "check k3s-server-01"}, ""},
		{"a server is away", "", true, []string{"look"}, "Nothing was stopped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			servers := []topology.Node{node(topology.Server, "k3s-server-01", fmt.Sprintf("127.5.%d.1", i)), node(topology.Server, "k3s-server-02", fmt.Sprintf("127.5.%d.2", i))}
			f := &fleet{states: map[string]string{"k3s-server-01": c.first}}
			there := servers
			if c.away {
				there = servers[:1]
			}
			access := f.start(t, there...)
			for _, n := range servers {
				access.Ways = append(access.Ways, Way{Node: n.Name, Address: n.IP})
			}
			_, err := ClusterRestore{&Config{access: &access}}.Create(t.Context(), infer.CreateRequest[ClusterRestoreArgs]{
				Inputs: ClusterRestoreArgs{Snapshot: "s", RestoreID: "1", Node: "k3s-server-01", Address: servers[0].IP},
			})
			if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
				t.Errorf("error: %v, want %q", err, c.wrong)
			}
			var got []string
			for _, line := range f.did() {
				who, what, _ := strings.Cut(line, ": ")
				switch last := len(got) - 1; {
				case what == "check" || what == "swap":
					got = append(got, what+" "+who)
				case last >= 0 && got[last] == what:
					got[last] += " " + what
				default:
					got = append(got, what)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("did %q, want %q", got, c.want)
			}
		})
	}
}

// A first server that is lost does not keep the others from taking the snapshot.
func TestSnapshotOfAnotherServer(t *testing.T) {
	t.Parallel()
	there := node(topology.Server, "k3s-server-02", "127.6.0.2")
	f := &fleet{states: map[string]string{"k3s-server-02": "before-upgrade-k3s-server-02-1\n"}}
	access := f.start(t, there)
	// Nobody answers there: the wait for it is the test's time.
	access.Ways = append(access.Ways, Way{Node: "k3s-server-01", Address: "127.6.0.1"}, Way{Node: there.Name, Address: there.IP})
	resp, err := ClusterSnapshot{&Config{access: &access}}.Update(t.Context(), infer.UpdateRequest[ClusterSnapshotArgs, ClusterSnapshotState]{
		Inputs: ClusterSnapshotArgs{Version: "b"}, State: ClusterSnapshotState{Version: "a"},
	})
	if err != nil || resp.Output.Last != "before-upgrade-k3s-server-02-1" {
		t.Errorf("%+v %v", resp.Output, err)
	}
}
