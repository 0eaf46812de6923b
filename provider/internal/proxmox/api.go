// Package proxmox is the little that this package asks Proxmox VE's API for itself. VMs are the plugin's; here is what it cannot do.
//
// Its clients in Go hide why a request was refused (the reason stands in the status line, for Proxmox VE), so this is net/http.
package proxmox

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What the plugin of Proxmox VE reads, too, where its provider is not configured in the program.
const (
	EndpointVariable = "PROXMOX_VE_ENDPOINT"
	TokenVariable    = "PROXMOX_VE_API_TOKEN"
	InsecureVariable = "PROXMOX_VE_INSECURE"
)

// API is where Proxmox VE's API is, and what opens it.
type API struct {
	Endpoint string // https://pve.example.org:8006/
	Token    string // user@realm!name=secret
	Insecure *bool  // whether its certificate is not checked
}

// OrEnvironment takes what is not given from the environment.
func (a API) OrEnvironment() API {
	if a.Endpoint == "" {
		a.Endpoint = os.Getenv(EndpointVariable)
	}
	if a.Token == "" {
		a.Token = os.Getenv(TokenVariable)
	}
	if on, err := strconv.ParseBool(os.Getenv(InsecureVariable)); err == nil && a.Insecure == nil {
		a.Insecure = &on
	}
	return a
}

// Deadlines of a request, and pauses between looks at a task.
const (
	answer = 30 * time.Second
	pause  = 500 * time.Millisecond
	most   = 4 << 20 // bytes of an answer
)

// Refused is an answer that says no.
type Refused struct {
	Code   int
	Status string // as Proxmox VE's: the reason is in it
	Errors string // of parameters
}

func (r *Refused) Error() string { return r.Status + r.Errors }

// Missing says whether a VM is not there, or not on this Proxmox node.
func Missing(err error) bool {
	var refused *Refused
	return errors.As(err, &refused) && strings.Contains(refused.Status, "does not exist")
}

// VM is one that a token may see.
type VM struct {
	ID   int    `json:"vmid"`
	Name string `json:"name"`
	Node string `json:"node"`
}

// Find looks for a VM on all Proxmox nodes; nil if there is none that the token may see. One that is not there cannot be asked for by its id:
// Proxmox VE refuses that to a token for some VMs only.
func (a API) Find(ctx context.Context, id int) (*VM, error) {
	var all []VM
	if err := a.Call(ctx, http.MethodGet, "cluster/resources?type=vm", nil, &all); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(v VM) bool { return v.ID == id }); i >= 0 {
		return &all[i], nil
	}
	return nil, nil
}

// Call asks once. What the answer has as its data goes to out.
func (a API) Call(ctx context.Context, method, path string, form url.Values, out any) error {
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(a.Endpoint, "/")+"/api2/json/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "PVEAPIToken="+a.Token)
	if len(form) > 0 {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	// Not HTTP/2, by which a proxy in front could speak: that has no place for reasons in its status.
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	if a.Insecure != nil && *a.Insecure {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // as the user wants it
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, most))
	if err != nil {
		return err
	}
	var got struct {
		Data   json.RawMessage   `json:"data"`
		Errors map[string]string `json:"errors"`
	}
	unreadable := json.Unmarshal(body, &got)
	if res.StatusCode >= http.StatusBadRequest {
		refused := &Refused{Code: res.StatusCode, Status: res.Status}
		for _, name := range slices.Sorted(maps.Keys(got.Errors)) {
			refused.Errors += fmt.Sprintf("; %s: %s", name, strings.TrimSpace(got.Errors[name]))
		}
		return refused
	}
	if unreadable != nil {
		return fmt.Errorf("%s is not an answer of Proxmox VE's API", res.Status)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(got.Data, out)
}

// Task asks for something that takes its time, and waits until it is done.
func (a API) Task(ctx context.Context, method, path string, form url.Values) error {
	var id string
	if err := a.Call(ctx, method, path, form, &id); err != nil {
		return err
	}
	parts := strings.Split(id, ":") // UPID:node:...
	if len(parts) < 3 {
		return nil // done at once, by an older Proxmox VE
	}
	for {
		var task struct {
			Status     string `json:"status"`
			ExitStatus string `json:"exitstatus"`
		}
		err := a.Call(ctx, http.MethodGet, "nodes/"+parts[1]+"/tasks/"+url.PathEscape(id)+"/status", nil, &task)
		var refused *Refused
		switch {
		case errors.As(err, &refused) && refused.Code < http.StatusInternalServerError:
			return err
		case err != nil: // it works on, whether anybody sees that or not
		case task.Status != "stopped":
		case task.ExitStatus == "OK" || strings.HasPrefix(task.ExitStatus, "WARNINGS"):
			return nil
		default:
			return fmt.Errorf("the task ended with: %s", task.ExitStatus)
		}
		select {
		case <-ctx.Done():
			if err != nil {
				return err
			}
			return errors.New("the task does not end")
		case <-time.After(pause):
		}
	}
}
