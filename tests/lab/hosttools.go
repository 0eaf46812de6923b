package lab

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

// HostTool is one of Proxmox VE's own programs at a host's shell, by the name that this program was called by; handled is false for any other.
func HostTool(l *Lab, args []string) (handled bool, err error) {
	node, name := os.Getenv("LAB_NODE"), filepath.Base(args[0])
	if node == "" || !slices.Contains(hostTools, name) {
		return false, nil
	}
	return true, pve.Tools{Node: node, Out: os.Stdout, Call: l.atHost}.Run(name, args[1:])
}

// atHost makes a call of a host's shell. The error is Proxmox VE's own text alone.
func (l *Lab) atHost(h pve.HostCall, into any) error {
	if err := l.Control("POST", "/host", h, into); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "POST /host: "))
	}
	return nil
}
