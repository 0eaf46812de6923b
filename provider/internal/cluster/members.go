package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

// Members lists the names of etcd's members, <node>-<8 hex>, as k3s itself tells a server that shows the cluster's token. The token may be
// the whole one or its password alone.
func (c *Cluster) Members(ctx context.Context, token string) ([]string, error) {
	if _, password, full := strings.Cut(token, "::server:"); full {
		token = password
	}
	var names []string
	err := c.until(ctx, "listing the members of etcd", c.waits.Ask, func(ctx context.Context) (done bool, err error) {
		names, err = c.listMembers(ctx, token)
		return true, err
	})
	return names, err
}

func (c *Cluster) listMembers(ctx context.Context, password string) ([]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint+"/db/info", nil)
	if err != nil {
		return nil, err
	}
	request.SetBasicAuth("server", password)
	response, err := c.web.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	switch {
	case err != nil:
		return nil, err
	case response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden:
		return nil, finalError("the cluster does not take its token for the list of etcd's members (" + response.Status + "); the token was changed: give the one that the servers have")
	case response.StatusCode >= http.StatusInternalServerError:
		return nil, statusError(response.Status)
	case response.StatusCode != http.StatusOK:
		return nil, finalError("k3s does not list etcd's members: /db/info answers " + response.Status)
	}
	var info struct {
		Members []struct {
			Name string `json:"name"`
		} `json:"members"`
	}
	if err := json.Unmarshal(body, &info); err != nil || len(info.Members) == 0 {
		return nil, errors.New("what /db/info answers is no list of members")
	}
	names := make([]string, len(info.Members))
	for i, m := range info.Members {
		names[i] = m.Name
	}
	slices.Sort(names)
	return names, nil
}
