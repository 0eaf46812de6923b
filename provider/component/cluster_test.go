package component_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"golang.org/x/crypto/ssh"

	"github.com/k3sha/pulumi-k3sha/provider/component"
	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
	"github.com/k3sha/pulumi-k3sha/provider/resources"
)

// recorded is what the engine would have been asked for.
type recorded struct {
	token        string
	inputs       resource.PropertyMap
	parent       string
	dependencies []string
	rpc          pulumi.MockResourceArgs
}

type mocks struct {
	mu        sync.Mutex
	resources map[string]recorded
	fails     string // the resource that cannot be made
}

func (m *mocks) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) { return nil, nil }

func (m *mocks) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := recorded{token: args.TypeToken, inputs: args.Inputs, rpc: args}
	if args.RegisterRPC != nil {
		r.parent = base(args.RegisterRPC.GetParent())
		for _, d := range args.RegisterRPC.GetDependencies() {
			r.dependencies = append(r.dependencies, base(d))
		}
		slices.Sort(r.dependencies)
	}
	if args.Name == m.fails {
		return "", nil, errors.New("it fails")
	}
	m.resources[args.Name] = r
	out := args.Inputs.Copy()
	switch {
	case strings.HasSuffix(args.TypeToken, "ClusterIdentity"):
		b := identity()
		out["token"], out["agentToken"], out["recoveryBundle"] = resource.NewStringProperty(b.Token), resource.NewStringProperty(b.AgentToken), resource.NewStringProperty(b.Encode())
		out["caCertificate"], out["caHash"], out["adopted"] = resource.NewStringProperty(b.Authorities.Server.Certificate), resource.NewStringProperty("cafe"), resource.NewBoolProperty(false)
	case strings.HasSuffix(args.TypeToken, "AdminCertificate"):
		out["certificate"], out["key"] = resource.NewStringProperty("CERT"), resource.NewStringProperty("KEY")
	case strings.HasSuffix(args.TypeToken, "Seat"):
		out["machineId"] = resource.NewStringProperty("0123")
	case strings.HasSuffix(args.TypeToken, "VirtualMachine"):
		// The instance is ignored afterwards: the VM keeps the one that it was made with.
		out["smbios"] = resource.NewObjectProperty(resource.PropertyMap{"serial": resource.NewStringProperty("k3sha-of-" + args.Name)})
	case strings.Contains(args.Name, "-converge-k3s-server-"):
		out["stdout"] = resource.NewStringProperty(map[string]string{"1": "2027-03-01T00:00:00Z", "2": "", "3": "2027-01-31T12:00:00Z"}[args.Name[len(args.Name)-1:]])
	case strings.HasSuffix(args.TypeToken, "ExistingMachine"):
		out["machineId"], out["hostKey"] = resource.NewStringProperty("id of "+args.Name), resource.NewStringProperty("key of "+args.Name)
		if strings.Contains(args.Name, "twins-server-") {
			out["machineId"] = resource.NewStringProperty("0123")
		}
		if args.Inputs.HasValue("adopt") {
			out["recoveryBundle"], out["caHash"] = resource.NewStringProperty("BUNDLE of "+args.Name), resource.NewStringProperty("cafe")
			if strings.HasSuffix(args.Name, "-stray") {
				out["caHash"] = resource.NewStringProperty("another")
			}
		}
	case strings.HasSuffix(args.TypeToken, ":DiskTemplate"):
		out["cloneId"] = args.Inputs["vmId"]
	case strings.HasSuffix(args.TypeToken, ":CloudImage"):
		out["url"], out["checksum"], out["algorithm"] = resource.NewStringProperty("https://example.org/of-its-list"), resource.NewStringProperty("abcdef0123456789"), resource.NewStringProperty("sha512")
	case strings.Contains(args.TypeToken, "Command"):
		out["stdout"] = resource.NewStringProperty("")
	}
	if args.RegisterRPC != nil { // as the engine does
		for _, key := range args.RegisterRPC.GetAdditionalSecretOutputs() {
			if v, found := out[resource.PropertyKey(key)]; found && !v.IsSecret() {
				out[resource.PropertyKey(key)] = resource.MakeSecret(v)
			}
		}
	}
	return args.Name + "-id", out, nil
}

// identity is the cluster's, made once.
var identity = sync.OnceValue(func() pki.Bundle {
	authorities, err := pki.NewAuthorities(time.Now())
	if err != nil {
		panic(err)
	}
	return pki.Bundle{Format: 1, Cluster: "k3s", Token: "S3RVER", AgentToken: "AG3NT", Authorities: authorities}
})

func base(urn string) string {
	parts := strings.Split(urn, "::")
	return parts[len(parts)-1]
}

func newKey(t *testing.T) (private, public string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

func ptr[T any](v T) *T { return &v }

func reference(private string) component.K3sHaClusterArgs {
	return component.K3sHaClusterArgs{
		ClusterName: "k3s",
		Proxmox:     &component.ProxmoxArgs{Nodes: []string{"pve1", "pve2", "pve3"}, TemplateID: pulumi.Int(9000), Tags: []string{"Prod", "k3s"}},
		Network:     component.NetworkArgs{CIDR: "192.168.1.0/24", Gateway: new("192.168.1.1"), VIP: new("192.168.1.220")},
		Servers:     &component.ServersArgs{FirstAddress: ptr("192.168.1.201")},
		Workers: map[string]component.WorkerArgs{
			"worker": {Count: ptr(2), FirstAddress: ptr("192.168.1.211")},
		},
		LoadBalancers: &component.LoadBalancersArgs{FirstAddress: ptr("192.168.1.221")},
		K3s:           component.K3sArgs{Version: "v1.31.6+k3s1"},
		SSH:           component.SSHArgs{PrivateKey: pulumi.String(private)},
	}
}

type outputs struct {
	Kubeconfig, Endpoint, CA, Token, Bundle, Until string
	Secret                                         []string // the names of those that are
	Nodes                                          map[string]component.NodeInfo
}

func construct(t *testing.T, args component.K3sHaClusterArgs) (map[string]recorded, outputs, error) {
	t.Helper()
	m := &mocks{resources: map[string]recorded{}}
	var out outputs
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		c, err := component.New(ctx, "0.1.0", "prod", args)
		if err != nil {
			return err
		}
		for name, o := range map[string]pulumi.Output{
			"kubeconfig": c.Kubeconfig, "endpoint": c.Endpoint, "caCertificate": c.CACertificate, "token": c.Token, "recoveryBundle": c.RecoveryBundle,
			"certificatesUntil": c.CertificatesUntil, "nodes": c.Nodes, "clientCertificate": c.ClientCertificate, "clientKey": c.ClientKey,
			"agentToken": c.AgentToken, "ansibleInventory": c.AnsibleInventory, "summary": c.Summary,
		} {
			if pulumi.IsSecret(o) {
				out.Secret = append(out.Secret, name)
			}
		}
		slices.Sort(out.Secret)
		// Outputs of a resource that has failed never come.
		pulumi.All(c.Kubeconfig, c.Endpoint, c.CACertificate, c.Token, c.Nodes, c.RecoveryBundle, c.CertificatesUntil).ApplyT(func(v []any) string {
			out.Kubeconfig, out.Endpoint, out.CA, out.Token = v[0].(string), v[1].(string), v[2].(string), v[3].(string)
			out.Nodes, out.Bundle, out.Until = v[4].(map[string]component.NodeInfo), v[5].(string), v[6].(string)
			return ""
		})
		return nil
	}, pulumi.WithMocks("project", "stack", m))
	return m.resources, out, err
}

func TestExactChildrenAndTheirOrder(t *testing.T) {
	t.Parallel()
	private, _ := newKey(t)
	resources, _, err := construct(t, reference(private))
	if err != nil {
		t.Fatal(err)
	}
	nodes := []string{"k3s-lb-01", "k3s-lb-02", "k3s-server-01", "k3s-server-02", "k3s-server-03", "k3s-worker-01", "k3s-worker-02"}
	want := map[string][]string{"prod": nil, "prod-command": nil, "prod-machines": nil, "prod-identity": nil, "prod-admin": nil}
	for _, n := range nodes {
		want["prod-vm-"+n] = []string{"prod-command", "prod-machines"} // and no other VM, of which it could be taken for a dependent
		want["prod-contact-"+n] = []string{"prod-access-cluster", "prod-vm-" + n}
		want["prod-prepare-"+n] = []string{"prod-contact-" + n, "prod-identity"}
	}
	after := func(child string, others ...string) {
		var deps []string
		for _, o := range others {
			deps = append(deps, "prod-"+o)
		}
		slices.Sort(deps)
		want["prod-"+child] = deps
	}
	after("admit-k3s-lb-01", "prepare-k3s-lb-01")
	after("admit-k3s-lb-02", "prepare-k3s-lb-02")
	after("converge-k3s-lb-01", "admit-k3s-lb-01", "identity")
	after("converge-k3s-lb-02", "admit-k3s-lb-02", "converge-k3s-lb-01", "identity")
	want["prod-release-cluster"] = []string{"prod-machines", "prod-prepare-k3s-server-01", "prod-prepare-k3s-server-02", "prod-prepare-k3s-server-03"}
	after("start-cluster", "prepare-k3s-server-01", "identity")
	want["prod-access-cluster"] = []string{"prod-identity"}
	after("admit-k3s-server-01", "start-cluster")
	after("converge-k3s-server-01", "admit-k3s-server-01", "release-cluster", "identity", "machines")
	after("reach-cluster", "converge-k3s-server-01", "converge-k3s-lb-02", "identity")
	for _, n := range nodes[3:] {
		after("admit-"+n, "prepare-"+n, "reach-cluster")
	}
	after("converge-k3s-server-02", "admit-k3s-server-02", "reach-cluster", "identity", "machines")
	after("converge-k3s-server-03", "admit-k3s-server-03", "converge-k3s-server-02", "identity", "machines")
	for _, w := range []string{"k3s-worker-01", "k3s-worker-02"} {
		after("converge-"+w, "admit-"+w, "converge-k3s-server-03", "identity", "machines")
	}
	var converged []string
	for _, n := range nodes {
		converged = append(converged, "converge-"+n)
	}
	after("settle-cluster", append(converged, "machines")...)
	// What is done on a machine is done again on the one that takes its place.
	for i, n := range nodes {
		for _, verb := range []string{"prepare", "converge", "admit"} {
			if _, found := want["prod-"+verb+"-"+n]; found {
				want["prod-"+verb+"-"+n] = append(want["prod-"+verb+"-"+n], "prod-vm-"+n)
				slices.Sort(want["prod-"+verb+"-"+n])
			} else if verb == "admit" && i >= 2 {
				t.Errorf("%s has no seat", n)
			}
		}
	}
	if got, names := slices.Sorted(maps.Keys(resources)), slices.Sorted(maps.Keys(want)); !slices.Equal(got, names) {
		t.Fatalf("children:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(names, "\n"))
	}
	for name, deps := range want {
		r := resources[name]
		if !slices.Equal(r.dependencies, deps) {
			t.Errorf("%s depends on %v, want %v", name, r.dependencies, deps)
		}
		if name != "prod" && r.parent != "prod" {
			t.Errorf("%s has parent %q", name, r.parent)
		}
	}
}

// What protects a VM from being replaced, at plugins whose provider would: the options themselves.
func TestVirtualMachineOptions(t *testing.T) {
	t.Parallel()
	private, public := newKey(t)
	resources, _, err := construct(t, reference(private))
	if err != nil {
		t.Fatal(err)
	}
	vm := resources["prod-vm-k3s-server-02"]
	rpc := vm.rpc.RegisterRPC
	ignored := []string{
		"clone", "initialization.userAccount", "nodeName",
		"smbios.family", "smbios.manufacturer", "smbios.product", "smbios.serial", "smbios.sku", "smbios.uuid",
		"disks[0].aio", "disks[0].backup", "disks[0].cache", "disks[0].discard", "disks[0].iothread", "disks[0].replicate", "disks[0].speed", "disks[0].ssd",
	}
	if want := append(slices.Clone(ignored), "initialization.dns.domain"); !slices.Equal(rpc.GetIgnoreChanges(), want) {
		t.Errorf("ignored: %v, want %v", rpc.GetIgnoreChanges(), want)
	}
	args := reference(private)
	args.Network.SearchDomain, args.Proxmox.VLAN, args.Proxmox.Pool = ptr("example.org"), ptr(20), ptr("k3s/prod")
	named, _, err := construct(t, args)
	if err != nil {
		t.Fatal(err)
	}
	other := named["prod-vm-k3s-server-02"].inputs
	if device := plain(other["networkDevices"].ArrayValue()[0]).ObjectValue(); device["vlanId"].NumberValue() != 20 || other["poolId"].StringValue() != "k3s/prod" {
		t.Errorf("network device %v, pool %v", device, other["poolId"])
	}
	if got := named["prod-vm-k3s-server-02"].rpc.RegisterRPC.GetIgnoreChanges(); !slices.Equal(got, ignored) {
		t.Errorf("with a search domain of the program's own, ignored: %v, want %v", got, ignored)
	}
	if !rpc.GetDeleteBeforeReplace() || rpc.GetVersion() != "6.18.1" || rpc.GetPluginDownloadURL() != "github://api.github.com/muhlba91/pulumi-proxmoxve" {
		t.Errorf("deleteBeforeReplace %t, version %s, from %s", rpc.GetDeleteBeforeReplace(), rpc.GetVersion(), rpc.GetPluginDownloadURL())
	}
	got, err := json.Marshal(vm.inputs.Mappable())
	if err != nil {
		t.Fatal(err)
	}
	serials := map[string]bool{}
	for name, r := range resources {
		if strings.HasPrefix(name, "prod-vm-") {
			serials[plain(plain(r.inputs["smbios"]).ObjectValue()["serial"]).StringValue()] = true
		}
	}
	for serial := range serials {
		if !regexp.MustCompile(`^k3sha-[0-9a-f]{16}$`).MatchString(serial) {
			t.Errorf("instance %q", serial)
		}
		got = []byte(strings.ReplaceAll(string(got), serial, "INSTANCE"))
	}
	if len(serials) != 7 {
		t.Errorf("%d instances of 7 machines", len(serials))
	}
	want := fmt.Sprintf(`{"agent":{"enabled":false},"cdrom":{"fileId":"none","interface":"ide3"},`+
		`"clone":{"datastoreId":"local-lvm","full":true,"nodeName":"pve1","retries":3,"vmId":9000},`+
		`"cpu":{"cores":2,"type":"x86-64-v2-AES","units":1024},"description":"server of k3s cluster k3s, managed by Pulumi",`+
		`"disks":[{"datastoreId":"local-lvm","interface":"scsi0","size":32}],`+
		`"initialization":{"datastoreId":"local-lvm","dns":{"servers":["192.168.1.1"]},"interface":"ide2",`+
		`"ipConfigs":[{"ipv4":{"address":"192.168.1.202/24","gateway":"192.168.1.1"}}],"userAccount":{"keys":[%q],"username":"ubuntu"}},`+
		`"memory":{"dedicated":4096},"name":"k3s-server-02",`+
		`"networkDevices":[{"bridge":"vmbr0","firewall":false,"macAddress":"BC:24:11:72:DA:62","model":"virtio"}],`+
		`"nodeName":"pve2","onBoot":true,"operatingSystem":{"type":"l26"},"scsiHardware":"virtio-scsi-pci","serialDevices":[{"device":"socket"}],"smbios":{"serial":"INSTANCE"},`+
		`"started":true,"stopOnDestroy":true,"tags":["k3s","prod","server"],"timeoutClone":1800,"timeoutCreate":1800,"timeoutMigrate":1800,"timeoutReboot":1800,`+
		`"timeoutShutdownVm":1800,"timeoutStartVm":1800,"timeoutStopVm":300,"vga":{"type":"serial0"},"vmId":378387}`, public)
	if string(got) != want {
		t.Errorf("inputs:\n%s\nwant:\n%s", got, want)
	}
}

func TestCommandOptions(t *testing.T) {
	t.Parallel()
	private, _ := newKey(t)
	resources, _, err := construct(t, reference(private))
	if err != nil {
		t.Fatal(err)
	}
	ignored := map[string][]string{
		"reach": {"connection", "create", "stdin"},
	}
	commands := 0
	for name, r := range resources {
		if r.token != "command:remote:Command" {
			continue
		}
		commands++
		verb := strings.Split(name, "-")[1]
		rpc := r.rpc.RegisterRPC
		if want := ignored[verb]; !slices.Equal(rpc.GetIgnoreChanges(), want) {
			t.Errorf("%s ignores %v, want %v", name, rpc.GetIgnoreChanges(), want)
		}
		if rpc.GetVersion() != "1.2.1" || !rpc.GetDeleteBeforeReplace() || rpc.GetCustomTimeouts().GetCreate() == "" {
			t.Errorf("%s: version %s, timeouts %v", name, rpc.GetVersion(), rpc.GetCustomTimeouts())
		}
		if secret := rpc.GetAdditionalSecretOutputs(); !slices.Contains(secret, "stdout") || !slices.Contains(secret, "stderr") {
			t.Errorf("%s keeps secret: %v", name, secret)
		}
		if node, onNode := strings.CutPrefix(name, "prod-"+verb+"-"); onNode && node != "cluster" {
			if base(rpc.GetDeletedWith()) != "prod-vm-"+node || len(rpc.GetReplaceWith()) != 1 || base(rpc.GetReplaceWith()[0]) != "prod-vm-"+node {
				t.Errorf("%s: deleted with %s, replaced with %v", name, rpc.GetDeletedWith(), rpc.GetReplaceWith())
			}
			if triggers := plain(r.inputs["triggers"]).ArrayValue(); len(triggers) != 1 || plain(triggers[0]).StringValue() != "k3sha-of-prod-vm-"+node {
				t.Errorf("%s runs again on %v, not on another instance of its machine", name, triggers)
			}
		}
		if !r.inputs["stdin"].IsSecret() {
			t.Errorf("%s: stdin is not secret", name)
		}
		if r.inputs["logging"].StringValue() != "none" || r.inputs["addPreviousOutputInEnv"].BoolValue() || r.inputs["create"].StringValue() == "" || r.inputs["update"].HasValue() || r.inputs["delete"].HasValue() {
			t.Errorf("%s: logging, previous output, update or delete are not as for all", name)
		}
		for _, word := range []string{"S3RVER", "AG3NT", "PRIVATE KEY", "CERTIFICATE"} {
			if strings.Contains(r.inputs["create"].StringValue(), word) {
				t.Errorf("%s has a secret on its command line", name)
			}
		}
		connection := plain(r.inputs["connection"]).ObjectValue()
		machine := strings.TrimPrefix(name, "prod-"+verb+"-")
		if verb == "reach" {
			machine = "k3s-lb-01"
		}
		if got := plain(connection["hostKey"]); got.StringValue() != identity().HostKey(machine).Public || connection["hostKey"].IsSecret() {
			t.Errorf("%s is pinned to %v", name, connection["hostKey"])
		}
		if !connection["privateKey"].IsSecret() && !r.inputs["connection"].IsSecret() {
			t.Errorf("%s: the private key is not secret", name)
		}
	}
	if commands != 15 {
		t.Errorf("%d commands, want 15", commands)
	}
}

// Behind a bastion every connection goes through it, with its own key and its pinned host key.
func TestBastion(t *testing.T) {
	t.Parallel()
	private, _ := newKey(t)
	args := reference(private)
	args.SSH.Bastion = &component.BastionArgs{
		Host: "bastion.example.org", Port: ptr(2222), PrivateKey: pulumi.String("J0MP"), HostKey: pulumi.String("ssh-ed25519 BASTION"),
	}
	resources, _, err := construct(t, args)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for name, r := range resources {
		if r.token != "command:remote:Command" {
			continue
		}
		seen++
		proxy := plain(plain(r.inputs["connection"]).ObjectValue()["proxy"]).ObjectValue()
		if plain(proxy["host"]).StringValue() != "bastion.example.org" || plain(proxy["port"]).NumberValue() != 2222 || plain(proxy["user"]).StringValue() != "ubuntu" ||
			plain(proxy["privateKey"]).StringValue() != "J0MP" || plain(proxy["hostKey"]).StringValue() != "ssh-ed25519 BASTION" {
			t.Errorf("%s goes through %v", name, proxy)
		}
		if !r.inputs["connection"].ContainsSecrets() {
			t.Errorf("%s: the bastion's key is not secret", name)
		}
	}
	if seen != 15 {
		t.Errorf("%d commands, want 15", seen)
	}
	if j := access(t, resources).Jump; j == nil || *j != (contact.Host{Address: "bastion.example.org", Port: 2222, User: "ubuntu", PrivateKey: "J0MP", HostKey: "ssh-ed25519 BASTION"}) {
		t.Errorf("the access goes through %v", j)
	}
}

// access is the configuration of the provider that reaches nodes and the cluster.
func access(t *testing.T, all map[string]recorded) resources.Access {
	t.Helper()
	r := all["prod-access-cluster"]
	if r.token != "pulumi:providers:k3sha" || len(r.inputs) == 0 || !r.inputs["access"].IsSecret() {
		t.Fatalf("%s, or its configuration is not secret", r.token)
	}
	var a resources.Access
	if err := json.Unmarshal([]byte(plain(r.inputs["access"]).StringValue()), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// What reaches nodes and the cluster: by which provider, with what, and when it goes with what.
func TestResourcesThatReachTheCluster(t *testing.T) {
	t.Parallel()
	private, _ := newKey(t)
	args := reference(private)
	args.Servers.StartOver, args.Servers.Others, args.Servers.First = ptr("2026-11-26"), []string{"192.168.1.99"}, ptr(2)
	args.LoadBalancers.APIPort, args.SSH.Port, args.K3s.AdminCertificateDays = ptr(16443), ptr(2222), ptr(120)
	all, _, err := construct(t, args)
	if err != nil {
		t.Fatal(err)
	}
	want := resources.Access{
		Cluster: "k3s", VIP: "192.168.1.220", APIPort: 16443, Servers: 3, Others: []string{"192.168.1.99", "192.168.1.202", "192.168.1.201", "192.168.1.203"},
		StatusPort: 8405, Drain: 300, Owner: "project/stack/prod", StartOver: "2026-11-26", User: "ubuntu", Port: 2222, PrivateKey: private, Bundle: identity(),
	}
	for _, way := range [][2]string{{"k3s-lb-01", "192.168.1.221"}, {"k3s-lb-02", "192.168.1.222"}, {"k3s-server-02", "192.168.1.202"}, {"k3s-server-01", "192.168.1.201"}, {"k3s-server-03", "192.168.1.203"}} {
		want.Ways = append(want.Ways, resources.Way{Node: way[0], Address: way[1], LoadBalancer: strings.Contains(way[0], "-lb-")})
	}
	if got := access(t, all); got.Text() != want.Text() {
		t.Errorf("access:\n%+v\nwant:\n%+v", got, want)
	}
	reaching := 0
	for name, r := range all {
		rpc := r.rpc.RegisterRPC
		kind := strings.TrimPrefix(r.token, "k3sha:index:")
		if by := base(rpc.GetProvider()); slices.Contains([]string{"Contact", "Seat", "ClusterStart", "ClusterRelease", "AdminCertificate", "ClusterSettled"}, kind) != strings.HasPrefix(by, "prod-access-cluster") {
			t.Errorf("%s is made by %q", name, by)
		}
		switch kind {
		case "Seat":
			node := strings.TrimPrefix(name, "prod-admit-")
			if base(rpc.GetDeletedWith()) != "prod-identity" || !rpc.GetDeleteBeforeReplace() || len(rpc.GetReplaceWith()) > 0 {
				t.Errorf("%s: deleted with %q, deleted before replaced %t, replaced with %v", name, rpc.GetDeletedWith(), rpc.GetDeleteBeforeReplace(), rpc.GetReplaceWith())
			}
			if plain(r.inputs["node"]).StringValue() != node || plain(r.inputs["instance"]).StringValue() != "k3sha-of-prod-vm-"+node || plain(r.inputs["startOver"]).StringValue() != "2026-11-26" ||
				plain(r.inputs["role"]).StringValue() != map[string]string{"lb": "load-balancer", "server": "server", "worker": "worker"}[strings.Split(node, "-")[1]] {
				t.Errorf("%s: %v", name, r.inputs)
			}
		case "ClusterStart":
			got, _ := json.Marshal(r.inputs.Mappable())
			if string(got) != `{"address":"192.168.1.202","adopted":false,"node":"k3s-server-02","startOver":"2026-11-26","vm":"prod-vm-k3s-server-02"}` {
				t.Errorf("%s: %s", name, got)
			}
			if rpc.GetDeletedWith() != "" || len(rpc.GetReplaceWith()) > 0 {
				t.Errorf("%s goes with a machine", name)
			}
		case "AdminCertificate":
			if plain(r.inputs["days"]).NumberValue() != 120 || !slices.Equal(rpc.GetAdditionalSecretOutputs(), []string{"key"}) {
				t.Errorf("%s: %v, secret %v", name, r.inputs, rpc.GetAdditionalSecretOutputs())
			}
			continue // it reaches nobody
		case "Contact":
			node := strings.TrimPrefix(name, "prod-contact-")
			if plain(r.inputs["instance"]).StringValue() != "k3sha-of-prod-vm-"+node || base(rpc.GetDeletedWith()) != "prod-vm-"+node || len(rpc.GetReplaceWith()) != 1 || plain(r.inputs["toolkit"]).StringValue() == "" ||
				len(plain(r.inputs["authorizedKeys"]).ArrayValue()) != 1 {
				t.Errorf("%s: %v", name, r.inputs)
			}
		default:
			continue
		}
		reaching++
		if limits := rpc.GetCustomTimeouts(); limits.GetCreate() != "25m" || limits.GetDelete() != "25m" {
			t.Errorf("%s has the timeouts %v", name, limits)
		}
	}
	if reaching != 15 {
		t.Errorf("%d resources reach nodes or the cluster, want 15", reaching)
	}
	for _, key := range []string{"token", "agentToken", "recoveryBundle"} {
		if !slices.Contains(all["prod-identity"].rpc.RegisterRPC.GetAdditionalSecretOutputs(), key) {
			t.Errorf("the identity's %s is not secret", key)
		}
	}
}

// A recovery bundle goes to the identity, as a secret, and nowhere else.
func TestARecoveryBundleIsHandedOn(t *testing.T) {
	t.Parallel()
	private, _ := newKey(t)
	args := reference(private)
	args.K3s.RecoveryBundle = pulumi.String("B0NDLE")
	all, _, err := construct(t, args)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range all {
		text := fmt.Sprint(r.inputs)
		if strings.Contains(text, "B0NDLE") != (name == "prod-identity") {
			t.Errorf("%s: %s", name, text)
		}
	}
	if given := all["prod-identity"].inputs["recoveryBundle"]; !given.IsSecret() || plain(given).StringValue() != "B0NDLE" {
		t.Error("it is not secret, or another")
	}
}

func plain(v resource.PropertyValue) resource.PropertyValue {
	for v.IsSecret() || v.IsOutput() {
		if v.IsSecret() {
			v = v.SecretValue().Element
		} else {
			v = v.OutputValue().Element
		}
	}
	return v
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	private, _ := newKey(t)
	_, out, err := construct(t, reference(private))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"agentToken", "clientKey", "kubeconfig", "recoveryBundle", "token"}; !slices.Equal(out.Secret, want) {
		t.Errorf("secret: %v, want %v", out.Secret, want)
	}
	if out.Endpoint != "https://192.168.1.220:6443" || out.Token != "K10cafe::server:S3RVER" || out.CA != identity().Authorities.Server.Certificate {
		t.Errorf("endpoint %q, token %q, CA %q", out.Endpoint, out.Token, out.CA)
	}
	if out.Bundle != identity().Encode() || out.Until != "2027-01-31T12:00:00Z" {
		t.Errorf("bundle %.40q, certificates until %q", out.Bundle, out.Until)
	}
	ca := base64.StdEncoding.EncodeToString([]byte(out.CA))
	for _, line := range []string{"server: https://192.168.1.220:6443", "certificate-authority-data: " + ca, "client-certificate-data: Q0VSVA==", "client-key-data: S0VZ"} {
		if !strings.Contains(out.Kubeconfig, line+"\n") {
			t.Errorf("no %s in the kubeconfig:\n%s", line, out.Kubeconfig)
		}
	}
	if want := (component.NodeInfo{Role: "server", IP: "192.168.1.203", MAC: "BC:24:11:72:DB:F5", VMID: 700768, ProxmoxNode: "pve3"}); out.Nodes["k3s-server-03"] != want || len(out.Nodes) != 7 {
		t.Errorf("nodes: %v, want %v among 7", out.Nodes, want)
	}
}

// Who has the kubeconfig can use it: it comes when the API has answered through the VIP, and what recovers the cluster before.
func TestTheKubeconfigComesLast(t *testing.T) {
	t.Parallel()
	private, _ := newKey(t)
	m := &mocks{resources: map[string]recorded{}, fails: "prod-reach-cluster"}
	var kubeconfig, bundle string
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		c, err := component.New(ctx, "0.1.0", "prod", reference(private))
		if err != nil {
			return err
		}
		keep := func(to *string) func(string) string { return func(text string) string { *to = text; return text } }
		c.Kubeconfig.ApplyT(keep(&kubeconfig))
		c.RecoveryBundle.ApplyT(keep(&bundle))
		return nil
	}, pulumi.WithMocks("project", "stack", m))
	if err == nil || kubeconfig != "" || bundle != identity().Encode() {
		t.Errorf("%v, kubeconfig %.40q, bundle %.40q", err, kubeconfig, bundle)
	}
}

// Adding and removing nodes in the middle leaves the other servers' and workers' resources byte for byte the same.
func TestOtherResourcesStayTheSame(t *testing.T) {
	t.Parallel()
	private, _ := newKey(t)
	before, _, err := construct(t, reference(private))
	if err != nil {
		t.Fatal(err)
	}
	args := reference(private)
	args.Servers.Slots = []int{5, 4, 3, 2, 1}
	args.Workers["worker"] = component.WorkerArgs{Slots: []int{2, 3}, FirstAddress: ptr("192.168.1.211")}
	args.Workers["gpu"] = component.WorkerArgs{Count: ptr(1), FirstAddress: ptr("192.168.1.230")}
	after, _, err := construct(t, args)
	if err != nil {
		t.Fatal(err)
	}
	changed := map[string]bool{}
	for name, r := range before {
		now, kept := after[name]
		if !kept {
			if !strings.HasSuffix(name, "k3s-worker-01") {
				t.Errorf("%s is gone", name)
			}
			continue
		}
		for _, v := range []recorded{r, now} { // the instance is new with each run, and ignored
			delete(v.rpc.RegisterRPC.GetObject().GetFields(), "smbios")
		}
		was, _ := json.Marshal(r.rpc.RegisterRPC.GetObject())
		is, _ := json.Marshal(now.rpc.RegisterRPC.GetObject())
		if string(was) != string(is) {
			changed[name] = true
		}
	}
	if got, want := slices.Sorted(maps.Keys(changed)), []string{"prod-access-cluster", "prod-converge-k3s-lb-01", "prod-converge-k3s-lb-02", "prod-machines", "prod-settle-cluster"}; !slices.Equal(got, want) {
		t.Errorf("changed: %v, want %v", got, want)
	}
}

func TestKeysAreChecked(t *testing.T) {
	t.Parallel()
	private, public := newKey(t)
	_, other := newKey(t)
	for want, change := range map[string]func(*component.SSHArgs){
		"ssh.privateKey: is not a private key in PEM or OpenSSH form; give the whole file, with its first and last line": func(a *component.SSHArgs) {
			a.PrivateKey = pulumi.String("S3CRET")
		},
		"ssh.publicKeys[1]: is not one public key; write it as in authorized_keys, like ssh-ed25519 AAAA... name": func(a *component.SSHArgs) {
			a.PublicKeys = pulumi.StringArray{pulumi.String(public), pulumi.String("ssh-ed25519 nonsense")}
		},
		"ssh.publicKeys: does not hold the public key of ssh.privateKey (" + public + "), which would lock the nodes; add it": func(a *component.SSHArgs) {
			a.PublicKeys = pulumi.StringArray{pulumi.String(other)}
		},
	} {
		args := reference(private)
		change(&args.SSH)
		m := &mocks{resources: map[string]recorded{}}
		err := pulumi.RunErr(func(ctx *pulumi.Context) error {
			_, err := component.New(ctx, "0.1.0", "prod", args)
			return err
		}, pulumi.WithMocks("project", "stack", m))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

func TestProblemsStopEverythingAtOnce(t *testing.T) {
	t.Parallel()
	private, _ := newKey(t)
	args := reference(private)
	args.Network.VIP, args.Servers.Count, args.Proxmox.TemplateID = new("192.168.1.201"), ptr(2), nil
	resources, _, err := construct(t, args)
	want := `K3sHaCluster "prod" has 3 problems:
  servers.count: 2 servers tolerate no more losses than 1; use an odd number: 1, 3, 5 or 7
  servers.firstAddress: k3s-server-01 would have 192.168.1.201, which is the VIP; the VIP moves between load balancers and must be free
  proxmox.templateId: is missing; give the VM id of the template to clone, like 9000`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if len(resources) > 0 {
		t.Errorf("registered all the same: %v", slices.Collect(maps.Keys(resources)))
	}
}

// laneMocks see how many VMs are cloned at a time.
type laneMocks struct {
	*mocks
	lanes     int32 // a clone goes on until there have been as many, on a machine however busy
	now, most atomic.Int32
}

func (m *laneMocks) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if strings.HasSuffix(args.TypeToken, "VirtualMachine") {
		for now := m.now.Add(1); ; {
			if most := m.most.Load(); now <= most || m.most.CompareAndSwap(most, now) {
				break
			}
		}
		for end := time.Now().Add(10 * time.Second); m.most.Load() < m.lanes && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(20 * time.Millisecond) // for one too many
		defer m.now.Add(-1)
	}
	return m.mocks.NewResource(args)
}

// No more clones run at a time than there are lanes, though no VM depends on another.
func TestCloneLanes(t *testing.T) {
	t.Parallel()
	for _, lanes := range []int{1, 3} {
		private, _ := newKey(t)
		args := reference(private)
		args.Proxmox.CloneLanes = ptr(lanes)
		m := &laneMocks{lanes: int32(lanes), mocks: &mocks{resources: map[string]recorded{}}}
		if err := pulumi.RunErr(func(ctx *pulumi.Context) error {
			_, err := component.New(ctx, "0.1.0", "prod", args)
			return err
		}, pulumi.WithMocks("project", "stack", m)); err != nil {
			t.Fatal(err)
		}
		if most := int(m.most.Load()); most != lanes {
			t.Errorf("%d lanes, and %d clones at a time", lanes, most)
		}
	}
}

// generationMocks say that some machines are made anew, and see when VMs are registered.
type generationMocks struct {
	*mocks
	renewed []string
	order   []string
}

func (m *generationMocks) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if strings.Contains(args.Name, "-converge-") {
		time.Sleep(10 * time.Millisecond)
	}
	id, out, err := m.mocks.NewResource(args)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.order = append(m.order, strings.TrimPrefix(args.Name, "prod-"))
	if strings.HasSuffix(args.Name, "-machines") {
		var names []resource.PropertyValue
		for _, name := range m.renewed {
			names = append(names, resource.NewStringProperty(name))
		}
		out["renewed"] = resource.NewArrayProperty(names)
		out["seed"] = resource.NewObjectProperty(resource.PropertyMap{
			"templateId": resource.NewNumberProperty(8000), "templateNode": resource.NewStringProperty("pve3"),
			"datastore": resource.NewStringProperty("ceph"), "retries": resource.NewNumberProperty(5),
		})
	}
	return id, out, err
}

// Machines that are made anew go one of a group at a time, each when the one before it serves again, from what the program said when their
// generation began; nothing else waits, and no dependency says so.
func TestGenerations(t *testing.T) {
	t.Parallel()
	private, public := newKey(t)
	for name, renewed := range map[string][]string{
		"nobody":   {},
		"everyone": {"k3s-lb-01", "k3s-lb-02", "k3s-server-01", "k3s-server-02", "k3s-server-03", "k3s-worker-01", "k3s-worker-02"},
		"one":      {"k3s-server-02"},
	} {
		m := &generationMocks{mocks: &mocks{resources: map[string]recorded{}}, renewed: renewed}
		args := reference(private)
		args.Servers.Generation = ptr(2)
		args.Proxmox.CloneLanes = ptr(7)
		if err := pulumi.RunErr(func(ctx *pulumi.Context) error {
			_, err := component.New(ctx, "0.1.0", "prod", args)
			return err
		}, pulumi.WithMocks("project", "stack", m)); err != nil {
			t.Fatal(err)
		}
		at := func(step string) int { return slices.Index(m.order, step) }
		for _, pair := range [][2]string{{"k3s-lb-01", "k3s-lb-02"}, {"k3s-server-01", "k3s-server-02"}, {"k3s-server-02", "k3s-server-03"}, {"k3s-worker-01", "k3s-worker-02"}} {
			if waits := at("vm-"+pair[1]) > at("converge-"+pair[0]); waits != (name == "everyone") {
				t.Errorf("%s: %s waits for %s: %t", name, pair[1], pair[0], waits)
			}
		}
		vm := m.resources["prod-vm-k3s-server-02"]
		clone := plain(vm.inputs["clone"]).ObjectValue()
		keys := plain(plain(plain(vm.inputs["initialization"]).ObjectValue()["userAccount"]).ObjectValue()["keys"]).ArrayValue()
		template, store, tries := 9000.0, "local-lvm", 3.0
		if name != "nobody" {
			template, store, tries = 8000, "ceph", 5
		}
		if plain(clone["vmId"]).NumberValue() != template || plain(clone["datastoreId"]).StringValue() != store || plain(clone["retries"]).NumberValue() != tries || len(keys) != 1 || plain(keys[0]).StringValue() != public {
			t.Errorf("%s: made from %v, %v", name, clone, keys)
		}
		if !slices.Equal(vm.dependencies, []string{"prod-command", "prod-machines"}) {
			t.Errorf("%s: depends on %v", name, vm.dependencies)
		}
		// Another generation replaces it.
		generation, on := plain(plain(vm.inputs["smbios"]).ObjectValue()["version"]), vm.rpc.RegisterRPC.GetReplaceOnChanges()
		if generation.StringValue() != "generation 2" || !slices.Equal(on, []string{"smbios.version"}) || plain(m.resources["prod-vm-k3s-worker-01"].inputs["smbios"]).ObjectValue()["version"].HasValue() {
			t.Errorf("%s: generation %v, replaced on %v", name, generation, on)
		}
		var want []string
		for _, n := range []string{"k3s-server-01", "k3s-server-02", "k3s-server-03"} {
			if !slices.Contains(renewed, n) {
				want = append(want, "prod-prepare-"+n)
			}
		}
		if got := m.resources["prod-release-cluster"].dependencies; !slices.Equal(got[1:], want) {
			t.Errorf("%s: the release waits for %v, want %v", name, got, want)
		}
	}
}
