package topology

import "strings"

// Defaults of everything that may be left out. The schema's descriptions quote these constants.
const (
	DefaultServerCount       = 3
	DefaultLoadBalancerCount = 2

	DefaultServerCores  = 2
	DefaultServerMemory = 4096
	DefaultWorkerCores  = 4
	DefaultWorkerMemory = 8192
	DefaultLBCores      = 1
	DefaultLBMemory     = 2048
	DefaultDisk         = 32

	DefaultDatastore    = "local-lvm"
	DefaultBridge       = "vmbr0"
	DefaultCloneLanes   = 2
	DefaultCloneRetries = 3

	DefaultAdvertInterval = 0.4
	DefaultBalance        = "random(2)"
	DefaultCheckInterval  = 300
	DefaultCheckFall      = 3
	DefaultCheckRise      = 2
	DefaultAPIPort        = 6443
	DefaultStatusPort     = 8405

	DefaultAdminDays = 365
	// DefaultDrainTimeout is in seconds.
	DefaultDrainTimeout = 300
	// DefaultMaxUnavailable is for workers of a pool.
	DefaultMaxUnavailable = 1

	// The defaults of snapshots are k3s' own.
	DefaultSnapshotSchedule  = "0 */12 * * *"
	DefaultSnapshotRetention = 5
	DefaultSnapshotFolder    = "/var/lib/rancher/k3s/server/db/snapshots"
	DefaultS3Endpoint        = "s3.amazonaws.com"
	DefaultS3Region          = "us-east-1"

	DefaultSSHUser = "ubuntu"
	DefaultSSHPort = 22
)

// ApplyDefaults returns the spec with everything filled in that was left out. Lists and maps
// that it changes are new ones; the argument stays as it was.
func ApplyDefaults(s Spec) Spec {
	s.Servers.Existing = s.existing(s.Servers.Group)
	s.LoadBalancers.Existing = s.existing(s.LoadBalancers.Group)
	p := &s.Proxmox
	setDefault(&p.Datastore, DefaultDatastore)
	setDefault(&p.Bridge, DefaultBridge)
	setDefault(&p.CloneLanes, DefaultCloneLanes)
	setDefault(&p.CloneRetries, DefaultCloneRetries)
	if p.TemplateNode == "" && len(p.Nodes) > 0 {
		p.TemplateNode = p.Nodes[0]
	}
	if len(s.Network.DNS) == 0 && s.Network.Gateway != "" {
		s.Network.DNS = []string{s.Network.Gateway}
	}

	groupDefaults(&s.Servers.Group, DefaultServerCount, DefaultServerCores, DefaultServerMemory)
	if s.Servers.First == 0 {
		s.Servers.First = firstSlot(s.Servers.Group)
	}
	pools := make(map[string]Pool, len(s.Workers))
	for name, pool := range s.Workers {
		pool.Existing = s.existing(pool.Group)
		groupDefaults(&pool.Group, 0, DefaultWorkerCores, DefaultWorkerMemory)
		setDefault(&pool.MaxUnavailable, DefaultMaxUnavailable)
		pools[name] = pool
	}
	s.Workers = pools

	s.LoadBalancers.defaults(s)
	if x := s.LoadBalancers.External; x != nil {
		s.Network.VIP = x.Endpoint // whatever it is, there is the API
	}

	if s.K3s.SecretsEncryption == nil {
		on := true
		s.K3s.SecretsEncryption = &on
	}
	setDefault(&s.K3s.Context, s.ClusterName)
	setDefault(&s.K3s.AdminDays, DefaultAdminDays)
	setDefault(&s.K3s.Drain, DrainMinor)
	setDefault(&s.K3s.DrainTimeout, DefaultDrainTimeout)
	s.Backup = s.Backup.withDefaults()
	setDefault(&s.SSH.User, DefaultSSHUser)
	setDefault(&s.SSH.Port, DefaultSSHPort)
	if s.SSH.Bastion != nil {
		b := *s.SSH.Bastion
		setDefault(&b.Port, DefaultSSHPort)
		setDefault(&b.User, s.SSH.User)
		s.SSH.Bastion = &b
	}
	return s
}

// defaults fills the load balancers of a spec. An external one has no VMs, and nothing that is set on them.
func (lb *LoadBalancers) defaults(s Spec) {
	setDefault(&lb.APIPort, DefaultAPIPort)
	if lb.External != nil {
		none := 0
		lb.Group = Group{Count: &none}
		return
	}
	groupDefaults(&lb.Group, DefaultLoadBalancerCount, DefaultLBCores, DefaultLBMemory)
	if lb.VirtualRouterID == 0 {
		lb.VirtualRouterID = routerID(s.ClusterName)
	}
	setDefault(&lb.AdvertInterval, DefaultAdvertInterval)
	setDefault(&lb.Balance, DefaultBalance)
	setDefault(&lb.CheckInterval, DefaultCheckInterval)
	setDefault(&lb.CheckFall, DefaultCheckFall)
	setDefault(&lb.CheckRise, DefaultCheckRise)
	setDefault(&lb.StatusPort, DefaultStatusPort)
	lb.Forward = withDefaults(lb.Forward, s.Workers)
	vips := make(map[string]VIP, len(lb.VIPs))
	for name, vip := range lb.VIPs {
		if vip.VirtualRouterID == 0 {
			vip.VirtualRouterID = routerID(s.ClusterName + " " + name)
		}
		vip.Name = name
		vip.Forward = withDefaults(vip.Forward, s.Workers)
		vips[name] = vip
	}
	lb.VIPs = vips
	if lb.Stats != nil {
		stats := *lb.Stats
		setDefault(&stats.User, DefaultStatsUser)
		setDefault(&stats.Port, DefaultStatsPort)
		lb.Stats = &stats
	}
}

func (b *Backups) withDefaults() *Backups {
	if b == nil {
		return nil
	}
	out, before := *b, true
	setDefault(&out.Schedule, DefaultSnapshotSchedule)
	setDefault(&out.Retention, DefaultSnapshotRetention)
	setDefault(&out.Folder, DefaultSnapshotFolder)
	if out.Before == nil {
		out.Before = &before
	}
	if out.S3 != nil {
		s := *out.S3
		setDefault(&s.Endpoint, DefaultS3Endpoint)
		setDefault(&s.Region, DefaultS3Region)
		if s.PathStyle == nil { // as k3s decides it itself
			path := !strings.HasSuffix(s.Endpoint, ".amazonaws.com") && s.Endpoint != DefaultS3Endpoint
			s.PathStyle = &path
		}
		out.S3 = &s
	}
	return &out
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// groupDefaults fills a group; count 0 means that this group has no default count.
func groupDefaults(g *Group, count, cores, memory int) {
	if g.Count == nil && g.Slots == nil && count > 0 {
		g.Count = &count
	}
	setDefault(&g.Cores, cores)
	setDefault(&g.Memory, memory)
	setDefault(&g.Disk, DefaultDisk)
	g.DataDisks = withDataDefaults(g.DataDisks)
}

// firstSlot is 1 for a counted group, else the lowest slot that there is.
func firstSlot(g Group) int {
	slots := g.slots()
	if len(slots) == 0 {
		return 1
	}
	return slots[0]
}
