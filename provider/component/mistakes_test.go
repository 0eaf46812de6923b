package component

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"golang.org/x/crypto/ssh"

	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// baseProgram is the minimal example's cluster.
const baseProgram = `{"clusterName":"k3s","proxmox":{"nodes":["pve1","pve2","pve3"],"templateId":9000},
	"network":{"cidr":"192.168.1.0/24","gateway":"192.168.1.1","vip":"192.168.1.220"},"servers":{"firstAddress":"192.168.1.201"},
	"workers":{"worker":{"count":2,"firstAddress":"192.168.1.211"}},"loadBalancers":{"firstAddress":"192.168.1.221"},
	"k3s":{"version":"v1.31.6+k3s1"},"ssh":{"privateKey":"KEY"}}`

// mistake is one line of a table of inputs: what is set and unset in the base program, and every line that the user then reads.
type mistake struct {
	ID    string         `json:"id"`
	Why   string         `json:"why"`
	Set   map[string]any `json:"set"`
	Unset []string       `json:"unset"`
	Want  []string       `json:"want"`
}

func readMistakes(t *testing.T, file string) []mistake {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []mistake
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m mistake
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		out = append(out, m)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// keysOf are the texts that KEY, KEY_PASSPHRASE, PUBKEY and BUNDLE stand for in the tables.
func keysOf(t *testing.T) *strings.Replacer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	open, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	authorities, err := pki.NewAuthorities(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	bundle := pki.Bundle{Cluster: "k3s", Token: "servers-token-in-it", AgentToken: "agents-token-in-it", Authorities: authorities}
	other, damaged := bundle, bundle
	other.Cluster, damaged.Authorities.EtcdPeer = "other", pki.Pair{}
	return strings.NewReplacer("BUNDLE_CUT", bundle.Encode()[:2001], "BUNDLE_OTHER", other.Encode(), "BUNDLE_DAMAGED", damaged.Encode(),
		"BUNDLE_LATER", `{"k3shaRecoveryBundle":2,"clusterName":"k3s"}`+"\n"+strings.Repeat(" ", 256)+"\n", "BUNDLE", bundle.Encode(),
		"KEY_PASSPHRASE", string(pem.EncodeToMemory(locked)), "PUBKEY", strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))),
		"KEY", string(pem.EncodeToMemory(open)))
}

// segments takes a property path apart: dots, [0] and ["a.b"].
func segments(path string) []any {
	var out []any
	for path != "" {
		switch path[0] {
		case '.':
			path = path[1:]
		case '[':
			end := strings.IndexByte(path, ']')
			if inner := path[1:end]; inner[0] == '"' {
				end = 2 + strings.IndexByte(path[2:], '"') + 1
				out = append(out, path[2:end-1])
			} else {
				n, _ := strconv.Atoi(inner)
				out = append(out, n)
			}
			path = path[end+1:]
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			out = append(out, path[:end])
			path = path[end:]
		}
	}
	return out
}

// put sets or removes a value in nested maps and lists, and makes what is missing on the way.
func put(in any, path []any, value any, remove bool) any {
	if len(path) == 0 {
		return value
	}
	if i, isIndex := path[0].(int); isIndex {
		list, _ := in.([]any)
		for len(list) <= i {
			list = append(list, nil)
		}
		list[i] = put(list[i], path[1:], value, remove)
		return list
	}
	m, isMap := in.(map[string]any)
	if !isMap {
		m = map[string]any{}
	}
	key, _ := path[0].(string)
	if len(path) == 1 && remove {
		delete(m, key)
	} else {
		m[key] = put(m[key], path[1:], value, remove)
	}
	return m
}

// secretPaths are marked as secrets, as programs do.
var secretPaths = []string{"ssh.privateKey", "ssh.bastion.privateKey", "k3s.token", "k3s.agentToken", "k3s.recoveryBundle", "backup.s3.accessKey", "backup.s3.secretKey", "host.privateKey"}

func (m mistake) inputs(t *testing.T, keys *strings.Replacer) resource.PropertyMap {
	t.Helper()
	return m.over(t, baseProgram, keys)
}

func (m mistake) over(t *testing.T, base string, keys *strings.Replacer) resource.PropertyMap {
	t.Helper()
	var program any
	if err := json.Unmarshal([]byte(base), &program); err != nil {
		t.Fatal(err)
	}
	for _, path := range m.Unset {
		program = put(program, segments(path), nil, true)
	}
	for _, path := range slices.Sorted(maps.Keys(m.Set)) {
		program = put(program, segments(path), m.Set[path], false)
	}
	var walk func(v any, path string) resource.PropertyValue
	walk = func(v any, path string) resource.PropertyValue {
		switch v := v.(type) {
		case map[string]any:
			out := resource.PropertyMap{}
			for key, item := range v {
				out[resource.PropertyKey(key)] = walk(item, join(path, key))
			}
			return resource.NewObjectProperty(out)
		case []any:
			var out []resource.PropertyValue
			for i, item := range v {
				out = append(out, walk(item, fmt.Sprintf("%s[%d]", path, i)))
			}
			return resource.NewArrayProperty(out)
		case string:
			if !strings.Contains(v, "PRIVATE KEY") {
				v = keys.Replace(v)
			}
			if slices.Contains(secretPaths, path) {
				return resource.MakeSecret(resource.NewStringProperty(v))
			}
			return resource.NewStringProperty(v)
		}
		return resource.NewPropertyValue(v)
	}
	return walk(program, "").ObjectValue()
}

func found(inputs resource.PropertyMap) []string {
	_, problems := CheckInputs(inputs)
	var out []string
	for _, p := range problems {
		out = append(out, p.String())
	}
	return out
}

// TestMistakes goes through a table of wrong inputs, as new users make them: each is refused at preview, with exactly these lines.
func TestMistakes(t *testing.T) {
	t.Parallel()
	keys := keysOf(t)
	table := readMistakes(t, "testdata/mistakes.jsonl")
	if len(table) < 250 {
		t.Fatalf("only %d cases", len(table))
	}
	for _, m := range table {
		if got := found(m.inputs(t, keys)); !slices.Equal(got, m.Want) {
			t.Errorf("%s (%s):\n%s\nwant:\n%s", m.ID, m.Why, strings.Join(got, "\n"), strings.Join(m.Want, "\n"))
		}
	}
}

// TestAccepted goes through a table of unusual inputs that Proxmox VE, sshd, k3s, HAProxy and Keepalived all take.
func TestAccepted(t *testing.T) {
	t.Parallel()
	keys := keysOf(t)
	for _, m := range readMistakes(t, "testdata/accepted.jsonl") {
		if got := found(m.inputs(t, keys)); len(got) > 0 {
			t.Errorf("%s (%s) is refused:\n%s", m.ID, m.Why, strings.Join(got, "\n"))
		}
	}
}

// Many problems are cut, in the order in which they are found.
func TestProblemsAreCapped(t *testing.T) {
	t.Parallel()
	var many []topology.Problem
	for i := range 25 {
		many = append(many, topology.Problem{Path: fmt.Sprintf("a[%d]", i), Reason: "is wrong"})
	}
	text := ProblemsError("prod", many).Error()
	if !strings.HasPrefix(text, "K3sHaCluster \"prod\" has 25 problems:\n  a[0]: is wrong\n") || !strings.HasSuffix(text, "\n  a[19]: is wrong\n  ... and 5 more") {
		t.Error(text)
	}
}
