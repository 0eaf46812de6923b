package render

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// StartInput is what the machine gets that may start the cluster.
type StartInput struct {
	Node, VM    string // its name, and that of its VM's resource
	Cluster     string
	VIP         string
	APIPort     int
	StartOver   string            // the mark of the cluster that is to be started
	Adopt       bool              // the machine brings the cluster
	Right       string            // made up, so that a right that was used up is told from another
	Others      []string          // addresses of the cluster's other servers
	CA          string            // of the API's serving certificates
	Authorities map[string]string // all CAs by their files below k3s' server/tls
}

// StartScript gives a machine the right to start the cluster.
func StartScript(in StartInput) string {
	var others []string
	if in.StartOver != "" { // a cluster that has never lived has no others
		for _, address := range in.Others {
			others = append(others, address+":6443")
		}
	}
	return compose([]string{"lib.sh", "start-cluster.sh"}, []variable{
		{"ADOPT", yes(in.Adopt)},
		{"NODE", in.Node},
		{"STEP", string(topology.Start)},
		{"VM", in.VM},
		{"CLUSTER", in.Cluster},
		{"VIP", in.VIP},
		{"API_PORT", fmt.Sprint(in.APIPort)},
		{"START", in.StartOver},
		{"RIGHT", in.Right},
		{"OTHERS", strings.Join(others, " ")},
		{"CA", in.CA},
		{"AUTHORITIES", archive(in.Authorities)},
	})
}

// AdmitScript asks a node which machine it is, and whether it may start the cluster of a mark.
func AdmitScript(node, startOver string) string {
	return compose([]string{"lib.sh", "admit-node.sh"}, []variable{{"NODE", node}, {"STEP", string(topology.Admit)}, {"START", startOver}})
}

// archive packs files for one variable of a script.
func archive(files map[string]string) string {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		// Writing to memory fails for nothing but a name that no archive can hold.
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(files[name])), Format: tar.FormatUSTAR}); err != nil {
			panic(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(out.Bytes())
}
