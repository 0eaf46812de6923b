package drill

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

// Back is how long parts of a cluster took, in seconds from the healing: 0 for what has not come back.
type Back struct {
	VIP      float64 `json:"vip"`
	Backends float64 `json:"backends"`
	Nodes    float64 `json:"nodes"`
}

// Result is what one failure did to a client.
type Result struct {
	Failure string   `json:"failure"`
	Setup   string   `json:"setup"`
	Node    string   `json:"node,omitempty"`
	Caused  float64  `json:"caused"` // seconds since the probes began, like Healed
	Healed  float64  `json:"healed"`
	Seconds float64  `json:"seconds"` // of the whole
	Asked   int      `json:"asked"`
	Failed  int      `json:"failed"`
	Without float64  `json:"without"`    // longest time without an answer to a new connection
	Writes  float64  `json:"writesGap"`  // longest time between two acknowledged writes
	Refused int      `json:"writesLost"` // writes that were not acknowledged
	Watch   float64  `json:"watchGap"`   // longest silence of the watch
	Cuts    int      `json:"watchCuts"`
	Moves   int      `json:"vipMoves"`
	Holders int      `json:"vipHolders"` // most at the same time
	Served  float64  `json:"served"`     // seconds from the healing to the first answer and write after it
	Back    Back     `json:"back"`
	Lost    []string `json:"lost"` // acknowledged writes that are gone
	Cause   string   `json:"cause,omitempty"`

	Requests []Sample `json:"requests"`
	Written  []Sample `json:"writes"`
}

// Run causes a failure, heals it, waits until all is well again, and tells what the client saw meanwhile.
func (c *Cluster) Run(ctx context.Context, setup string, f Failure) (Result, error) {
	r := Result{Failure: f.Name, Setup: setup}
	if f.on != nil {
		node, err := f.on(c)
		if err != nil {
			return r, err
		}
		r.Node = node
	}
	p, stop := c.watchers(ctx, fmt.Sprintf("drill-%d", time.Now().UnixMilli()))
	stop = sync.OnceValue(stop)
	defer stop()
	time.Sleep(1500 * time.Millisecond)
	r.Caused = p.now()
	if err := f.cause(ctx, c, r.Node); err != nil {
		return r, fmt.Errorf("%s: %w", f.Name, err)
	}
	select {
	case <-time.After(f.lasts):
	case <-ctx.Done():
		return r, ctx.Err()
	}
	r.Healed = p.now()
	healed := time.Now()
	if f.heal != nil {
		if err := f.heal(ctx, c, r.Node); err != nil {
			return r, fmt.Errorf("%s, healing: %w", f.Name, err)
		}
	}
	for end := time.Now().Add(f.until()); time.Now().Before(end) && ctx.Err() == nil && !p.writtenSince(r.Healed); {
		time.Sleep(every)
	}
	if f.after != nil {
		if err := f.after(ctx, c, r.Node); err != nil {
			return r, err
		}
	}
	back, ill := c.Whole(ctx, healed, 2*time.Minute)
	r.Back = back
	time.Sleep(time.Second)
	r.Seconds = p.now()
	r.count(p, stop())
	if ill != nil {
		return r, fmt.Errorf("%s: %w", f.Name, ill)
	}
	var err error
	if r.Lost, err = p.lost(ctx); err != nil {
		return r, fmt.Errorf("%s: %w", f.Name, err)
	}
	return r, nil
}

// writtenSince says whether a write has been acknowledged that began after this moment.
func (p *probes) writtenSince(at float64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.writes, func(s Sample) bool { return s.Err == "" && s.At > at })
}

// count makes the figures of what the probes have seen.
func (r *Result) count(p *probes, requests []lab.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.Written, r.Cuts, r.Moves, r.Holders = p.writes, p.cuts, p.moves, p.most
	var answers, acked []float64
	for _, request := range requests {
		s := Sample{At: request.At.Sub(p.begun).Seconds(), Took: request.Took.Seconds()}
		if request.Err != nil {
			s.Err = request.Err.Error()
			r.Failed++
			r.Cause = s.Err
		} else {
			answers = append(answers, s.At+s.Took)
		}
		r.Requests = append(r.Requests, s)
	}
	for _, s := range p.writes {
		if s.Err == "" {
			acked = append(acked, s.At+s.Took)
		} else {
			r.Refused++
		}
	}
	r.Asked = len(requests)
	r.Without = longest(answers, r.Seconds)
	r.Writes = longest(acked, r.Seconds)
	r.Watch = longest(p.events, r.Seconds)
	r.Served = max(first(answers, r.Healed), first(acked, r.Healed))
}

// longest is the longest silence in times, up to the end, less the time between two requests.
func longest(times []float64, end float64) float64 {
	times = append(slices.Clone(times), end)
	slices.Sort(times)
	out, last := 0.0, 0.0
	for _, t := range times {
		out, last = max(out, t-last-every.Seconds()), t
	}
	return out
}

// first is how long after a moment the first of some times is.
func first(times []float64, after float64) float64 {
	out := -1.0
	for _, t := range times {
		if t >= after && (out < 0 || t-after < out) {
			out = t - after
		}
	}
	return out
}

// Short says which figures are above their limits, times a factor that a loaded machine may add to seconds and a few requests.
func (r Result) Short(f Failure, naive *Result, factor float64) []string {
	var out []string
	// A loaded machine adds two requests to none, too.
	few := func(most int) float64 {
		if most < 0 {
			return none
		}
		return float64(most) + 2*(factor-1)/factor
	}
	over := func(what string, got, most float64) {
		if most >= 0 && got > most*factor {
			out = append(out, fmt.Sprintf("%s: %.2f, at most %.2f", what, got, most*factor))
		}
	}
	over("seconds without service", r.Without, f.Reach.Without)
	over("failed requests", float64(r.Failed), few(f.Reach.Failed))
	over("seconds between acknowledged writes", r.Writes, f.Reach.Writes)
	over("seconds until served again", r.Served, f.Reach.Back)
	if f.Reach.Back >= 0 && r.Served < 0 {
		out = append(out, "nobody was served again")
	}
	if f.Reach.Moves >= 0 && r.Moves > f.Reach.Moves {
		out = append(out, fmt.Sprintf("moves of the VIP: %d, at most %d", r.Moves, f.Reach.Moves))
	}
	if len(r.Lost) > 0 {
		out = append(out, "acknowledged writes lost or out of order: "+strings.Join(r.Lost, " "))
	}
	if naive == nil {
		return out
	}
	return append(out, r.Thirds(f, *naive)...)
}

// Thirds says which figures are more than a third of the naive configuration's, of those that must not be.
func (r Result) Thirds(f Failure, naive Result) []string {
	own, other := 0.0, 0.0
	switch f.Third {
	case "failed":
		own, other = float64(r.Failed), float64(naive.Failed)
	case "without":
		own, other = r.Without, naive.Without
	}
	if own*3 <= other {
		return nil
	}
	return []string{fmt.Sprintf("%s: %.2f, the naive configuration has %.2f: not a third", f.Third, own, other)}
}
