// Command k3s is a stand-in for k3s, made of upstream parts: kube-apiserver, kube-controller-manager, kube-scheduler, kubectl,
// embedded etcd, and kine with SQLite for a server without a cluster, behind k3s' command line, files, ports, tokens and join order.
// Instead of a kubelet, nodes register themselves, renew leases and play their pods' life; no container runs. A real k3s binary can
// take its place.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/component-base/version"
	"k8s.io/kubectl/pkg/cmd"
)

func main() {
	args := os.Args
	if base := filepath.Base(args[0]); base == "kubectl" {
		args = append([]string{"k3s", "kubectl"}, args[1:]...)
	}
	if len(args) < 2 {
		fatal(fmt.Errorf("usage: k3s server|agent|kubectl|etcd-snapshot|--version"))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	switch args[1] {
	case "server":
		o, err := readOptions("server", args[2:])
		if err == nil {
			err = runServer(ctx, o)
		}
		fatal(err)
	case "agent":
		o, err := readOptions("agent", args[2:])
		if err == nil {
			err = runAgent(ctx, o)
		}
		fatal(err)
	case "etcd-snapshot":
		fatal(runSnapshot(ctx, args[2:]))
	case "kubectl":
		if os.Getenv("KUBECONFIG") == "" {
			os.Setenv("KUBECONFIG", "/etc/rancher/k3s/k3s.yaml")
		}
		os.Args = append([]string{"kubectl"}, args[2:]...)
		if err := cmd.NewDefaultKubectlCommand().Execute(); err != nil {
			os.Exit(1)
		}
	case "--version", "-v":
		fmt.Printf("k3s version %s (%s)\n", version.Get().GitVersion, version.Get().GitCommit)
	default:
		fatal(fmt.Errorf("No help topic for '%s'", args[1]))
	}
}

// fatal ends the process like k3s: one line at level fatal.
func fatal(err error) {
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "level=fatal msg=%q\n", err.Error())
	os.Exit(1)
}

// shutdown ends the process as k3s does when a part of it has failed: the cause, then what the other parts print while they end, and
// exit status 0.
func shutdown(cause error) {
	fmt.Fprintf(os.Stderr, "level=error msg=%q\n", "Shutdown request received: "+cause.Error())
	for i := range 25 {
		fmt.Fprintf(os.Stderr, `{"level":"info","ts":"%s","caller":"rafthttp/peer.go:%d","msg":"stopped remote peer"}`+"\n", time.Now().Format(time.RFC3339Nano), 300+i)
	}
	os.Exit(0)
}

func logf(format string, args ...any)   { logAt("info", format, args) }
func warnf(format string, args ...any)  { logAt("warning", format, args) }
func errorf(format string, args ...any) { logAt("error", format, args) }

func logAt(level, format string, args []any) {
	fmt.Fprintf(os.Stderr, "level=%s msg=%q\n", level, fmt.Sprintf(format, args...))
}
