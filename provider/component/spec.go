package component

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Spec turns the args into plain values: the only place that knows both. An empty string counts as not given, so that
// a stack's configuration can leave an input to its default.
func (a K3sHaClusterArgs) Spec() topology.Spec {
	p := value(a.Proxmox)
	s := topology.Spec{
		ClusterName: a.ClusterName,
		Proxmox: topology.Proxmox{
			Given: a.Proxmox != nil,
			Nodes: p.Nodes, TemplateNode: value(p.TemplateNode), Datastore: value(p.Datastore),
			Bridge: value(p.Bridge), VLAN: value(p.VLAN), Firewall: value(p.Firewall),
			Pool: value(p.Pool), Tags: p.Tags,
			CloneLanes: value(p.CloneLanes), CloneRetries: value(p.CloneRetries), RestartTogether: value(p.RestartTogether), Spread: topology.Spread(value(p.Spread)),
		},
		Network: topology.Network{
			CIDR: a.Network.CIDR, Gateway: value(a.Network.Gateway), VIP: value(a.Network.VIP), Endpoint: value(a.Network.Endpoint),
			DNS: a.Network.DNS, SearchDomain: value(a.Network.SearchDomain),
		},
		Workers: make(map[string]topology.Pool, len(a.Workers)),
		K3s: topology.K3s{
			Version: a.K3s.Version, Disable: a.K3s.Disable, TLSSANs: a.K3s.TLSSANs,
			ServerConfig: a.K3s.ServerConfig, WorkerConfig: a.K3s.WorkerConfig,
			SecretsEncryption: a.K3s.SecretsEncryption, Mirror: value(a.K3s.Mirror),
			BinarySHA256: strings.ToLower(value(a.K3s.BinarySHA256)), ScriptSHA256: strings.ToLower(value(a.K3s.InstallScriptSHA256)),
			AdminDays: value(a.K3s.AdminCertificateDays),
			Drain:     topology.Drain(value(a.K3s.Drain)), DrainTimeout: value(a.K3s.DrainTimeout), DrainForce: value(a.K3s.DrainForce),
		},
		SSH: topology.SSH{User: value(a.SSH.User), Port: value(a.SSH.Port), MissingKey: a.SSH.PrivateKey == nil},
	}
	a.around(&s)
	s.Reapply, s.K3s.Restart, s.K3s.Context = value(a.Reapply), value(a.K3s.Restart), value(a.K3s.Context)
	if id, known := p.TemplateID.(pulumi.Int); known {
		s.Proxmox.TemplateID = int(id)
	}
	api := p.API.values().OrEnvironment()
	s.Proxmox.API = topology.API{Endpoint: api.Endpoint, Token: api.Token != "" || value(p.API).APIToken != nil}
	if e := a.K3s.Etcd; e != nil {
		s.K3s.Etcd = topology.Etcd{HeartbeatInterval: value(e.HeartbeatInterval), ElectionTimeout: value(e.ElectionTimeout)}
	}
	if g := a.Servers; g != nil {
		s.Servers = topology.Servers{
			Group: withData(group(*g), g.DataDisks),
			First: value(g.First), StartOver: value(g.StartOver), Others: g.Others, Taints: g.Taints, Labels: g.Labels,
		}
	}
	for name, g := range a.Workers {
		s.Workers[name] = topology.Pool{
			Group:  withData(group(g), g.DataDisks),
			Taints: g.Taints, Labels: g.Labels, MaxUnavailable: value(g.MaxUnavailable),
		}
	}
	if g := a.LoadBalancers; g != nil {
		s.LoadBalancers = topology.LoadBalancers{
			Group:           group(*g),
			VirtualRouterID: value(g.VirtualRouterID), AdvertInterval: value(g.AdvertInterval), Preempt: value(g.Preempt),
			Interface: value(g.Interface), Balance: string(value(g.Balance)), CheckInterval: value(g.CheckInterval),
			CheckFall: value(g.CheckFall), CheckRise: value(g.CheckRise),
			APIPort: value(g.APIPort), StatusPort: value(g.StatusPort), ExtraLines: g.ExtraLines,
			Forward: forwards(g.Forward), VIPs: make(map[string]topology.VIP, len(g.VIPs)),
		}
		if t := g.Stats; t != nil {
			s.LoadBalancers.Stats = &topology.Stats{User: value(t.User), Port: value(t.Port), SourceRanges: t.SourceRanges}
		}
		if x := g.External; x != nil {
			s.LoadBalancers.External = &topology.External{Endpoint: x.Endpoint, Beside: a.besideExternal()}
		}
		for name, vip := range g.VIPs {
			s.LoadBalancers.VIPs[name] = topology.VIP{Address: vip.Address, VirtualRouterID: value(vip.VirtualRouterID), Forward: forwards(vip.Forward)}
		}
	}
	if b := a.Backup; b != nil {
		s.Backup = &topology.Backups{
			Schedule: value(b.Schedule), Retention: value(b.Retention), Compress: value(b.Compress), Folder: value(b.Folder), Before: b.BeforeChanges,
		}
		if t := b.S3; t != nil {
			s.Backup.S3 = &topology.S3{
				Endpoint: value(t.Endpoint), Bucket: t.Bucket, Region: value(t.Region), Folder: value(t.Folder), CA: value(t.CA), PathStyle: t.PathStyle,
			}
			for _, key := range []struct {
				name  string
				given bool
			}{{"accessKey", t.AccessKey != nil}, {"secretKey", t.SecretKey != nil}} {
				if !key.given {
					s.Backup.S3.Missing = append(s.Backup.S3.Missing, key.name)
				}
			}
		}
	}
	if r := a.Restore; r != nil {
		s.Restore = &topology.Restoration{Snapshot: r.Snapshot, ID: r.ID}
	}
	if b := a.SSH.Bastion; b != nil {
		s.SSH.Bastion = &topology.Bastion{Host: b.Host, Port: value(b.Port), User: value(b.User)}
		if b.PrivateKey == nil {
			s.SSH.Bastion.Missing = append(s.SSH.Bastion.Missing, "privateKey")
		}
		if b.HostKey == nil {
			s.SSH.Bastion.Missing = append(s.SSH.Bastion.Missing, "hostKey")
		}
	}
	return topology.ApplyDefaults(s)
}

// around turns what k3s reads besides its configuration.
func (a K3sHaClusterArgs) around(s *topology.Spec) {
	s.Leaves = slices.Sorted(maps.Keys(a.leaves()))
	if p := a.Network.Proxy; p != nil {
		s.Network.Proxy = &topology.Proxy{NoProxy: p.NoProxy}
	}
	s.K3s.Airgap = value(a.K3s.Airgap)
	s.K3s.Manifests, s.K3s.Images = map[string]topology.RemoteFile{}, map[string]topology.RemoteFile{}
	for name, m := range a.K3s.Manifests {
		s.K3s.Manifests[name] = topology.RemoteFile{URL: value(m.URL), SHA256: strings.ToLower(value(m.SHA256))}
	}
	for name, image := range a.K3s.Images {
		s.K3s.Images[name] = topology.RemoteFile{URL: image.URL, SHA256: strings.ToLower(image.SHA256)}
	}
	r := a.K3s.Registries
	if r == nil {
		return
	}
	out := topology.Registries{Mirrors: map[string]topology.RegistryMirror{}, Configs: map[string]topology.RegistryConfig{}}
	for host, m := range r.Mirrors {
		out.Mirrors[host] = topology.RegistryMirror{Endpoint: m.Endpoint, Rewrite: m.Rewrite}
	}
	for host, c := range r.Configs {
		tls := value(c.TLS)
		out.Configs[host] = topology.RegistryConfig{CA: value(tls.CA), Certificate: value(tls.Certificate), InsecureSkipVerify: value(tls.InsecureSkipVerify)}
	}
	s.K3s.Registries = &out
}

// shared are the inputs that all groups have. The schema knows no embedding, so each group repeats them; here they are one.
type shared struct {
	Count        *int
	Slots        []int
	FirstAddress *string
	FirstVMID    *int
	Generation   *int
	Nodes        map[string]NodeArgs
	Machines     *Machines
	Keep         *bool
}

// sized are those that slots have, too.
type sized struct {
	Cores, Memory, Disk *int
	CPUType             *string
	SCSIHardware        *string
	DiskOptions         *DiskOptionsArgs
	Agent               *bool
	Balloon             *int
	OnBoot, Protection  *bool
	Startup             *StartupArgs
	TemplateID          pulumi.IntInput
	Datastore, Bridge   *string
	VLAN                *int
	Firewall            *bool
	Tags                []string
}

// Inputs that groups, and slots, have for machines of all kinds, by their fields. All others are for VMs, but for those of a role, which no
// other group has.
var (
	ofGroups = []string{
		"Count", "Slots", "FirstAddress", "Nodes", "Machines", "Keep", "First", "StartOver", "Others", "Taints", "Labels", "MaxUnavailable",
		"VirtualRouterID", "AdvertInterval", "Preempt", "Interface", "Balance", "CheckInterval", "CheckFall", "CheckRise", "APIPort", "StatusPort", "ExtraLines", "Forward", "VIPs", "Stats", "External",
	}
	ofSlots = []string{"IP", "Name", "Adopt", "SSHPort", "HostKey"}
)

// given are the inputs that were given, by name, but for some fields.
func given(args any, except ...string) []string {
	var out []string
	v := reflect.ValueOf(args)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("pulumi"), ","); !v.Field(i).IsZero() && !slices.Contains(except, f.Name) {
			out = append(out, name)
		}
	}
	return out
}

// take copies the fields of the same name.
func take[T any](from any) T {
	var out T
	source, target := reflect.ValueOf(from), reflect.ValueOf(&out).Elem()
	for i := range target.NumField() {
		target.Field(i).Set(source.FieldByName(target.Type().Field(i).Name))
	}
	return out
}

func group(args any) topology.Group {
	s, z := take[shared](args), take[sized](args)
	g := topology.Group{
		Count: s.Count, Slots: s.Slots, FirstAddress: value(s.FirstAddress), FirstVMID: value(s.FirstVMID), Generation: value(s.Generation),
		Cores: value(z.Cores), Memory: value(z.Memory), Disk: value(z.Disk), Hardware: z.hardware(),
		Nodes:    make(map[string]topology.Override, len(s.Nodes)),
		Machines: string(value(s.Machines)), Keep: value(s.Keep), VMOnly: given(args, ofGroups...),
	}
	for slot, n := range s.Nodes {
		z := take[sized](n)
		g.Nodes[slot] = topology.Override{
			IP: value(n.IP), MAC: strings.ToUpper(value(n.MAC)), VMID: value(n.VMID), ProxmoxNode: value(n.ProxmoxNode),
			Cores: value(z.Cores), Memory: value(z.Memory), Disk: value(z.Disk), Generation: value(n.Generation), Hardware: z.hardware(),
			Name: value(n.Name), Adopt: value(n.Adopt), SSHPort: value(n.SSHPort), HostKey: value(n.HostKey), VMOnly: given(n, ofSlots...),
		}
	}
	return g
}

func withData(g topology.Group, disks []DataDiskArgs) topology.Group {
	for _, d := range disks {
		g.DataDisks = append(g.DataDisks, topology.DataDisk{
			Name: d.Name, Size: d.Size, Datastore: value(d.Datastore), MountPoint: value(d.MountPoint), FileSystem: value(d.FileSystem),
			Discard: value(d.Discard), SSD: value(d.SSD), IOThread: value(d.IOThread), Cache: value(d.Cache), Backup: d.Backup, Keep: value(d.Keep),
		})
	}
	return g
}

func (z sized) hardware() topology.Hardware {
	h := topology.Hardware{
		CPUType: value(z.CPUType), SCSI: value(z.SCSIHardware), Agent: z.Agent, Balloon: value(z.Balloon), OnBoot: z.OnBoot, Protection: z.Protection, Template: z.TemplateID != nil,
		Datastore: value(z.Datastore), Bridge: value(z.Bridge), VLAN: value(z.VLAN), Firewall: z.Firewall, Tags: z.Tags,
	}
	if id, known := z.TemplateID.(pulumi.Int); known {
		h.TemplateID = int(id)
	}
	if d := z.DiskOptions; d != nil {
		h.DiskOptions = topology.DiskOptions{Discard: d.Discard, SSD: d.SSD, IOThread: d.IOThread, Backup: d.Backup, Cache: value(d.Cache)}
	}
	if s := z.Startup; s != nil {
		h.Startup = &topology.Startup{Order: value(s.Order), UpDelay: value(s.UpDelay), DownDelay: value(s.DownDelay)}
	}
	return h
}

func forwards(list []ForwardArgs) []topology.Forward {
	var out []topology.Forward
	for _, f := range list {
		out = append(out, topology.Forward{
			Name: f.Name, Port: f.Port, TargetPort: value(f.TargetPort), NodePort: value(f.NodePort), Pools: f.Pools,
			ProxyProtocol: value(f.ProxyProtocol), Check: value(f.Check), CheckPort: value(f.CheckPort), SourceRanges: f.SourceRanges,
		})
	}
	return out
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
