package cluster

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
)

// memberName is a member's name in etcd: its node's, and eight hex digits.
var memberName = regexp.MustCompile(`^(.+)-[0-9a-f]{8}$`)

// list asks k3s' supervisor for etcd's members, by their nodes. Kubernetes itself does not know them: after a snapshot was restored it has the
// Nodes of servers that are none any more.
func (c *Cluster) list(ctx context.Context, url, token string) (map[string]bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.SetBasicAuth("server", token)
	response, err := c.web.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, statusError(response.Status)
	}
	var info struct {
		Members []struct {
			Name string `json:"name"`
		} `json:"members"`
	}
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil {
		return nil, err
	}
	nodes := map[string]bool{}
	for _, m := range info.Members {
		if found := memberName.FindStringSubmatch(m.Name); found != nil {
			nodes[found[1]] = true
		}
	}
	return nodes, nil
}

// isMember says whether a server is in etcd. One of which that cannot be found out is.
func (c *Cluster) isMember(ctx context.Context, server string) bool {
	nodes, err := c.members(ctx)
	return err != nil || len(nodes) == 0 || nodes[server]
}
