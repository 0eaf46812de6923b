package drill

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab/guest"
)

type action func(ctx context.Context, c *Cluster, node string) error

// Failure is something that breaks, and how it heals.
type Failure struct {
	Name  string
	on    func(c *Cluster) (string, error) // which machine; nil: none, or all
	cause action
	heal  action // nil: it heals by itself
	after action // what is left to heal once a client is served again
	lasts time.Duration
	// Naive says whether the naive configuration is shown beside, too.
	Naive bool
	// Reach is what the product promises for this failure; a test allows what a loaded machine adds.
	Reach Limits
	// Third is the figure of which at most a third of the naive configuration's is allowed, in the same run.
	Third string
	// Short ones are caused in every test of the reference cluster.
	Short bool
}

// Limits are the most that a client may see of a failure; -1 where there is no promise.
type Limits struct {
	Without float64 // seconds without an answer to new connections
	Failed  int     // requests
	Writes  float64 // seconds between two acknowledged writes
	Back    float64 // seconds from the healing until a client is served again
	Moves   int     // of the VIP, back and forth included
}

const none = -1

// until is how long a client may wait for service after the healing before that is told.
func (f Failure) until() time.Duration {
	if f.Reach.Back > 0 {
		return time.Duration(3 * f.Reach.Back * float64(time.Second))
	}
	return 20 * time.Second
}

func on(command string) action {
	return func(_ context.Context, c *Cluster, node string) error {
		_, err := c.run(node, command)
		return err
	}
}

func killed(unit string) action { return on("systemctl kill -s KILL " + unit) }
func hung(unit string) action   { return on("systemctl kill -s STOP --kill-who=all " + unit) }
func going(unit string) action  { return on("systemctl kill -s CONT --kill-who=all " + unit) }

func powerOff(_ context.Context, c *Cluster, node string) error { return c.Kill(node) }

func powerOn(_ context.Context, c *Cluster, node string) error { return c.PowerOn(node) }

// shutDown ends a machine in order, as Proxmox VE's button does.
func shutDown(_ context.Context, c *Cluster, node string) error {
	if _, err := c.run(node, "systemctl poweroff --no-block"); err != nil {
		return err
	}
	for range 100 {
		if c.Guests().Init(c.vms[node].ID) == 0 {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("%s does not end", node)
}

// blind has load balancers send what is for servers to a machine that is not there, as when a switch between them fails.
func blind(yes bool, of func(c *Cluster, node string) []string) action {
	return func(_ context.Context, c *Cluster, node string) error {
		for _, lb := range of(c, node) {
			for _, server := range c.Servers {
				command := "ip neigh replace " + c.vms[server].IP() + " lladdr 02:00:00:00:00:99 nud permanent dev eth0"
				if !yes {
					command = "ip neigh del " + c.vms[server].IP() + " dev eth0"
				}
				if _, err := c.run(lb, command); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func itself(_ *Cluster, node string) []string { return []string{node} }
func allLBs(c *Cluster, _ string) []string    { return c.LoadBalancers }

// multicast has the network drop multicast between the load balancers, or carry it.
func multicast(carried string) action {
	return func(_ context.Context, c *Cluster, _ string) error {
		for _, lb := range c.LoadBalancers {
			if out, err := c.Command("bridge", "link", "set", "dev", guest.Port(c.vms[lb].ID), "mcast_flood", carried).CombinedOutput(); err != nil {
				return fmt.Errorf("bridge: %w: %s", err, out)
			}
		}
		return nil
	}
}

// replaced has something else answer in the place of a server's API.
func replaced(name string, status int, foreign bool) Failure {
	stop := func() {}
	return Failure{
		Name: name, on: follower, lasts: 12 * time.Second,
		cause: func(_ context.Context, c *Cluster, node string) (err error) {
			stop, err = c.replaced(node, status, foreign)
			return err
		},
		heal: func(_ context.Context, c *Cluster, node string) error {
			stop()
			_, err := c.run(node, "systemctl start --no-block k3s")
			return err
		},
		Naive: true, Reach: Limits{1, 5, none, none, 0}, Third: "failed",
	}
}

// afterReload has HAProxy reload, which leaves kept connections with a process that looks at no server any more, and then takes the server away to
// which most of what is written goes.
func afterReload() Failure {
	gone := ""
	return Failure{
		Name: "a server's host gone after a reload (cable)", lasts: 40 * time.Second,
		cause: func(ctx context.Context, c *Cluster, _ string) error {
			lb, err := c.holder()
			if err != nil {
				return err
			}
			if _, err := c.run(lb, "systemctl reload haproxy"); err != nil {
				return err
			}
			time.Sleep(time.Second)
			if gone, err = c.busiest(lb); err != nil {
				return err
			}
			return cable(false)(ctx, c, gone)
		},
		heal: func(ctx context.Context, c *Cluster, _ string) error { return cable(true)(ctx, c, gone) },
		// What is not acknowledged for 15 s ends a connection (tcp-ut).
		Reach: Limits{1, none, 17, none, 0},
	}
}

func holder(c *Cluster) (string, error)   { return c.holder() }
func leader(c *Cluster) (string, error)   { return c.leader() }
func follower(c *Cluster) (string, error) { return c.follower() }

// Failures are all that are caused one after the other. The figures of the promises are those of the reference cluster on the lab.
func Failures() []Failure {
	return []Failure{
		{
			Name: "k3s killed on a server", on: follower, cause: killed("k3s"), lasts: 12 * time.Second,
			Naive: true, Short: true, Reach: Limits{0.5, 3, none, none, 0}, Third: "failed",
		},
		{
			Name: "a server's host gone (cable)", on: follower, cause: cable(false), heal: cable(true), lasts: 12 * time.Second,
			Naive: true, Short: true, Reach: Limits{1, none, none, none, 0}, Third: "failed",
		},
		{
			Name: "k3s hung on a server", on: follower, cause: hung("k3s"), heal: going("k3s"), lasts: 12 * time.Second,
			// A kept connection to it is ended after three checks of 2 s.
			Naive: true, Short: true, Reach: Limits{1, 20, 8, none, 0}, Third: "failed",
		},
		replaced("a server answers 503", http.StatusServiceUnavailable, false),
		replaced("a server of another cluster answers in its place", http.StatusOK, true),
		afterReload(),
		{
			Name: "the etcd leader's host gone", on: leader, cause: cable(false), heal: cable(true), lasts: 15 * time.Second,
			Naive: true, Reach: Limits{1, none, 12, none, 0}, Third: "failed", // etcd stands for election after 5 to 10 s
		},
		{
			Name: "HAProxy killed on the holder", on: holder, cause: killed("haproxy"), lasts: 10 * time.Second,
			Naive: true, Short: true, Reach: Limits{0.5, 15, none, none, 0},
		},
		{
			Name: "HAProxy hung on the holder", on: holder, cause: hung("haproxy"), heal: going("haproxy"), lasts: 12 * time.Second,
			Naive: true, Short: true, Reach: Limits{3, none, none, none, 1}, Third: "without",
		},
		{
			Name: "Keepalived killed on the holder", on: holder, cause: killed("keepalived"), lasts: 10 * time.Second,
			Naive: true, Short: true, Reach: Limits{0.5, 0, none, none, 2},
		},
		{
			Name: "Keepalived hung on the holder", on: holder, cause: hung("keepalived"), heal: going("keepalived"), lasts: 10 * time.Second,
			Naive: true, Short: true, Reach: Limits{1.5, none, none, none, 2},
		},
		{
			Name: "the holder's cable", on: holder, cause: cable(false), heal: cable(true), lasts: 10 * time.Second,
			Naive: true, Short: true, Reach: Limits{1.5, none, none, none, 1},
		},
		{
			Name: "the holder's power", on: holder, cause: powerOff, heal: powerOn, lasts: 10 * time.Second,
			Naive: true, Short: true, Reach: Limits{1.5, none, none, none, 1},
		},
		{
			Name: "the holder shut down in order", on: holder, cause: shutDown, heal: powerOn, lasts: 6 * time.Second,
			Naive: true, Reach: Limits{0.3, none, none, none, 1},
		},
		{
			Name: "the holder cut off from servers", on: holder, cause: blind(true, itself), heal: blind(false, itself), lasts: 12 * time.Second,
			Naive: true, Short: true, Reach: Limits{3, none, none, none, 1}, Third: "without",
		},
		{
			Name: "both load balancers cut off from servers", cause: blind(true, allLBs), heal: blind(false, allLBs), lasts: 10 * time.Second,
			Naive: true, Reach: Limits{none, none, none, 1, 0},
		},
		{
			Name: "multicast blocked", cause: multicast("off"), heal: multicast("on"), lasts: 8 * time.Second,
			Naive: true, Reach: Limits{0.3, 0, none, none, 0},
		},
		{
			Name: "two of three servers gone, one back", lasts: 10 * time.Second,
			cause: func(ctx context.Context, c *Cluster, _ string) error {
				for _, server := range c.Servers[1:] {
					if err := powerOff(ctx, c, server); err != nil {
						return err
					}
				}
				return nil
			},
			heal:  func(ctx context.Context, c *Cluster, _ string) error { return powerOn(ctx, c, c.Servers[1]) },
			after: func(ctx context.Context, c *Cluster, _ string) error { return powerOn(ctx, c, c.Servers[2]) },
			Reach: Limits{none, none, none, 15, 0},
		},
		{
			Name: "power cut of everything, back in any order", lasts: 3 * time.Second,
			cause: func(ctx context.Context, c *Cluster, _ string) error {
				for name := range c.vms {
					if err := powerOff(ctx, c, name); err != nil {
						return err
					}
				}
				return nil
			},
			heal: func(ctx context.Context, c *Cluster, _ string) error {
				for name := range c.vms { // Go's maps have another order each time
					if err := powerOn(ctx, c, name); err != nil {
						return err
					}
				}
				return nil
			},
			Reach: Limits{none, none, none, 90, none},
		},
	}
}

// FastEtcd is the loss of the etcd leader's host with the timers that docs/high-availability.md recommends for servers on SSDs.
func FastEtcd() Failure {
	return Failure{
		Name: "the etcd leader's host gone, timers 100 and 1000 ms", on: leader, cause: cable(false), heal: cable(true), lasts: 15 * time.Second,
		Reach: Limits{1, none, 3, none, 0},
	}
}
