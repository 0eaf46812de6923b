package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Pulumi is a pulumi command on a project's stack in the lab.
func (l *Lab) Pulumi(ctx context.Context, project, stack string, args ...string) *exec.Cmd {
	full := append([]string{"netns", "exec", l.Namespace(), "pulumi", "-C", project}, args...)
	if len(args) > 0 && args[0] != "plugin" && args[0] != "version" {
		full = append(full, "--stack", stack, "--non-interactive")
	}
	cmd := exec.CommandContext(ctx, "ip", full...)
	cmd.Env = l.Env()
	return cmd
}

// ConfigFile is a stack's configuration, kept with the lab's state.
func (l *Lab) ConfigFile(stack string) string { return l.state("Pulumi." + stack + ".yaml") }

// InitStack makes a stack with the lab's configuration, and the lab's key; once.
func (l *Lab) InitStack(ctx context.Context, project, stack string) error {
	done := l.ConfigFile(stack) + ".done"
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	run := func(stdin string, args ...string) error {
		cmd := l.Pulumi(ctx, project, stack, append(args, "--config-file", l.ConfigFile(stack))...)
		cmd.Stdin = strings.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("pulumi %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	own := filepath.Join(project, "Pulumi."+stack+".yaml")
	_, before := os.Stat(own)
	init := l.Pulumi(ctx, project, stack, "stack", "init", "--secrets-provider", "passphrase")
	init.Args = slices.DeleteFunc(init.Args, func(a string) bool { return a == "--stack" })
	if out, err := init.CombinedOutput(); err != nil && !strings.Contains(string(out), "already exists") {
		return fmt.Errorf("pulumi stack init: %w: %s", err, out)
	}
	if before != nil {
		_ = os.Remove(own) // the configuration is kept with the lab's state
	}
	for key, value := range l.StackConfig() {
		secret := "--plaintext"
		if strings.HasSuffix(key, "apiToken") {
			secret = "--secret"
		}
		if err := run(value, "config", "set", key, secret); err != nil {
			return err
		}
	}
	key, err := os.ReadFile(l.KeyFile())
	if err != nil {
		return err
	}
	if err := run(string(key), "config", "set", "sshPrivateKey", "--secret"); err != nil {
		return err
	}
	return os.WriteFile(done, nil, 0o600)
}

// event is a line of the engine's event log, with the time at which it was read.
type event struct {
	at          time.Time
	ResourcePre *stepEvent `json:"resourcePreEvent"`
	ResOutputs  *stepEvent `json:"resOutputsEvent"`
	Summary     *struct {
		Changes map[string]int `json:"resourceChanges"`
	} `json:"summaryEvent"`
}

type stepEvent struct {
	Metadata struct {
		Op  string `json:"op"`
		URN string `json:"urn"`
	} `json:"metadata"`
}

func (e *stepEvent) name() string {
	i := strings.LastIndex(e.Metadata.URN, "::")
	return e.Metadata.URN[i+2:]
}

// follow reads an event log while the engine writes it, until done is closed and all is read.
func follow(path string, done <-chan struct{}) []event {
	var events []event
	var file *os.File
	var reader *bufio.Reader
	ended := false
	partial := ""
	for {
		if file == nil {
			if f, err := os.Open(path); err == nil {
				file, reader = f, bufio.NewReaderSize(f, 1<<20)
				defer f.Close()
			}
		}
		for reader != nil {
			line, err := reader.ReadString('\n')
			partial += line
			if err != nil {
				break
			}
			e := event{at: time.Now()}
			if json.Unmarshal([]byte(partial), &e) == nil {
				events = append(events, e)
			}
			partial = ""
		}
		if ended {
			return events
		}
		select {
		case <-done:
			ended = true
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// Step is a resource's work in an update, in seconds since its start.
type Step struct {
	Name, Op   string
	Start, End float64
}

// UpResult is what an update did.
type UpResult struct {
	Seconds float64
	Changes map[string]int
	Steps   []Step
}

// Run runs a pulumi command with an event log and tells what each resource took.
func (l *Lab) Run(ctx context.Context, project, stack string, out io.Writer, args ...string) (UpResult, error) {
	log := l.state(fmt.Sprintf("events-%d.json", time.Now().UnixNano()))
	defer os.Remove(log)
	cmd := l.Pulumi(ctx, project, stack, append(args, "--config-file", l.ConfigFile(stack), "--event-log", log)...)
	cmd.Env = append(cmd.Env, "PULUMI_DEBUG_COMMANDS=true")
	cmd.Stdout, cmd.Stderr = out, out
	if file, ok := out.(*os.File); ok && isTerminal(file) {
		// A person watches: Pulumi's own live display.
		cmd.Args = slices.DeleteFunc(cmd.Args, func(a string) bool { return a == "--non-interactive" })
		cmd.Stdin = os.Stdin
	}
	// Ctrl-C at a terminal has already reached the engine; a second one would make it drop what it is doing.
	cmd.Cancel = func() error {
		if isTerminal(os.Stdin) {
			return nil
		}
		return cmd.Process.Signal(os.Interrupt)
	}
	cmd.WaitDelay = 20 * time.Second
	done, result := make(chan struct{}), make(chan []event)
	go func() { result <- follow(log, done) }()
	start := time.Now()
	err := cmd.Run()
	r := UpResult{Seconds: time.Since(start).Seconds(), Changes: map[string]int{}}
	close(done)
	begun := map[string]float64{}
	for _, e := range <-result {
		switch {
		case e.ResourcePre != nil:
			begun[e.ResourcePre.Metadata.URN] = e.at.Sub(start).Seconds()
		case e.ResOutputs != nil:
			m := e.ResOutputs.Metadata
			r.Steps = append(r.Steps, Step{Name: e.ResOutputs.name(), Op: m.Op, Start: begun[m.URN], End: e.at.Sub(start).Seconds()})
		case e.Summary != nil:
			for op, n := range e.Summary.Changes {
				r.Changes[op] += n
			}
		}
	}
	return r, err
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Changed counts what an update changed.
func (r UpResult) Changed() int {
	n := 0
	for op, count := range r.Changes {
		if op != "same" && op != "read" {
			n += count
		}
	}
	return n
}

const demoStack = "demo"

// Demo brings the root Pulumi.yaml up in the lab with Pulumi's own display, and shows what came of it.
func (l *Lab) Demo(ctx context.Context) error {
	project, err := os.Getwd()
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := l.VMs(); err != nil {
		fmt.Println("Starting the lab: a network of its own, the Proxmox VE API, an artifact server.")
		if err := l.Up(false); err != nil {
			return err
		}
	}
	if err := l.InitStack(ctx, project, demoStack); err != nil {
		return err
	}
	lab := time.Since(began).Seconds()
	up, err := l.Run(ctx, project, demoStack, os.Stdout, "up", "--yes", "--skip-preview")
	if err != nil {
		return err
	}
	kubeconfig, err := l.Pulumi(ctx, project, demoStack, "stack", "output", "kubeconfig", "--show-secrets").Output()
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.state("kubeconfig"), kubeconfig, 0o600); err != nil {
		return err
	}
	total := time.Since(began).Seconds()
	if up.Changed() == 0 {
		fmt.Printf("\nNothing to change: the cluster is as the program says (%.1f s).\n", up.Seconds)
	} else {
		fmt.Printf("\nWhat took how long (lab %.1f s, pulumi up %.1f s):\n\n", lab, up.Seconds)
		up.Table(os.Stdout)
		path := up.CriticalPath()
		fmt.Printf("\nup took %.2f times its critical path (%.1f s).\n", up.Seconds/path, path)
	}
	fmt.Printf("\nkubectl get nodes, through the VIP:\n\n")
	nodes := l.Command(l.path("bin/kubectl"), "get", "nodes", "-o", "wide")
	nodes.Stdout, nodes.Stderr = os.Stdout, os.Stderr
	if err := nodes.Run(); err != nil {
		return fmt.Errorf("kubectl get nodes: %w", err)
	}
	fmt.Printf("\nReady after %.1f s. Kubeconfig (0600): %s\n", total, l.state("kubeconfig"))
	fmt.Println("Go on with: make demo-shell (kubectl inside), make demo again (changes nothing), make demo-down.")
	return nil
}

// Table prints the steps that did something.
func (r UpResult) Table(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "step\tfrom s\tto s\tseconds\t")
	for _, s := range r.Steps {
		if s.Op != "same" && s.End > s.Start+0.05 {
			fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t\n", s.Name, s.Start, s.End, s.End-s.Start)
		}
	}
	_ = w.Flush()
}

// CriticalPath is how long an update must take: the longest way through boot, first server and joins, each by its own duration in this
// very update. Load balancers are configured beside the first server.
func (r UpResult) CriticalPath() float64 {
	seconds := func(verb string, match func(node string) bool) (longest, sum float64) {
		for _, s := range r.Steps {
			_, rest, found := strings.Cut(s.Name, "-"+verb+"-")
			if !found || !match(rest) {
				continue
			}
			longest = max(longest, s.End-s.Start)
			sum += s.End - s.Start
		}
		return longest, sum
	}
	any := func(string) bool { return true }
	server := func(node string) bool { return strings.Contains(node, "-server-") }
	total := 0.0
	for _, verb := range []string{"vm", "contact", "prepare", "admit", "start", "reach"} {
		longest, _ := seconds(verb, any)
		total += longest
	}
	_, joins := seconds("converge", server)
	return total + joins
}
