package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// MeetScript meets a machine that is there; without the mark of a meeting it only looks at it.
func MeetScript(cluster, node, meeting string) string {
	return compose([]string{"lib.sh", "meet-machine.sh"}, []variable{{"NODE", node}, {"STEP", string(topology.Meet)}, {"CLUSTER", cluster}, {"MEETING", meeting}, {"ADOPT", ""}})
}

// AdoptScript meets a machine that brings its k3s, and says all of that.
func AdoptScript(cluster, node, role, meeting string) string {
	unit := unitOf(topology.Node{Role: topology.Role(role)})
	return compose([]string{"lib.sh", "lib-found.sh", "meet-machine.sh"}, []variable{
		{"NODE", node}, {"STEP", string(topology.Meet)}, {"CLUSTER", cluster}, {"MEETING", meeting}, {"ADOPT", "yes"}, {"ROLE", role}, {"UNIT", unit},
	})
}

// adoptParts and adoptVars are what a step needs besides, on a machine that brought its k3s.
func adoptParts(n topology.Node) []string {
	if !n.Adopt {
		return nil
	}
	return []string{"lib-adopt.sh"}
}

func adoptVars(n topology.Node) []variable {
	if !n.Adopt {
		return nil
	}
	return []variable{{"ADOPT", "yes"}, {"WAY_BACK", toolPath("way-back.sh")}}
}

func yes(set bool) string {
	if set {
		return "yes"
	}
	return ""
}

// Options are what k3s on a node is started with, by option; values that may be secret are hidden.
func Options(s topology.Spec, n topology.Node) map[string][]string {
	config := serverConfig(s, n, nil)
	if n.Role == topology.Worker {
		config = workerConfig(s, n, nil)
	}
	out := map[string][]string{}
	for key, value := range config {
		key = strings.TrimSuffix(key, "+")
		if slices.Contains(topology.SecretOptions, key) {
			value = topology.HiddenOption
		}
		switch list := value.(type) {
		case []string:
			out[key] = append(out[key], list...)
		case []any:
			for _, item := range list {
				out[key] = append(out[key], plainly(item))
			}
		default:
			out[key] = append(out[key], plainly(value))
		}
	}
	return out
}

// LeaveScript takes the cluster off it.
func LeaveScript(node, role, machineID, meeting string, keep bool) string {
	return compose([]string{"lib.sh", "leave-machine.sh"}, []variable{
		{"NODE", node}, {"STEP", "leave"}, {"ROLE", role}, {"MACHINE_ID", machineID}, {"MEETING", meeting}, {"KEEP", yes(keep)},
	})
}

// plainly writes a number as k3s reads it, also a large one.
func plainly(value any) string {
	if number, isNumber := value.(float64); isNumber {
		return strconv.FormatFloat(number, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}
