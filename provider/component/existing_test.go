package component_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/component"
)

// existing is a cluster on machines that are there, one of which listens elsewhere.
func existing(private string) component.K3sHaClusterArgs {
	return component.K3sHaClusterArgs{
		ClusterName: "k3s",
		Network:     component.NetworkArgs{CIDR: "192.168.1.0/24", VIP: new("192.168.1.220")},
		Servers: &component.ServersArgs{Keep: ptr(true), Nodes: map[string]component.NodeArgs{
			"1": {IP: new("192.168.1.21")}, "2": {IP: new("192.168.1.22"), HostKey: new("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFM5tgDbmP9U3YCGJCxRza9QFRWoxjjpbbjK1xLc2ttX")}, "3": {IP: new("192.168.1.35"), SSHPort: ptr(2222)},
		}},
		Workers:       map[string]component.WorkerArgs{"worker": {Count: ptr(1), FirstAddress: new("192.168.1.41")}},
		LoadBalancers: &component.LoadBalancersArgs{FirstAddress: new("192.168.1.11")},
		K3s:           component.K3sArgs{Version: "v1.31.6+k3s1"},
		SSH:           component.SSHArgs{PrivateKey: pulumi.String(private)},
	}
}

// Machines that are there stand where VMs would: their steps hang on them, and reach them by their own host key and port.
func TestMachinesThatAreThere(t *testing.T) {
	t.Parallel()
	private, _ := newKey(t)
	all, _, err := construct(t, existing(private))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range all {
		if strings.Contains(r.token, "proxmoxve") || strings.HasPrefix(name, "prod-vm-") {
			t.Errorf("%s is a %s", name, r.token)
		}
	}
	meet := all["prod-meet-k3s-server-03"]
	for key, want := range map[resource.PropertyKey]any{"node": "k3s-server-03", "role": "server", "address": "192.168.1.35", "port": 2222.0, "keep": true} {
		if got := meet.inputs[key]; !got.DeepEquals(resource.NewPropertyValue(want)) {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	if got := all["prod-meet-k3s-server-02"].inputs["hostKey"]; !got.IsString() || !strings.HasPrefix(got.StringValue(), "ssh-ed25519 AAAA") {
		t.Errorf("the host key that is given: %v", got)
	}
	prepare := all["prod-prepare-k3s-server-03"].inputs["connection"]
	if prepare.IsSecret() {
		prepare = prepare.SecretValue().Element
	}
	connection := prepare.ObjectValue()
	if connection["port"].NumberValue() != 2222 || connection["hostKey"].StringValue() != "key of prod-meet-k3s-server-03" {
		t.Errorf("it is reached by %v", connection)
	}
	if got := all["prod-contact-k3s-server-03"]; !slices.Contains(got.dependencies, "prod-meet-k3s-server-03") || len(got.inputs["authorizedKeys"].ArrayValue()) != 0 {
		t.Errorf("%v, %v", got.dependencies, got.inputs)
	}
	// The access that everything else needs knows their keys, so it comes after them.
	if got := all["prod-access-cluster"].dependencies; len(got) != 7 || !slices.Contains(got, "prod-meet-k3s-lb-02") {
		t.Errorf("%v", got)
	}
}

// Copies of one machine are refused before anything is done on any.
func TestMachinesWithOneID(t *testing.T) {
	t.Parallel()
	private, _ := newKey(t)
	args := existing(private)
	args.ClusterName = "twins" // of which the mocks say so
	all, _, err := construct(t, args)
	if err == nil || !strings.Contains(err.Error(), "twins-server-01 and twins-server-02 have the same id in /etc/machine-id, 0123:") {
		t.Errorf("%v", err)
	}
	for name := range all {
		if strings.Contains(name, "-contact-") || strings.Contains(name, "-prepare-") {
			t.Errorf("%s was made", name)
		}
	}
}

// bringing has an old server beside VMs, and a worker that was its.
func bringing(private, worker string) component.K3sHaClusterArgs {
	args := existing(private)
	args.Proxmox = &component.ProxmoxArgs{Nodes: []string{"pve1"}, TemplateID: pulumi.Int(9000)}
	args.Network.Gateway = new("192.168.1.1")
	args.Servers = &component.ServersArgs{FirstAddress: new("192.168.1.201"), Nodes: map[string]component.NodeArgs{"1": {IP: new("192.168.1.50"), Name: new("homelab"), Adopt: ptr(true)}}}
	args.Workers = map[string]component.WorkerArgs{"worker": {Count: ptr(1), FirstAddress: new("192.168.1.41"), Nodes: map[string]component.NodeArgs{"1": {Name: &worker, Adopt: ptr(true)}}}}
	return args
}

// An old server brings the identity of the cluster, and has the right to go on with it; what the others bring has to be of that cluster.
func TestMachinesThatBringTheirK3s(t *testing.T) {
	t.Parallel()
	private, _ := newKey(t)
	all, _, err := construct(t, bringing(private, "oldworker"))
	if err != nil {
		t.Fatal(err)
	}
	if got := all["prod-identity"].inputs["recoveryBundle"]; !got.IsSecret() || got.SecretValue().Element.StringValue() != "BUNDLE of prod-meet-homelab" {
		t.Errorf("the identity is made of %v", got)
	}
	if !all["prod-start-cluster"].inputs["adopt"].IsBool() || all["prod-start-cluster"].inputs["node"].StringValue() != "homelab" {
		t.Errorf("%v", all["prod-start-cluster"].inputs)
	}
	adopt := all["prod-meet-homelab"].inputs["adopt"].ObjectValue()
	options := adopt["options"].ObjectValue()
	for option, want := range map[resource.PropertyKey]string{"secrets-encryption": "true", "node-name": "homelab", "advertise-address": "192.168.1.50"} {
		if got := options[option]; !got.IsArray() || got.ArrayValue()[0].StringValue() != want {
			t.Errorf("it is to run with %s: %v", option, got)
		}
	}
	if adopt["k3sVersion"].StringValue() != "v1.31.6+k3s1" || adopt["path"].StringValue() != "servers" || adopt["slot"].NumberValue() != 1 {
		t.Errorf("%v", adopt)
	}
	if _, made := all["prod-vm-homelab"]; made || all["prod-vm-k3s-server-02"].token == "" || all["prod-meet-oldworker"].token == "" {
		t.Error("the VMs beside it are not made, or one is for it")
	}
	sent := all["prod-converge-homelab"].inputs["stdin"]
	if !sent.IsSecret() || !strings.Contains(sent.SecretValue().Element.StringValue(), "\nADOPT='yes'\n") || strings.Contains(all["prod-converge-k3s-server-02"].inputs["stdin"].SecretValue().Element.StringValue(), "ADOPT=") {
		t.Error("the one is not told that it brings its k3s, or another is")
	}

	all, _, err = construct(t, bringing(private, "stray"))
	if err == nil || !strings.Contains(err.Error(), "stray brings a k3s of another cluster: its CA is not this one's.") {
		t.Errorf("%v", err)
	}
	for name := range all {
		if strings.Contains(name, "-contact-homelab") || strings.Contains(name, "-prepare-homelab") {
			t.Errorf("%s was made", name)
		}
	}
}
