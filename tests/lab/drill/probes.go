package drill

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

const (
	every    = 50 * time.Millisecond // between two writes, and two looks at the VIP
	patience = 10 * time.Second      // a write's deadline
	abreast  = 90                    // writes under way; the API allows 100 on a connection
	space    = "/api/v1/namespaces/default/configmaps"
)

// Sample is one request.
type Sample struct {
	At   float64 `json:"at"`   // seconds since the probes began
	Took float64 `json:"took"` // seconds
	Err  string  `json:"err,omitempty"`
}

// acked is a write that was acknowledged.
type acked struct {
	name     string
	at, done float64 // seconds since the probes began
}

// probes are a client's three habits, and what they have seen so far.
type probes struct {
	c     *Cluster
	label string // what its writes are marked with
	begun time.Time

	mu     sync.Mutex
	writes []Sample
	acked  []acked
	events []float64
	cuts   int
	moves  int
	most   int // holders at the same time
}

// watchers begins all probes, until the returned function is called.
func (c *Cluster) watchers(ctx context.Context, label string) (p *probes, stop func() []lab.Request) {
	ctx, cancel := context.WithCancel(ctx)
	p = &probes{c: c, label: label, begun: time.Now()}
	config := &tls.Config{RootCAs: c.tls.RootCAs, ServerName: c.VIP, MinVersion: tls.VersionTLS12}
	ended := c.Requests(ctx, "https://"+c.Endpoint+"/readyz", config)
	var all sync.WaitGroup
	for _, work := range []func(context.Context){p.write, p.watch, p.follow} {
		all.Go(func() { work(ctx) })
	}
	return p, func() []lab.Request {
		requests := ended()
		cancel()
		all.Wait()
		return requests
	}
}

func (p *probes) now() float64 { return time.Since(p.begun).Seconds() }

// write begins a small write at each tick, whether those before were answered or not: as controllers do, all on one kept connection.
func (p *probes) write(ctx context.Context) {
	client := p.c.multiplexed(patience)
	defer client.CloseIdleConnections()
	tick := time.NewTicker(every)
	defer tick.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	free := make(chan struct{}, abreast)
	for number := 0; ; number++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			p.writeOne(context.WithoutCancel(ctx), client, fmt.Sprintf("%s-%06d", p.label, number))
		})
	}
}

func (p *probes) writeOne(ctx context.Context, client *http.Client, name string) {
	at := p.now()
	object := map[string]any{"metadata": map[string]any{"name": name, "labels": map[string]string{"drill": p.label}}, "data": map[string]string{"n": name}}
	err := p.c.api(ctx, client, "POST", space, object, nil)
	sample := Sample{At: at, Took: p.now() - at}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		sample.Err = err.Error()
	} else {
		p.acked = append(p.acked, acked{name, at, at + sample.Took})
	}
	p.writes = append(p.writes, sample)
}

// watch follows these objects, and goes on where it was when it is cut off.
func (p *probes) watch(ctx context.Context) {
	version, client := "", p.c.client(0)
	for ctx.Err() == nil {
		if version == "" {
			var list struct {
				Metadata struct {
					Version string `json:"resourceVersion"`
				} `json:"metadata"`
			}
			if p.c.api(ctx, p.c.client(2*time.Second), "GET", space+"?limit=1", nil, &list) != nil {
				time.Sleep(every)
				continue
			}
			version = list.Metadata.Version
		}
		version = p.stream(ctx, client, version)
		if ctx.Err() == nil {
			p.mu.Lock()
			p.cuts++
			p.mu.Unlock()
			time.Sleep(every)
		}
	}
}

// stream reads one watch to its end, and returns where the next one begins.
func (p *probes) stream(ctx context.Context, client *http.Client, version string) string {
	query := url.Values{"watch": {"1"}, "resourceVersion": {version}, "labelSelector": {"drill=" + p.label}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+p.c.Endpoint+space+"?"+query.Encode(), nil)
	if err != nil {
		return version
	}
	resp, err := client.Do(req)
	if err != nil {
		return version
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return ""
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Type   string `json:"type"`
			Object struct {
				Metadata struct {
					Version string `json:"resourceVersion"`
				} `json:"metadata"`
			} `json:"object"`
		}
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.Type == "ERROR" {
			return ""
		}
		version = event.Object.Metadata.Version
		p.mu.Lock()
		p.events = append(p.events, p.now())
		p.mu.Unlock()
	}
	return version
}

// follow looks where the VIP is. A move is a load balancer that gets it.
func (p *probes) follow(ctx context.Context) {
	before := p.c.holders()
	for tick := time.NewTicker(every); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
		now := p.c.holders()
		p.mu.Lock()
		for _, lb := range now {
			if !slices.Contains(before, lb) {
				p.moves++
			}
		}
		p.most = max(p.most, len(now))
		p.mu.Unlock()
		before = now
	}
}

// lost compares what was acknowledged with what is there: what is missing, or came before something that had been acknowledged when it began.
func (p *probes) lost(ctx context.Context) ([]string, error) {
	var list struct {
		Items []struct {
			Metadata struct {
				Name    string `json:"name"`
				Version string `json:"resourceVersion"`
			} `json:"metadata"`
		} `json:"items"`
	}
	where := space + "?labelSelector=" + url.QueryEscape("drill="+p.label)
	var err error
	for range 5 {
		if err = p.c.api(ctx, p.c.kept, "GET", where, nil, &list); err == nil {
			break
		}
		time.Sleep(time.Second)
	}
	if err != nil {
		return nil, fmt.Errorf("listing what was written: %w", err)
	}
	there := map[string]int{}
	for _, item := range list.Items {
		var version int
		if _, err := fmt.Sscan(item.Metadata.Version, &version); err != nil {
			return nil, err
		}
		there[item.Metadata.Name] = version
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := misplaced(p.acked, there)
	if len(p.acked) == 0 {
		return nil, errors.New("no write was ever acknowledged")
	}
	_ = p.c.api(ctx, p.c.client(time.Minute), "DELETE", where, nil, nil) // what stays disturbs nobody
	return out, nil
}

// misplaced names acknowledged writes that are not there, or whose version is not above that of each write that was acknowledged before they
// began. Those that were under way at the same time may be in any order.
func misplaced(writes []acked, versions map[string]int) []string {
	done := slices.SortedFunc(slices.Values(writes), func(a, b acked) int { return cmp.Compare(a.done, b.done) })
	begun := slices.SortedFunc(slices.Values(writes), func(a, b acked) int { return cmp.Compare(a.at, b.at) })
	var out []string
	last := 0
	for _, w := range begun {
		for len(done) > 0 && done[0].done < w.at {
			last = max(last, versions[done[0].name])
			done = done[1:]
		}
		if versions[w.name] <= last {
			out = append(out, w.name)
		}
	}
	return out
}
