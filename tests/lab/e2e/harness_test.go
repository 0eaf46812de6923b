// Package e2e takes the root Pulumi.yaml through the real CLI, on the lab.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

// place is a running lab with one project in it.
type place struct {
	*lab.Lab
	t       *testing.T
	project string
	stack   string
	inputs  map[string]any // of one VM, for the tests of the Proxmox VE API

	endpoint string // where the API is; empty: at the VIP of the root Pulumi.yaml
}

// newLab starts a lab that ends with the test, whatever happens in between.
func newLab(t *testing.T, name string, null bool) *lab.Lab {
	t.Helper()
	build := os.Getenv("LAB_BUILD")
	if build == "" {
		t.Fatal("LAB_BUILD is not set: run make test")
	}
	l := lab.Open("test-"+name, build)
	binary := filepath.Join(build, "bin", "lab")
	run := func(args ...string) error {
		cmd := exec.Command(binary, args...)
		cmd.Env = append(os.Environ(), "LAB_NAME="+l.Name)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("lab %v: %w: %s", args, err, out)
		}
		return nil
	}
	args := []string{"up"}
	if null {
		args = append(args, "--null")
	}
	if err := run(args...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run("down"); err != nil {
			t.Error(err)
		}
	})
	return l
}

// newPlace makes a project from the root Pulumi.yaml, changed by pairs of old and new text.
func newPlace(t *testing.T, l *lab.Lab, stack string, replace ...string) *place {
	t.Helper()
	p := &place{Lab: l, t: t, project: t.TempDir(), stack: stack}
	p.program(replace...)
	p.init()
	return p
}

func (p *place) init() {
	p.t.Helper()
	if err := p.InitStack(p.t.Context(), p.project, p.stack); err != nil {
		p.t.Fatal(err)
	}
}

// program writes the root Pulumi.yaml with changes; a text that isn't there is a mistake of the test.
func (p *place) program(replace ...string) {
	p.t.Helper()
	data, err := os.ReadFile("../../../Pulumi.yaml")
	if err != nil {
		p.t.Fatal(err)
	}
	text := string(data)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			p.t.Fatalf("Pulumi.yaml does not hold %q", replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	p.write(text)
}

func (p *place) write(text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.project, "Pulumi.yaml"), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// try runs pulumi and returns what it printed.
func (p *place) try(timeout time.Duration, args ...string) (lab.UpResult, string, error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), timeout)
	defer cancel()
	var out bytes.Buffer
	r, err := p.Run(ctx, p.project, p.stack, &out, args...)
	return r, out.String(), err
}

func (p *place) must(timeout time.Duration, args ...string) (lab.UpResult, string) {
	p.t.Helper()
	r, out, err := p.try(timeout, args...)
	if err != nil {
		p.t.Fatalf("pulumi %v: %v\n%s", args, err, tail(out))
	}
	p.t.Logf("pulumi %s: %.1f s, %v", strings.Join(args, " "), r.Seconds, r.Changes)
	return r, out
}

func tail(s string) string {
	if len(s) > 6000 {
		return "..." + s[len(s)-6000:]
	}
	return s
}

// tryUntilThen takes an update, and does something as soon as it has printed a line that holds two texts.
func (p *place) tryUntilThen(first, second string, then func(line string)) (lab.UpResult, string, error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 8*time.Minute)
	defer cancel()
	out, done, seen := &watched{seen: make(chan struct{})}, make(chan struct{}), false
	ended, stop := context.WithCancel(ctx)
	go func() {
		defer close(done)
		for ; ended.Err() == nil; time.Sleep(20 * time.Millisecond) {
			for line := range strings.Lines(out.String()) {
				if at := strings.Index(line, first); at >= 0 && strings.Contains(line[at:], second) && strings.HasSuffix(line, "\n") {
					seen = true
					then(line)
					return
				}
			}
		}
	}()
	r, err := p.Run(ctx, p.project, p.stack, out, "up", "--yes", "--skip-preview")
	stop()
	<-done
	if !seen {
		p.t.Fatalf("the update never printed %q and %q:\n%s", first, second, tail(out.String()))
	}
	return r, out.String(), err
}

func (p *place) up(args ...string) (lab.UpResult, string) {
	p.t.Helper()
	return p.must(6*time.Minute, append([]string{"up", "--yes", "--skip-preview"}, args...)...)
}

func (p *place) kubeconfig() string {
	p.t.Helper()
	out, err := p.Pulumi(p.t.Context(), p.project, p.stack, "stack", "output", "kubeconfig", "--show-secrets").Output()
	if err != nil {
		p.t.Fatalf("stack output: %v", err)
	}
	return strings.TrimRight(string(out), "\n")
}

// kubectl runs against the VIP, with the kubeconfig output as it is.
func (p *place) kubectl(args ...string) string {
	p.t.Helper()
	out, err := p.tryKubectl(args...)
	if err != nil {
		p.t.Fatalf("kubectl %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(out)
}

func (p *place) tryKubectl(args ...string) (string, error) {
	p.t.Helper()
	file := filepath.Join(p.project, "kubeconfig")
	if _, err := os.Stat(file); err != nil {
		if err := os.WriteFile(file, []byte(p.kubeconfig()), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	cmd := p.Command(filepath.Join(p.Build, "bin", "kubectl"), append([]string{"--kubeconfig", file, "--request-timeout=10s"}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// forgetKubeconfig has the next kubectl take the output again.
func (p *place) forgetKubeconfig() { _ = os.Remove(filepath.Join(p.project, "kubeconfig")) }

// in runs a command in a VM as root.
func (p *place) in(node string, stdin string, args ...string) string {
	p.t.Helper()
	cmd, err := p.Exec(node, args...)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) > 0 {
		p.t.Logf("%s on %s: %v: %s", args, node, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (p *place) nodes() []string {
	p.t.Helper()
	vms, err := p.VMs()
	if err != nil {
		p.t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(vms))
}

// logins counts SSH logins on all nodes.
func (p *place) logins() int {
	p.t.Helper()
	n := 0
	for _, node := range p.nodes() {
		n += strings.Count(p.in(node, "", "journalctl", "-q", "--no-pager", "-u", "ssh"), "Accepted publickey")
	}
	return n
}

// powerOff takes a VM's power away; powerOn starts it.
func powerOff(p *place, node string) {
	p.t.Helper()
	if err := p.Kill(node); err != nil {
		p.t.Fatal(err)
	}
}

func powerOn(p *place, node string) {
	p.t.Helper()
	if err := p.PowerOn(node); err != nil {
		p.t.Fatal(err)
	}
}

// remove takes a VM away in Proxmox VE, as a person would by hand.
func (p *place) remove(id int) {
	p.t.Helper()
	if err := p.Control("POST", "/remove", map[string]int{"id": id}, nil); err != nil {
		p.t.Fatal(err)
	}
}

// holders lists the running nodes that have an address.
func (p *place) holders(ip string) []string {
	p.t.Helper()
	vms, err := p.VMs()
	if err != nil {
		p.t.Fatal(err)
	}
	var out []string
	for _, node := range p.nodes() {
		if vms[node].Status == "running" && strings.Contains(p.in(node, "", "ip", "-o", "-4", "addr"), " "+ip+"/") {
			out = append(out, node)
		}
	}
	return out
}

// held checks that one load balancer of the cluster has the address, and no other machine. Which one is for VRRP to say.
func (p *place) held(ip, cluster string) {
	p.t.Helper()
	if got := p.holders(ip); len(got) != 1 || !strings.HasPrefix(got[0], cluster+"-lb-") {
		p.t.Errorf("%s is on %q, want it on one load balancer of %s", ip, got, cluster)
	}
}

// changedNames are the resources that a preview would change, by name.
func changedNames(r lab.UpResult) []string {
	var out []string
	for _, s := range r.Steps {
		if s.Op != "same" {
			out = append(out, s.Op+" "+s.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func expect[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%v\nwant\n%v", what, got, want)
	}
}

// vote waits until the cluster has exactly these nodes, all Ready at the release, servers with a vote.
func (p *place) cluster(version string, names ...string) {
	p.t.Helper()
	slices.Sort(names)
	var got []string
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(time.Second) {
		text, err := p.tryKubectl("get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion} {.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="EtcdIsVoter")].status}{"\n"}{end}`)
		if err != nil {
			got = []string{text}
			continue
		}
		got = nil
		var want []string
		for line := range strings.Lines(text) {
			got = append(got, strings.TrimSpace(line))
		}
		for _, name := range names {
			vote := ""
			if strings.Contains(name, "-server-") {
				vote = " True"
			}
			want = append(want, name+" "+version+" True"+vote)
		}
		if slices.Equal(got, want) {
			return
		}
	}
	p.t.Fatalf("nodes: %v, want %v at %s, Ready and voting", got, names, version)
}

// members asks a server's own etcd who is in the cluster.
func (p *place) members(server string) int {
	p.t.Helper()
	out := p.memberList(server)
	var list struct {
		Members []struct {
			Name      string `json:"name"`
			IsLearner bool   `json:"isLearner"`
		} `json:"members"`
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		p.t.Fatalf("members of %s: %v: %s", server, err, out)
	}
	for _, m := range list.Members {
		if m.IsLearner {
			p.t.Errorf("%s is a learner", m.Name)
		}
	}
	return len(list.Members)
}

// memberList is what a server's own etcd answers to the question for its members.
func (p *place) memberList(server string) string {
	p.t.Helper()
	return p.in(server, "", "curl", "-s", "--cacert", "/var/lib/rancher/k3s/server/tls/etcd/server-ca.crt", "--cert", "/var/lib/rancher/k3s/server/tls/etcd/client.crt",
		"--key", "/var/lib/rancher/k3s/server/tls/etcd/client.key", "-d", "{}", "https://127.0.0.1:2379/v3/cluster/member/list")
}

// stateResource is a resource of the stack's state.
type stateResource struct {
	URN          string   `json:"urn"`
	ID           string   `json:"id"`
	Provider     string   `json:"provider"`
	Parent       string   `json:"parent"`
	Dependencies []string `json:"dependencies"`
}

// nameOf is a resource's name, the last part of its URN.
func nameOf(urn string) string { return urn[strings.LastIndex(urn, "::")+2:] }

func (p *place) resources() []stateResource {
	p.t.Helper()
	state, err := p.Pulumi(p.t.Context(), p.project, p.stack, "stack", "export").Output()
	if err != nil {
		p.t.Fatal(err)
	}
	var export struct {
		Deployment struct {
			Resources []stateResource `json:"resources"`
		} `json:"deployment"`
	}
	if err := json.Unmarshal(state, &export); err != nil {
		p.t.Fatal(err)
	}
	return export.Deployment.Resources
}

func referenceNodes() []string {
	return []string{"k3s-lb-01", "k3s-lb-02", "k3s-server-01", "k3s-server-02", "k3s-server-03", "k3s-worker-01", "k3s-worker-02"}
}

func kubernetesNodes(extra ...string) []string {
	return append([]string{"k3s-server-01", "k3s-server-02", "k3s-server-03", "k3s-worker-01", "k3s-worker-02"}, extra...)
}

// newer says whether the lab's Proxmox VE plugin was built from bpg v0.111.1, which users may pass as an explicit provider.
func newer() bool { return os.Getenv("LAB_NEWER") != "" }
