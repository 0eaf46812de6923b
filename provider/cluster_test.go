package provider_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"golang.org/x/crypto/ssh"

	"github.com/k3sha/pulumi-k3sha/provider"
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
	m.resources[args.Name] = r
	out := args.Inputs.Copy()
	switch {
	case strings.HasSuffix(args.TypeToken, "ClusterIdentity"):
		out["token"], out["agentToken"] = resource.NewStringProperty("S3RVER"), resource.NewStringProperty("AG3NT")
	case strings.Contains(args.Name, "-contact-"):
		out["hostKey"] = resource.NewStringProperty("ssh-ed25519 HOSTKEY-of-" + args.Name[strings.Index(args.Name, "-contact-")+9:])
	case strings.HasSuffix(args.Name, "-read-cluster"):
		ca := base64.StdEncoding.EncodeToString([]byte("-----BEGIN CERTIFICATE-----\n"))
		text, _ := json.Marshal(map[string]string{"ca": ca, "certificate": "Q0VSVA==", "key": "S0VZ", "token": "K10cafe::server:S3RVER"})
		out["stdout"] = resource.NewStringProperty(string(text))
	case strings.Contains(args.TypeToken, "Command"):
		out["stdout"] = resource.NewStringProperty("")
	}
	return args.Name + "-id", out, nil
}

func base(urn string) string { return urn[strings.LastIndex(urn, "::")+2:] }

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

func reference(private string) provider.K3sHaClusterArgs {
	return provider.K3sHaClusterArgs{
		ClusterName: "k3s",
		Proxmox:     provider.ProxmoxArgs{Nodes: []string{"pve1", "pve2", "pve3"}, TemplateID: pulumi.Int(9000), Tags: []string{"Prod", "k3s"}},
		Network:     provider.NetworkArgs{CIDR: "192.168.1.0/24", Gateway: "192.168.1.1", VIP: "192.168.1.220"},
		Servers:     &provider.ServersArgs{FirstAddress: ptr("192.168.1.201")},
		Workers: map[string]provider.WorkerArgs{
			"worker": {Count: ptr(2), FirstAddress: ptr("192.168.1.211")},
		},
		LoadBalancers: &provider.LoadBalancersArgs{FirstAddress: ptr("192.168.1.221")},
		K3s:           provider.K3sArgs{Version: "v1.31.6+k3s1"},
		SSH:           provider.SSHArgs{PrivateKey: pulumi.String(private)},
	}
}

type outputs struct {
	Kubeconfig, Endpoint, CA, Token string
	SecretKubeconfig, SecretToken   bool
	Nodes                           map[string]provider.NodeInfo
}

func construct(t *testing.T, args provider.K3sHaClusterArgs) (map[string]recorded, outputs, error) {
	t.Helper()
	m := &mocks{resources: map[string]recorded{}}
	var out outputs
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		c, err := provider.NewK3sHaCluster(ctx, "prod", args)
		if err != nil {
			return err
		}
		out.SecretKubeconfig, out.SecretToken = pulumi.IsSecret(c.Kubeconfig), pulumi.IsSecret(c.Token)
		done := make(chan struct{})
		pulumi.All(c.Kubeconfig, c.Endpoint, c.CACertificate, c.Token, c.Nodes).ApplyT(func(v []any) string {
			defer close(done)
			out.Kubeconfig, out.Endpoint, out.CA, out.Token = v[0].(string), v[1].(string), v[2].(string), v[3].(string)
			out.Nodes = v[4].(map[string]provider.NodeInfo)
			return ""
		})
		<-done
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
	want := map[string][]string{"prod": nil, "prod-command": nil, "prod-machines": nil, "prod-identity": {"prod-prepare-k3s-server-01", "prod-prepare-k3s-server-02", "prod-prepare-k3s-server-03"}}
	for i, n := range nodes {
		want["prod-vm-"+n] = []string{"prod-command", "prod-machines"}
		if i >= 2 {
			want["prod-vm-"+n] = []string{"prod-command", "prod-machines", "prod-vm-" + nodes[i-2]}
		}
		want["prod-contact-"+n] = []string{"prod-vm-" + n}
		want["prod-authorize-"+n] = []string{"prod-contact-" + n}
		want["prod-prepare-"+n] = []string{"prod-authorize-" + n, "prod-contact-" + n}
	}
	after := func(child, node string, others ...string) {
		deps := []string{"prod-contact-" + node}
		for _, o := range others {
			deps = append(deps, "prod-"+o)
		}
		slices.Sort(deps)
		want["prod-"+child] = deps
	}
	after("converge-k3s-lb-01", "k3s-lb-01", "prepare-k3s-lb-01")
	after("converge-k3s-lb-02", "k3s-lb-02", "prepare-k3s-lb-02", "converge-k3s-lb-01")
	after("converge-k3s-server-01", "k3s-server-01", "prepare-k3s-server-01", "prepare-k3s-server-02", "prepare-k3s-server-03", "converge-k3s-lb-02", "identity")
	after("read-cluster", "k3s-server-01", "converge-k3s-server-01")
	after("trust-k3s-lb-01", "k3s-lb-01", "read-cluster")
	after("trust-k3s-lb-02", "k3s-lb-02", "read-cluster", "trust-k3s-lb-01")
	after("converge-k3s-server-02", "k3s-server-02", "prepare-k3s-server-02", "trust-k3s-lb-02", "identity")
	after("converge-k3s-server-03", "k3s-server-03", "prepare-k3s-server-03", "converge-k3s-server-02", "identity")
	for _, w := range []string{"k3s-worker-01", "k3s-worker-02"} {
		after("join-"+w, w, "prepare-"+w, "trust-k3s-lb-02", "read-cluster", "identity")
		after("converge-"+w, w, "join-"+w, "converge-k3s-server-03", "read-cluster", "identity")
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
	want := fmt.Sprintf(`{"agent":{"enabled":false},"cdrom":{"fileId":"none","interface":"ide3"},`+
		`"clone":{"datastoreId":"local-lvm","full":true,"nodeName":"pve1","retries":3,"vmId":9000},`+
		`"cpu":{"cores":2,"type":"x86-64-v2-AES","units":1024},"description":"server of k3s cluster k3s, managed by Pulumi",`+
		`"disks":[{"datastoreId":"local-lvm","interface":"scsi0","size":32}],`+
		`"initialization":{"datastoreId":"local-lvm","dns":{"servers":["192.168.1.1"]},"interface":"ide2",`+
		`"ipConfigs":[{"ipv4":{"address":"192.168.1.202/24","gateway":"192.168.1.1"}}],"userAccount":{"keys":[%q],"username":"ubuntu"}},`+
		`"memory":{"dedicated":4096},"name":"k3s-server-02",`+
		`"networkDevices":[{"bridge":"vmbr0","firewall":false,"macAddress":"BC:24:11:72:DA:62","model":"virtio"}],`+
		`"nodeName":"pve2","onBoot":true,"operatingSystem":{"type":"l26"},"scsiHardware":"virtio-scsi-pci","serialDevices":[{"device":"socket"}],`+
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
		"read": {"connection", "create", "update", "stdin"},
		"join": {"create", "update", "stdin"},
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
		}
		if !r.inputs["stdin"].IsSecret() {
			t.Errorf("%s: stdin is not secret", name)
		}
		if r.inputs["logging"].StringValue() != "none" || r.inputs["addPreviousOutputInEnv"].BoolValue() || r.inputs["create"].StringValue() != r.inputs["update"].StringValue() || r.inputs["delete"].HasValue() {
			t.Errorf("%s: logging, previous output, update or delete are not as for all", name)
		}
		for _, word := range []string{"S3RVER", "AG3NT", "PRIVATE KEY"} {
			if strings.Contains(r.inputs["create"].StringValue(), word) {
				t.Errorf("%s has a secret on its command line", name)
			}
		}
		connection := plain(r.inputs["connection"]).ObjectValue()
		if !connection["hostKey"].HasValue() {
			t.Errorf("%s is not pinned to a host key", name)
		}
		if !connection["privateKey"].IsSecret() && !r.inputs["connection"].IsSecret() {
			t.Errorf("%s: the private key is not secret", name)
		}
	}
	if commands != 26 {
		t.Errorf("%d commands, want 26", commands)
	}
}

// Behind a bastion every connection goes through it, with its own key and its pinned host key.
func TestBastion(t *testing.T) {
	t.Parallel()
	private, _ := newKey(t)
	args := reference(private)
	args.SSH.Bastion = &provider.BastionArgs{
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
	if seen != 26 {
		t.Errorf("%d commands, want 26", seen)
	}
	jump := plain(resources["prod-contact-k3s-lb-01"].inputs["jump"]).ObjectValue()
	if plain(jump["address"]).StringValue() != "bastion.example.org" || plain(jump["hostKey"]).StringValue() != "ssh-ed25519 BASTION" || !jump["privateKey"].IsSecret() {
		t.Errorf("the first contact goes through %v", jump)
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
	if !out.SecretKubeconfig || !out.SecretToken {
		t.Errorf("secret: kubeconfig %t, token %t", out.SecretKubeconfig, out.SecretToken)
	}
	if out.Endpoint != "https://192.168.1.220:6443" || out.Token != "K10cafe::server:S3RVER" || out.CA != "-----BEGIN CERTIFICATE-----\n" {
		t.Errorf("endpoint %q, token %q, CA %q", out.Endpoint, out.Token, out.CA)
	}
	if !strings.Contains(out.Kubeconfig, "server: https://192.168.1.220:6443\n") || !strings.Contains(out.Kubeconfig, "client-key-data: S0VZ\n") {
		t.Errorf("kubeconfig:\n%s", out.Kubeconfig)
	}
	if want := (provider.NodeInfo{Role: "server", IP: "192.168.1.203", MAC: "BC:24:11:72:DB:F5", VMID: 700768, ProxmoxNode: "pve3"}); out.Nodes["k3s-server-03"] != want || len(out.Nodes) != 7 {
		t.Errorf("nodes: %v, want %v among 7", out.Nodes, want)
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
	args.Workers["worker"] = provider.WorkerArgs{Slots: []int{2, 3}, FirstAddress: ptr("192.168.1.211")}
	args.Workers["gpu"] = provider.WorkerArgs{Count: ptr(1), FirstAddress: ptr("192.168.1.230")}
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
		was, _ := json.Marshal(r.rpc.RegisterRPC.GetObject())
		is, _ := json.Marshal(now.rpc.RegisterRPC.GetObject())
		if string(was) != string(is) {
			changed[name] = true
		}
	}
	if got, want := slices.Sorted(maps.Keys(changed)), []string{"prod-converge-k3s-lb-01", "prod-converge-k3s-lb-02", "prod-machines"}; !slices.Equal(got, want) {
		t.Errorf("changed: %v, want %v", got, want)
	}
}

func TestKeysAreChecked(t *testing.T) {
	t.Parallel()
	private, public := newKey(t)
	_, other := newKey(t)
	for want, change := range map[string]func(*provider.SSHArgs){
		"ssh.privateKey: is not a private key in PEM or OpenSSH form; give the whole file, with its first and last line": func(a *provider.SSHArgs) {
			a.PrivateKey = pulumi.String("S3CRET")
		},
		"ssh.publicKeys[1]: is not one public key; write it as in authorized_keys, like ssh-ed25519 AAAA... name": func(a *provider.SSHArgs) {
			a.PublicKeys = pulumi.StringArray{pulumi.String(public), pulumi.String("ssh-ed25519 nonsense")}
		},
		"ssh.publicKeys: does not hold the public key of ssh.privateKey (" + public + "), which would lock the nodes; add it": func(a *provider.SSHArgs) {
			a.PublicKeys = pulumi.StringArray{pulumi.String(other)}
		},
	} {
		args := reference(private)
		change(&args.SSH)
		m := &mocks{resources: map[string]recorded{}}
		err := pulumi.RunErr(func(ctx *pulumi.Context) error {
			_, err := provider.NewK3sHaCluster(ctx, "prod", args)
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
	args.Network.VIP, args.Servers.Count, args.Proxmox.TemplateID = "192.168.1.201", ptr(2), nil
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
