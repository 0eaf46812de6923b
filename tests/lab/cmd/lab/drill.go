package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
	"github.com/k3sha/pulumi-k3sha/tests/lab/drill"
)

const drillStack = "drill"

// runDrill makes the cluster of the root Pulumi.yaml in a lab of its own and causes every failure, first with its own configuration, then with
// the naive one.
func runDrill(ctx context.Context, l *lab.Lab, args []string) error {
	flags := flag.NewFlagSet("drill", flag.ContinueOnError)
	only := flags.String("only", "", "failures whose name holds this text")
	idle := flags.Duration("idle", 10*time.Minute, "how long a watch idles")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := l.Up(false); err != nil {
		return err
	}
	defer func() { _ = l.Down() }()
	c, err := drillCluster(ctx, l)
	if err != nil {
		return err
	}
	report := &drill.Report{}
	var short []string
	cause := func(setup string, f drill.Failure) error {
		fmt.Printf("%s: %s ...\n", setup, f.Name)
		r, err := c.Run(ctx, setup, f)
		report.Results = append(report.Results, r)
		if err != nil && setup == drill.Own {
			short = append(short, err.Error())
		} else if err != nil {
			fmt.Println(err) // the naive configuration may stay broken
		}
		return ctx.Err()
	}
	for _, f := range drill.Failures() {
		if !strings.Contains(f.Name, *only) {
			continue
		}
		report.Failures = append(report.Failures, f)
		if err := cause(drill.Own, f); err != nil {
			return err
		}
	}
	fast := drill.FastEtcd()
	if strings.Contains(fast.Name, *only) {
		fmt.Println("Etcd's timers: 100 and 1000 ms ...")
		if err := up(ctx, l, "        mirror: ", "        etcd: {heartbeatInterval: 100, electionTimeout: 1000}\n        mirror: "); err != nil {
			return err
		}
		report.Failures = append(report.Failures, fast)
		if err := cause(drill.Own, fast); err != nil {
			return err
		}
	}
	if *idle > 0 {
		fmt.Printf("a watch, exec and logs -f idle for %s ...\n", *idle)
		r, err := c.Idle(ctx, drill.Own, *idle)
		if err != nil {
			return err
		}
		report.Idle = append(report.Idle, r)
	}
	fmt.Println("The naive configuration ...")
	if err := c.Naive(ctx); err != nil {
		return err
	}
	if *idle > 0 {
		r, err := c.Idle(ctx, drill.NaiveSetup, min(*idle, time.Minute))
		if err != nil {
			return err
		}
		report.Idle = append(report.Idle, r)
	}
	for _, f := range report.Failures {
		if f.Naive {
			if err := c.Mend(ctx); err != nil {
				return err
			}
			if err := cause(drill.NaiveSetup, f); err != nil {
				return err
			}
		}
	}
	fmt.Println()
	report.Table(os.Stdout)
	fmt.Println()
	for _, f := range report.Failures {
		for _, s := range report.Find(f.Name, drill.Own).Short(f, report.Find(f.Name, drill.NaiveSetup), 1) {
			short = append(short, f.Name+": "+s)
		}
	}
	for name, write := range map[string]func(io.Writer) error{"drill.json": report.JSON, "drill.svg": report.SVG} {
		file, err := os.Create(filepath.Join(l.Build, name))
		if err != nil {
			return err
		}
		if err := errors.Join(write(file), file.Close()); err != nil {
			return err
		}
		fmt.Println(file.Name())
	}
	if len(short) > 0 {
		return errors.New("not as promised:\n  " + strings.Join(short, "\n  "))
	}
	return nil
}

// drillCluster is the cluster of the root Pulumi.yaml.
func drillCluster(ctx context.Context, l *lab.Lab) (*drill.Cluster, error) {
	fmt.Println("A cluster in a lab of its own ...")
	if err := up(ctx, l); err != nil {
		return nil, err
	}
	kubeconfig, err := l.Pulumi(ctx, l.Dir, drillStack, "stack", "output", "kubeconfig", "--show-secrets").Output()
	if err != nil {
		return nil, err
	}
	return drill.Open(l, string(kubeconfig))
}

// up brings up the root Pulumi.yaml, changed by pairs of old and new text.
func up(ctx context.Context, l *lab.Lab, replace ...string) error {
	program, err := os.ReadFile("Pulumi.yaml")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.Dir, "Pulumi.yaml"), []byte(strings.NewReplacer(replace...).Replace(string(program))), 0o600); err != nil {
		return err
	}
	if err := l.InitStack(ctx, l.Dir, drillStack); err != nil {
		return err
	}
	var out strings.Builder
	if _, err := l.Run(ctx, l.Dir, drillStack, &out, "up", "--yes", "--skip-preview"); err != nil {
		return fmt.Errorf("pulumi up: %w\n%s", err, out.String())
	}
	return nil
}
