// langhost runs Pulumi programs in Go, Node.js, Python and Java for the pulumi CLI. It stands in for the CLI's own language
// hosts where those cannot be had, under their names: pulumi-language-go, -nodejs, -python, -java. It runs a program as they
// do, and does nothing else of theirs: dependencies must be installed, plugins are found by the engine when it needs them.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

//go:embed run.py
var pythonMain string

func main() {
	language := strings.TrimPrefix(filepath.Base(os.Args[0]), "pulumi-language-")
	command, known := map[string]func(*rpc.RunRequest, string) *exec.Cmd{
		"go": golang, "nodejs": nodejs, "python": python, "java": java,
	}[language]
	if !known {
		fmt.Fprintf(os.Stderr, "langhost: no language by the name of %s: call it pulumi-language-go, -nodejs, -python or -java\n", language)
		os.Exit(2)
	}
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "langhost: the last argument must be the engine's address, as pulumi gives it")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "langhost:", err)
		os.Exit(1)
	}
	server := grpc.NewServer()
	rpc.RegisterLanguageRuntimeServer(server, &host{command: command, engine: os.Args[len(os.Args)-1]})
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	if err := server.Serve(listener); err != nil {
		fmt.Fprintln(os.Stderr, "langhost:", err)
		os.Exit(1)
	}
}

type host struct {
	rpc.UnimplementedLanguageRuntimeServer
	command func(*rpc.RunRequest, string) *exec.Cmd
	engine  string
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*rpc.PluginInfo, error) {
	return &rpc.PluginInfo{Version: "3.256.0"}, nil
}

func (h *host) GetRequiredPackages(context.Context, *rpc.GetRequiredPackagesRequest) (*rpc.GetRequiredPackagesResponse, error) {
	return &rpc.GetRequiredPackagesResponse{}, nil
}

func (h *host) GetRequiredPlugins(context.Context, *rpc.GetRequiredPluginsRequest) (*rpc.GetRequiredPluginsResponse, error) {
	return &rpc.GetRequiredPluginsResponse{}, nil
}

// Run runs the program to its end.
func (h *host) Run(ctx context.Context, req *rpc.RunRequest) (*rpc.RunResponse, error) {
	cmd := h.command(req, h.engine)
	env, err := environment(req, h.engine)
	if err != nil {
		return nil, err
	}
	cmd.Dir = req.GetInfo().GetProgramDirectory()
	cmd.Env = append(append(os.Environ(), env...), cmd.Env...)
	var tail bytes.Buffer
	cmd.Stdout, cmd.Stderr = os.Stderr, &tail // our own stdout is the CLI's
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	err = cmd.Run()
	stop()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &rpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == 32:
		return &rpc.RunResponse{Bail: true}, nil // the program has told the engine why
	}
	return &rpc.RunResponse{Error: fmt.Sprintf("program failed: %v\n%s", err, tail.String())}, nil
}

// environment is how programs learn of the engine and their stack.
func environment(req *rpc.RunRequest, engine string) ([]string, error) {
	config, err := json.Marshal(req.GetConfig())
	if err != nil {
		return nil, err
	}
	secrets, err := json.Marshal(req.GetConfigSecretKeys())
	if err != nil {
		return nil, err
	}
	return []string{
		"PULUMI_MONITOR=" + req.GetMonitorAddress(), "PULUMI_ENGINE=" + engine,
		"PULUMI_PROJECT=" + req.GetProject(), "PULUMI_STACK=" + req.GetStack(), "PULUMI_ORGANIZATION=" + req.GetOrganization(),
		"PULUMI_ROOT_DIRECTORY=" + req.GetInfo().GetRootDirectory(),
		"PULUMI_DRY_RUN=" + strconv.FormatBool(req.GetDryRun()), "PULUMI_PARALLEL=" + strconv.Itoa(int(req.GetParallel())),
		"PULUMI_CONFIG=" + string(config), "PULUMI_CONFIG_SECRET_KEYS=" + string(secrets),
	}, nil
}

func golang(*rpc.RunRequest, string) *exec.Cmd {
	return exec.Command("sh", "-c", "go build -o .program . && exec ./.program")
}

func nodejs(req *rpc.RunRequest, engine string) *exec.Cmd {
	args := []string{
		"node_modules/@pulumi/pulumi/cmd/run", "--monitor", req.GetMonitorAddress(), "--engine", engine,
		"--organization", req.GetOrganization(), "--project", req.GetProject(), "--stack", req.GetStack(),
		"--root-directory", req.GetInfo().GetRootDirectory(), "--pwd", req.GetInfo().GetProgramDirectory(),
		"--parallel", strconv.Itoa(int(req.GetParallel())),
	}
	if req.GetDryRun() {
		args = append(args, "--dry-run")
	}
	cmd := exec.Command("node", append(args, req.GetInfo().GetEntryPoint())...)
	cmd.Env = []string{"PULUMI_NODEJS_TYPESCRIPT=true"}
	return cmd
}

func python(req *rpc.RunRequest, _ string) *exec.Cmd {
	interpreter := "python3"
	if venv := req.GetInfo().GetOptions().GetFields()["virtualenv"].GetStringValue(); venv != "" {
		interpreter = filepath.Join(req.GetInfo().GetProgramDirectory(), venv, "bin", "python")
	}
	return exec.Command(interpreter, "-u", "-c", pythonMain, filepath.Join(req.GetInfo().GetProgramDirectory(), req.GetInfo().GetEntryPoint()))
}

func java(*rpc.RunRequest, string) *exec.Cmd {
	return exec.Command("mvn", "--batch-mode", "--quiet", "compile", "exec:java")
}
