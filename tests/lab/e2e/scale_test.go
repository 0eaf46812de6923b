package e2e

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

// newScaled makes a place from a program in testdata, for so many workers.
func newScaled(t *testing.T, l *lab.Lab, program string, workers int) *place {
	t.Helper()
	p := &place{Lab: l, t: t, project: t.TempDir(), stack: fmt.Sprintf("%s-%d", program, workers)}
	if err := os.CopyFS(p.project, os.DirFS("testdata/"+program)); err != nil {
		t.Fatal(err)
	}
	p.install("go")
	p.init()
	for key, value := range map[string]int{"workers": workers, "cloneLanes": 32} {
		p.set(key, strconv.Itoa(value))
	}
	p.outside("go", "build", "-o", "/dev/null", ".") // what is measured is the engine's work, not the compiler's
	return p
}

// set sets a value of the stack's configuration.
func (p *place) set(key, value string) {
	p.t.Helper()
	cmd := p.Pulumi(p.t.Context(), p.project, p.stack, "config", "set", key, value, "--config-file", p.ConfigFile(p.stack))
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%v %s", err, out)
	}
}

// timed returns the median of some runs, in seconds, and how many resources there are.
func (p *place) timed(runs int, args ...string) (seconds float64, created int) {
	p.t.Helper()
	var all []float64
	for range runs {
		r, out, err := p.try(20*time.Minute, args...)
		if err != nil {
			p.t.Fatalf("%v: %v\n%s", args, err, tail(out))
		}
		all = append(all, r.Seconds)
		created = r.Changes["create"]
	}
	slices.Sort(all)
	return all[len(all)/2], created
}

// newBig is a lab whose Proxmox node has room for hundreds of VMs.
func newBig(t *testing.T, name string) *lab.Lab {
	t.Helper()
	l := newNull(t, name)
	if err := l.Control("POST", "/node", map[string]int{"memory": 8 << 20, "cores": 64}, nil); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestScale is what make bench-preview prints: the component beside a plain program with as many resources of the same types, in
// the same run. Machines are noisy, so no figure fails it.
func TestScale(t *testing.T) {
	l := newBig(t, "scale")
	beside := func(what string, workers, runs int, args ...string) {
		cluster, created := newScaled(t, l, "cluster", workers).timed(runs, args...)
		plain, resources := newScaled(t, l, "plain", workers).timed(runs, args...)
		t.Logf("%s, %d workers: component %.1f s (%d resources, %.1f ms each), plain program %.1f s (%d), ratio %.2f",
			what, workers, cluster, created, 1000*cluster/float64(created), plain, resources, cluster/plain)
	}
	for _, workers := range []int{10, 100, 300} {
		beside("preview", workers, 3, "preview")
	}
	beside("preview", 999, 1, "preview")
	// A file backend writes the whole state at every step, in both programs: the component's holds its scripts and is larger.
	beside("up", 60, 1, "up", "--yes", "--skip-preview")
	l = newBig(t, "scale-once") // another lab: VM ids are taken in the first
	t.Setenv("PULUMI_EXPERIMENTAL", "true")
	t.Setenv("PULUMI_SKIP_CHECKPOINTS", "true")
	beside("up, state written once", 300, 1, "up", "--yes", "--skip-preview")
}
