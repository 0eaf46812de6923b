package render

import "github.com/k3sha/pulumi-k3sha/provider/internal/topology"

// MeetScript meets a machine that is there; without the mark of a meeting it only looks at it.
func MeetScript(cluster, node, meeting string) string {
	return compose([]string{"lib.sh", "meet-machine.sh"}, []variable{{"NODE", node}, {"STEP", string(topology.Meet)}, {"CLUSTER", cluster}, {"MEETING", meeting}})
}

// LeaveScript takes the cluster off it.
func LeaveScript(node, role, machineID, meeting string, keep bool) string {
	kept := ""
	if keep {
		kept = "yes"
	}
	return compose([]string{"lib.sh", "leave-machine.sh"}, []variable{
		{"NODE", node}, {"STEP", "leave"}, {"ROLE", role}, {"MACHINE_ID", machineID}, {"MEETING", meeting}, {"KEEP", kept},
	})
}
