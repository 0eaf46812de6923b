package resources

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Adoption is what the k3s that a machine brings is to become.
type Adoption struct {
	Path    string              `pulumi:"path"` // of its group
	Slot    int                 `pulumi:"slot"`
	Version string              `pulumi:"k3sVersion"`
	Options map[string][]string `pulumi:"options"` // what it is to be started with
}

// brought is what the script of a meeting has said of a k3s.
type brought struct {
	topology.Found
	files map[string]string
}

func readBrought(text string) (brought, error) {
	out := brought{files: map[string]string{}}
	var args []string
	env := map[string]string{}
	for line := range strings.Lines(text) {
		what, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch what {
		case "name":
			out.Name = value
		case "address":
			out.Address = value
		case "version":
			out.Version = value
		case "datastore":
			out.Datastore = value
		case "args", "env":
			into := map[string]any{"args": &args, "env": &env}[what]
			if err := json.Unmarshal([]byte(value), into); err != nil {
				return out, fmt.Errorf("its k3s says with which options it runs in a form that is not known (annotation k3s.io/node-%s); restart k3s there, then run pulumi up again", what)
			}
		case "file":
			name, packed, _ := strings.Cut(value, " ")
			content, err := base64.StdEncoding.DecodeString(packed)
			if err != nil {
				return out, fmt.Errorf("%s has not arrived as a whole; run pulumi up again", name)
			}
			out.files[name] = string(content)
		}
	}
	out.Options = topology.OptionsOf(args, env)
	return out, nil
}

// take reads what a machine brings: the hash of its cluster's CA, and of a server all that makes the cluster the one that it is. It refuses
// what cannot become what is wanted.
func (a Adoption) take(cluster string, in ExistingMachineArgs, text string) (caHash, bundle string, err error) {
	found, err := readBrought(text)
	if err != nil {
		return "", "", fmt.Errorf("%s: meet: %w", in.Node, err)
	}
	n := topology.Node{Name: in.Node, Role: topology.Role(in.Role), IP: in.Address, Path: a.Path, Slot: a.Slot}
	if problems := topology.CheckAdoption(n, a.Version, a.Options, found.Found); len(problems) > 0 {
		return "", "", fmt.Errorf("%s: meet: its k3s cannot be adopted as it is, and was left alone:\n  %s", in.Node, strings.Join(problems, "\n  "))
	}
	if caHash, err = pki.Hash(found.files["server-ca.crt"]); err != nil {
		return "", "", fmt.Errorf("%s: meet: its k3s cannot be adopted, and was left alone: the CA of its cluster is not as k3s makes them: %w", in.Node, err)
	}
	if n.Role != topology.Server {
		return caHash, "", nil
	}
	b, err := found.identity(cluster)
	if err != nil {
		return "", "", fmt.Errorf("%s: meet: its k3s cannot be adopted, and was left alone: %w", in.Node, err)
	}
	return caHash, b.Encode(), nil
}

var errUnreadableTokens = errors.New("its tokens cannot be read; see /var/lib/rancher/k3s/server/cred/passwd there, then run pulumi up again")

// identity is that of the cluster that a server brings. One that has its data in SQLite need not have CAs of etcd yet.
func (b brought) identity(cluster string) (pki.Bundle, error) {
	out := pki.Bundle{Cluster: cluster}
	users, err := csv.NewReader(strings.NewReader(b.files["passwd"])).ReadAll()
	if err != nil {
		return out, errUnreadableTokens
	}
	for _, user := range users {
		if len(user) < 2 {
			continue
		}
		switch user[1] {
		case "server":
			out.Token = user[0]
		case "node":
			out.AgentToken = user[0]
		}
	}
	if out.Token == "" || out.AgentToken == "" {
		return out, errUnreadableTokens
	}
	if strings.ContainsAny(out.Token+out.AgentToken, "\"\\\n\r\t ") {
		return out, errors.New("one of its tokens has blanks, quotes or backslashes, which cannot be sent everywhere; give it another one there first (k3s token rotate)")
	}
	if b.Datastore == topology.SQLite && b.files["etcd/server-ca.crt"] == "" {
		if out.Authorities, err = pki.NewAuthorities(time.Now()); err != nil {
			return out, err
		}
	}
	out.Authorities.Take(b.files)
	if err := out.Authorities.Check(); err != nil {
		return out, fmt.Errorf("one of its CAs (below server/tls) is not as k3s makes them: %w", err)
	}
	return out, nil
}
