package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab"
)

const ingressVIP = "192.168.1.230"

// ingress is an ingress of two replicas on a pool, at a port of its nodes.
func ingress(t *testing.T, pool string, port int, args ...string) string {
	t.Helper()
	script, err := os.ReadFile("testdata/ingress.py")
	if err != nil {
		t.Fatal(err)
	}
	command := append([]string{"python3", "-c", string(script), fmt.Sprint(port)}, args...)
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: ingress-%[1]s}
spec:
  replicas: 2
  selector: {matchLabels: {app: ingress-%[1]s}}
  template:
    metadata: {labels: {app: ingress-%[1]s}}
    spec:
      nodeSelector: {pool: %[1]s}
      hostNetwork: true
      containers: [{name: c, image: example.org/ingress, ports: [{containerPort: %[2]d, hostPort: %[2]d}], command: %[3]s}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: ingress-%[1]s}
spec: {minAvailable: 1, selector: {matchLabels: {app: ingress-%[1]s}}}
`, pool, port, quoted(command))
}

func quoted(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = fmt.Sprintf("%q", w)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// answers are those of a URL in a number of connections, each once.
func (p *place) answers(url string, times int) []string {
	var out []string
	// Whoever answers, by whatever certificate, counts as an answer.
	client := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{
		DialContext: p.Dial, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
	}}
	for range times {
		answer := "refused"
		if resp, err := client.Get(url); err == nil {
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			answer = fmt.Sprintf("%d %s", resp.StatusCode, strings.TrimSpace(string(body)))
		}
		if !slices.Contains(out, answer) {
			out = append(out, answer)
		}
	}
	slices.Sort(out)
	return out
}

// from waits until a URL is answered by just these nodes, each naming the client that it sees.
func (p *place) from(url string, client string, nodes ...string) {
	p.t.Helper()
	var want, got []string
	for _, n := range nodes {
		want = append(want, "200 "+n+" "+client)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		if got = p.answers(url, 20); slices.Equal(withoutClients(got, client == ""), want) {
			return
		}
	}
	p.t.Fatalf("%s is answered %q, want %q", url, got, want)
}

// withoutClients cuts the client off the answers, if any will do.
func withoutClients(answers []string, cut bool) []string {
	if !cut {
		return answers
	}
	var out []string
	for _, a := range answers {
		words := strings.Fields(a)
		out = append(out, strings.Join(words[:min(2, len(words))], " ")+" ")
	}
	return slices.Compact(out)
}

// under has clients at several URLs while something happens; none of them may see a failure.
func (p *place) under(most time.Duration, urls []string, during func()) {
	p.t.Helper()
	var stops []func() lab.Service
	for _, url := range urls {
		stops = append(stops, p.Service(p.t.Context(), url, nil))
	}
	during()
	for i, stop := range stops {
		s := stop()
		p.t.Logf("%s: %s", urls[i], s)
		if s.Failed > 0 || s.Asked == 0 || s.Without > most {
			p.t.Errorf("%s: %s", urls[i], s)
		}
	}
}

// TestLongForward has ports at two addresses go on to the ingress of two pools, and changes everything about it under clients.
func TestLongForward(t *testing.T) {
	p := newPlace(t, newLab(t, "forward", false), "forward")
	const (
		web, secure, second = "http://" + vip + "/", "http://" + vip + ":443/", "http://" + ingressVIP + "/"
		client              = lab.Gateway // from where the lab's clients come
	)
	names := []string{"k3s-edge-01", "k3s-edge-02", "k3s-server-01", "k3s-server-02", "k3s-server-03", "k3s-worker-01", "k3s-worker-02"}
	pools := []string{
		"          count: 2\n", "          count: 2\n          labels: {pool: worker}\n",
		"      loadBalancers:\n", "        edge:\n          count: 2\n          firstAddress: 192.168.1.215\n          labels: {pool: edge}\n      loadBalancers:\n",
	}
	forwards := `        forward:
          - {name: web, port: 80, targetPort: 8080, pools: [worker], check: /healthz}
          - {name: secure, port: 443, nodePort: 30443, pools: [edge], proxyProtocol: true}
        vips:
          ingress: {address: 192.168.1.230, forward: [{name: web, port: 80, targetPort: 8080, pools: [worker]}]}
`
	with := func(forwards string) []string { return append(pools[:3:3], pools[3]+forwards) }
	p.program(with(forwards)...)
	p.up()
	p.cluster(release, names...)
	p.apply(ingress(t, "worker", 8080) + "---" + ingress(t, "edge", 30443, "proxy"))

	t.Run("ports go where they should", func(t *testing.T) {
		p.t = t
		p.from(web, "", "k3s-worker-01", "k3s-worker-02")
		p.from(second, "", "k3s-worker-01", "k3s-worker-02")
		p.from(secure, client, "k3s-edge-01", "k3s-edge-02")
		if got := p.answers("https://"+vip+":6443/readyz", 3); len(got) != 1 || got[0] == "refused" {
			t.Errorf("the API at its own VIP answers %q", got)
		}
		for _, url := range []string{"http://" + ingressVIP + ":443/", "https://" + ingressVIP + ":6443/readyz"} {
			if got := p.answers(url, 3); !slices.Equal(got, []string{"refused"}) {
				t.Errorf("%s is answered %q", url, got)
			}
		}
	})
	t.Run("a node that fails the check gets nothing", func(t *testing.T) {
		p.t = t
		p.in("k3s-worker-02", "", "touch", "/run/unwell")
		p.from(web, "", "k3s-worker-01")
		p.from(second, "", "k3s-worker-01", "k3s-worker-02") // its check only connects
		p.in("k3s-worker-02", "", "rm", "/run/unwell")
		p.from(web, "", "k3s-worker-01", "k3s-worker-02")
	})
	t.Run("a change reloads", func(t *testing.T) {
		p.t = t
		p.program(with(strings.Replace(forwards, "        vips:", "          - {name: more, port: 8081, targetPort: 8080, pools: [worker]}\n        vips:", 1))...)
		before := p.lives()
		var took time.Duration
		p.under(time.Second, []string{web, secure, second}, func() {
			start := time.Now()
			r, _ := p.up()
			took = time.Since(start)
			expect(t, "what was changed", changedNames(r), []string{"update k3s-converge-k3s-lb-01", "update k3s-converge-k3s-lb-02", "update k3s-machines"})
		})
		p.from("http://"+vip+":8081/", "", "k3s-worker-01", "k3s-worker-02")
		for node, life := range p.lives() {
			if life != before[node] {
				t.Errorf("%s: something restarted: %v, was %v", node, life, before[node])
			}
		}
		start := time.Now()
		p.up()
		nothing := time.Since(start)
		t.Logf("a forward added: %.1f s; an update that changes nothing: %.1f s", took.Seconds(), nothing.Seconds())
		if took > nothing+time.Duration(loaded*5*float64(time.Second)) {
			t.Errorf("a forward added: %s, with nothing to change %s", took, nothing)
		}
	})
	t.Run("VMs restart, drained", func(t *testing.T) {
		p.t = t
		p.program(append(with(forwards), "labels: {pool: ", "memory: 3072\n          labels: {pool: ")...)
		p.under(time.Second, []string{web, secure, second}, func() { p.up() })
		p.cluster(release, names...)
		p.from(web, "", "k3s-worker-01", "k3s-worker-02")
		p.from(secure, client, "k3s-edge-01", "k3s-edge-02")
	})
	t.Run("load balancers restart", func(t *testing.T) {
		p.t = t
		p.program(with("        memory: 1536\n" + forwards)...)
		p.under(time.Second, []string{web, second}, func() { p.up() })
		for _, address := range []string{vip, ingressVIP} {
			if held := p.holders(address); len(held) != 1 {
				t.Errorf("%s is on %v", address, held)
			}
		}
		summary, err := p.Pulumi(t.Context(), p.project, p.stack, "stack", "output", "summary").Output()
		if want := vip + ", on " + p.holders(vip)[0] + " at the last change"; err != nil || !strings.Contains(string(summary), want) {
			t.Errorf("%v, no %q in\n%s", err, want, summary)
		}
	})
	t.Run("a load balancer is lost", func(t *testing.T) {
		p.t = t
		lb := p.holders(ingressVIP)[0]
		if err := p.Kill(lb); err != nil {
			t.Fatal(err)
		}
		p.from(second, "", "k3s-worker-01", "k3s-worker-02")
		if err := p.PowerOn(lb); err != nil {
			t.Fatal(err)
		}
		p.whole()
	})
	t.Run("clients from elsewhere are refused", func(t *testing.T) {
		p.t = t
		p.program(with("        memory: 1536\n" + strings.Replace(forwards, "check: /healthz", "sourceRanges: [10.0.0.0/8]", 1))...)
		p.up()
		if got := p.answers(web, 3); !slices.Equal(got, []string{"refused"}) {
			t.Errorf("%s is answered %q", web, got)
		}
		p.from(second, "", "k3s-worker-01", "k3s-worker-02")
	})
	t.Run("taken out", func(t *testing.T) {
		p.t = t
		p.program(with("        memory: 1536\n")...)
		s := p.service(func() { p.up() })
		p.within(s, time.Second)
		if s.Failed > 0 || len(p.holders(ingressVIP)) > 0 {
			t.Errorf("%s; %s is on %v", s, ingressVIP, p.holders(ingressVIP))
		}
		if got := p.answers(web, 3); !slices.Equal(got, []string{"refused"}) {
			t.Errorf("%s is answered %q", web, got)
		}
		if r, out := p.must(2*time.Minute, "preview"); r.Changed() != 0 {
			t.Errorf("the next preview changes %v\n%s", changedNames(r), tail(out))
		}
	})
}
