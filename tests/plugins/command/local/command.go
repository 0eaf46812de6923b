// Package local runs commands on the machine of the engine.
package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// Command runs a command locally.
type Command struct{}

// CommandInputs are its inputs.
type CommandInputs struct {
	Interpreter *[]string         `pulumi:"interpreter,optional"`
	Dir         *string           `pulumi:"dir,optional"`
	Environment map[string]string `pulumi:"environment,optional"`
	Triggers    *[]any            `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Create      *string           `pulumi:"create,optional"`
	Update      *string           `pulumi:"update,optional"`
	Delete      *string           `pulumi:"delete,optional"`
	Stdin       *string           `pulumi:"stdin,optional"`
}

// CommandOutputs are its inputs and what it printed.
type CommandOutputs struct {
	CommandInputs
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Create runs the create command.
func (*Command) Create(ctx context.Context, req infer.CreateRequest[CommandInputs]) (infer.CreateResponse[CommandOutputs], error) {
	id := make([]byte, 8)
	_, _ = rand.Read(id)
	resp := infer.CreateResponse[CommandOutputs]{ID: "command" + hex.EncodeToString(id), Output: CommandOutputs{CommandInputs: req.Inputs}}
	if req.DryRun || req.Inputs.Create == nil {
		return resp, nil
	}
	return resp, resp.Output.run(ctx, *req.Inputs.Create)
}

// Update runs the update command, or the create command again when there is none.
func (*Command) Update(ctx context.Context, req infer.UpdateRequest[CommandInputs, CommandOutputs]) (infer.UpdateResponse[CommandOutputs], error) {
	state := req.State
	state.CommandInputs = req.Inputs
	command := req.Inputs.Update
	if command == nil {
		command = req.Inputs.Create
	}
	if req.DryRun || command == nil {
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
	interpreter := []string{"/bin/sh", "-c"}
	if o.Interpreter != nil && len(*o.Interpreter) > 0 {
		interpreter = *o.Interpreter
	}
	cmd := exec.CommandContext(ctx, interpreter[0], append(interpreter[1:], command)...)
	cmd.Env = os.Environ()
	for key, value := range o.Environment {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	if o.Dir != nil {
		cmd.Dir = *o.Dir
	}
	if o.Stdin != nil {
		cmd.Stdin = strings.NewReader(*o.Stdin)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: running %q:\n%s", err, command, stdout.String()+stderr.String())
	}
	o.Stdout, o.Stderr = strings.TrimSuffix(stdout.String(), "\n"), strings.TrimSuffix(stderr.String(), "\n")
	return nil
}
