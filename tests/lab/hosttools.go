package lab

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

// HostTool is one of Proxmox VE's own programs at a host's shell, by the name that this program was called by; handled is false for any other.
func HostTool(l *Lab, args []string) (handled bool, err error) {
	node := os.Getenv("LAB_NODE")
	switch name := filepath.Base(args[0]); {
	case node == "" || !slices.Contains(hostTools, name):
		return false, nil
	case name == "hostname":
		fmt.Println(node)
		return true, nil
	case name == "pvesm":
		return true, l.pvesm(node, args[1:])
	}
	return true, l.qm(node, args[1:])
}

func (l *Lab) host(method, path string, form map[string]string, into any) error {
	err := l.Control("POST", "/host", pve.HostCall{Method: method, Path: path, Form: form}, into)
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "POST /host: "))
	}
	return nil
}

func (l *Lab) pvesm(node string, args []string) error {
	if len(args) != 2 || args[0] != "path" {
		return errors.New("ERROR: unknown command 'pvesm " + strings.Join(args, " ") + "'")
	}
	storage, _, _ := strings.Cut(args[1], ":")
	var volume struct {
		Path string `json:"path"`
	}
	if err := l.host("GET", "nodes/"+node+"/storage/"+storage+"/content/"+args[1], nil, &volume); err != nil {
		return err
	}
	fmt.Println(volume.Path)
	return nil
}

func (l *Lab) qm(node string, args []string) error {
	if len(args) < 2 {
		return errors.New("ERROR: no command specified")
	}
	command, id, form, err := args[0], args[1], map[string]string{}, error(nil)
	for rest := args[2:]; len(rest) > 0; rest = rest[2:] {
		option, dashed := strings.CutPrefix(rest[0], "--")
		if !dashed || len(rest) < 2 {
			return fmt.Errorf("400 not enough arguments: %s", rest[0])
		}
		form[option] = rest[1]
	}
	vm := "nodes/" + node + "/qemu/" + id
	switch command {
	case "create":
		form["vmid"] = id
		err = l.host("POST", "nodes/"+node+"/qemu", form, nil)
	case "set":
		err = l.host("PUT", vm+"/config", form, nil)
	case "template":
		err = l.host("POST", vm+"/template", nil, nil)
	case "destroy":
		err = l.host("DELETE", vm, nil, nil)
	case "config":
		config := map[string]any{}
		if err = l.host("GET", vm+"/config", nil, &config); err == nil {
			for _, key := range slices.Sorted(maps.Keys(config)) {
				fmt.Printf("%s: %v\n", key, config[key])
			}
		}
	default:
		err = errors.New("ERROR: unknown command 'qm " + command + "'")
	}
	return err
}
