package component

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// K3sHaClusterArgs are the component's inputs. What decides which resources there are is plain, so that it is
// known and checked at preview; keys, tokens and the template id may be outputs of other resources.
// Each field's description is in describe.go.
type K3sHaClusterArgs struct {
	ClusterName   string                `pulumi:"clusterName"`
	Proxmox       *ProxmoxArgs          `pulumi:"proxmox,optional"`
	Network       NetworkArgs           `pulumi:"network"`
	Servers       *ServersArgs          `pulumi:"servers,optional"`
	Workers       map[string]WorkerArgs `pulumi:"workers,optional"`
	LoadBalancers *LoadBalancersArgs    `pulumi:"loadBalancers,optional"`
	K3s           K3sArgs               `pulumi:"k3s"`
	SSH           SSHArgs               `pulumi:"ssh"`
	Reapply       *string               `pulumi:"reapply,optional"`
	Backup        *BackupArgs           `pulumi:"backup,optional"`
	Restore       *RestoreArgs          `pulumi:"restore,optional"`
}

// BackupArgs is how snapshots of etcd are kept.
type BackupArgs struct {
	Schedule      *string `pulumi:"schedule,optional"`
	Retention     *int    `pulumi:"retention,optional"`
	Compress      *bool   `pulumi:"compress,optional"`
	Folder        *string `pulumi:"folder,optional"`
	BeforeChanges *bool   `pulumi:"beforeChanges,optional"`
	S3            *S3Args `pulumi:"s3,optional"`
}

// S3Args is where snapshots are kept away from the cluster.
type S3Args struct {
	Endpoint  *string            `pulumi:"endpoint,optional"`
	Bucket    string             `pulumi:"bucket"`
	Region    *string            `pulumi:"region,optional"`
	Folder    *string            `pulumi:"folder,optional"`
	AccessKey pulumi.StringInput `pulumi:"accessKey" provider:"secret"`
	SecretKey pulumi.StringInput `pulumi:"secretKey" provider:"secret"`
	CA        *string            `pulumi:"ca,optional"`
	PathStyle *bool              `pulumi:"pathStyle,optional"`
}

// RestoreArgs is a snapshot that the cluster goes back to.
type RestoreArgs struct {
	Snapshot string `pulumi:"snapshot"`
	ID       string `pulumi:"id"`
}

// ProxmoxArgs says where the VMs live.
type ProxmoxArgs struct {
	Nodes        []string        `pulumi:"nodes"`
	TemplateID   pulumi.IntInput `pulumi:"templateId"`
	TemplateNode *string         `pulumi:"templateNode,optional"`
	Datastore    *string         `pulumi:"datastore,optional"`
	Bridge       *string         `pulumi:"bridge,optional"`
	VLAN         *int            `pulumi:"vlan,optional"`
	Firewall     *bool           `pulumi:"firewall,optional"`
	Pool         *string         `pulumi:"pool,optional"`
	Tags         []string        `pulumi:"tags,optional"`
	CloneLanes   *int            `pulumi:"cloneLanes,optional"`
	CloneRetries *int            `pulumi:"cloneRetries,optional"`
	Spread       *Spread         `pulumi:"spread,optional"`
	API          *ProxmoxAPIArgs `pulumi:"api,optional"`
	// RestartTogether restarts machines without asking the cluster, all at once.
	RestartTogether *bool `pulumi:"restartTogether,optional"`
}

// ProxmoxAPIArgs is how this package itself reaches Proxmox VE's API.
type ProxmoxAPIArgs struct {
	Endpoint *string            `pulumi:"endpoint,optional"`
	APIToken pulumi.StringInput `pulumi:"apiToken,optional" provider:"secret"`
	Insecure *bool              `pulumi:"insecure,optional"`
}

// DiskOptionsArgs are those of a VM's first disk.
type DiskOptionsArgs struct {
	Discard  *bool   `pulumi:"discard,optional"`
	SSD      *bool   `pulumi:"ssd,optional"`
	IOThread *bool   `pulumi:"iothread,optional"`
	Cache    *string `pulumi:"cache,optional"`
	Backup   *bool   `pulumi:"backup,optional"`
}

// NetworkArgs is the network of all nodes.
type NetworkArgs struct {
	CIDR         string   `pulumi:"cidr"`
	Gateway      *string  `pulumi:"gateway,optional"`
	VIP          *string  `pulumi:"vip,optional"`
	Endpoint     *string  `pulumi:"endpoint,optional"`
	DNS          []string `pulumi:"dns,optional"`
	SearchDomain *string  `pulumi:"searchDomain,optional"`

	Proxy *ProxyArgs `pulumi:"proxy,optional"`
}

// ProxyArgs is by what nodes reach the internet.
type ProxyArgs struct {
	HTTP    pulumi.StringInput `pulumi:"http,optional" provider:"secret"`
	HTTPS   pulumi.StringInput `pulumi:"https,optional" provider:"secret"`
	NoProxy []string           `pulumi:"noProxy,optional"`
}

// NodeArgs overrides what one slot gets from its group.
type NodeArgs struct {
	IP           *string          `pulumi:"ip,optional"`
	MAC          *string          `pulumi:"mac,optional"`
	VMID         *int             `pulumi:"vmId,optional"`
	ProxmoxNode  *string          `pulumi:"proxmoxNode,optional"`
	Cores        *int             `pulumi:"cores,optional"`
	Memory       *int             `pulumi:"memory,optional"`
	Disk         *int             `pulumi:"disk,optional"`
	CPUType      *string          `pulumi:"cpuType,optional"`
	SCSIHardware *string          `pulumi:"scsiHardware,optional"`
	DiskOptions  *DiskOptionsArgs `pulumi:"diskOptions,optional"`
	Agent        *bool            `pulumi:"agent,optional"`
	Balloon      *int             `pulumi:"balloon,optional"`
	OnBoot       *bool            `pulumi:"onBoot,optional"`
	Protection   *bool            `pulumi:"protection,optional"`
	Startup      *StartupArgs     `pulumi:"startup,optional"`
	TemplateID   pulumi.IntInput  `pulumi:"templateId,optional"`
	Datastore    *string          `pulumi:"datastore,optional"`
	Bridge       *string          `pulumi:"bridge,optional"`
	VLAN         *int             `pulumi:"vlan,optional"`
	Firewall     *bool            `pulumi:"firewall,optional"`
	Tags         []string         `pulumi:"tags,optional"`
	Generation   *int             `pulumi:"generation,optional"`
	Name         *string          `pulumi:"name,optional"`
	Adopt        *bool            `pulumi:"adopt,optional"`
	SSHPort      *int             `pulumi:"sshPort,optional"`
	HostKey      *string          `pulumi:"hostKey,optional"`
}

// DataDiskArgs is one more disk of each VM of a group.
type DataDiskArgs struct {
	Name       string  `pulumi:"name"`
	Size       int     `pulumi:"size"`
	Datastore  *string `pulumi:"datastore,optional"`
	MountPoint *string `pulumi:"mountPoint,optional"`
	FileSystem *string `pulumi:"fileSystem,optional"`
	Discard    *bool   `pulumi:"discard,optional"`
	SSD        *bool   `pulumi:"ssd,optional"`
	IOThread   *bool   `pulumi:"iothread,optional"`
	Cache      *string `pulumi:"cache,optional"`
	Backup     *bool   `pulumi:"backup,optional"`
	Keep       *bool   `pulumi:"keep,optional"`
}

// StartupArgs is when Proxmox VE starts a VM with its host, and stops it.
type StartupArgs struct {
	Order     *int `pulumi:"order,optional"`
	UpDelay   *int `pulumi:"upDelay,optional"`
	DownDelay *int `pulumi:"downDelay,optional"`
}

// ServersArgs is the group of servers. Groups repeat their common fields: the schema knows no embedding.
type ServersArgs struct {
	Machines     *Machines           `pulumi:"machines,optional"`
	Keep         *bool               `pulumi:"keep,optional"`
	Count        *int                `pulumi:"count,optional"`
	Slots        []int               `pulumi:"slots,optional"`
	FirstAddress *string             `pulumi:"firstAddress,optional"`
	FirstVMID    *int                `pulumi:"firstVmId,optional"`
	Cores        *int                `pulumi:"cores,optional"`
	Memory       *int                `pulumi:"memory,optional"`
	Disk         *int                `pulumi:"disk,optional"`
	CPUType      *string             `pulumi:"cpuType,optional"`
	SCSIHardware *string             `pulumi:"scsiHardware,optional"`
	DiskOptions  *DiskOptionsArgs    `pulumi:"diskOptions,optional"`
	Agent        *bool               `pulumi:"agent,optional"`
	Balloon      *int                `pulumi:"balloon,optional"`
	OnBoot       *bool               `pulumi:"onBoot,optional"`
	Protection   *bool               `pulumi:"protection,optional"`
	Startup      *StartupArgs        `pulumi:"startup,optional"`
	TemplateID   pulumi.IntInput     `pulumi:"templateId,optional"`
	Datastore    *string             `pulumi:"datastore,optional"`
	Bridge       *string             `pulumi:"bridge,optional"`
	VLAN         *int                `pulumi:"vlan,optional"`
	Firewall     *bool               `pulumi:"firewall,optional"`
	Tags         []string            `pulumi:"tags,optional"`
	DataDisks    []DataDiskArgs      `pulumi:"dataDisks,optional"`
	Generation   *int                `pulumi:"generation,optional"`
	Nodes        map[string]NodeArgs `pulumi:"nodes,optional"`
	First        *int                `pulumi:"first,optional"`
	StartOver    *string             `pulumi:"startOver,optional"`
	Others       []string            `pulumi:"others,optional"`
	Taints       []string            `pulumi:"taints,optional"`
	Labels       map[string]string   `pulumi:"labels,optional"`
}

// WorkerArgs is a pool of workers.
type WorkerArgs struct {
	Machines       *Machines           `pulumi:"machines,optional"`
	Keep           *bool               `pulumi:"keep,optional"`
	Count          *int                `pulumi:"count,optional"`
	Slots          []int               `pulumi:"slots,optional"`
	FirstAddress   *string             `pulumi:"firstAddress,optional"`
	FirstVMID      *int                `pulumi:"firstVmId,optional"`
	Cores          *int                `pulumi:"cores,optional"`
	Memory         *int                `pulumi:"memory,optional"`
	Disk           *int                `pulumi:"disk,optional"`
	CPUType        *string             `pulumi:"cpuType,optional"`
	SCSIHardware   *string             `pulumi:"scsiHardware,optional"`
	DiskOptions    *DiskOptionsArgs    `pulumi:"diskOptions,optional"`
	Agent          *bool               `pulumi:"agent,optional"`
	Balloon        *int                `pulumi:"balloon,optional"`
	OnBoot         *bool               `pulumi:"onBoot,optional"`
	Protection     *bool               `pulumi:"protection,optional"`
	Startup        *StartupArgs        `pulumi:"startup,optional"`
	TemplateID     pulumi.IntInput     `pulumi:"templateId,optional"`
	Datastore      *string             `pulumi:"datastore,optional"`
	Bridge         *string             `pulumi:"bridge,optional"`
	VLAN           *int                `pulumi:"vlan,optional"`
	Firewall       *bool               `pulumi:"firewall,optional"`
	Tags           []string            `pulumi:"tags,optional"`
	DataDisks      []DataDiskArgs      `pulumi:"dataDisks,optional"`
	Generation     *int                `pulumi:"generation,optional"`
	Nodes          map[string]NodeArgs `pulumi:"nodes,optional"`
	MaxUnavailable *int                `pulumi:"maxUnavailable,optional"`
	Taints         []string            `pulumi:"taints,optional"`
	Labels         map[string]string   `pulumi:"labels,optional"`
}

// LoadBalancersArgs is the group of load balancers.
type LoadBalancersArgs struct {
	Machines        *Machines           `pulumi:"machines,optional"`
	Keep            *bool               `pulumi:"keep,optional"`
	Count           *int                `pulumi:"count,optional"`
	Slots           []int               `pulumi:"slots,optional"`
	FirstAddress    *string             `pulumi:"firstAddress,optional"`
	FirstVMID       *int                `pulumi:"firstVmId,optional"`
	Cores           *int                `pulumi:"cores,optional"`
	Memory          *int                `pulumi:"memory,optional"`
	Disk            *int                `pulumi:"disk,optional"`
	CPUType         *string             `pulumi:"cpuType,optional"`
	SCSIHardware    *string             `pulumi:"scsiHardware,optional"`
	DiskOptions     *DiskOptionsArgs    `pulumi:"diskOptions,optional"`
	Agent           *bool               `pulumi:"agent,optional"`
	Balloon         *int                `pulumi:"balloon,optional"`
	OnBoot          *bool               `pulumi:"onBoot,optional"`
	Protection      *bool               `pulumi:"protection,optional"`
	Startup         *StartupArgs        `pulumi:"startup,optional"`
	TemplateID      pulumi.IntInput     `pulumi:"templateId,optional"`
	Datastore       *string             `pulumi:"datastore,optional"`
	Bridge          *string             `pulumi:"bridge,optional"`
	VLAN            *int                `pulumi:"vlan,optional"`
	Firewall        *bool               `pulumi:"firewall,optional"`
	Tags            []string            `pulumi:"tags,optional"`
	Generation      *int                `pulumi:"generation,optional"`
	Nodes           map[string]NodeArgs `pulumi:"nodes,optional"`
	VirtualRouterID *int                `pulumi:"virtualRouterId,optional"`
	AdvertInterval  *float64            `pulumi:"advertInterval,optional"`
	Preempt         *bool               `pulumi:"preempt,optional"`
	Interface       *string             `pulumi:"interface,optional"`
	Balance         *Balance            `pulumi:"balance,optional"`
	CheckInterval   *int                `pulumi:"checkInterval,optional"`
	CheckFall       *int                `pulumi:"checkFall,optional"`
	CheckRise       *int                `pulumi:"checkRise,optional"`
	APIPort         *int                `pulumi:"apiPort,optional"`
	StatusPort      *int                `pulumi:"statusPort,optional"`
	ExtraLines      []string            `pulumi:"extraLines,optional"`
	Forward         []ForwardArgs       `pulumi:"forward,optional"`
	VIPs            map[string]VIPArgs  `pulumi:"vips,optional"`
	Stats           *StatsArgs          `pulumi:"stats,optional"`
	External        *ExternalArgs       `pulumi:"external,optional"`
}

// ExternalArgs is a load balancer that is not the program's.
type ExternalArgs struct {
	Endpoint string `pulumi:"endpoint"`
}

// StatsArgs is HAProxy's statistics page.
type StatsArgs struct {
	User         *string            `pulumi:"user,optional"`
	Password     pulumi.StringInput `pulumi:"password" provider:"secret"`
	Port         *int               `pulumi:"port,optional"`
	SourceRanges []string           `pulumi:"sourceRanges,optional"`
}

// ForwardArgs is a port at a VIP whose connections go to nodes.
type ForwardArgs struct {
	Name          string   `pulumi:"name"`
	Port          int      `pulumi:"port"`
	TargetPort    *int     `pulumi:"targetPort,optional"`
	NodePort      *int     `pulumi:"nodePort,optional"`
	Pools         []string `pulumi:"pools,optional"`
	ProxyProtocol *bool    `pulumi:"proxyProtocol,optional"`
	Check         *string  `pulumi:"check,optional"`
	CheckPort     *int     `pulumi:"checkPort,optional"`
	SourceRanges  []string `pulumi:"sourceRanges,optional"`
}

// VIPArgs is one more virtual address.
type VIPArgs struct {
	Address         string        `pulumi:"address"`
	VirtualRouterID *int          `pulumi:"virtualRouterId,optional"`
	Forward         []ForwardArgs `pulumi:"forward,optional"`
}

// K3sArgs is what is installed on servers and workers.
type K3sArgs struct {
	Version             string             `pulumi:"version"`
	Disable             []string           `pulumi:"disable,optional"`
	TLSSANs             []string           `pulumi:"tlsSans,optional"`
	ServerConfig        map[string]any     `pulumi:"serverConfig,optional"`
	WorkerConfig        map[string]any     `pulumi:"workerConfig,optional"`
	SecretsEncryption   *bool              `pulumi:"secretsEncryption,optional"`
	Token               pulumi.StringInput `pulumi:"token,optional" provider:"secret"`
	AgentToken          pulumi.StringInput `pulumi:"agentToken,optional" provider:"secret"`
	Mirror              *string            `pulumi:"mirror,optional"`
	BinarySHA256        *string            `pulumi:"binarySha256,optional"`
	InstallScriptSHA256 *string            `pulumi:"installScriptSha256,optional"`
	Context             *string            `pulumi:"context,optional"`
	Etcd                *EtcdArgs          `pulumi:"etcd,optional"`
	// AdminCertificateDays is how long the kubeconfig's certificate is good.
	AdminCertificateDays *int               `pulumi:"adminCertificateDays,optional"`
	Restart              *string            `pulumi:"restart,optional"`
	Drain                *Drain             `pulumi:"drain,optional"`
	DrainTimeout         *int               `pulumi:"drainTimeout,optional"`
	DrainForce           *bool              `pulumi:"drainForce,optional"`
	RecoveryBundle       pulumi.StringInput `pulumi:"recoveryBundle,optional" provider:"secret"`

	Registries *RegistriesArgs           `pulumi:"registries,optional"`
	Manifests  map[string]ManifestArgs   `pulumi:"manifests,optional"`
	Airgap     *bool                     `pulumi:"airgap,optional"`
	Images     map[string]RemoteFileArgs `pulumi:"images,optional"`
}

// RegistriesArgs is where nodes get container images from.
type RegistriesArgs struct {
	Mirrors map[string]RegistryMirrorArgs `pulumi:"mirrors,optional"`
	Configs map[string]RegistryConfigArgs `pulumi:"configs,optional"`
}

// RegistryMirrorArgs is where the images of a registry are looked for first.
type RegistryMirrorArgs struct {
	Endpoint []string          `pulumi:"endpoint,optional"`
	Rewrite  map[string]string `pulumi:"rewrite,optional"`
}

// RegistryConfigArgs is how a registry is reached.
type RegistryConfigArgs struct {
	Auth *RegistryAuthArgs `pulumi:"auth,optional"`
	TLS  *RegistryTLSArgs  `pulumi:"tls,optional"`
}

// RegistryAuthArgs is who asks a registry.
type RegistryAuthArgs struct {
	Username      pulumi.StringInput `pulumi:"username,optional"`
	Password      pulumi.StringInput `pulumi:"password,optional" provider:"secret"`
	IdentityToken pulumi.StringInput `pulumi:"identityToken,optional" provider:"secret"`
}

// RegistryTLSArgs is how a registry's certificate is verified.
type RegistryTLSArgs struct {
	CA                 *string            `pulumi:"ca,optional"`
	Certificate        *string            `pulumi:"certificate,optional"`
	Key                pulumi.StringInput `pulumi:"key,optional" provider:"secret"`
	InsecureSkipVerify *bool              `pulumi:"insecureSkipVerify,optional"`
}

// ManifestArgs is what k3s applies by itself.
type ManifestArgs struct {
	Content pulumi.StringInput `pulumi:"content,optional"`
	URL     *string            `pulumi:"url,optional"`
	SHA256  *string            `pulumi:"sha256,optional"`
}

// RemoteFileArgs is a file that nodes fetch.
type RemoteFileArgs struct {
	URL    string `pulumi:"url"`
	SHA256 string `pulumi:"sha256"`
}

// EtcdArgs are etcd's timers.
type EtcdArgs struct {
	HeartbeatInterval *int `pulumi:"heartbeatInterval,optional"`
	ElectionTimeout   *int `pulumi:"electionTimeout,optional"`
}

// SSHArgs is how nodes are reached.
type SSHArgs struct {
	User       *string                 `pulumi:"user,optional"`
	PrivateKey pulumi.StringInput      `pulumi:"privateKey" provider:"secret"`
	PublicKeys pulumi.StringArrayInput `pulumi:"publicKeys,optional"`
	Port       *int                    `pulumi:"port,optional"`
	Bastion    *BastionArgs            `pulumi:"bastion,optional"`
}

// BastionArgs is a jump host in front of the nodes.
type BastionArgs struct {
	Host       string             `pulumi:"host"`
	Port       *int               `pulumi:"port,optional"`
	User       *string            `pulumi:"user,optional"`
	PrivateKey pulumi.StringInput `pulumi:"privateKey" provider:"secret"`
	HostKey    pulumi.StringInput `pulumi:"hostKey"`
}

// K3sHaCluster is the component: the VMs, the load balancers with their VIP, and k3s on all of it.
type K3sHaCluster struct {
	pulumi.ResourceState

	Kubeconfig    pulumi.StringOutput `pulumi:"kubeconfig" provider:"secret"`
	Endpoint      pulumi.StringOutput `pulumi:"endpoint"`
	CACertificate pulumi.StringOutput `pulumi:"caCertificate"`
	Token         pulumi.StringOutput `pulumi:"token" provider:"secret"`

	ClientCertificate pulumi.StringOutput `pulumi:"clientCertificate"`
	ClientKey         pulumi.StringOutput `pulumi:"clientKey" provider:"secret"`
	AgentToken        pulumi.StringOutput `pulumi:"agentToken" provider:"secret"`
	AnsibleInventory  pulumi.StringOutput `pulumi:"ansibleInventory"`
	Summary           pulumi.StringOutput `pulumi:"summary"`

	Nodes NodeInfoMapOutput `pulumi:"nodes"`

	Backend BackendOutput `pulumi:"backend"`

	RecoveryBundle    pulumi.StringOutput `pulumi:"recoveryBundle" provider:"secret"`
	CertificatesUntil pulumi.StringOutput `pulumi:"certificatesUntil"`

	Snapshots SnapshotArrayOutput `pulumi:"snapshots"`
}

// NodeInfo is what the outputs say of a node.
type NodeInfo struct {
	Role        NodeRole `pulumi:"role"`
	IP          string   `pulumi:"ip"`
	MAC         string   `pulumi:"mac"`
	VMID        int      `pulumi:"vmId"`
	ProxmoxNode string   `pulumi:"proxmoxNode"`
}

// Backend is what a load balancer in front of the servers has to know.
type Backend struct {
	Servers []BackendServer `pulumi:"servers"`
	Check   BackendCheck    `pulumi:"check"`
}

// BackendServer is where a server takes connections for the API.
type BackendServer struct {
	Name    string `pulumi:"name"`
	Address string `pulumi:"address"`
	Port    int    `pulumi:"port"`
}

// BackendCheck is how a load balancer sees that a server is ready.
type BackendCheck struct {
	Scheme   string `pulumi:"scheme"`
	Method   string `pulumi:"method"`
	Path     string `pulumi:"path"`
	Statuses []int  `pulumi:"statuses"`
}
