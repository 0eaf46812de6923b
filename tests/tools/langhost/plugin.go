package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// InstallDependencies has nothing to do for a plugin: go build fetches what it needs.
func (h *host) InstallDependencies(*rpc.InstallDependenciesRequest, grpc.ServerStreamingServer[rpc.InstallDependenciesResponse]) error {
	return nil
}

// RunPlugin builds a plugin that is kept as source, Go's alone, and runs it for as long as the engine wants it.
func (h *host) RunPlugin(req *rpc.RunPluginRequest, stream grpc.ServerStreamingServer[rpc.RunPluginResponse]) error {
	dir, err := os.MkdirTemp("", "langhost")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "plugin")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = req.GetInfo().GetProgramDirectory()
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	var mu sync.Mutex
	cmd := exec.CommandContext(stream.Context(), binary, req.GetArgs()...)
	cmd.Dir, cmd.Env = req.GetPwd(), req.GetEnv()
	cmd.Stdout = sender(func(b []byte) error {
		mu.Lock()
		defer mu.Unlock()
		return stream.Send(&rpc.RunPluginResponse{Output: &rpc.RunPluginResponse_Stdout{Stdout: b}})
	})
	cmd.Stderr = sender(func(b []byte) error {
		mu.Lock()
		defer mu.Unlock()
		return stream.Send(&rpc.RunPluginResponse{Output: &rpc.RunPluginResponse_Stderr{Stderr: b}})
	})
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	return stream.Send(&rpc.RunPluginResponse{Output: &rpc.RunPluginResponse_Exitcode{Exitcode: int32(cmd.ProcessState.ExitCode())}})
}

type sender func([]byte) error

func (s sender) Write(b []byte) (int, error) { return len(b), s(b) }
