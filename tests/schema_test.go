// Package tests holds the tests that look at the package from outside.
package tests

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"

	"github.com/k3sha/pulumi-k3sha/provider"
)

var update = flag.Bool("update", false, "write schema.json anew")

func packageSpec(t *testing.T) schema.PackageSpec {
	t.Helper()
	prov, err := provider.New()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := p.GetSchema(t.Context(), provider.Name, provider.Version, prov)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestSchemaIsCurrent(t *testing.T) {
	var got bytes.Buffer
	encoder := json.NewEncoder(&got)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(packageSpec(t)); err != nil {
		t.Fatal(err)
	}
	const path = "../schema.json"
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("schema.json is not what the code says; make schema writes it anew")
	}
}

func TestEverythingIsDescribed(t *testing.T) {
	t.Parallel()
	spec := packageSpec(t)
	properties := 0
	check := func(where, description string) {
		if description == "" {
			t.Errorf("%s has no description", where)
		}
	}
	all := func(where string, props map[string]schema.PropertySpec) {
		for name, prop := range props {
			properties++
			check(where+"."+name, prop.Description)
			if prop.Default != nil {
				t.Errorf("%s.%s has a default, which SDKs would apply their own way", where, name)
			}
		}
	}
	for token, r := range spec.Resources {
		check(token, r.Description)
		all(token, r.InputProperties)
		all(token, r.Properties)
	}
	for token, typ := range spec.Types {
		check(token, typ.Description)
		for _, value := range typ.Enum {
			check(token+"."+value.Name, value.Description)
		}
		all(token, typ.Properties)
	}
	if properties < 100 {
		t.Errorf("only %d properties looked at", properties)
	}
}

// What decides which resources there are is plain, at every depth; keys and tokens are inputs, and secret.
func TestPlainAndSecret(t *testing.T) {
	t.Parallel()
	spec := packageSpec(t)
	inputs := map[string]bool{
		"Proxmox.templateId": true, "Servers.templateId": true, "WorkerPool.templateId": true, "LoadBalancers.templateId": true, "NodeOverrides.templateId": true,
		"K3s.token": true, "K3s.agentToken": true, "Ssh.privateKey": true,
		"Bastion.privateKey": true, "Bastion.hostKey": true, "Ssh.publicKeys": true, "K3s.recoveryBundle": true, "S3.accessKey": true, "S3.secretKey": true,
		"Manifest.content": true, "RegistryAuth.username": true, "RegistryAuth.password": true, "RegistryAuth.identityToken": true, "RegistryTls.key": true,
		"Proxy.http": true, "Proxy.https": true, "Stats.password": true, "TemplateHost.privateKey": true, "TemplateHost.hostKey": true,
		"ProxmoxApi.apiToken": true,
	}
	secrets := map[string]bool{
		"K3s.token": true, "K3s.agentToken": true, "Ssh.privateKey": true, "Bastion.privateKey": true,
		"K3sHaCluster.kubeconfig": true, "K3sHaCluster.token": true, "K3sHaCluster.agentToken": true, "K3sHaCluster.clientKey": true,
		"K3s.recoveryBundle": true, "K3sHaCluster.recoveryBundle": true, "ClusterIdentity.recoveryBundle": true, "ExistingMachine.recoveryBundle": true, "AdminCertificate.key": true,
		"ClusterIdentity.token": true, "ClusterIdentity.agentToken": true,
		"S3.accessKey": true, "S3.secretKey": true, "SnapshotStore.accessKey": true, "SnapshotStore.secretKey": true,
		"RegistryAuth.password": true, "RegistryAuth.identityToken": true, "RegistryTls.key": true, "Proxy.http": true, "Proxy.https": true, "Stats.password": true,
		"TemplateHost.privateKey": true, "TemplateShell.privateKey": true, "ProxmoxApi.apiToken": true, "DiskTemplateApi.apiToken": true,
	}
	// What the package's own resources have, not programs.
	internal := []string{"NodeInfo", "Machine", "ContactVm", "SettledNode", "SettledMark", "MachineSeed", "MachineChange", "Snapshot", "SnapshotStore", "TemplateShell", "DiskTemplateApi", "Adoption", "Backend", "BackendServer", "BackendCheck"}
	look := func(name string, props map[string]schema.PropertySpec, wantPlain bool) {
		for prop, s := range props {
			at := name + "." + prop
			if wantPlain && s.Plain == inputs[at] {
				t.Errorf("%s: plain %t", at, s.Plain)
			}
			if s.Secret != secrets[at] {
				t.Errorf("%s: secret %t", at, s.Secret)
			}
		}
	}
	cluster := spec.Resources["k3sha:index:K3sHaCluster"]
	look("K3sHaCluster", cluster.InputProperties, true)
	look("K3sHaCluster", cluster.Properties, false)
	template := spec.Resources["k3sha:index:CloudImageTemplate"]
	look("CloudImageTemplate", template.InputProperties, true)
	look("CloudImageTemplate", template.Properties, false)
	for _, own := range []string{"ClusterIdentity", "AdminCertificate", "ClusterRelease", "ClusterStart", "Seat", "Contact", "ClusterBalanced", "CloudImage", "ExistingMachine", "DiskTemplate"} {
		r, found := spec.Resources["k3sha:index:"+own]
		if !found {
			t.Errorf("there is no %s", own)
		}
		look(own, r.Properties, false)
		if own != "Contact" && own != "ExistingMachine" { // have types of its own, looked at below
			look(own, r.InputProperties, false)
		}
	}
	for token, typ := range spec.Types {
		name := token[len("k3sha:index:"):]
		look(name, typ.Properties, !slices.Contains(internal, name))
	}
}
