package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLongOutputs uses what a cluster gives out, as those do who are not Pulumi: the kubeconfig by the API's name, the client's certificate
// and key, the agents' token, an inventory in Ansible's hands, the summary.
func TestLongOutputs(t *testing.T) {
	p := newPlace(t, newLab(t, "outputs", false), "outputs")
	p.program("        vip: 192.168.1.220\n", "        vip: 192.168.1.220\n        endpoint: api.example.org\n",
		"        version: v1.31.6+k3s1\n", "        version: v1.31.6+k3s1\n        context: prod\n",
		"outputs:\n", `outputs:
  inventory: ${k3s.ansibleInventory}
  ca: ${k3s.caCertificate}
  certificate: ${k3s.clientCertificate}
  key: ${k3s.clientKey}
  agentToken: ${k3s.agentToken}
`)
	p.up()
	text, err := p.Pulumi(t.Context(), p.project, p.stack, "stack", "output", "--json", "--show-secrets").Output()
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Endpoint, Summary, Inventory, CA, Certificate, Key, AgentToken, Kubeconfig string
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}

	t.Run("who looks at the stack sees what is no secret, and nothing else", func(t *testing.T) {
		text, err := p.Pulumi(t.Context(), p.project, p.stack, "stack", "output", "--json").Output()
		var shown map[string]any
		if err != nil || json.Unmarshal(text, &shown) != nil {
			t.Fatalf("%v %s", err, text)
		}
		var secret []string
		for name, value := range shown {
			if value == "[secret]" {
				secret = append(secret, name)
			}
		}
		slices.Sort(secret)
		expect(t, "secret outputs", secret, []string{"agentToken", "key", "kubeconfig"})
	})
	t.Run("kubeconfig by the name", func(t *testing.T) {
		const name = "server: https://api.example.org:6443\n"
		if out.Endpoint != "https://api.example.org:6443" || strings.Count(out.Kubeconfig, name) != 1 || !strings.Contains(out.Kubeconfig, "current-context: prod\n") {
			t.Fatalf("endpoint %s, kubeconfig\n%s", out.Endpoint, out.Kubeconfig)
		}
		// The lab has no name server that knows it; who it is that answers is the certificate's business.
		path := filepath.Join(t.TempDir(), "kubeconfig")
		resolved := strings.Replace(out.Kubeconfig, name, "server: https://"+vip+":6443\n    tls-server-name: api.example.org\n", 1)
		if err := os.WriteFile(path, []byte(resolved), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := p.Command(filepath.Join(p.Build, "bin", "kubectl"), "--kubeconfig", path, "--context", "prod", "get", "nodes", "-o", "name").CombinedOutput()
		if err != nil || strings.Count(string(got), "node/k3s-") != 5 {
			t.Errorf("%v %s", err, got)
		}
	})
	t.Run("client certificate and key", func(t *testing.T) {
		pair, err := tls.X509KeyPair([]byte(out.Certificate), []byte(out.Key))
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(out.CA))
		client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
			DialContext: p.Dial, TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, MinVersion: tls.VersionTLS12},
		}}
		resp, err := client.Get("https://" + vip + ":6443/api/v1/secrets")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Error(resp.Status)
		}
	})
	t.Run("agents' token", func(t *testing.T) {
		p.t = t
		if got := p.in("k3s-server-02", "", "cat", "/var/lib/rancher/k3s/server/agent-token"); strings.TrimSpace(got) != out.AgentToken {
			t.Error("it is not the one that servers have")
		}
	})
	t.Run("inventory", func(t *testing.T) {
		p.t = t
		path := filepath.Join(t.TempDir(), "inventory.yaml")
		if err := os.WriteFile(path, []byte(out.Inventory), 0o600); err != nil {
			t.Fatal(err)
		}
		ansible := func(inventory string, args ...string) string {
			cmd := p.Command(filepath.Join(p.Build, "ansible", "bin", "ansible"), append([]string{"-i", inventory, "--private-key", p.KeyFile(), "--one-line"}, args...)...)
			cmd.Env = append(cmd.Environ(), "ANSIBLE_HOME="+t.TempDir(), "ANSIBLE_NOCOLOR=1", "HOME="+t.TempDir(), "LC_ALL=C.UTF-8", "ANSIBLE_SSH_CONTROL_PATH_DIR="+t.TempDir())
			got, _ := cmd.CombinedOutput()
			return string(got)
		}
		for group, want := range map[string][]string{
			"all": p.nodes(), "servers": {"k3s-server-01", "k3s-server-02", "k3s-server-03"}, "load_balancers": {"k3s-lb-01", "k3s-lb-02"}, "workers_worker": {"k3s-worker-01", "k3s-worker-02"},
		} {
			printed := ansible(path, group, "-m", "ping")
			var got []string
			for line := range strings.Lines(printed) {
				if name, rest, found := strings.Cut(line, " | SUCCESS => "); found && strings.Contains(rest, `"ping": "pong"`) {
					got = append(got, name)
				}
			}
			slices.Sort(got)
			expect(t, "pongs of "+group, got, want)
			if t.Failed() {
				t.Fatal(printed)
			}
		}
		// A machine with another host key is none of the cluster's.
		foreign := strings.Replace(out.Inventory, strings.Fields(out.Inventory[strings.Index(out.Inventory, "ssh-ed25519 "):])[1], "AAAAC3NzaC1lZDI1NTE5AAAAIFM5tgDbmP9U3YCGJCxRza9QFRWoxjjpbbjK1xLc2ttX\"", 1)
		if err := os.WriteFile(path, []byte(foreign), 0o600); err != nil {
			t.Fatal(err)
		}
		if printed := ansible(path, "k3s-lb-01", "-m", "ping"); !strings.Contains(printed, "Host key verification failed") {
			t.Errorf("another host key: %s", printed)
		}
	})
	t.Run("summary", func(t *testing.T) {
		p.t = t
		holder := p.holders(vip)
		if len(holder) != 1 {
			t.Fatalf("the VIP is on %v", holder)
		}
		for _, want := range []string{
			"k3s: k3s v1.31.6+k3s1 at https://api.example.org:6443\n", "VIP            192.168.1.220, on " + holder[0] + " at the last change\n",
			"k3s-server-02  192.168.1.202    server         VM ", " on pve2\n", "pulumi stack output kubeconfig --show-secrets > kubeconfig",
		} {
			if !strings.Contains(out.Summary, want) {
				t.Errorf("no %q in\n%s", want, out.Summary)
			}
		}
	})
}
