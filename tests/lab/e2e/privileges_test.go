package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

// The privileges that README lists, and nothing beyond: in its block between these lines.
var privilegeBlock = regexp.MustCompile("(?s)```privileges\n(.*?)```")

// TestLongPrivileges proves README's list: with all of it a VM can be created, refreshed, updated, moved and destroyed, and nothing is
// refused; without any one of it Proxmox VE refuses something, and says which.
func TestLongPrivileges(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := privilegeBlock.FindStringSubmatch(string(readme))
	if block == nil {
		t.Fatal("README.md has no block of privileges")
	}
	all := strings.Fields(block[1])
	if len(all) < 15 {
		t.Fatalf("README lists only %v", all)
	}
	l := newLab(t, "roles", true)
	p := newPlace(t, l, "roles")
	p.write(p.vmProgram())

	if refused := p.lifeWith(all); len(refused) > 0 {
		t.Fatalf("with all of README's privileges: %v", refused)
	}
	for _, missing := range all {
		t.Run(missing, func(t *testing.T) {
			p.t = t
			refused := p.lifeWith(slices.DeleteFunc(slices.Clone(all), func(q string) bool { return q == missing }))
			if !slices.ContainsFunc(refused, func(r string) bool { return strings.HasSuffix(r, ", "+missing+")") }) {
				t.Errorf("without %s Proxmox VE refused: %v", missing, refused)
			}
		})
	}
}

// lifeWith takes one VM through its life with a token that has these privileges, and returns what Proxmox VE refused. A life that fails
// for another reason is an error.
func (p *place) lifeWith(privileges []string) (refused []string) {
	p.t.Helper()
	token := func(privileges ...string) {
		p.t.Helper()
		body := map[string]any{"id": "k3s@pve!pulumi", "secret": "11111111-1111-1111-1111-111111111111", "acl": []pve.ACL{{Path: "/", Privileges: privileges}}}
		if err := p.Control("POST", "/token", body, nil); err != nil {
			p.t.Fatal(err)
		}
	}
	token(privileges...)
	set := p.Pulumi(p.t.Context(), p.project, p.stack, "config", "set", "proxmoxve:apiToken", "--secret", "--config-file", p.ConfigFile(p.stack))
	set.Stdin = strings.NewReader("k3s@pve!pulumi=11111111-1111-1111-1111-111111111111")
	if out, err := set.CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	defer func() {
		// Whatever is left goes with full rights.
		token("*")
		p.write(p.vmProgram())
		p.afterPowerCut()
		vms, _ := p.VMs()
		for _, vm := range vms {
			_ = p.Control("POST", "/remove", map[string]int{"id": vm.ID}, nil)
		}
		_ = p.Control("POST", "/reset", nil, nil)
		p.Reap()
		if out, err := p.Pulumi(p.t.Context(), p.project, p.stack, "stack", "rm", "--yes", "--force", "--preserve-config").CombinedOutput(); err != nil {
			p.t.Logf("stack rm: %v %s", err, out)
		}
		init := p.Pulumi(p.t.Context(), p.project, p.stack, "stack", "init", "--secrets-provider", "passphrase")
		init.Args = slices.DeleteFunc(init.Args, func(a string) bool { return a == "--stack" })
		if out, err := init.CombinedOutput(); err != nil {
			p.t.Fatalf("stack init: %v %s", err, out)
		}
	}()
	program := p.vmProgram()
	for _, step := range []struct {
		name    string
		program string
		args    []string
	}{
		{"create", program, []string{"up", "--yes", "--skip-preview"}},
		{"refresh", program, []string{"refresh", "--yes", "--skip-preview"}},
		{"update", strings.NewReplacer(`"dedicated":4096`, `"dedicated":6144`, `"size":32`, `"size":40`, `"cores":2`, `"cores":3`).Replace(program), []string{"up", "--yes", "--skip-preview"}},
		{"destroy", program, []string{"destroy", "--yes", "--skip-preview"}},
	} {
		p.write(step.program)
		// Where the provider goes on asking what it may not, it is ended as soon as it was refused.
		ctx, cancel := context.WithTimeout(p.t.Context(), 2*time.Minute)
		done := make(chan error, 1)
		var out bytes.Buffer
		go func() { _, err := p.Run(ctx, p.project, p.stack, &out, step.args...); done <- err }()
		var err error
		for ended := false; !ended; {
			select {
			case err = <-done:
				ended = true
			case <-time.After(500 * time.Millisecond):
				if refused = p.refused(); len(refused) > 0 {
					time.Sleep(2 * time.Second)
					p.Reap()
				}
			}
		}
		cancel()
		if refused = p.refused(); len(refused) > 0 {
			return refused
		}
		if err != nil {
			p.t.Fatalf("%s failed, and nothing was refused: %v\n%s", step.name, err, tail(out.String()))
		}
	}
	return nil
}

// refused lists what the emulator has refused since the last reset.
func (p *place) refused() []string {
	p.t.Helper()
	var log []pve.Request
	if err := p.Control("GET", "/log", nil, &log); err != nil {
		p.t.Fatal(err)
	}
	var out []string
	for _, r := range log {
		if r.Status == http.StatusForbidden {
			out = append(out, r.Reason)
		}
	}
	// A VM that may not be audited is not in lists either.
	slices.Sort(out)
	return slices.Compact(out)
}

// vmProgram is a program with one of the cluster's VMs alone, with the very inputs that the component gives it: a server
// on another Proxmox node than the template's.
func (p *place) vmProgram() string {
	p.t.Helper()
	if p.inputs == nil {
		p.program()
		out, err := p.Pulumi(p.t.Context(), p.project, p.stack, "preview", "--json", "--config-file", p.ConfigFile(p.stack)).Output()
		if err != nil {
			p.t.Fatalf("preview: %v", err)
		}
		var preview struct {
			Steps []struct {
				URN string `json:"urn"`
				New struct {
					Inputs map[string]any `json:"inputs"`
				} `json:"newState"`
			} `json:"steps"`
		}
		if err := json.Unmarshal(out, &preview); err != nil {
			p.t.Fatal(err)
		}
		for _, s := range preview.Steps {
			if strings.HasSuffix(s.URN, "k3s-vm-k3s-server-02") {
				p.inputs = s.New.Inputs
			}
		}
		if p.inputs == nil {
			p.t.Fatal("the preview has no k3s-vm-k3s-server-02")
		}
	}
	inputs, err := json.Marshal(withoutDefaults(p.inputs))
	if err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprintf("name: k3s-ha\nruntime: yaml\nresources:\n  vm:\n    type: proxmoxve:VM/virtualMachine:VirtualMachine\n    properties: %s\n    options: {version: 6.18.1}\n", inputs)
}

// withoutDefaults drops what the plugin has filled in, and the marks by which the engine knows it.
func withoutDefaults(v any) any {
	switch v := v.(type) {
	case map[string]any:
		filled, _ := v["__defaults"].([]any)
		out := map[string]any{}
		for key, value := range v {
			if key != "__defaults" && !slices.Contains(filled, any(key)) {
				out[key] = withoutDefaults(value)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = withoutDefaults(v[i])
		}
		return out
	}
	return v
}
