package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

// afterBoot is how long it took from a node's first contact, when it has booted, to the end of its last step.
func afterBoot(r lab.UpResult, nodes ...string) float64 {
	longest := 0.0
	for _, node := range nodes {
		booted, done := 0.0, 0.0
		for _, s := range r.Steps {
			if !strings.HasSuffix(s.Name, "-"+node) || s.Op == "same" {
				continue
			}
			done = max(done, s.End)
			if strings.Contains(s.Name, "-contact-") {
				booted = max(booted, s.End)
			}
		}
		longest = max(longest, done-booted)
	}
	return longest
}

// spent lists the steps of nodes that changed, in their order: what each took, and when it had ended.
func spent(r lab.UpResult, nodes ...string) string {
	var out strings.Builder
	for _, s := range r.Steps {
		for _, node := range nodes {
			if strings.HasSuffix(s.Name, "-"+node) && s.Op != "same" {
				fmt.Fprintf(&out, "\n    %s %s: %.1f s, until %.1f", s.Op, s.Name, s.End-s.Start, s.End)
			}
		}
	}
	return out.String()
}

// TestBenchLife is what make bench-life prints beside TestLongLife: the reference cluster with the version before (its plugin in the folder
// LAB_BEFORE) and with this one, in turn, in the same run. Machines are noisy, so no figure fails it.
func TestBenchLife(t *testing.T) {
	before := os.Getenv("LAB_BEFORE")
	if _, err := os.Stat(filepath.Join(before, "pulumi-resource-k3sha")); before == "" || err != nil {
		t.Fatal("LAB_BEFORE names no folder with the plugin of the version before")
	}
	type figures struct{ cold, preview, second, kilobytes, perNode []float64 }
	all := map[string]*figures{"before": {}, "now": {}}
	for round := range 2 {
		for _, which := range []string{"before", "now"} {
			t.Run(fmt.Sprintf("%s, round %d", which, round+1), func(t *testing.T) {
				t.Setenv("LAB_PLUGINS", map[string]string{"before": before, "now": ""}[which])
				p := newPlace(t, newLab(t, "bench", false), "bench")
				f := all[which]
				r, _ := p.up()
				f.cold = append(f.cold, r.Seconds)
				for range 3 {
					r, _ = p.must(time.Minute, "preview")
					f.preview = append(f.preview, r.Seconds)
				}
				r, _ = p.up()
				f.second = append(f.second, r.Seconds)
				state, err := p.Pulumi(t.Context(), p.project, p.stack, "stack", "export").Output()
				if err != nil {
					t.Fatal(err)
				}
				f.kilobytes = append(f.kilobytes, float64(len(state))/1024)
				f.perNode = append(f.perNode, p.perNode(state))
			})
		}
	}
	for _, row := range []struct {
		name string
		get  func(*figures) []float64
	}{
		{"up, cold, s", func(f *figures) []float64 { return f.cold }},
		{"preview, s", func(f *figures) []float64 { return f.preview }},
		{"second up, s", func(f *figures) []float64 { return f.second }},
		{"state, KiB", func(f *figures) []float64 { return f.kilobytes }},
		{"a node's, KiB", func(f *figures) []float64 { return f.perNode }},
	} {
		was, is := row.get(all["before"]), row.get(all["now"])
		t.Logf("%-14s before %.1f, now %.1f: ratio of the least %.2f", row.name, was, is, least(is)/least(was))
	}
}

// TestBenchRolls is what make bench-life prints of rolls: a roll beside the restarts of its nodes one by one, and a release for hundreds of
// workers beside a plain program's update of as many steps. Machines are noisy, so no figure fails it.
func TestBenchRolls(t *testing.T) {
	t.Run("servers", func(t *testing.T) {
		p := newPlace(t, newLab(t, "bench-rolls", false), "rolls")
		p.up()
		p.cluster(release, kubernetesNodes()...)
		idle, _ := p.up()
		macs := []string{"BC:24:11:66:6F:07", "BC:24:11:02:57:C8", "BC:24:11:4F:A3:86"}
		var edits []string
		sum := 0.0
		for _, mac := range macs {
			edits = append(edits, `{mac: "`+mac+`"}`, `{mac: "`+mac+`", memory: 5120}`)
			p.program(edits...)
			r, _ := p.up()
			sum += r.Seconds - idle.Seconds
		}
		p.program(append(edits, "memory: 5120", "memory: 6144")...)
		r, _ := p.up()
		all := r.Seconds - idle.Seconds
		t.Logf("memory of three servers: %.1f s in one edit, %.1f s one by one: ratio %.2f", all, sum, all/sum)
	})
	t.Run("300 workers", func(t *testing.T) {
		t.Setenv("PULUMI_EXPERIMENTAL", "true")
		t.Setenv("PULUMI_SKIP_CHECKPOINTS", "true")
		l := newBig(t, "bench-workers")
		seconds := map[string]float64{}
		for _, program := range []string{"cluster", "plain"} {
			p := newScaled(t, l, program, 300)
			p.timed(1, "up", "--yes", "--skip-preview")
			p.set("version", "v1.31.7+k3s1")
			r, out, err := p.try(20*time.Minute, "up", "--yes", "--skip-preview")
			if err != nil {
				t.Fatalf("%s: %v\n%s", program, err, tail(out))
			}
			seconds[program] = r.Seconds
			t.Logf("%s: another release: %.1f s, %v", program, r.Seconds, r.Changes)
		}
		t.Logf("another release for 300 workers, 30 at a time: %.1f s, plain program %.1f s: ratio %.2f", seconds["cluster"], seconds["plain"], seconds["cluster"]/seconds["plain"])
	})
}

// perNode is how much of a state is a node's own, in KiB: what its resources take, seats included, by the number of nodes.
func (p *place) perNode(state []byte) float64 {
	var all struct {
		Deployment struct {
			Resources []json.RawMessage `json:"resources"`
		} `json:"deployment"`
	}
	if err := json.Unmarshal(state, &all); err != nil {
		p.t.Fatal(err)
	}
	nodes, size := p.nodes(), 0
	for _, raw := range all.Deployment.Resources {
		var r struct {
			URN string `json:"urn"`
		}
		if err := json.Unmarshal(raw, &r); err != nil {
			p.t.Fatal(err)
		}
		if slices.ContainsFunc(nodes, func(n string) bool { return strings.HasSuffix(r.URN, "-"+n) }) {
			size += len(raw)
		}
	}
	return float64(size) / 1024 / float64(len(nodes))
}

func least(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	out := list[0]
	for _, v := range list {
		out = min(out, v)
	}
	return out
}
