package resources

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
)

// What a machine brings becomes the cluster's identity, if it fits; nothing of it is in an error.
func TestAdoption(t *testing.T) {
	t.Parallel()
	authorities, err := pki.NewAuthorities(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	files := authorities.Files()
	hash, err := pki.Hash(files["server-ca.crt"])
	if err != nil {
		t.Fatal(err)
	}
	const passwd = "S3RVER,server,server,k3s:server\nAG3NT,node,node,k3s:agent\n"
	says := func(datastore, passwd string, without ...string) string {
		out := "name homelab\naddress 192.168.1.50\nversion v1.31.5+k3s1\nargs [\"server\",\"--disable\",\"traefik\"]\ndatastore " + datastore + "\n"
		for name, text := range files {
			if len(without) == 0 || !strings.HasPrefix(name, without[0]) {
				out += "file " + name + " " + base64.StdEncoding.EncodeToString([]byte(text)) + "\n"
			}
		}
		return out + "file passwd " + base64.StdEncoding.EncodeToString([]byte(passwd)) + "\n"
	}
	in := ExistingMachineArgs{Node: "homelab", Role: "server", Address: "192.168.1.50"}
	a := Adoption{Path: "servers", Slot: 1, Version: "v1.31.6+k3s1", Options: map[string][]string{"disable": {"traefik"}, "secrets-encryption": {"false"}}}
	for name, c := range map[string]struct {
		role, text, want string
		made             bool // CAs of etcd
	}{
		"in etcd":              {"server", says("etcd", passwd), "", false},
		"in SQLite":            {"server", says("sqlite", passwd), "", false},
		"SQLite, no CA's etcd": {"server", says("sqlite", passwd, "etcd/"), "", true},
		"etcd without its CAs": {"server", says("etcd", passwd, "etcd/"), "homelab: meet: its k3s cannot be adopted, and was left alone: one of its CAs (below server/tls) is not as k3s makes them: etcd/server-ca: is not a certificate and an EC key in PEM", false},
		"no tokens":            {"server", says("etcd", ""), "homelab: meet: its k3s cannot be adopted, and was left alone: its tokens cannot be read; see /var/lib/rancher/k3s/server/cred/passwd there, then run pulumi up again", false},
		"a worker":             {"worker", strings.Replace(says("", ""), `"--disable","traefik"`, "", 1), "", false},
		"what does not fit":    {"server", strings.Replace(says("etcd", passwd), "traefik", "coredns", 1), "homelab: meet: its k3s cannot be adopted as it is, and was left alone:\n  it runs with disable: coredns, and would not any more; say so in k3s.disable, too, or take it out there first", false},
		"no JSON":              {"server", strings.Replace(says("etcd", passwd), "[", "", 1), "homelab: meet: its k3s says with which options it runs in a form that is not known (annotation k3s.io/node-args); restart k3s there, then run pulumi up again", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := in
			in.Role = c.role
			text := c.text
			if c.role == "worker" {
				text = strings.Replace(text, `["server",]`, `["agent"]`, 1)
			}
			ca, encoded, err := a.take("k3s", in, text)
			if c.want != "" {
				if err == nil || err.Error() != c.want || ca != "" || encoded != "" {
					t.Errorf("%v, want %s", err, c.want)
				}
				return
			}
			if err != nil || ca != hash {
				t.Fatalf("%q (%v)", ca, err)
			}
			if c.role == "worker" {
				if encoded != "" {
					t.Error("a worker has no identity to bring")
				}
				return
			}
			b, err := pki.Decode(encoded)
			if err != nil || b.Cluster != "k3s" || b.Token != "S3RVER" || b.AgentToken != "AG3NT" || b.Authorities.Client != authorities.Client || (b.Authorities.EtcdPeer != authorities.EtcdPeer) != c.made {
				t.Errorf("%v", err)
			}
		})
	}
}
