package resources_test

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/k3sha/pulumi-k3sha/provider"
	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
	"github.com/k3sha/pulumi-k3sha/provider/resources"
)

const day = 24 * time.Hour

func urn(kind string) resource.URN {
	return resource.URN("urn:pulumi:stack::project::k3sha:index:" + kind + "::k3s")
}

// plugin is the package's provider as it is served.
func plugin(t *testing.T) integration.Server {
	t.Helper()
	prov, err := provider.New()
	if err != nil {
		t.Fatal(err)
	}
	server, err := integration.NewServer(t.Context(), provider.Name, semver.MustParse("0.1.0"), integration.WithProvider(prov))
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func text(s string) property.Value   { return property.New(s) }
func secret(s string) property.Value { return property.New(s).WithSecret(true) }
func keys(lines ...string) property.Value {
	var out []property.Value
	for _, line := range lines {
		out = append(out, text(line))
	}
	return property.New(out)
}

// fixed is a fixed setting; there always are some.
var fixed = property.New(map[string]property.Value{"ssh.user": property.New("ubuntu")})

// with is a map with some of its values changed; null ones are taken out.
func with(m property.Map, change map[string]property.Value) property.Map {
	out := m.AsMap()
	maps.Copy(out, change)
	maps.DeleteFunc(out, func(_ string, v property.Value) bool { return v.IsNull() })
	return property.NewMap(out)
}

func reasons(resp p.CheckResponse) []string {
	var out []string
	for _, f := range resp.Failures {
		out = append(out, f.Reason)
	}
	slices.Sort(out)
	return out
}

func newBundle(t *testing.T, cluster string) pki.Bundle {
	t.Helper()
	authorities, err := pki.NewAuthorities(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return pki.Bundle{Cluster: cluster, Token: "bundled-s3cret-servers", AgentToken: "bundled-s3cret-agents", Authorities: authorities}
}

// configured is the provider with a cluster's access, as the component gives it.
func configured(t *testing.T, access resources.Access) integration.Server {
	t.Helper()
	server := plugin(t)
	if err := server.Configure(p.ConfigureRequest{Args: property.NewMap(map[string]property.Value{resources.AccessKey: secret(access.Text())})}); err != nil {
		t.Fatal(err)
	}
	return server
}

// What a living cluster refuses, word for word.
func TestIdentityRefusesWhatWouldDestroyACluster(t *testing.T) {
	t.Parallel()
	server := plugin(t)
	own, again, other := newBundle(t, "k3s").Encode(), newBundle(t, "k3s").Encode(), newBundle(t, "prod").Encode()
	inputs := property.NewMap(map[string]property.Value{
		"clusterName": text("k3s"), "token": secret("a-token-of-the-servers"),
		"fixed": property.New(map[string]property.Value{"ssh.user": text("ubuntu"), "k3s.secretsEncryption": text("true")}),
	})
	adopted := with(inputs, map[string]property.Value{"token": {}, "recoveryBundle": secret(own)})
	const changed = "k3s.recoveryBundle: this stack's cluster has an identity already; leave the bundle out, or give it to a new stack"
	for name, c := range map[string]struct {
		before property.Map
		change map[string]property.Value
		want   []string
	}{
		"nothing": {inputs, nil, nil},
		"an option comes": {inputs, map[string]property.Value{"fixed": property.New(map[string]property.Value{
			"ssh.user": text("ubuntu"), "k3s.serverConfig.cluster-dns": text("10.43.0.10"), "k3s.secretsEncryption": text("true"),
		})}, nil},
		"another name": {inputs, map[string]property.Value{"clusterName": text("prod")}, []string{
			"clusterName: the cluster is called k3s, and its nodes, certificates and etcd members with it; set it back, or create another cluster beside it",
		}},
		"another token": {inputs, map[string]property.Value{"token": secret("another-s3cret-entirely")}, []string{
			"k3s.token: the cluster's token cannot change while it lives; set it back (or leave it out again)",
		}},
		"the token is taken out": {inputs, map[string]property.Value{"token": {}}, []string{
			"k3s.token: the cluster's token cannot change while it lives; set it back (or leave it out again)",
		}},
		"full token": {inputs, map[string]property.Value{"agentToken": secret("K10abc::node:s3crets3crets3cret")}, []string{
			"k3s.agentToken: is a full token; give its password alone, what stands behind the last colon",
			"k3s.agentToken: the cluster's token cannot change while it lives; set it back (or leave it out again)",
		}},
		"user and encryption": {inputs, map[string]property.Value{"fixed": property.New(map[string]property.Value{
			"ssh.user": text("debian"), "k3s.secretsEncryption": text("false"),
		})}, []string{
			`k3s.secretsEncryption: is "true" on the living cluster and cannot become "false" without destroying what it is for; set it back`,
			`ssh.user: is "ubuntu" on the living cluster and cannot become "debian" without destroying what it is for; set it back`,
		}},
		"the same bundle":              {adopted, nil, nil},
		"the bundle is taken out":      {adopted, map[string]property.Value{"recoveryBundle": {}}, nil},
		"another bundle of that name":  {adopted, map[string]property.Value{"recoveryBundle": secret(again)}, []string{changed}},
		"a bundle for a cluster of it": {with(adopted, map[string]property.Value{"recoveryBundle": {}}), map[string]property.Value{"recoveryBundle": secret(own)}, []string{changed}},
		"a new adopting stack":         {property.Map{}, map[string]property.Value{"clusterName": text("k3s"), "fixed": fixed, "recoveryBundle": secret(own)}, nil},
		"no bundle": {property.Map{}, map[string]property.Value{"clusterName": text("k3s"), "fixed": fixed, "recoveryBundle": secret("s3cret")}, []string{
			"k3s.recoveryBundle: is not a recovery bundle; is it the name of a file? Give what is in it; give a cluster's recoveryBundle output, as a secret",
		}},
		"another cluster's": {property.Map{}, map[string]property.Value{"clusterName": text("k3s"), "fixed": fixed, "recoveryBundle": secret(other)}, []string{
			"k3s.recoveryBundle: is of cluster prod, and this one is called k3s; give that cluster's own, or set clusterName to prod",
		}},
		"a truncated one": {property.Map{}, map[string]property.Value{"clusterName": text("k3s"), "fixed": fixed, "recoveryBundle": secret(own[:len(own)-1])}, []string{
			"k3s.recoveryBundle: is damaged: a part of it is missing; give a cluster's recoveryBundle output, as a secret",
		}},
	} {
		resp, err := server.Check(p.CheckRequest{Urn: urn("ClusterIdentity"), State: c.before, Inputs: with(c.before, c.change)})
		if err != nil && len(c.want) == 0 {
			t.Fatal(err)
		}
		got := reasons(resp)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%s\nwant:\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
		if all := strings.Join(got, "\n"); strings.Contains(all, "s3cret") || strings.Contains(all, "PRIVATE") {
			t.Errorf("%s: a secret is in the message: %s", name, all)
		}
		for _, f := range resp.Failures {
			if f.Property != "" && f.Property != "clusterName" {
				t.Errorf("%s: the engine would print the value of %s", name, f.Property)
			}
		}
	}
}

func TestIdentityIsMadeOrAdopted(t *testing.T) {
	t.Parallel()
	server := plugin(t)
	create := func(inputs map[string]property.Value) property.Map {
		t.Helper()
		inputs["clusterName"], inputs["fixed"] = text("k3s"), fixed
		resp, err := server.Create(p.CreateRequest{Urn: urn("ClusterIdentity"), Properties: property.NewMap(inputs)})
		if err != nil {
			t.Fatal(err)
		}
		return resp.Properties
	}
	check := func(state property.Map, want pki.Bundle, adopted bool) {
		t.Helper()
		bundle, err := pki.Decode(state.Get("recoveryBundle").AsString())
		if err != nil {
			t.Fatal(err)
		}
		if want.Authorities == (pki.Authorities{}) {
			want.Authorities = bundle.Authorities
		}
		want.Format = 1
		if bundle != want || state.Get("token").AsString() != bundle.Token || state.Get("agentToken").AsString() != bundle.AgentToken || state.Get("clusterName").AsString() != "k3s" {
			t.Error("the outputs are not the bundle, or the bundle is another")
		}
		ca := bundle.Authorities.Server.Certificate
		if hash, err := pki.Hash(ca); err != nil || state.Get("caHash").AsString() != hash || state.Get("caCertificate").AsString() != ca {
			t.Errorf("the CA's hash or certificate is not that of the API's: %v", err)
		}
		if state.Get("adopted").AsBool() != adopted {
			t.Errorf("adopted: %t", !adopted)
		}
		for name, hidden := range map[string]bool{"token": true, "agentToken": true, "recoveryBundle": true, "caCertificate": false, "caHash": false, "adopted": false} {
			if state.Get(name).Secret() != hidden {
				t.Errorf("%s is secret: %t", name, !hidden)
			}
		}
	}
	first, second := create(map[string]property.Value{}), create(map[string]property.Value{})
	if a, b := first.Get("token").AsString(), second.Get("token").AsString(); a == b || len(a) != 64 || a == first.Get("agentToken").AsString() || first.Get("caHash").Equals(second.Get("caHash")) {
		t.Errorf("tokens of %d characters, or two clusters with the same", len(a))
	}
	check(first, pki.Bundle{Cluster: "k3s", Token: first.Get("token").AsString(), AgentToken: first.Get("agentToken").AsString()}, false)
	given := create(map[string]property.Value{"token": secret("given-to-the-servers"), "agentToken": secret("given-to-the-agents")})
	check(given, pki.Bundle{Cluster: "k3s", Token: "given-to-the-servers", AgentToken: "given-to-the-agents"}, false)
	bundle := newBundle(t, "k3s")
	check(create(map[string]property.Value{"recoveryBundle": secret(bundle.Encode())}), bundle, true)

	// From one stack to the next, and on.
	check(create(map[string]property.Value{"recoveryBundle": first.Get("recoveryBundle")}), pki.Bundle{Cluster: "k3s", Token: first.Get("token").AsString(), AgentToken: first.Get("agentToken").AsString()}, true)

	// Nothing of it ever changes.
	for name, inputs := range map[string]map[string]property.Value{"nothing": {}, "the bundle is taken out": {"recoveryBundle": {}}, "an option comes": {"fixed": property.New(map[string]property.Value{"a": text("b")})}} {
		before := property.NewMap(map[string]property.Value{
			"clusterName": text("k3s"), "fixed": fixed, "recoveryBundle": secret(bundle.Encode()),
		})
		diff, err := server.Diff(p.DiffRequest{Urn: urn("ClusterIdentity"), ID: "k3s", State: first, OldInputs: before, Inputs: with(before, inputs)})
		if err != nil || diff.HasChanges {
			t.Errorf("%s: %v %v", name, diff, err)
		}
	}
}

func TestReleaseGoesForward(t *testing.T) {
	t.Parallel()
	server := plugin(t)
	for to, want := range map[string]string{
		"v1.31.6+k3s1": "",
		"v1.32.0+k3s1": "",
		"v1.31.5+k3s1": "k3s.version: v1.31.5+k3s1 is older than v1.31.6+k3s1, which has come up in this cluster; k3s cannot go back, give v1.31.6+k3s1 or a newer release",
		"v1.33.0+k3s1": "k3s.version: v1.33.0+k3s1 skips a minor version after v1.31.6+k3s1; go through v1.32 first",
	} {
		release := func(v string) property.Map {
			return property.NewMap(map[string]property.Value{"k3sVersion": text(v)})
		}
		// What the whole cluster has reached last decides at preview; what has come up on servers, at the update.
		none := property.New(property.NewMap(nil))
		settled := func(v string) property.Map {
			return property.NewMap(map[string]property.Value{"k3sVersion": text(v), "endpoint": text("https://10.0.0.1:6443"), "changes": property.New(0.0), "nodes": none, "groups": none})
		}
		resp, err := server.Check(p.CheckRequest{Urn: urn("ClusterSettled"), State: settled("v1.31.6+k3s1"), Inputs: settled(to)})
		if got := strings.Join(reasons(resp), "\n"); got != want || err != nil && want == "" {
			t.Errorf("to %s: %q, want %q (%v)", to, got, want, err)
		}
		diff, err := server.Diff(p.DiffRequest{Urn: urn("ClusterRelease"), State: release("v1.31.6+k3s1"), OldInputs: release("v1.31.6+k3s1"), Inputs: release(to)})
		if err != nil || diff.HasChanges != (to != "v1.31.6+k3s1") || replaces(diff) {
			t.Errorf("to %s: %v %v", to, diff, err)
		}
	}
}

func replaces(diff p.DiffResponse) bool {
	for _, d := range diff.DetailedDiff {
		if d.Kind == p.UpdateReplace || d.Kind == p.AddReplace || d.Kind == p.DeleteReplace {
			return true
		}
	}
	return false
}

// changes writes a diff down: the properties, which way, and in which order a replacement goes.
func changes(diff p.DiffResponse) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(diff.DetailedDiff)) {
		out = append(out, name+" "+string(diff.DetailedDiff[name].Kind))
	}
	if diff.HasChanges != (len(out) > 0) {
		out = append(out, "or not")
	}
	if diff.DeleteBeforeReplace {
		out = append(out, "deleted before")
	}
	return strings.Join(out, ", ")
}

// The certificate in the kubeconfig renews itself in its last 60 days, and on another number of days.
func TestAdminCertificateRenewsItself(t *testing.T) {
	t.Parallel()
	server := plugin(t) // without configuration: a preview asks nobody
	for name, c := range map[string]struct {
		left time.Duration
		days int
		want string
	}{
		"new":              {365 * day, 365, ""},
		"61 days":          {61 * day, 365, ""},
		"a minute more":    {60*day + time.Minute, 365, ""},
		"a minute less":    {60*day - time.Minute, 365, "until update&replace"},
		"59 days":          {59 * day, 365, "until update&replace"},
		"over":             {-day, 365, "until update&replace"},
		"other days":       {300 * day, 90, "days update&replace"},
		"both":             {day, 90, "days update&replace, until update&replace"},
		"the end is lost":  {0, 365, "until update&replace"},
		"fewer than it is": {61 * day, 365, ""},
	} {
		until := time.Now().Add(c.left).UTC().Format(time.RFC3339)
		if c.left == 0 {
			until = ""
		}
		diff, err := server.Diff(p.DiffRequest{
			Urn: urn("AdminCertificate"), ID: "admin", Inputs: property.NewMap(map[string]property.Value{"days": property.New(float64(c.days))}),
			OldInputs: property.NewMap(map[string]property.Value{"days": property.New(365.0)}),
			State:     property.NewMap(map[string]property.Value{"days": property.New(365.0), "certificate": text("C"), "key": secret("K"), "until": text(until)}),
		})
		if got := changes(diff); err != nil || got != c.want {
			t.Errorf("%s: %q, want %q (%v)", name, got, c.want, err)
		}
	}
}

func TestAdminCertificateIsOfTheCluster(t *testing.T) {
	t.Parallel()
	bundle := newBundle(t, "k3s")
	server := configured(t, resources.Access{Cluster: "k3s", Bundle: bundle})
	inputs := property.NewMap(map[string]property.Value{"days": property.New(90.0)})
	resp, err := server.Create(p.CreateRequest{Urn: urn("AdminCertificate"), Properties: inputs})
	if err != nil {
		t.Fatal(err)
	}
	state := resp.Properties
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(bundle.Authorities.Client.Certificate))
	block, _ := pem.Decode([]byte(state.Get("certificate").AsString()))
	keyBlock, _ := pem.Decode([]byte(state.Get("key").AsString()))
	if block == nil || keyBlock == nil {
		t.Fatal("no certificate or key")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	if key, err := x509.ParseECPrivateKey(keyBlock.Bytes); err != nil || !key.PublicKey.Equal(cert.PublicKey.(*ecdsa.PublicKey)) {
		t.Errorf("the key is not the certificate's: %v", err)
	}
	if until := state.Get("until").AsString(); until != cert.NotAfter.Format(time.RFC3339) || time.Until(cert.NotAfter) > 90*day || time.Until(cert.NotAfter) < 90*day-time.Minute {
		t.Errorf("good until %s, and said to be until %s", cert.NotAfter, until)
	}
	if !state.Get("key").Secret() || state.Get("certificate").Secret() || state.Get("until").Secret() {
		t.Error("the key is not secret, or the rest is")
	}
	diff, err := server.Diff(p.DiffRequest{Urn: urn("AdminCertificate"), ID: "admin", Inputs: inputs, OldInputs: inputs, State: state})
	if err != nil || diff.HasChanges {
		t.Errorf("the next update: %v %v", diff, err)
	}
	preview, err := plugin(t).Create(p.CreateRequest{Urn: urn("AdminCertificate"), Properties: inputs, DryRun: true})
	if err != nil || !preview.Properties.Get("certificate").IsComputed() || !preview.Properties.Get("key").IsComputed() {
		t.Errorf("at preview: %v %v", preview.Properties, err)
	}
}

// The right stays where it was given, whoever is the first server now, until the cluster is started over.
func TestTheRightToStartIsGivenOnce(t *testing.T) {
	t.Parallel()
	server := plugin(t)
	inputs := property.NewMap(map[string]property.Value{
		"startOver": text("first"), "node": text("k3s-server-01"), "vm": text("k3s-vm-k3s-server-01"), "address": text("192.168.1.201"), "adopted": property.New(false),
	})
	state := property.NewMap(map[string]property.Value{"startOver": text("first"), "node": text("k3s-server-01")})
	for name, c := range map[string]struct {
		change map[string]property.Value
		want   string
	}{
		"nothing": {nil, ""},
		"another first server": {map[string]property.Value{
			"node": text("k3s-server-02"), "vm": text("k3s-vm-k3s-server-02"), "address": text("192.168.1.202"),
		}, ""},
		"its machine is new":      {map[string]property.Value{"vm": text("k3s-vm-other")}, ""},
		"the bundle is taken out": {map[string]property.Value{"adopted": property.New(true)}, ""},
		"the mark is taken out":   {map[string]property.Value{"startOver": text("")}, ""},
		"started over":            {map[string]property.Value{"startOver": text("second")}, "startOver update&replace"},
	} {
		diff, err := server.Diff(p.DiffRequest{Urn: urn("ClusterStart"), ID: "start", OldInputs: inputs, State: state, Inputs: with(inputs, c.change)})
		if got := changes(diff); err != nil || got != c.want {
			t.Errorf("%s: %q, want %q (%v)", name, got, c.want, err)
		}
	}
	// An adopted cluster lives already: nobody gets the right, and nobody is asked.
	adopted := with(inputs, map[string]property.Value{"adopted": property.New(true), "startOver": text("")})
	resp, err := server.Create(p.CreateRequest{Urn: urn("ClusterStart"), Properties: adopted})
	if err != nil || resp.Properties.Get("node").AsString() != "" || resp.Properties.Get("startOver").AsString() != "" {
		t.Errorf("adopted: %v %v", resp.Properties, err)
	}
	// Unless it is the machine's own: then that is asked, and the access for it is not here.
	if _, err := server.Create(p.CreateRequest{Urn: urn("ClusterStart"), Properties: with(adopted, map[string]property.Value{"adopt": property.New(true)})}); err == nil || !strings.Contains(err.Error(), "is a part of K3sHaCluster") {
		t.Errorf("a machine that brings its cluster: %v", err)
	}
}

// A seat is its machine's: another instance needs it anew, after the one before has left.
func TestASeatIsItsMachines(t *testing.T) {
	t.Parallel()
	server := plugin(t)
	inputs := property.NewMap(map[string]property.Value{
		"node": text("k3s-server-02"), "role": text("server"), "instance": text("k3sha-1"), "startOver": text("first"), "address": text("192.168.1.202"),
	})
	state := property.NewMap(map[string]property.Value{
		"node": text("k3s-server-02"), "role": text("server"), "address": text("192.168.1.202"), "instance": text("k3sha-1"), "startOver": text("first"), "machineId": text("0123"),
	})
	for name, c := range map[string]struct {
		change map[string]property.Value
		want   string
	}{
		"nothing":               {nil, ""},
		"another way to it":     {map[string]property.Value{"address": text("192.168.1.99")}, ""},
		"another machine":       {map[string]property.Value{"instance": text("k3sha-2")}, "instance update&replace, deleted before"},
		"started over":          {map[string]property.Value{"startOver": text("second")}, "startOver update"},
		"the mark is taken out": {map[string]property.Value{"startOver": text("")}, ""},
		"gone back":             {map[string]property.Value{"restoreId": text("monday")}, "restoreId update"},
		"both":                  {map[string]property.Value{"startOver": text("second"), "instance": text("k3sha-2")}, "instance update&replace, deleted before"},
	} {
		diff, err := server.Diff(p.DiffRequest{Urn: urn("Seat"), ID: "k3s-server-02", OldInputs: inputs, State: state, Inputs: with(inputs, c.change)})
		if got := changes(diff); err != nil || got != c.want {
			t.Errorf("%s: %q, want %q (%v)", name, got, c.want, err)
		}
	}
	// The seat was in a cluster that has been given up: there is nothing to leave, and nobody to ask.
	over := configured(t, resources.Access{Cluster: "k3s", StartOver: "second", Bundle: newBundle(t, "k3s")})
	if err := over.Delete(p.DeleteRequest{Urn: urn("Seat"), ID: "k3s-server-02", Properties: state, OldInputs: inputs}); err != nil {
		t.Error(err)
	}
	back := configured(t, resources.Access{Cluster: "k3s", StartOver: "first", RestoreID: "monday", Bundle: newBundle(t, "k3s")})
	if err := back.Delete(p.DeleteRequest{Urn: urn("Seat"), ID: "k3s-server-02", Properties: state, OldInputs: inputs}); err != nil {
		t.Error(err)
	}
	// In the living one there is, and without a way to it nobody is taken out.
	for _, mark := range []string{"first", ""} {
		living := configured(t, resources.Access{Cluster: "k3s", StartOver: mark, Bundle: newBundle(t, "k3s")})
		err := living.Delete(p.DeleteRequest{Urn: urn("Seat"), ID: "k3s-server-02", Properties: state, OldInputs: inputs})
		if err == nil || !strings.Contains(err.Error(), "k3s-server-02: leave: cluster k3s: no node is known through which it could be reached") {
			t.Errorf("mark %q: %v", mark, err)
		}
	}
}

// A contact is made once in a machine's life; only parts of scripts and keys are brought again.
func TestAContactIsItsMachines(t *testing.T) {
	t.Parallel()
	server := plugin(t)
	inputs := property.NewMap(map[string]property.Value{
		"node": text("k3s-lb-01"), "instance": text("k3sha-1"), "toolkit": text("aa"), "address": text("192.168.1.221"),
		"authorizedKeys": keys("ssh-ed25519 A"), "network": text("192.168.1.0/24"),
		"vm": property.New(map[string]property.Value{"id": property.New(100.0), "proxmoxNode": text("pve1"), "running": property.New(true), "resource": text("k3s-vm-k3s-lb-01")}),
	})
	state := property.NewMap(map[string]property.Value{"instance": text("k3sha-1"), "toolkit": text("aa"), "authorizedKeys": keys("ssh-ed25519 A"), "network": text("192.168.1.0/24")})
	for name, c := range map[string]struct {
		change map[string]property.Value
		want   string
	}{
		"nothing":             {nil, ""},
		"another way to it":   {map[string]property.Value{"address": text("192.168.1.99")}, ""},
		"another machine":     {map[string]property.Value{"instance": text("k3sha-2")}, "instance update&replace, deleted before"},
		"another toolkit":     {map[string]property.Value{"toolkit": text("bb")}, "toolkit update"},
		"another key":         {map[string]property.Value{"authorizedKeys": keys("ssh-ed25519 A", "ssh-ed25519 B")}, "authorizedKeys update"},
		"another network":     {map[string]property.Value{"network": text("192.168.2.0/24")}, "network update"},
		"both are others now": {map[string]property.Value{"toolkit": text("bb"), "instance": text("k3sha-2")}, "instance update&replace, deleted before"},
	} {
		diff, err := server.Diff(p.DiffRequest{Urn: urn("Contact"), ID: "k3s-lb-01", OldInputs: inputs, State: state, Inputs: with(inputs, c.change)})
		if got := changes(diff); err != nil || got != c.want {
			t.Errorf("%s: %q, want %q (%v)", name, got, c.want, err)
		}
	}
}

// Another access, say another key, must never replace the provider: all of its resources would be replaced with it.
func TestConfigurationNeverReplaces(t *testing.T) {
	t.Parallel()
	server := plugin(t)
	config := func(v property.Value) property.Map {
		return property.NewMap(map[string]property.Value{resources.AccessKey: v})
	}
	for name, c := range map[string]struct {
		before, now property.Map
		want        string
	}{
		"the same":           {config(secret("a")), config(secret("a")), ""},
		"secret or not":      {config(text("a")), config(secret("a")), ""},
		"another":            {config(secret("a")), config(secret("b")), "access update"},
		"not known yet":      {config(secret("a")), config(property.New(property.Computed)), "access update"},
		"from before it was": {property.Map{}, config(secret("b")), "access update"},
		"it goes":            {config(secret("a")), property.Map{}, "access update"},
		"none at all":        {property.Map{}, property.Map{}, ""},
	} {
		diff, err := server.DiffConfig(p.DiffRequest{Urn: "urn:pulumi:stack::project::pulumi:providers:k3sha::k3s-access-cluster", OldInputs: c.before, State: c.before, Inputs: c.now})
		if got := changes(diff); err != nil || got != c.want || replaces(diff) {
			t.Errorf("%s: %q, want %q (%v)", name, got, c.want, err)
		}
	}
	checked, err := server.CheckConfig(p.CheckRequest{Urn: "urn:pulumi:stack::project::pulumi:providers:k3sha::k3s-access-cluster", Inputs: config(secret("a"))})
	if got := checked.Inputs.Get(resources.AccessKey); err != nil || len(checked.Failures) > 0 || got.AsString() != "a" || !got.Secret() {
		t.Errorf("checked: %v %v", checked, err)
	}
	err = server.Configure(p.ConfigureRequest{Args: config(secret("{s3cret"))})
	if err == nil || !strings.Contains(err.Error(), "the provider's configuration is not the one that K3sHaCluster gives it") || strings.Contains(err.Error(), "s3cret") {
		t.Error(err)
	}
}

// A resource of a program's own, without the component around it.
func TestWithoutConfiguration(t *testing.T) {
	t.Parallel()
	server := plugin(t)
	if err := server.Configure(p.ConfigureRequest{Args: property.NewMap(map[string]property.Value{resources.AccessKey: property.New(property.Computed)})}); err != nil {
		t.Fatal(err)
	}
	const want = "this resource is a part of K3sHaCluster and cannot be made by itself"
	seat := property.NewMap(map[string]property.Value{
		"node": text("k3s-server-02"), "role": text("server"), "instance": text("k3sha-1"), "startOver": text(""), "address": text("192.168.1.202"),
	})
	for kind, inputs := range map[string]property.Map{
		"AdminCertificate": property.NewMap(map[string]property.Value{"days": property.New(365.0)}),
		"Seat":             seat,
		"ClusterStart": property.NewMap(map[string]property.Value{
			"startOver": text(""), "node": text("k3s-server-01"), "vm": text("vm"), "address": text("192.168.1.201"), "adopted": property.New(false),
		}),
	} {
		if _, err := server.Create(p.CreateRequest{Urn: urn(kind), Properties: inputs}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", kind, err)
		}
		if _, err := server.Create(p.CreateRequest{Urn: urn(kind), Properties: inputs, DryRun: true}); err != nil {
			t.Errorf("%s at preview: %v", kind, err)
		}
	}
	if err := server.Delete(p.DeleteRequest{Urn: urn("Seat"), ID: "k3s-server-02", Properties: with(seat, map[string]property.Value{"machineId": text("0123")})}); err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
}
