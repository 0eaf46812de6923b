package render_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// decide runs a blank server's decision against a VIP that answers with the given cards, one after the other, the last
// one from then on. No card: nothing answers.
func decide(t *testing.T, node string, cards ...string) (decision, message string) {
	t.Helper()
	host, port := "127.0.0.1", "1"
	if len(cards) > 0 {
		var asked atomic.Int32
		vip := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, cards[min(int(asked.Add(1)), len(cards))-1])
		}))
		t.Cleanup(vip.Close)
		host, port, _ = net.SplitHostPort(strings.TrimPrefix(vip.URL, "http://"))
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join("files", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	server := read("converge-server.sh")
	functions, _, found := strings.Cut(server, "\nput 0600 $etc/config.yaml")
	if !found {
		t.Fatal("converge-server.sh no longer has its functions before its first put")
	}
	functions = strings.Replace(functions, "\nlock\n", "\n", 1) // needs a root's /run
	script := fmt.Sprintf("NODE=%s STEP=converge UNIT=k3s CLUSTER=k3s VIP=%s STATUS_PORT=%s VIP_WAIT=1 RECHECK_WAIT=0\n", node, host, port) +
		read("lib.sh") + read("lib-k3s.sh") + functions + "\ndecide\necho \"$decision $ca\"\n"
	cmd := exec.Command("sh")
	cmd.Stdin = strings.NewReader(script)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, _ := cmd.Output()
	return strings.TrimSpace(string(out)), strings.TrimSpace(stderr.String())
}

func card(cluster, ca string, servers int) string {
	return fmt.Sprintf(`{"cluster":%q,"loadBalancer":"k3s-lb-01","first":"k3s-server-01","ca":%q,"servers":%d}`, cluster, ca, servers)
}

// Never a second cluster: the table, row by row.
func TestABlankServerDecides(t *testing.T) {
	t.Parallel()
	const first, second = "k3s-server-01", "k3s-server-02"
	for name, c := range map[string]struct {
		node     string
		cards    []string
		decision string
		message  string
	}{
		"VIP does not answer": {
			first, nil, "",
			"has not answered on port 1 for 1 s, so nobody can say whether the cluster lives; bring a load balancer back, then run pulumi up again",
		},
		"VIP of another cluster": {
			first,
			[]string{card("prod", "none", 0)},
			"",
			"belongs to cluster prod, not to k3s; give this cluster a network.vip of its own",
		},
		"CA known, servers live":           {second, []string{card("k3s", "sha256:abc", 2)}, "join sha256:abc", ""},
		"CA known, one lives, first blank": {first, []string{card("k3s", "sha256:abc", 1)}, "join sha256:abc", ""},
		"CA unknown, servers live":         {first, []string{card("k3s", "none", 1)}, "join none", ""},
		"CA unknown, first check pending":  {first, []string{card("k3s", "none", 3), card("k3s", "none", 0)}, "initialise none", ""},
		"CA known, nobody lives": {
			first,
			[]string{card("k3s", "sha256:abc", 0)},
			"",
			`cluster k3s (CA sha256:abc) has lived, but none of its servers answers, and this one has an empty disk; it will not start a second cluster. Bring a server back, or restore one from an etcd snapshot (k3s server --cluster-reset --cluster-reset-restore-path=FILE). If the cluster is lost for good, set servers.abandonedCa to "sha256:abc" to start anew`,
		},
		"CA unknown, nobody lives, first": {first, []string{card("k3s", "none", 0)}, "initialise none", ""},
		"CA unknown, nobody lives, not first": {
			second,
			[]string{card("k3s", "none", 0)},
			"",
			"cluster k3s has no server yet, and k3s-server-01 is the one that may initialise it; run pulumi up again when that has succeeded",
		},
		"garbage": {first, []string{"<html>"}, "", "belongs to cluster , not to k3s; give this cluster a network.vip of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			decision, message := decide(t, c.node, c.cards...)
			if decision != c.decision {
				t.Errorf("decision %q, want %q (%s)", decision, c.decision, message)
			}
			if !strings.HasSuffix(message, c.message) || (c.message == "") != (message == "") {
				t.Errorf("message %q, want %q", message, c.message)
			}
			if message != "" && !strings.HasPrefix(message, c.node+": converge: ") {
				t.Errorf("message %q does not begin with node and step", message)
			}
		})
	}
}
