package render

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// toolkitDir is where the parts of scripts are on a node.
const toolkitDir = "/usr/local/lib/k3sha/steps"

// inline are the scripts that never are on a node: they come before the toolkit, or are sent by a resource that keeps nothing of them.
var inline = map[string]bool{
	"loader.sh": true, "contact-node.sh": true, "start-cluster.sh": true, "admit-node.sh": true, "state-node.sh": true, "steer-loadbalancer.sh": true,
	"reached-node.sh": true, "yield-server.sh": true, "arrive-loadbalancer.sh": true, "lib-s3.sh": true,
	"take-snapshot.sh": true, "list-snapshots.sh": true, "restore-server.sh": true,
	"lib-template.sh": true, "make-template.sh": true, "find-template.sh": true, "remove-template.sh": true, "lib-found.sh": true, "meet-machine.sh": true, "leave-machine.sh": true,
}

// programs are what load balancers run themselves; steps put them in place.
var programs = []string{"lb-ask", "lb-check", "lb-servers", "vrrp-listen"}

// toolName is a part's name on a node, with a hash of what is in it.
func toolName(part string) string {
	name, isScript := strings.CutSuffix(part, ".sh")
	name += "-" + topology.Digest(withoutComments(file(part)))[:12]
	if isScript {
		name += ".sh"
	}
	return name
}

// toolPath is where a part is on a node.
func toolPath(part string) string { return toolkitDir + "/" + toolName(part) }

// toolkit are the parts of all scripts, and the programs, by their names on a node.
func toolkit() map[string]string {
	names, err := fs.Glob(files, "files/*.sh")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	out := map[string]string{}
	for _, name := range slices.Concat(names, programs) {
		if part := path.Base(name); !inline[part] {
			out[toolName(part)] = withoutComments(file(part))
		}
	}
	return out
}

// Toolkit is a hash of the toolkit: another one has to be brought to the nodes.
func Toolkit() string { return topology.Digest(archive(toolkit())) }

// ContactInput is what the script of a contact is made of. User is who logs in on the port, AuthorizedKeys are the lines that let somebody in.
type ContactInput struct {
	Node, IP, User string
	Port           int
	AuthorizedKeys []string
	HostKey        pki.HostKey
	Existing       bool // the machine is there: its keys, its name and its host key are its own
}

// ContactScript meets a node, and brings it the toolkit, its authorized keys and its host key.
func ContactScript(in ContactInput) string {
	return compose([]string{"lib.sh", "contact-node.sh"}, []variable{
		{"EXISTING", yes(in.Existing)},
		{"NODE", in.Node},
		{"STEP", string(topology.Contact)},
		{"NODE_IP", in.IP},
		{"TOOLKIT_DIR", toolkitDir},
		{"TOOLKIT", archive(toolkit())},
		{"SSH_USER", in.User},
		{"AUTHORIZED_KEYS", strings.Join(in.AuthorizedKeys, "\n") + "\n"},
		{"SSH_PORT", fmt.Sprint(in.Port)},
		{"HOST_KEY", in.HostKey.Private},
		{"HOST_KEY_PUBLIC", in.HostKey.Public},
	})
}
