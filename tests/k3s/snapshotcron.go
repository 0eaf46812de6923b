package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/robfig/cron/v3"
)

// snapshotJitter keeps the servers from saving at the same moment.
const snapshotJitter = 5 * time.Second

// schedule makes snapshots by the clock, until the server ends.
func (p *snapshotter) schedule(ctx context.Context, spec string, c snapshotConfig) {
	clock := cron.New()
	once := cron.SkipIfStillRunning(cron.DiscardLogger)
	// Like k3s, a schedule that is none goes unnoticed.
	_, _ = clock.AddJob(spec, once(cron.FuncJob(func() {
		time.Sleep(rand.N(snapshotJitter))
		if _, err := p.save(ctx, c); err != nil {
			errorf("Failed to take scheduled snapshot: %v", err)
		}
	})))
	clock.Start()
	go func() {
		<-ctx.Done()
		clock.Stop()
	}()
	// k3s looks at the bucket when it lists what is there, soon after its start. It starts without one, too.
	if c.s3 == nil {
		return
	}
	if _, err := p.s3(ctx, *c.s3); err != nil {
		warnf("Unable to initialize S3 client: %v", err)
	}
}
