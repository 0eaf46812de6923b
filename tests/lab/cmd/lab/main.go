// Command lab starts, shows, breaks and ends a lab.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

const usage = `usage: lab COMMAND

  up [--null]      start the lab (--null: no guests, for tests of the Proxmox VE API)
  down             end it and everything in it
  ps               the VMs
  ssh NODE [CMD]   log in to a VM, as the cluster's user
  exec NODE CMD    run a command in a VM, as root, without the network
  kill NODE        take a VM's power away
  cut NODE         pull a VM's network cable; heal NODE plugs it in again
  log NODE         what a VM printed on its console
  run CMD          run a command in the lab's network, with Pulumi set up for it
  demo             run pulumi up of the root Pulumi.yaml in the lab and show what came of it
  demo-shell       a shell in the lab's network, with KUBECONFIG set
  drill            a cluster in a lab of its own: every failure caused, and what a client of the VIP sees, beside a naive configuration
                   (--only TEXT: failures whose name holds it; --idle TIME: how long a watch idles, 10m)

LAB_NAME names the lab (default: lab), so that several can run side by side.
LAB_BUILD is the folder that make build fills (default: build).
LAB_K3S, LAB_PLUGINS, LAB_PULUMI, LAB_PVE put real binaries in place of the lab's own; see tests/lab/README.md.
`

var errUsage = errors.New(strings.TrimSpace(usage))

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		//nolint:errorlint // only a command that was attached as it is; what wraps one has more to say
		if exit, ok := err.(*exec.ExitError); ok {
			os.Exit(max(1, exit.ExitCode()))
		}
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func env(name, def string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return def
}

func command(ctx context.Context, args []string) error {
	build, err := filepath.Abs(env("LAB_BUILD", "build"))
	if err != nil {
		return err
	}
	l := lab.Open(env("LAB_NAME", "lab"), build)
	if handled, err := lab.HostTool(l, os.Args); handled {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(255)
		}
		return nil
	}
	verb, rest := "", []string{}
	if len(args) > 0 {
		verb, rest = args[0], args[1:]
	}
	needs := map[string]int{"ssh": 1, "exec": 2, "kill": 1, "cut": 1, "heal": 1, "log": 1, "run": 1}
	if len(rest) < needs[verb] {
		return errUsage
	}
	switch verb {
	case "up":
		return l.Up(len(rest) > 0 && rest[0] == "--null")
	case "serve":
		return l.Daemon(ctx, len(rest) > 0 && rest[0] == "--null")
	case "down":
		return l.Down()
	case "ps":
		return list(l)
	case "ssh":
		vm, err := l.VM(rest[0])
		if err != nil {
			return err
		}
		return attach(l.Command("ssh", append([]string{
			"-q", "-i", l.KeyFile(), "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=10", "ubuntu@" + vm.IP(),
		}, rest[1:]...)...))
	case "exec":
		cmd, err := l.Exec(rest[0], rest[1:]...)
		if err != nil {
			return err
		}
		return attach(cmd)
	case "kill":
		return l.Kill(rest[0])
	case "cut", "heal":
		return l.Cable(rest[0], verb == "heal")
	case "log":
		return show(l, rest[0])
	case "run":
		return attach(l.Command(rest[0], rest[1:]...))
	case "demo":
		return l.Demo(ctx)
	case "drill":
		return runDrill(ctx, l, rest)
	case "demo-shell":
		return attach(l.Command(env("SHELL", "/bin/sh")))
	}
	return errUsage
}

func attach(cmd *exec.Cmd) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

func list(l *lab.Lab) error {
	vms, err := l.VMs()
	if err != nil {
		return fmt.Errorf("lab %s does not answer, is it up? %w", l.Name, err)
	}
	var rows []string
	for name, vm := range vms {
		rows = append(rows, fmt.Sprintf("%s\t%d\t%s\t%s\t%s\t%s\t", name, vm.ID, vm.Node, vm.Status, vm.IP(), strings.ReplaceAll(vm.Config["tags"], ";", " ")))
	}
	sort.Strings(rows)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tVMID\tPROXMOX NODE\tSTATUS\tADDRESS\tTAGS\t")
	for _, row := range rows {
		fmt.Fprintln(w, row)
	}
	return w.Flush()
}

func show(l *lab.Lab, name string) error {
	vm, err := l.VM(name)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(l.Console(vm.ID))
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(data)
	return err
}
