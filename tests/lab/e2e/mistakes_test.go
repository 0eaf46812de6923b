package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// edit changes a program by pairs of old and new text; a text that isn't there is a mistake of the test.
func (p *place) edit(file string, replace ...string) {
	p.t.Helper()
	path := filepath.Join(p.project, file)
	data, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	text := string(data)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			p.t.Fatalf("%s does not hold %q", file, replace[i])
		}
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// program is the file that a language's minimal example is in.
var program = map[string]string{
	"yaml": "Pulumi.yaml", "typescript": "index.ts", "python": "__main__.py", "go": "main.go", "java": "src/main/java/App.java",
}

const (
	twoServers = `servers.count: 2 servers tolerate no more losses than 1; use an odd number: 1, 3, 5 or 7`
	vipTaken   = `network.vip: 192.168.1.1 is the gateway; choose an address that nothing else uses`
	secretName = `clusterName: is a secret, and this input is shown in every preview; give a value that is none`
	textCount  = `servers.count: is a string; give a whole number`
)

// TestLabMistakes makes the same mistakes in every language: each arrives in the user's own, with the property and the remedy.
func TestLabMistakes(t *testing.T) {
	l := newLab(t, "mistakes", true)
	for _, test := range []struct {
		language, name string
		edits          []string
		want           []string
	}{
		{"yaml", "two at once", []string{"servers: {firstAddress", "servers: {count: 2, firstAddress", "192.168.1.220", "192.168.1.1"}, []string{twoServers, vipTaken}},
		{"typescript", "two at once", []string{"servers: { firstAddress", "servers: { count: 2, firstAddress", "192.168.1.220", "192.168.1.1"}, []string{twoServers, vipTaken}},
		{"python", "two at once", []string{`servers={"first`, `servers={"count": 2, "first`, "192.168.1.220", "192.168.1.1"}, []string{twoServers, vipTaken}},
		{"go", "two at once", []string{"ServersArgs{First", "ServersArgs{Count: new(2), First", "192.168.1.220", "192.168.1.1"}, []string{twoServers, vipTaken}},
		{"java", "two at once", []string{"ServersArgs.builder()", "ServersArgs.builder().count(2)", "192.168.1.220", "192.168.1.1"}, []string{twoServers, vipTaken}},

		{"yaml", "a secret", []string{"clusterName: k3s", "clusterName: ${sshPrivateKey}"}, []string{secretName}},
		{"typescript", "a secret", []string{`clusterName: "k3s"`, `clusterName: new pulumi.Config().requireSecret("sshPrivateKey") as any`}, []string{secretName}},
		{"python", "a secret", []string{`cluster_name="k3s"`, `cluster_name=pulumi.Config().require_secret("sshPrivateKey")`}, []string{secretName}},

		{"yaml", "a wrong type", []string{"servers: {firstAddress", `servers: {count: "two", firstAddress`}, []string{"count", "Cannot assign type 'string' to type 'integer'"}},
		{"typescript", "a wrong type", []string{"servers: { firstAddress", `servers: { count: "2" as any, firstAddress`}, []string{textCount}},
		{"python", "a wrong type", []string{`servers={"first`, `servers={"count": "2", "first`}, []string{textCount}},

		{"yaml", "a missing group", []string{"      k3s: {version: v1.31.6+k3s1}\n", ""}, []string{"Missing required property 'k3s'"}},
		{"typescript", "a missing group", []string{`k3s: { version: "v1.31.6+k3s1" },`, `k3s: undefined as any,`}, []string{"Missing required property 'k3s'"}},
		{"python", "a missing group", []string{`    k3s={"version": "v1.31.6+k3s1"},` + "\n", ""}, []string{"Missing required property 'k3s'"}},
		{"go", "a missing group", []string{`K3s:           k3sha.K3sArgs{Version: "v1.31.6+k3s1"},`, ""}, []string{"k3s.version: is missing; name the release, like v1.31.6+k3s1"}},
		{"java", "a missing group", []string{`            .k3s(K3sArgs.builder().version("v1.31.6+k3s1").build())` + "\n", ""}, []string{"MissingRequiredPropertyException", "k3s"}},
	} {
		t.Run(test.language+" "+test.name, func(t *testing.T) {
			p := newExample(t, l, test.language, "minimal")
			p.edit(program[test.language], test.edits...)
			r, out, err := p.try(time.Minute, "preview")
			if err == nil {
				t.Fatalf("the preview worked:\n%s", tail(out))
			}
			t.Logf("%.1f s", r.Seconds)
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in:\n%s", want, tail(out))
				}
			}
		})
	}
}

// TestLabTwoClusters: two clusters of one program that would use the same things.
func TestLabTwoClusters(t *testing.T) {
	p := newPlace(t, newLab(t, "beside", true), "beside")
	text, err := os.ReadFile(filepath.Join(p.project, "Pulumi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	resources, outputs, _ := strings.Cut(string(text), "outputs:\n")
	_, cluster, found := strings.Cut(resources, "  k3s:\n")
	if !found {
		t.Fatal("Pulumi.yaml has no resource k3s")
	}
	other := strings.NewReplacer("clusterName: k3s", "clusterName: edge", "BC:24:11", "BC:24:12").Replace(cluster)
	p.write(resources + "  edge:\n" + other + "    options: {dependsOn: [\"${k3s}\"]}\noutputs:\n" + outputs)
	_, out, err := p.try(time.Minute, "preview")
	flat := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{
		`network.vip: 192.168.1.220 is the VIP of cluster "k3s" too; give each its own`,
		`loadBalancers.virtualRouterId: 51 is the VRRP router id of cluster "k3s" too, on the same network; give each its own`,
		`servers.firstAddress: edge-server-01 would have 192.168.1.201, which is k3s-server-01 in cluster "k3s" (and 2 more of its nodes likewise); give each its own`,
	} {
		if err == nil || !strings.Contains(flat, want) {
			t.Errorf("no %q (%v) in:\n%s", want, err, tail(out))
		}
	}
}
