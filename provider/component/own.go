package component

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
	"github.com/k3sha/pulumi-k3sha/provider/internal/render"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
	"github.com/k3sha/pulumi-k3sha/provider/resources"
)

// The package's name in Pulumi, the component's token, and where the plugin is fetched from.
const (
	Package     = "k3sha"
	Token       = "k3sha:index:K3sHaCluster"
	DownloadURL = "github://api.github.com/k3sha/pulumi-k3sha"
)

// The component's views of the package's own resources.
type (
	identity struct {
		pulumi.CustomResourceState
		Token          pulumi.StringOutput `pulumi:"token"`
		AgentToken     pulumi.StringOutput `pulumi:"agentToken"`
		RecoveryBundle pulumi.StringOutput `pulumi:"recoveryBundle"`
		CACertificate  pulumi.StringOutput `pulumi:"caCertificate"`
		CAHash         pulumi.StringOutput `pulumi:"caHash"`
		Adopted        pulumi.BoolOutput   `pulumi:"adopted"`
	}
	machineSet struct {
		pulumi.CustomResourceState
		Changes    pulumi.IntOutput         `pulumi:"changes"`
		K3sChanges pulumi.IntMapOutput      `pulumi:"k3sChanges"`
		Renewed    pulumi.StringArrayOutput `pulumi:"renewed"`
		Seed       machineSeedOutput        `pulumi:"seed"`
		Seeds      machineSeedMapOutput     `pulumi:"seeds"`
		Change     machineChangeOutput      `pulumi:"change"`

		ManifestChanges pulumi.IntOutput `pulumi:"manifestChanges"`
		RegistryChanges pulumi.IntOutput `pulumi:"registryChanges"`
	}
	machineChange struct {
		Joins   []string `pulumi:"joins"`
		Leaves  []string `pulumi:"leaves"`
		VMs     []string `pulumi:"vms"`
		K3s     []string `pulumi:"k3s"`
		Reloads []string `pulumi:"reloads"`

		Uninstalls []string `pulumi:"uninstalls"`
	}
	machineSeed struct {
		TemplateID   int    `pulumi:"templateId"`
		TemplateNode string `pulumi:"templateNode"`
		Datastore    string `pulumi:"datastore"`
		Retries      int    `pulumi:"retries"`
	}
	release struct {
		pulumi.CustomResourceState
		Version pulumi.StringOutput `pulumi:"k3sVersion"`
	}
	balanced struct {
		pulumi.CustomResourceState
		Servers pulumi.StringArrayOutput `pulumi:"servers"`
	}
	firstContact struct {
		pulumi.CustomResourceState
		Instance pulumi.StringOutput `pulumi:"instance"`
	}
	existingMachine struct {
		pulumi.CustomResourceState
		MachineID      pulumi.StringOutput `pulumi:"machineId"`
		HostKey        pulumi.StringOutput `pulumi:"hostKey"`
		CAHash         pulumi.StringOutput `pulumi:"caHash"`
		RecoveryBundle pulumi.StringOutput `pulumi:"recoveryBundle"`
	}
	start struct {
		pulumi.CustomResourceState
		Node pulumi.StringOutput `pulumi:"node"`
	}
	seat struct {
		pulumi.CustomResourceState
		MachineID pulumi.StringOutput `pulumi:"machineId"`
	}
	settled struct {
		pulumi.CustomResourceState
		Holder pulumi.StringOutput `pulumi:"holder"`
	}
	adminCertificate struct {
		pulumi.CustomResourceState
		Certificate pulumi.StringOutput `pulumi:"certificate"`
		Key         pulumi.StringOutput `pulumi:"key"`
	}
)

// machineSeedMapOutput is several of them, by machine.
type machineSeedMapOutput struct{ *pulumi.OutputState }

// ElementType tells the SDK what the output holds.
func (machineSeedMapOutput) ElementType() reflect.Type {
	return reflect.TypeFor[map[string]machineSeed]()
}

// machineSeedOutput is a machineSeed that comes later.
type machineSeedOutput struct{ *pulumi.OutputState }

// ElementType says what comes.
func (machineSeedOutput) ElementType() reflect.Type { return reflect.TypeFor[machineSeed]() }

// machineChangeOutput is a machineChange that comes later.
type machineChangeOutput struct{ *pulumi.OutputState }

// ElementType says what comes.
func (machineChangeOutput) ElementType() reflect.Type { return reflect.TypeFor[machineChange]() }

func init() {
	pulumi.RegisterOutputType(machineSeedOutput{})
	pulumi.RegisterOutputType(machineSeedMapOutput{})
	pulumi.RegisterOutputType(machineChangeOutput{})
}

// register registers a resource of the package's own.
func (b *bootstrap) register(token, name string, inputs pulumi.Map, r pulumi.CustomResource, opts ...pulumi.ResourceOption) error {
	return b.ctx.RegisterResource(token, name, inputs, r, append([]pulumi.ResourceOption{
		pulumi.Parent(b.cluster), pulumi.Version(b.version), pulumi.PluginDownloadURL(DownloadURL),
	}, opts...)...)
}

// newMachines is registered before anything else.
func (b *bootstrap) newMachines() (*machineSet, error) {
	machines := pulumi.Map{}
	known := b.plan.Machines()
	for _, n := range b.plan.Nodes {
		m := known[n.Name]
		machines[n.Name] = pulumi.Map{
			"role": pulumi.String(string(m.Role)), "path": pulumi.String(m.Path), "slot": pulumi.Int(m.Slot), "ip": pulumi.String(m.IP), "vmId": pulumi.Int(m.VMID),
			"disk": pulumi.Int(m.Disk), "generation": pulumi.Int(m.Generation), "protected": pulumi.Bool(m.Protected), "data": pulumi.String(m.Data), "keep": pulumi.Bool(m.Keep),
			"vm": pulumi.String(topology.Digest(b.plan.Restarts(n))), "k3s": pulumi.String(topology.Digest(render.Restarts(b.plan, n))),
		}
	}
	p := b.plan.Spec.Proxmox
	seed := func(template pulumi.IntInput, datastore string) pulumi.Map {
		return pulumi.Map{
			"templateId": template, "templateNode": pulumi.String(p.TemplateNode), "datastore": pulumi.String(datastore), "retries": pulumi.Int(p.CloneRetries),
		}
	}
	seeds := pulumi.Map{}
	for _, n := range b.plan.Nodes {
		if !n.Existing && (n.Template || n.Datastore != p.Datastore) {
			seeds[n.Name] = seed(b.template(n), n.Datastore)
		}
	}
	var r machineSet
	inputs := pulumi.Map{
		"machines": machines, "seed": seed(b.templateOfAll(), p.Datastore), "seeds": seeds,
		"configuration": pulumi.ToStringMap(render.Configuration(b.plan)),
	}
	if k := b.plan.Spec.K3s; len(b.args.leaves())+len(b.config)+len(k.Manifests) > 0 || k.Registries != nil {
		inputs["sent"] = pulumi.ToSecret(b.sent())
	}
	return &r, b.register(resources.MachinesToken, b.name+"-machines", inputs, &r)
}

// sent are hashes of what nodes are sent besides their configuration.
func (b *bootstrap) sent() pulumi.StringMapOutput {
	digest := func(texts map[string]string, more string) string {
		for _, path := range slices.Sorted(maps.Keys(texts)) {
			more += "\n" + path + "\n" + texts[path]
		}
		if more == "" {
			return ""
		}
		return topology.Digest(more)
	}
	servers, workers := b.leaves("network.proxy.", "k3s.serverConfig."), b.leaves("network.proxy.", "k3s.workerConfig.")
	return pulumi.All(servers, workers, b.leaves("k3s.manifests."), b.leaves("k3s.registries.")).ApplyT(func(v []any) map[string]string {
		out, s, ofRegistries := map[string]string{}, b.plan.Spec, v[3].(map[string]string)
		logins, registries := render.RegistriesAtStart(s, ofRegistries), ""
		if s.K3s.Registries != nil {
			text, _ := render.Registries(s, ofRegistries)
			registries = digest(ofRegistries, text+render.RegistryCertificates(s))
		}
		for whom, hash := range map[string]string{
			resources.SentToServers: digest(v[0].(map[string]string), logins), resources.SentToWorkers: digest(v[1].(map[string]string), logins),
			resources.SentManifests: digest(v[2].(map[string]string), render.ManifestFiles(s)), resources.SentRegistries: registries,
		} {
			if hash != "" {
				out[whom] = hash
			}
		}
		return out
	}).(pulumi.StringMapOutput)
}

func (b *bootstrap) newIdentity() (*identity, error) {
	inputs := pulumi.Map{"clusterName": pulumi.String(b.plan.Spec.ClusterName), "fixed": pulumi.ToStringMap(b.plan.Fixed())}
	for key, value := range map[string]pulumi.StringInput{"token": b.args.K3s.Token, "agentToken": b.args.K3s.AgentToken, "recoveryBundle": b.args.K3s.RecoveryBundle} {
		if value != nil {
			inputs[key] = pulumi.ToSecret(value)
		}
	}
	if first := b.plan.Servers()[0]; first.Adopt {
		inputs["recoveryBundle"] = pulumi.ToSecret(b.met[first.Name].RecoveryBundle)
	}
	var id identity
	return &id, b.register(resources.IdentityToken, b.name+"-identity", inputs, &id,
		pulumi.AdditionalSecretOutputs([]string{"token", "agentToken", "recoveryBundle"}))
}

func (b *bootstrap) newRelease(step topology.Step) (*release, error) {
	var r release
	return &r, b.register(resources.ReleaseToken, b.childName(step), pulumi.Map{"k3sVersion": pulumi.String(b.plan.Spec.K3s.Version)}, &r, pulumi.Provider(b.access), b.fetched(step))
}

func (b *bootstrap) newContact(step topology.Step) (*firstContact, error) {
	net, n, machine := b.plan.Spec.Network, step.Node, b.vms[step.Node.Name]
	keys, network := b.publicKeys, fmt.Sprint(net.CIDR, net.Gateway, net.DNS, net.SearchDomain, n.MAC)
	if n.Existing { // neither is the program's
		keys, network = pulumi.ToStringArray(nil).ToStringArrayOutput(), ""
	}
	var c firstContact
	return &c, b.register(resources.ContactToken, b.childName(step), pulumi.Map{
		"node": pulumi.String(n.Name), "address": pulumi.String(n.IP), "instance": machine.Instance,
		"vm": pulumi.Map{
			"id": pulumi.Int(n.VMID), "proxmoxNode": machine.ProxmoxNode, "running": machine.Running,
			"resource": pulumi.String(b.childName(topology.Step{Verb: n.Origin(), Node: n})),
		},
		"toolkit": pulumi.String(render.Toolkit() + b.plan.Spec.Reapply), "authorizedKeys": keys,
		"network": pulumi.String(network),
	}, &c, append(b.ofVM(step), b.reaching(step)...)...)
}

// newAccess is the provider of the resources that reach nodes and cluster. What they need for that is its configuration: the state holds
// it once, a seat is left with what is right on that day, and one that goes before this provider is looked at in an update, with what the
// last update knew. All of it is known at previews of a cluster that exists.
func (b *bootstrap) newAccess(step topology.Step) (pulumi.ProviderResource, error) {
	s := b.plan.Spec
	base := resources.Access{
		Cluster: s.ClusterName, VIP: s.Network.VIP, APIPort: s.LoadBalancers.APIPort, StatusPort: s.LoadBalancers.StatusPort, Servers: len(b.plan.Servers()), Others: slices.Clone(s.Servers.Others),
		StartOver: s.Servers.StartOver, RestoreID: b.restoreID(), User: s.SSH.User, Port: s.SSH.Port, Drain: s.K3s.DrainTimeout, DrainForce: s.K3s.DrainForce,
		Owner: b.ctx.Project() + "/" + b.ctx.Stack() + "/" + b.name, Forwards: s.LoadBalancers.Forwards(),
	}
	for _, n := range b.plan.Servers() {
		base.Others = append(base.Others, n.IP)
	}
	for _, n := range slices.Concat(b.plan.LoadBalancers(), b.plan.Servers()) {
		base.Ways = append(base.Ways, resources.Way{Node: n.Name, Address: n.IP, LoadBalancer: n.Role == topology.LoadBalancer})
	}
	for _, n := range b.plan.Nodes {
		if n.SSHPort != s.SSH.Port {
			base.Ports = maps.Clone(base.Ports)
			if base.Ports == nil {
				base.Ports = map[string]int{}
			}
			base.Ports[n.Name] = n.SSHPort
		}
		if n.Existing {
			base.Existing = append(base.Existing, n.Name)
		}
	}
	text := pulumi.All(b.identity.RecoveryBundle, b.args.SSH.PrivateKey, b.jump(), b.ownHostKeys()).ApplyT(func(v []any) (string, error) {
		a := base
		a.HostKeys, _ = v[3].(map[string]string)
		bundle, err := pki.Decode(v[0].(string))
		if err != nil {
			return "", err
		}
		a.Bundle, a.PrivateKey = bundle, v[1].(string)
		a.Jump, _ = v[2].(*contact.Host)
		return a.Text(), nil
	})
	b.accessText = pulumi.ToSecret(text).(pulumi.StringOutput)
	var r pulumi.ProviderResourceState
	err := b.register("pulumi:providers:"+Package, b.childName(step), pulumi.Map{resources.AccessKey: b.accessText}, &r, pulumi.DependsOn(b.predecessors(step)))
	return &r, err
}

// jump is the jump host, nil where there is none.
func (b *bootstrap) jump() pulumi.Output {
	j, key, hostKey := b.plan.Spec.SSH.Bastion, pulumi.String("").ToStringOutput(), pulumi.String("").ToStringOutput()
	if j != nil {
		key, hostKey = b.args.SSH.Bastion.PrivateKey.ToStringOutput(), b.args.SSH.Bastion.HostKey.ToStringOutput()
	}
	return pulumi.All(key, hostKey).ApplyT(func(v []any) *contact.Host {
		if j == nil {
			return nil
		}
		return &contact.Host{Address: j.Host, Port: j.Port, User: j.User, PrivateKey: v[0].(string), HostKey: v[1].(string)}
	})
}

// reaching are the options of a resource that reaches nodes or the cluster.
func (b *bootstrap) reaching(step topology.Step) []pulumi.ResourceOption {
	return []pulumi.ResourceOption{
		pulumi.Provider(b.access), pulumi.Timeouts(&pulumi.CustomTimeouts{Create: stepDeadline, Update: stepDeadline, Delete: stepDeadline}),
		pulumi.DependsOn(b.predecessors(step)),
	}
}

func (b *bootstrap) newStart(step topology.Step) (*start, error) {
	first := b.plan.Servers()[0]
	var s start
	inputs := pulumi.Map{
		"startOver": pulumi.String(b.plan.Spec.Servers.StartOver), "adopted": b.identity.Adopted,
		"node": pulumi.String(first.Name), "vm": pulumi.String(b.childName(topology.Step{Verb: first.Origin(), Node: first})),
		"address": pulumi.String(first.IP),
	}
	if first.Adopt {
		inputs["adopt"] = pulumi.Bool(true)
	}
	return &s, b.register(resources.StartToken, b.childName(step), inputs, &s, b.reaching(step)...)
}

// newSeat: when the whole cluster is destroyed nobody leaves it.
func (b *bootstrap) newSeat(step topology.Step) (*seat, error) {
	n := step.Node
	var s seat
	return &s, b.register(resources.SeatToken, b.childName(step), pulumi.Map{
		"node": pulumi.String(n.Name), "role": pulumi.String(string(n.Role)), "instance": b.vms[n.Name].Instance,
		"startOver": pulumi.String(b.plan.Spec.Servers.StartOver), "restoreId": pulumi.String(b.restoreID()), "address": pulumi.String(n.IP),
	}, &s, append(b.reaching(step), pulumi.DeletedWith(b.identity), pulumi.DeleteBeforeReplace(true))...)
}

// newBalanced looks through the external load balancer whenever machines have changed.
func (b *bootstrap) newBalanced(step topology.Step) (*balanced, error) {
	s, servers := b.plan.Spec, pulumi.StringMap{}
	for _, n := range b.plan.Servers() {
		servers[n.Name] = pulumi.String(n.IP)
	}
	var r balanced
	return &r, b.register(resources.BalancedToken, b.childName(step), pulumi.Map{
		"servers": servers, "endpoint": pulumi.String(render.Endpoint(s)), "changes": b.machines.Changes, "reapply": pulumi.String(s.Reapply),
	}, &r, b.reaching(step)...)
}

// newSettled comes last: what has been restarted is back.
func (b *bootstrap) newSettled(step topology.Step) (*settled, error) {
	s := b.plan.Spec
	nodes, groups := pulumi.Map{}, pulumi.Map{}
	for _, n := range b.plan.Nodes {
		nodes[n.Name] = pulumi.Map{
			"role": pulumi.String(string(n.Role)), "path": pulumi.String(n.Path), "address": pulumi.String(n.IP),
			"hash": pulumi.String(topology.Digest(b.plan.Restarts(n) + "\n" + render.Restarts(b.plan, n))),
		}
		if n.Role != topology.LoadBalancer {
			groups[n.Path] = pulumi.Map{"labels": pulumi.ToStringMap(n.Labels), "taints": pulumi.ToStringArray(n.Taints)}
		}
	}
	inputs := pulumi.Map{
		"nodes": nodes, "groups": groups, "changes": b.whenItMayRoll(b.machines.Changes), "endpoint": pulumi.String(render.Endpoint(s)), "k3sVersion": pulumi.String(s.K3s.Version),
	}
	if s.Reapply != "" {
		inputs["reapply"] = pulumi.String(s.Reapply)
	}
	var r settled
	return &r, b.register(resources.SettledToken, b.childName(step), inputs, &r, b.reaching(step)...)
}

// newOutputs fills in the component's outputs.
func (b *bootstrap) newOutputs() error {
	s, c, id := b.plan.Spec, b.cluster, b.identity
	var admin adminCertificate
	if err := b.register(resources.AdminToken, b.name+"-admin", pulumi.Map{"days": pulumi.Int(s.K3s.AdminDays)}, &admin,
		pulumi.Provider(b.access), pulumi.AdditionalSecretOutputs([]string{"key"})); err != nil {
		return err
	}
	// Who has the kubeconfig can use it: it comes when the API has answered through the VIP.
	reached := b.ends.output(topology.Reach, topology.Cluster)
	c.Kubeconfig = pulumi.ToSecret(pulumi.All(id.CACertificate, admin.Certificate, admin.Key, reached).ApplyT(func(v []any) string {
		return render.Kubeconfig(s, v[0].(string), v[1].(string), v[2].(string))
	})).(pulumi.StringOutput)
	c.Token = pulumi.ToSecret(pulumi.All(id.CAHash, id.Token).ApplyT(func(v []any) string {
		return "K10" + v[0].(string) + "::server:" + v[1].(string)
	})).(pulumi.StringOutput)
	c.AgentToken = pulumi.ToSecret(pulumi.All(id.CAHash, id.AgentToken).ApplyT(func(v []any) string {
		return "K10" + v[0].(string) + "::node:" + v[1].(string)
	})).(pulumi.StringOutput)
	c.ClientCertificate = pulumi.Unsecret(pulumi.All(admin.Certificate, reached).ApplyT(func(v []any) string { return v[0].(string) })).(pulumi.StringOutput)
	c.ClientKey = pulumi.ToSecret(pulumi.All(admin.Key, reached).ApplyT(func(v []any) string { return v[0].(string) })).(pulumi.StringOutput)
	c.AnsibleInventory = b.hostKeys.ApplyT(func(keys map[string]string) string { return render.Inventory(b.plan, keys) }).(pulumi.StringOutput)
	c.CACertificate = id.CACertificate
	c.RecoveryBundle = pulumi.ToSecret(id.RecoveryBundle).(pulumi.StringOutput)
	var ends []any
	for _, n := range b.plan.Servers() {
		ends = append(ends, b.ends.output(topology.Converge, n.Name))
	}
	c.CertificatesUntil = pulumi.Unsecret(pulumi.All(ends...).ApplyT(func(v []any) string {
		nearest := ""
		for _, end := range v { // RFC 3339 in UTC sorts by time
			if text := end.(string); text != "" && (nearest == "" || text < nearest) {
				nearest = text
			}
		}
		return nearest
	})).(pulumi.StringOutput)
	c.Endpoint = pulumi.String(render.PublicEndpoint(s)).ToStringOutput()
	c.Snapshots = b.snapshots
	if s.Backup == nil {
		c.Snapshots = pulumi.ToOutput([]resources.Snapshot{}).ApplyT(func(none []resources.Snapshot) []resources.Snapshot { return none }).(SnapshotArrayOutput)
	}
	c.Nodes = nodeInfos(b.plan, b.vms)
	c.Backend = backend(b.plan)
	// What a remote command gives counts as secret, that the API answers too.
	c.Summary = pulumi.Unsecret(pulumi.All(c.Nodes, b.settled.Holder, reached).ApplyT(func(v []any) string {
		on := map[string]string{}
		for name, node := range v[0].(map[string]NodeInfo) {
			on[name] = node.ProxmoxNode
		}
		return render.Summary(b.plan, on, v[1].(string))
	})).(pulumi.StringOutput)
	return nil
}
