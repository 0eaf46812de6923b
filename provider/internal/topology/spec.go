// Package topology is the pure core: what a cluster is (Spec), what the user may leave out
// (ApplyDefaults), what cannot work (Validate) and what has to happen in which order (NewPlan).
// It imports neither Pulumi nor anything that does I/O, so that every rule is a table test.
package topology

// Role says what a node is for.
type Role string

// The three roles. Their values stand in outputs and in tags on the VMs.
const (
	Server       Role = "server"
	Worker       Role = "worker"
	LoadBalancer Role = "load-balancer"
)

// Spec is a cluster as the user described it, in plain values. Zero values mean "not given"
// until ApplyDefaults has run; what has a meaning of its own when zero is a pointer.
type Spec struct {
	Name          string // of the component
	ClusterName   string
	Proxmox       Proxmox
	Network       Network
	Servers       Servers
	Workers       map[string]Pool
	LoadBalancers LoadBalancers
	K3s           K3s
	SSH           SSH
	Reapply       string // another word has every step run again
	Backup        *Backups
	Restore       *Restoration
	Leaves        Leaves
}

// Backups is how k3s keeps snapshots of etcd.
type Backups struct {
	Schedule  string // cron
	Retention int
	Compress  bool
	Folder    string // on servers
	Before    *bool  // one is taken before an upgrade, a rebuild and a removal
	S3        *S3
}

// S3 is where snapshots are kept away from the cluster. Its keys are not here, they may be unknown at preview.
type S3 struct {
	Endpoint  string
	Bucket    string
	Region    string
	Folder    string
	CA        string // PEM
	PathStyle *bool
	// Missing names the required keys (accessKey, secretKey) that were not given.
	Missing []string
}

// Restoration is a snapshot that the cluster goes back to, once for each id.
type Restoration struct {
	Snapshot string
	ID       string
}

// Proxmox says where the VMs live. Credentials are not part of it: the proxmoxve provider has them.
type Proxmox struct {
	Nodes        []string
	TemplateNode string
	Datastore    string
	Bridge       string
	VLAN         int
	Firewall     bool
	Pool         string
	Tags         []string
	CloneLanes   int
	CloneRetries int
	Spread       Spread
	TemplateID   int // 0 while it is not known
	API          API
	Given        bool
	// RestartTogether has VMs and k3s restart at once everywhere, without asking the cluster.
	RestartTogether bool
}

// API is how this package reaches Proxmox VE itself; its token is not here, it may be unknown at preview.
type API struct {
	Endpoint string // "": none is given, nor is one in the environment
	Token    bool   // whether one is
}

// Network is the one network that all nodes share.
type Network struct {
	CIDR         string
	Gateway      string
	VIP          string
	Endpoint     string // a host name that resolves to the VIP
	DNS          []string
	SearchDomain string
	Proxy        *Proxy
}

// Group is a set of like VMs, numbered by slot.
type Group struct {
	Count        *int
	Slots        []int
	FirstAddress string
	FirstVMID    int
	Cores        int
	Memory       int // MiB
	Disk         int // GiB
	Generation   int // a higher one makes the VMs anew, one after the other
	Nodes        map[string]Override
	DataDisks    []DataDisk
	Machines     string   // ExistingMachines or ProxmoxMachines; "": what there is a proxmox for
	Existing     bool     // its slots are machines that are there
	Keep         bool     // k3s stays on those that leave
	VMOnly       []string // inputs that were given, and mean nothing for machines that are there
	Hardware
}

// Override replaces what one slot would get from its group.
type Override struct {
	IP          string
	MAC         string
	VMID        int
	ProxmoxNode string
	Cores       int
	Memory      int
	Disk        int
	Generation  int
	Name        string   // of a machine that is there; "": as a VM would be called
	Adopt       bool     // the machine is there, and brings its k3s
	SSHPort     int      // of a machine that is there; 0: ssh.port
	HostKey     string   // of a machine that is there; "": the one that it shows first
	VMOnly      []string // as of a group
	Hardware
}

// Servers is the group that runs the control plane and etcd.
type Servers struct {
	Group
	First     int
	StartOver string   // another text: the old cluster is given up
	Others    []string // servers of the same cluster that are not the program's
	Taints    []string
	Labels    map[string]string
}

// Pool is a group of workers.
type Pool struct {
	Group
	MaxUnavailable int // how many of it may be out of service at a time
	Taints         []string
	Labels         map[string]string
}

// LoadBalancers is the group that runs HAProxy and Keepalived and holds the VIP.
type LoadBalancers struct {
	Group
	VirtualRouterID int
	AdvertInterval  float64 // seconds
	Preempt         bool
	Interface       string
	Balance         string
	CheckInterval   int // milliseconds
	CheckFall       int
	CheckRise       int
	APIPort         int
	StatusPort      int
	ExtraLines      []string
	Forward         []Forward
	VIPs            map[string]VIP // besides the one of the API
	Stats           *Stats
	External        *External // instead of VMs
}

// External is a load balancer that is not the program's: a firewall's, a cloud's, a machine of its own.
type External struct {
	Endpoint string   // an IPv4 address, or a host name
	Beside   []string // inputs that were given and mean nothing with it, by property path
}

// Forward is a port at a VIP whose connections go to nodes.
type Forward struct {
	Name          string
	Port          int // at the VIP
	TargetPort    int // on nodes, which something there listens on itself; excludes NodePort
	NodePort      int // on nodes, a Service's
	Pools         []string
	ProxyProtocol bool
	Check         string // CheckTCP, or the path of an HTTP check
	CheckPort     int    // 0: the target
	SourceRanges  []string
}

// VIP is one more virtual address.
type VIP struct {
	Name            string
	Address         string
	VirtualRouterID int
	Forward         []Forward
}

// K3s is what is installed and how it is configured.
type K3s struct {
	Version           string
	Disable           []string
	TLSSANs           []string
	ServerConfig      map[string]any
	WorkerConfig      map[string]any
	SecretsEncryption *bool
	Mirror            string
	Airgap            bool                  // k3s' own images come from the mirror
	Images            map[string]RemoteFile // more archives of images
	Registries        *Registries
	Manifests         map[string]RemoteFile
	BinarySHA256      string
	ScriptSHA256      string
	Context           string // of the kubeconfig
	Etcd              Etcd
	AdminDays         int    // how long the kubeconfig's certificate is good
	Restart           string // another word restarts k3s everywhere
	Drain             Drain
	DrainTimeout      int  // seconds
	DrainForce        bool // pods that are left then are deleted, whatever their budgets say
}

// Etcd holds the two timers that decide how long writes stall when the etcd leader is lost.
type Etcd struct {
	HeartbeatInterval int // milliseconds
	ElectionTimeout   int // milliseconds
}

// SSH is how the nodes are reached; keys are not here, they may be unknown at preview.
type SSH struct {
	User       string
	Port       int
	Bastion    *Bastion
	MissingKey bool // neither a private key nor a way to get one was given
}

// Bastion is a jump host in front of the nodes.
type Bastion struct {
	Host string
	Port int
	User string
	// Missing names the required keys (privateKey, hostKey) that were not given.
	Missing []string
}

// Node is one machine of the cluster with everything about it decided.
type Node struct {
	Name        string
	Role        Role
	Pool        string // worker pool's name; empty for the other roles
	Path        string // property path of the group, for messages
	Slot        int
	IP          string
	MAC         string
	VMID        int
	ProxmoxNode string
	Cores       int
	Memory      int
	Disk        int
	Generation  int
	Taints      []string
	Labels      map[string]string
	DataDisks   []DataDisk
	Existing    bool // the machine is there: it is no VM of the program
	SSHPort     int
	HostKey     string
	Keep        bool
	Adopt       bool   // it brings its k3s
	TemplateAt  string // the input that names its template
	Hardware
}
