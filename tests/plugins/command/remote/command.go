package remote

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Logging says which output is streamed to the engine.
type Logging string

// Values lists the kinds of logging.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: "Stdout", Value: "stdout"},
		{Name: "Stderr", Value: "stderr"},
		{Name: "StdoutAndStderr", Value: "stdoutAndStderr"},
		{Name: "None", Value: "none"},
	}
}

// Command runs a command on a remote machine.
type Command struct{}

// CommandInputs are its inputs.
type CommandInputs struct {
	Connection             *Connection       `pulumi:"connection" provider:"secret"`
	Environment            map[string]string `pulumi:"environment,optional"`
	Triggers               *[]any            `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Create                 *string           `pulumi:"create,optional"`
	Update                 *string           `pulumi:"update,optional"`
	Delete                 *string           `pulumi:"delete,optional"`
	Stdin                  *string           `pulumi:"stdin,optional"`
	Logging                *Logging          `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
}

// CommandOutputs are its inputs and what it printed.
type CommandOutputs struct {
	CommandInputs
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Annotate gives the default that SDKs fill in.
func (c *CommandInputs) Annotate(a infer.Annotator) {
	previous := true
	a.SetDefault(&c.AddPreviousOutputInEnv, previous)
}

// WireDependencies: what a preview knows of the output of an update.
func (*Command) WireDependencies(f infer.FieldSelector, args *CommandInputs, state *CommandOutputs) {
	// A secret connection alone does not make the output secret.
	f.OutputField(&state.Stdout).DependsOn(f.InputField(&args.Create), f.InputField(&args.Connection).Computed(), f.InputField(&args.Stdin).Secret())
	f.OutputField(&state.Stderr).DependsOn(f.InputField(&args.Create), f.InputField(&args.Connection).Computed(), f.InputField(&args.Stdin).Secret())
}

// Create runs the create command.
func (*Command) Create(ctx context.Context, req infer.CreateRequest[CommandInputs]) (infer.CreateResponse[CommandOutputs], error) {
	state := CommandOutputs{CommandInputs: req.Inputs}
	id := make([]byte, 8)
	_, _ = rand.Read(id)
	resp := infer.CreateResponse[CommandOutputs]{ID: "command" + hex.EncodeToString(id), Output: state}
	if req.DryRun || req.Inputs.Create == nil {
		return resp, nil
	}
	err := resp.Output.run(ctx, *req.Inputs.Create)
	return resp, err
}

// Update runs the update command, or the create command again when there is none.
func (*Command) Update(ctx context.Context, req infer.UpdateRequest[CommandInputs, CommandOutputs]) (infer.UpdateResponse[CommandOutputs], error) {
	state := req.State
	state.CommandInputs = req.Inputs
	if req.DryRun {
		return infer.UpdateResponse[CommandOutputs]{Output: state}, nil
	}
	command := req.Inputs.Update
	if command == nil {
		command = req.Inputs.Create
	}
	if command == nil {
		return infer.UpdateResponse[CommandOutputs]{Output: state}, nil
	}
	err := state.run(ctx, *command)
	return infer.UpdateResponse[CommandOutputs]{Output: state}, err
}

// Delete runs the delete command, if there is one.
func (*Command) Delete(ctx context.Context, req infer.DeleteRequest[CommandOutputs]) (infer.DeleteResponse, error) {
	if req.State.Delete == nil {
		return infer.DeleteResponse{}, nil
	}
	return infer.DeleteResponse{}, req.State.run(ctx, *req.State.Delete)
}

func (o *CommandOutputs) run(ctx context.Context, command string) error {
	client, err := o.Connection.Dial(ctx)
	if err != nil {
		return err
	}
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	for key, value := range o.Environment {
		if err := session.Setenv(key, value); err != nil {
			return fmt.Errorf("could not set environment variable %q: %w", key, err)
		}
	}
	if or(o.AddPreviousOutputInEnv, true) {
		for key, value := range map[string]string{"PULUMI_COMMAND_STDOUT": o.Stdout, "PULUMI_COMMAND_STDERR": o.Stderr} {
			if value == "" {
				continue
			}
			if err := session.Setenv(key, value); err != nil {
				p.GetLogger(ctx).Warningf("Unable to set '%s'. This only works if your SSH server is configured to accept these variables via AcceptEnv.", key)
			}
		}
	}
	if o.Stdin != nil {
		session.Stdin = strings.NewReader(*o.Stdin)
	}
	// A line of 64 KiB or more stops the scanner and then blocks the command, as in the released plugin.
	var stdout, stderr bytes.Buffer
	var both lockedBuffer
	logging := or(o.Logging, "stdoutAndStderr")
	outLog, outDone := logLines(ctx, logging == "stdout" || logging == "stdoutAndStderr")
	errLog, errDone := logLines(ctx, logging == "stderr" || logging == "stdoutAndStderr")
	session.Stdout = io.MultiWriter(&stdout, &both, outLog)
	session.Stderr = io.MultiWriter(&stderr, &both, errLog)
	err = session.Run(command)
	outLog.Close()
	errLog.Close()
	<-outDone
	<-errDone
	if err != nil {
		return fmt.Errorf("%w: running %q:\n%s", err, command, both.String())
	}
	o.Stdout, o.Stderr = strings.TrimSuffix(stdout.String(), "\n"), strings.TrimSuffix(stderr.String(), "\n")
	return nil
}

// lockedBuffer takes both outputs of a command, which arrive side by side.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func logLines(ctx context.Context, on bool) (io.WriteCloser, <-chan struct{}) {
	done := make(chan struct{})
	if !on {
		close(done)
		return nopCloser{io.Discard}, done
	}
	r, w := io.Pipe()
	go func() {
		defer close(done)
		for s := bufio.NewScanner(r); s.Scan(); {
			p.GetLogger(ctx).InfoStatus(s.Text())
		}
	}()
	return w, done
}
