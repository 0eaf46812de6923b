package proxmox_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/provider/internal/proxmox"
)

// answering is an API that has one answer for each path; Proxmox VE gives its reasons in the status line.
func answering(t *testing.T, answers map[string]string) proxmox.API {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, found := answers[r.Method+" "+strings.TrimPrefix(r.URL.Path, "/api2/json/")]
		if r.Header.Get("Authorization") != "PVEAPIToken=root@pam!k3s=secret" {
			answer, found = "401 authentication failure\n", true
		}
		if !found {
			answer = "501 Method '" + r.Method + " " + r.URL.Path + "' not implemented\n"
		}
		status, body, _ := strings.Cut(answer, "\n")
		connection, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = connection.Close() }()
		fmt.Fprintf(connection, "HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, len(body), body)
	}))
	t.Cleanup(server.Close)
	return proxmox.API{Endpoint: server.URL + "/", Token: "root@pam!k3s=secret", Insecure: &insecure}
}

var insecure, checked = true, false

func TestCall(t *testing.T) {
	t.Parallel()
	api := answering(t, map[string]string{
		"GET nodes/pve1/qemu/9000/config": "200 OK\n{\"data\":{\"name\":\"base\"}}",
		"PUT nodes/pve1/qemu/9000/config": "400 Parameter verification failed.\n{\"data\":null,\"errors\":{\"scsi0\":\"invalid format\\n\",\"memory\":\"too much\"}}",
		"GET nodes/pve1/qemu/1/config":    "500 Configuration file 'nodes/pve1/qemu-server/1.conf' does not exist\n{\"data\":null}",
		"GET nodes/pve1/qemu/2/config":    "403 Permission check failed (/vms/2, VM.Audit)\n",
		"GET nodes/pve1/qemu/3/config":    "200 OK\n<html>",
	})
	for call, want := range map[string]string{
		"GET nodes/pve1/qemu/9000/config": "<nil>",
		"PUT nodes/pve1/qemu/9000/config": "400 Parameter verification failed.; memory: too much; scsi0: invalid format",
		"GET nodes/pve1/qemu/1/config":    "500 Configuration file 'nodes/pve1/qemu-server/1.conf' does not exist",
		"GET nodes/pve1/qemu/2/config":    "403 Permission check failed (/vms/2, VM.Audit)",
		"GET nodes/pve1/qemu/3/config":    "200 OK is not an answer of Proxmox VE's API",
	} {
		method, path, _ := strings.Cut(call, " ")
		var got struct{ Name string }
		err := api.Call(t.Context(), method, path, url.Values{"a": {"b"}}, &got)
		if fmt.Sprint(err) != want || proxmox.Missing(err) != strings.HasSuffix(want, "does not exist") || err == nil && got.Name != "base" {
			t.Errorf("%s: %v, want %s", call, err, want)
		}
	}
	api.Insecure = &checked
	if err := api.Call(t.Context(), http.MethodGet, "version", nil, nil); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody has signed: %v", err)
	}
	api.Insecure, api.Token = &insecure, "root@pam!k3s=other"
	if err := api.Call(t.Context(), http.MethodGet, "version", nil, nil); fmt.Sprint(err) != "401 authentication failure" {
		t.Errorf("another token: %v", err)
	}
}

func TestTask(t *testing.T) {
	t.Parallel()
	api := answering(t, map[string]string{
		"POST ok": "200 OK\n{\"data\":\"UPID:pve2:1:ok\"}", "GET nodes/pve2/tasks/UPID:pve2:1:ok/status": "200 OK\n{\"data\":{\"status\":\"stopped\",\"exitstatus\":\"OK\"}}",
		"POST bad": "200 OK\n{\"data\":\"UPID:pve2:1:bad\"}", "GET nodes/pve2/tasks/UPID:pve2:1:bad/status": "200 OK\n{\"data\":{\"status\":\"stopped\",\"exitstatus\":\"no space left\"}}",
		"POST slow": "200 OK\n{\"data\":\"UPID:pve2:1:slow\"}", "GET nodes/pve2/tasks/UPID:pve2:1:slow/status": "200 OK\n{\"data\":{\"status\":\"running\"}}",
		"POST none": "200 OK\n{\"data\":\"\"}", "POST away": "200 OK\n{\"data\":\"UPID:pve2:1:away\"}", "GET nodes/pve2/tasks/UPID:pve2:1:away/status": "595 Connection refused\n",
		"POST not": "200 OK\n{\"data\":\"UPID:pve2:1:not\"}", "GET nodes/pve2/tasks/UPID:pve2:1:not/status": "403 Permission check failed\n",
	})
	for path, want := range map[string]string{"ok": "<nil>", "none": "<nil>", "bad": "the task ended with: no space left", "slow": "the task does not end", "away": "595 Connection refused", "not": "403 Permission check failed"} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if err := api.Task(ctx, http.MethodPost, path, nil); fmt.Sprint(err) != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
		cancel()
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv(proxmox.EndpointVariable, "https://pve:8006")
	t.Setenv(proxmox.TokenVariable, "of the environment")
	t.Setenv(proxmox.InsecureVariable, "true")
	if got := (proxmox.API{}).OrEnvironment(); got.Endpoint != "https://pve:8006" || got.Token != "of the environment" || !*got.Insecure {
		t.Errorf("got %v", got)
	}
	if got := (proxmox.API{Endpoint: "https://other", Token: "given", Insecure: &checked}).OrEnvironment(); got.Endpoint != "https://other" || got.Token != "given" || *got.Insecure {
		t.Errorf("got %v", got)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	api := answering(t, map[string]string{"GET cluster/resources": "200 OK\n{\"data\":[{\"vmid\":100,\"name\":\"a\",\"node\":\"pve2\",\"type\":\"qemu\"}]}"})
	if got, err := api.Find(t.Context(), 100); err != nil || *got != (proxmox.VM{ID: 100, Name: "a", Node: "pve2"}) {
		t.Errorf("%v %v", got, err)
	}
	if got, err := api.Find(t.Context(), 101); err != nil || got != nil {
		t.Errorf("%v %v", got, err)
	}
}
