package component

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// progress tells, in the component's own row, what has been reached and what is waited for, since when. It knows the
// plan and which steps have ended; it reads nothing that a node prints.
type progress struct {
	ctx     *pulumi.Context
	cluster pulumi.Resource
	plan    topology.Plan

	mu      sync.Mutex
	ended   map[string]time.Time
	started time.Time
	running bool
}

func newProgress(ctx *pulumi.Context, cluster pulumi.Resource, plan topology.Plan) *progress {
	return &progress{ctx: ctx, cluster: cluster, plan: plan, ended: map[string]time.Time{}, started: time.Now()}
}

// watch notes when a step's output arrives. At preview outputs are unknown and nothing is said.
func (p *progress) watch(step topology.Step, output pulumi.StringOutput) {
	if p.ctx.DryRun() {
		return
	}
	output.ApplyT(func(string) string {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended[step.Name()] = time.Now()
		if !p.running {
			p.running = true
			go p.report()
		}
		return ""
	})
}

// quietFor is how long nothing is said while nothing changes: in a log each word is a line of its own.
const quietFor = 30 * time.Second

// report refreshes the row when something has changed, and says from time to time for how long what lasts, until all is done or the engine ends
// the construction.
func (p *progress) report() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var said saying
	for {
		select {
		case <-p.ctx.Context().Done():
			return
		case now := <-tick.C:
			p.mu.Lock()
			without, with, done := p.text(now, false), p.text(now, true), len(p.ended) == len(p.plan.Steps)
			p.mu.Unlock()
			if done {
				return
			}
			if text := said.next(now, without, with); text != "" {
				_ = p.ctx.Log.Info(text, &pulumi.LogArgs{Resource: p.cluster, Ephemeral: true})
			}
		}
	}
}

// saying is what was said last, and when.
type saying struct {
	what string
	at   time.Time
}

// next is what is to be said now: what has changed, or, after a while, the same with how long it has lasted; "" for nothing.
func (s *saying) next(now time.Time, without, with string) string {
	switch {
	case without != s.what:
		s.what, s.at = without, now
		return without
	case now.Sub(s.at) >= quietFor:
		s.at = now
		return with
	}
	return ""
}

// goals are what a user waits for, in order, each with the step that reaches it and the words for it.
var goals = []struct {
	role           topology.Role
	verb           topology.Verb
	reached, doing string
}{
	{topology.LoadBalancer, topology.Converge, "load balancers up", "configuring"},
	{topology.Server, topology.Converge, "servers joined", "joining"},
	{topology.Worker, topology.Converge, "workers joined", "joining"},
}

// text says what has been reached and what runs now: a step runs when all its predecessors have ended.
func (p *progress) text(now time.Time, lasting bool) string {
	var reached, doing []string
	for _, g := range goals {
		total, done := 0, 0
		for _, step := range p.plan.Steps {
			if step.Verb == g.verb && step.Node.Role == g.role {
				total++
				if _, ended := p.ended[step.Name()]; ended {
					done++
				}
			}
		}
		if total > 0 && (done > 0 || len(reached) == 0) {
			reached = append(reached, fmt.Sprintf("%d of %d %s", done, total, g.reached))
		}
	}
	for _, step := range p.plan.Steps {
		if since, runs := p.runningSince(step); runs {
			what := doingWord(step) + " " + step.Node.Name
			if lasting {
				what += fmt.Sprintf(", %d s", int(now.Sub(since).Seconds()))
			}
			doing = append(doing, what)
		}
	}
	if more := len(doing) - 2; more > 0 {
		doing = append(doing[:2], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(reached, ", ") + "; " + strings.Join(doing, "; ")
}

func doingWord(step topology.Step) string {
	switch step.Verb {
	case topology.VM:
		return "creating"
	case topology.Meet:
		return "meeting"
	case topology.Contact:
		return "booting"
	case topology.Prepare:
		return "preparing"
	case topology.Admit:
		return "taking the seat of"
	case topology.Release:
		return "looking at the release of the"
	case topology.Access:
		return "learning the ways to the"
	case topology.Start:
		return "giving the right to start the"
	case topology.Reach:
		return "waiting for the API of the"
	case topology.Balance:
		return "looking through the external load balancer of the"
	case topology.Settle:
		return "looking at the nodes of the"
	case topology.Snapshot:
		return "taking a snapshot of the"
	case topology.Restore:
		return "restoring a snapshot of the"
	case topology.Backup:
		return "trying a snapshot of the"
	case topology.Restart: // no step
	case topology.Converge:
	}
	for _, g := range goals {
		if g.role == step.Node.Role && g.verb == step.Verb {
			return g.doing
		}
	}
	return "converging"
}

func (p *progress) runningSince(step topology.Step) (time.Time, bool) {
	if _, ended := p.ended[step.Name()]; ended {
		return time.Time{}, false
	}
	since := p.started
	for _, name := range append(slices.Clone(step.After), step.Behind) {
		if name == "" {
			continue
		}
		end, ended := p.ended[name]
		if !ended {
			return time.Time{}, false
		}
		if end.After(since) {
			since = end
		}
	}
	return since, true
}
