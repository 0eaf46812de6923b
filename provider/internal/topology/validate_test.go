package topology_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// Each case breaks the reference cluster in one way and names every problem that follows, word for word.
func TestValidate(t *testing.T) {
	t.Parallel()
	node := func(g *topology.Group, slot string, o topology.Override) {
		g.Nodes = map[string]topology.Override{slot: o}
	}
	for name, c := range map[string]struct {
		change func(s *topology.Spec)
		want   []string
	}{
		"no name": {func(s *topology.Spec) { s.ClusterName = "" }, []string{
			`clusterName: is missing; give the cluster a name, like k3s`,
		}},
		"name with capitals": {func(s *topology.Spec) { s.ClusterName = "K3s" }, []string{
			`clusterName: "K3s" cannot begin a host name; use at most 40 lower-case letters, digits and hyphens, a letter first`,
		}},
		"name too long": {func(s *topology.Spec) { s.ClusterName = strings.Repeat("a", 41) }, []string{
			`clusterName: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" cannot begin a host name; use at most 40 lower-case letters, digits and hyphens, a letter first`,
		}},
		"pool called server": {func(s *topology.Spec) {
			s.Workers = map[string]topology.Pool{"server": {Group: topology.Group{Count: ptr(1), FirstAddress: "192.168.1.211"}}}
		}, []string{
			`workers.server: "server" would give workers the names of another group; choose another pool name, like worker`,
			`workers.server: its node k3s-server-01 has the name of a node of servers; rename the pool`,
			`workers.server.nodes: k3s-server-01 would have MAC BC:24:11:72:D8:CF, the one of k3s-server-01; set nodes.1.mac`,
			`workers.server.firstVmId: k3s-server-01 would have VM id 956006, the one of k3s-server-01; set firstVmId or nodes.1.vmId`,
		}},
		"pool with a bad name": {func(s *topology.Spec) {
			s.Workers = map[string]topology.Pool{"Big_Pool": {Group: topology.Group{Count: ptr(1), FirstAddress: "192.168.1.211"}}}
		}, []string{
			`workers.Big_Pool: "Big_Pool" cannot be part of a host name; use at most 15 lower-case letters, digits and hyphens, a letter first`,
		}},
		"no Proxmox node": {func(s *topology.Spec) { s.Proxmox.Nodes = nil }, []string{
			`proxmox.nodes: is empty; list at least one Proxmox node, like [pve1]`,
		}},
		"bad Proxmox node": {func(s *topology.Spec) { s.Proxmox.Nodes = []string{"pve 1"} }, []string{
			`proxmox.nodes[0]: "pve 1" is not a Proxmox node's name; use the name that the Proxmox web interface shows, like pve1`,
			`proxmox.templateNode: "pve 1" has characters that Proxmox names do not have; use letters, digits and - _ .`,
		}},
		"Proxmox node twice": {func(s *topology.Spec) { s.Proxmox.Nodes = []string{"pve1", "pve1"} }, []string{
			`proxmox.nodes[1]: pve1 is listed twice; list each Proxmox node once`,
		}},
		"override to an unlisted Proxmox node": {func(s *topology.Spec) { node(&s.Servers.Group, "2", topology.Override{ProxmoxNode: "pve9"}) }, []string{
			`servers.nodes.2.proxmoxNode: "pve9" is not in proxmox.nodes; add it there, or use one of: pve1, pve2, pve3`,
		}},
		"negative clone lanes": {func(s *topology.Spec) { s.Proxmox.CloneLanes = -1 }, []string{
			`proxmox.cloneLanes: -1 is too low; at least 1 clone must run at a time`,
		}},
		"negative clone retries": {func(s *topology.Spec) { s.Proxmox.CloneRetries = -1 }, []string{
			`proxmox.cloneRetries: -1 is too low; a clone is tried at least once, so give 1 or more`,
		}},
		"VLAN out of range": {func(s *topology.Spec) { s.Proxmox.VLAN = 4095 }, []string{
			`proxmox.vlan: 4095 is not a VLAN id; give 1 to 4094, or leave it out for an untagged network`,
		}},
		"bad tag": {func(s *topology.Spec) { s.Proxmox.Tags = []string{"a b"} }, []string{
			`proxmox.tags[0]: "a b" is not a Proxmox tag; use letters, digits and - _ . +`,
		}},
		"bad datastore": {func(s *topology.Spec) { s.Proxmox.Datastore = "local lvm" }, []string{
			`proxmox.datastore: "local lvm" has characters that Proxmox names do not have; use letters, digits and - _ .`,
		}},
		"no CIDR": {func(s *topology.Spec) { s.Network.CIDR = "" }, []string{
			`network.cidr: is missing; give the nodes' network, like 192.168.1.0/24`,
		}},
		"malformed CIDR": {func(s *topology.Spec) { s.Network.CIDR = "192.168.1.0" }, []string{
			`network.cidr: "192.168.1.0" is not an IPv4 network; write it like 192.168.1.0/24`,
		}},
		"CIDR with host bits": {func(s *topology.Spec) { s.Network.CIDR = "192.168.1.7/24" }, []string{
			`network.cidr: 192.168.1.7/24 has host bits set; write 192.168.1.0/24`,
		}},
		"tiny network": {func(s *topology.Spec) { s.Network.CIDR = "192.168.1.0/30" }, []string{
			`network.cidr: /30 does not leave a usable range of addresses; use a prefix from /8 to /29`,
			`network.vip: 192.168.1.220 is outside network.cidr 192.168.1.0/30; choose an address inside it`,
			`loadBalancers.firstAddress: k3s-lb-01 would have 192.168.1.221, which is outside network.cidr 192.168.1.0/30; choose an address inside it`,
			`loadBalancers.firstAddress: k3s-lb-02 would have 192.168.1.222, which is outside network.cidr 192.168.1.0/30; choose an address inside it`,
			`servers.firstAddress: k3s-server-01 would have 192.168.1.201, which is outside network.cidr 192.168.1.0/30; choose an address inside it`,
			`servers.firstAddress: k3s-server-02 would have 192.168.1.202, which is outside network.cidr 192.168.1.0/30; choose an address inside it`,
			`servers.firstAddress: k3s-server-03 would have 192.168.1.203, which is outside network.cidr 192.168.1.0/30; choose an address inside it`,
			`workers.worker.firstAddress: k3s-worker-01 would have 192.168.1.211, which is outside network.cidr 192.168.1.0/30; choose an address inside it`,
			`workers.worker.firstAddress: k3s-worker-02 would have 192.168.1.212, which is outside network.cidr 192.168.1.0/30; choose an address inside it`,
		}},
		"gateway outside": {func(s *topology.Spec) { s.Network.Gateway = "10.0.0.1" }, []string{
			`network.gateway: 10.0.0.1 is outside network.cidr 192.168.1.0/24; choose an address inside it`,
		}},
		"malformed gateway": {func(s *topology.Spec) { s.Network.Gateway = "192.168.1.256" }, []string{
			`network.gateway: "192.168.1.256" is not an IPv4 address; give the router's address, like 192.168.1.1`,
			`network.dns[0]: "192.168.1.256" is not an IP address; give a name server's address, like 192.168.1.1`,
		}},
		"VIP with prefix": {func(s *topology.Spec) { s.Network.VIP = "192.168.1.220/24" }, []string{
			`network.vip: "192.168.1.220/24" carries a prefix; give the address alone, like 192.168.1.220`,
		}},
		"no VIP": {func(s *topology.Spec) { s.Network.VIP = "" }, []string{
			`network.vip: is missing; give a free address for the API, like 192.168.1.220`,
		}},
		"VIP outside": {func(s *topology.Spec) { s.Network.VIP = "192.168.2.220" }, []string{
			`network.vip: 192.168.2.220 is outside network.cidr 192.168.1.0/24; choose an address inside it`,
		}},
		"VIP is the gateway": {func(s *topology.Spec) { s.Network.VIP = "192.168.1.1" }, []string{
			`network.vip: 192.168.1.1 is the gateway; choose an address that nothing else uses`,
		}},
		"VIP is the network address": {func(s *topology.Spec) { s.Network.VIP = "192.168.1.0" }, []string{
			`network.vip: 192.168.1.0 is the network address of 192.168.1.0/24; choose an address between the first and the last`,
		}},
		"VIP is the broadcast address": {func(s *topology.Spec) { s.Network.VIP = "192.168.1.255" }, []string{
			`network.vip: 192.168.1.255 is the broadcast address of 192.168.1.0/24; choose an address between the first and the last`,
		}},
		"VIP is a server's": {func(s *topology.Spec) { s.Network.VIP = "192.168.1.202" }, []string{
			`servers.firstAddress: k3s-server-02 would have 192.168.1.202, which is the VIP; the VIP moves between load balancers and must be free`,
		}},
		"bad name server": {func(s *topology.Spec) { s.Network.DNS = []string{"dns.example.org"} }, []string{
			`network.dns[0]: "dns.example.org" is not an IP address; give a name server's address, like 192.168.1.1`,
		}},
		"bad search domain": {func(s *topology.Spec) { s.Network.SearchDomain = "exa mple" }, []string{
			`network.searchDomain: "exa mple" is not a domain; write it like example.org`,
		}},
		"even number of servers": {func(s *topology.Spec) { s.Servers.Count = ptr(2) }, []string{
			`servers.count: 2 servers tolerate no more losses than 1; use an odd number: 1, 3, 5 or 7`,
		}},
		"no servers": {func(s *topology.Spec) { s.Servers.Count = ptr(0) }, []string{
			`servers.count: there must be a server; use 3, or 1 for a cluster that may go down`,
		}},
		"nine servers": {func(s *topology.Spec) { s.Servers.Count, s.Servers.FirstAddress = ptr(9), "192.168.1.10" }, []string{
			`servers.count: 9 servers are more than etcd works well with; use 3, 5 or 7`,
		}},
		"even number of slots": {func(s *topology.Spec) { s.Servers.Slots = []int{1, 3} }, []string{
			`servers.slots: 2 servers tolerate no more losses than 1; use an odd number: 1, 3, 5 or 7`,
		}},
		"four load balancers": {func(s *topology.Spec) { s.LoadBalancers.Count = ptr(4) }, []string{
			`loadBalancers.count: 4 load balancers cannot hold the VIP; use 1 to 3`,
		}},
		"no load balancer": {func(s *topology.Spec) { s.LoadBalancers.Count = ptr(0) }, []string{
			`loadBalancers.count: 0 load balancers cannot hold the VIP; use 1 to 3`,
		}},
		"count and slots": {func(s *topology.Spec) { s.Servers.Count, s.Servers.Slots = ptr(3), []int{1, 2, 3} }, []string{
			`servers: count and slots exclude each other; give count for slots 1 to count, or slots to name them`,
		}},
		"slot twice": {func(s *topology.Spec) { s.Servers.Slots = []int{1, 2, 2} }, []string{
			`servers.slots[2]: slot 2 is listed twice; list each slot once`,
			`servers: its node k3s-server-02 has the name of a node of servers; rename the pool`,
			`servers.firstAddress: k3s-server-02 would have 192.168.1.202, the address of k3s-server-02; every node needs its own`,
			`servers.nodes: k3s-server-02 would have MAC BC:24:11:72:DA:62, the one of k3s-server-02; set nodes.2.mac`,
			`servers.firstVmId: k3s-server-02 would have VM id 378387, the one of k3s-server-02; set firstVmId or nodes.2.vmId`,
		}},
		"slot out of range": {func(s *topology.Spec) { s.Servers.Slots = []int{1, 2, 1000} }, []string{
			`servers.slots[2]: 1000 is not a slot; slots are numbers from 1 to 999`,
			`servers.firstAddress: k3s-server-1000 would have 192.168.5.176, which is outside network.cidr 192.168.1.0/24; choose an address inside it`,
		}},
		"first is no slot": {func(s *topology.Spec) { s.Servers.First = 4 }, []string{
			`servers.first: slot 4 is not one of the servers' slots 1, 2, 3; name one of them`,
		}},
		"override of an unknown slot": {func(s *topology.Spec) { node(&s.Servers.Group, "4", topology.Override{Cores: 4}) }, []string{
			`servers.nodes.4: there is no slot "4" in servers; the slots are 1, 2, 3`,
		}},
		"override of something that is no slot": {func(s *topology.Spec) { node(&s.Servers.Group, "01", topology.Override{Cores: 4}) }, []string{
			`servers.nodes.01: there is no slot "01" in servers; the slots are 1, 2, 3`,
		}},
		"pool without count": {func(s *topology.Spec) {
			s.Workers["worker"] = topology.Pool{Group: topology.Group{FirstAddress: "192.168.1.211"}}
		}, []string{
			`workers.worker.count: is missing; say how many workers the pool has, or list them in workers.worker.slots`,
		}},
		"negative count": {func(s *topology.Spec) {
			s.Workers["worker"] = topology.Pool{Group: topology.Group{Count: ptr(-1), FirstAddress: "192.168.1.211"}}
		}, []string{
			`workers.worker.count: -1 is not a number of nodes; give 0 to 999`,
		}},
		"no first address": {func(s *topology.Spec) { s.Servers.FirstAddress = "" }, []string{
			`servers.firstAddress: is missing and k3s-server-01 has no address of its own; give the address of slot 1, like 192.168.1.201`,
		}},
		"malformed first address": {func(s *topology.Spec) { s.Servers.FirstAddress = "192.168.1" }, []string{
			`servers.firstAddress: "192.168.1" is not an IPv4 address; give the address of slot 1, like 192.168.1.201`,
		}},
		"groups overlap": {func(s *topology.Spec) {
			s.Workers["worker"] = topology.Pool{Group: topology.Group{Count: ptr(1), FirstAddress: "192.168.1.203"}}
		}, []string{
			`workers.worker.firstAddress: k3s-worker-01 would have 192.168.1.203, the address of k3s-server-03; every node needs its own`,
		}},
		"address outside": {func(s *topology.Spec) { node(&s.Servers.Group, "2", topology.Override{IP: "10.0.0.2"}) }, []string{
			`servers.nodes.2.ip: k3s-server-02 would have 10.0.0.2, which is outside network.cidr 192.168.1.0/24; choose an address inside it`,
		}},
		"group runs into the broadcast address": {func(s *topology.Spec) { s.Servers.FirstAddress = "192.168.1.253" }, []string{
			`servers.firstAddress: k3s-server-03 would have 192.168.1.255, the broadcast address of 192.168.1.0/24; choose an address between the first and the last`,
		}},
		"address is the gateway": {func(s *topology.Spec) { node(&s.Servers.Group, "2", topology.Override{IP: "192.168.1.1"}) }, []string{
			`servers.nodes.2.ip: k3s-server-02 would have 192.168.1.1, which is the gateway; choose an address that nothing else uses`,
		}},
		"address is malformed": {func(s *topology.Spec) { node(&s.Servers.Group, "2", topology.Override{IP: "fd00::1"}) }, []string{
			`servers.nodes.2.ip: "fd00::1" is not an IPv4 address; give k3s-server-02 one inside network.cidr`,
		}},
		"same MAC": {func(s *topology.Spec) {
			s.Servers.Nodes = map[string]topology.Override{"1": {MAC: "BC:24:11:00:00:01"}, "2": {MAC: "bc:24:11:00:00:01"}}
		}, []string{
			`servers.nodes.2.mac: k3s-server-02 would have MAC BC:24:11:00:00:01, the one of k3s-server-01; set nodes.2.mac`,
		}},
		"malformed MAC": {func(s *topology.Spec) { node(&s.Servers.Group, "1", topology.Override{MAC: "BC-24-11-00-00-01"}) }, []string{
			`servers.nodes.1.mac: "BC-24-11-00-00-01" is not a MAC address; write it like BC:24:11:66:6F:07`,
		}},
		"multicast MAC": {func(s *topology.Spec) { node(&s.Servers.Group, "1", topology.Override{MAC: "01:24:11:00:00:01"}) }, []string{
			`servers.nodes.1.mac: 01:24:11:00:00:01 is a multicast MAC; the first byte must be even, as in BC:24:11:66:6F:07`,
		}},
		"same VM id": {func(s *topology.Spec) { s.Servers.FirstVMID, s.LoadBalancers.FirstVMID = 200, 202 }, []string{
			`servers.firstVmId: k3s-server-03 would have VM id 202, the one of k3s-lb-01; set firstVmId or nodes.3.vmId`,
		}},
		"VM id out of range": {func(s *topology.Spec) { s.LoadBalancers.FirstVMID = 42 }, []string{
			`loadBalancers.firstVmId: 42 is not a VM id for k3s-lb-01; Proxmox VE takes 100 to 999999999`,
			`loadBalancers.firstVmId: 43 is not a VM id for k3s-lb-02; Proxmox VE takes 100 to 999999999`,
		}},
		"VM id derived and given": {func(s *topology.Spec) { node(&s.Servers.Group, "1", topology.Override{VMID: 309737}) }, []string{
			`servers.nodes.1.vmId: k3s-server-01 would have VM id 309737, the one of k3s-lb-01; set firstVmId or nodes.1.vmId`,
		}},
		"little memory": {func(s *topology.Spec) { s.Servers.Memory = 1024 }, []string{
			`servers.memory: 1024 MiB is too little for a server; give at least 2048`,
		}},
		"little memory on one node": {func(s *topology.Spec) { node(&s.Servers.Group, "3", topology.Override{Memory: 1024}) }, []string{
			`servers.nodes.3.memory: 1024 MiB is too little for a server; give at least 2048`,
		}},
		"little disk": {func(s *topology.Spec) { s.LoadBalancers.Disk = 1 }, []string{
			`loadBalancers.disk: 1 GiB is too little for a load-balancer; give at least 4`,
		}},
		"one core for a server": {func(s *topology.Spec) { s.Servers.Cores = 1 }, []string{
			`servers.cores: 1 cores is too little for a server; give at least 2`,
		}},
		"router id out of range": {func(s *topology.Spec) { s.LoadBalancers.VirtualRouterID = 256 }, []string{
			`loadBalancers.virtualRouterId: 256 is not a VRRP router id; give 1 to 255, unique on the network`,
		}},
		"advert interval out of range": {func(s *topology.Spec) { s.LoadBalancers.AdvertInterval = 0.01 }, []string{
			`loadBalancers.advertInterval: 0.01 s is out of range; give 0.1 to 40 seconds`,
		}},
		"bad API port": {func(s *topology.Spec) { s.LoadBalancers.APIPort = 70000 }, []string{
			`loadBalancers.apiPort: 70000 is not a port; give 1 to 65535`,
		}},
		"port of SSH": {func(s *topology.Spec) { s.LoadBalancers.APIPort = 22 }, []string{
			`loadBalancers.apiPort: 22 is the SSH port of the load balancers; give another port`,
		}},
		"same port twice": {func(s *topology.Spec) { s.LoadBalancers.StatusPort = 6443 }, []string{
			`loadBalancers.statusPort: 6443 is already loadBalancers.apiPort; give another port`,
		}},
		"unknown balance": {func(s *topology.Spec) { s.LoadBalancers.Balance = "fair" }, []string{
			`loadBalancers.balance: "fair" is not a way to choose a server; use one of: random(2), random, leastconn, roundrobin, static-rr, first, source`,
		}},
		"bad interface": {func(s *topology.Spec) { s.LoadBalancers.Interface = "eth0; reboot" }, []string{
			`loadBalancers.interface: "eth0; reboot" is not a network interface; write it like eth0, or leave it out to have it found`,
		}},
		"check interval out of range": {func(s *topology.Spec) { s.LoadBalancers.CheckInterval = 10 }, []string{
			`loadBalancers.checkInterval: 10 ms is out of range; give 100 to 60000 milliseconds`,
		}},
		"fall out of range": {func(s *topology.Spec) { s.LoadBalancers.CheckFall = 101 }, []string{
			`loadBalancers.checkFall: 101 is out of range; give 1 to 100 failed checks`,
		}},
		"rise out of range": {func(s *topology.Spec) { s.LoadBalancers.CheckRise = -1 }, []string{
			`loadBalancers.checkRise: -1 is out of range; give 1 to 100 passed checks`,
		}},
		"line break in an extra line": {func(s *topology.Spec) { s.LoadBalancers.ExtraLines = []string{"a\nb"} }, []string{
			`loadBalancers.extraLines[0]: holds a line break; give one HAProxy line an entry`,
		}},
		"no version": {func(s *topology.Spec) { s.K3s.Version = "" }, []string{
			`k3s.version: is missing; name the release, like v1.31.6+k3s1`,
		}},
		"malformed version": {func(s *topology.Spec) { s.K3s.Version = "1.31" }, []string{
			`k3s.version: "1.31" is not a k3s release; write one in full, like v1.31.6+k3s1`,
		}},
		"version too old": {func(s *topology.Spec) { s.K3s.Version = "v1.26.9+k3s1" }, []string{
			`k3s.version: v1.26.9+k3s1 does not report which etcd members vote; use v1.27 or newer`,
		}},
		"bad SAN": {func(s *topology.Spec) { s.K3s.TLSSANs = []string{"k3s example"} }, []string{
			`k3s.tlsSans[0]: "k3s example" is neither a host name nor an address; write it like k3s.example.org`,
		}},
		"bad component": {func(s *topology.Spec) { s.K3s.Disable = []string{"trae fik"} }, []string{
			`k3s.disable[0]: "trae fik" is not a k3s component; write it like traefik`,
		}},
		"reserved server key": {func(s *topology.Spec) { s.K3s.ServerConfig = map[string]any{"cluster-init": true} }, []string{
			`k3s.serverConfig.cluster-init: is decided by the cluster (only the first start of the first server has it); take it out`,
		}},
		"reserved key with plus": {func(s *topology.Spec) { s.K3s.ServerConfig = map[string]any{"tls-san+": []any{"a"}} }, []string{
			`k3s.serverConfig.tls-san+: is decided by the cluster (use k3s.tlsSans); take it out`,
		}},
		"reserved worker key": {func(s *topology.Spec) { s.K3s.WorkerConfig = map[string]any{"server": "https://a"} }, []string{
			`k3s.workerConfig.server: is decided by the cluster (it is the VIP); take it out`,
		}},
		"bad key": {func(s *topology.Spec) { s.K3s.WorkerConfig = map[string]any{"--kubelet-arg": "a"} }, []string{
			`k3s.workerConfig.--kubelet-arg: "--kubelet-arg" is not a k3s option; write it as on the command line without the dashes, like kubelet-arg`,
		}},
		"bad mirror": {func(s *topology.Spec) { s.K3s.Mirror = "ftp://a" }, []string{
			`k3s.mirror: "ftp://a" is not a URL; write it like https://mirror.example.org/k3s`,
		}},
		"bad sum": {func(s *topology.Spec) { s.K3s.BinarySHA256 = "abc" }, []string{
			`k3s.binarySha256: "abc" is not a SHA-256; give its 64 lower-case hex digits`,
		}},
		"half of etcd's timers": {func(s *topology.Spec) { s.K3s.Etcd.HeartbeatInterval = 100 }, []string{
			`k3s.etcd: heartbeatInterval and electionTimeout belong together; give both, like 100 and 1000, or neither`,
		}},
		"etcd's timers too close": {func(s *topology.Spec) { s.K3s.Etcd = topology.Etcd{HeartbeatInterval: 100, ElectionTimeout: 300} }, []string{
			`k3s.etcd.electionTimeout: 300 ms is out of range; etcd wants at least five times heartbeatInterval (500 ms) and at most 50000`,
		}},
		"no private key": {func(s *topology.Spec) { s.SSH.MissingKey = true }, []string{
			`ssh.privateKey: is missing; give the key that the nodes are reached with, as a secret`,
		}},
		"bad user": {func(s *topology.Spec) { s.SSH.User = "Ubuntu User" }, []string{
			`ssh.user: "Ubuntu User" is not a Linux user name; use the template's cloud-init user, like ubuntu`,
		}},
		"bad SSH port": {func(s *topology.Spec) { s.SSH.Port = -1 }, []string{
			`ssh.port: -1 is not a port; give 1 to 65535`,
		}},
		"bastion without keys": {func(s *topology.Spec) {
			s.SSH.Bastion = &topology.Bastion{Host: "bastion", Missing: []string{"privateKey", "hostKey"}}
		}, []string{
			`ssh.bastion.privateKey: is missing; a jump host needs its own key and its pinned host key`,
			`ssh.bastion.hostKey: is missing; a jump host needs its own key and its pinned host key`,
		}},
		"bad bastion": {func(s *topology.Spec) { s.SSH.Bastion = &topology.Bastion{Host: "-", Port: 99999} }, []string{
			`ssh.bastion.host: "-" is neither a host name nor an address; write it like bastion.example.org`,
			`ssh.bastion.port: 99999 is not a port; give 1 to 65535`,
		}},
		"bad taint": {func(s *topology.Spec) { s.Servers.Taints = []string{"NoSchedule"} }, []string{
			`servers.taints[0]: "NoSchedule" is not a taint; write key=value:effect, like CriticalAddonsOnly=true:NoExecute`,
		}},
		"bad effect": {func(s *topology.Spec) { s.Servers.Taints = []string{"a=b:NoRun"} }, []string{
			`servers.taints[0]: "NoRun" is not an effect of a taint; use NoSchedule, PreferNoSchedule, NoExecute`,
		}},
		"bad label": {func(s *topology.Spec) { s.Servers.Labels = map[string]string{"a b": "c"} }, []string{
			`servers.labels.a b: "a b" is not a label's name; write it like example.org/zone`,
		}},
		"bad label value": {func(s *topology.Spec) { s.Servers.Labels = map[string]string{"a": "b c"} }, []string{
			`servers.labels.a: "b c" is not a label's value; use at most 63 letters, digits and - _ .`,
		}},
		"role label": {func(s *topology.Spec) { s.Servers.Labels = map[string]string{"node-role.kubernetes.io/gpu": "true"} }, []string{
			`servers.labels.node-role.kubernetes.io/gpu: Kubernetes does not let a node give itself this label; choose another name, like example.org/role`,
		}},
		"advert interval too fine": {func(s *topology.Spec) { s.LoadBalancers.AdvertInterval = 0.333 }, []string{
			`loadBalancers.advertInterval: 0.333 s is too fine; Keepalived counts in hundredths of a second, like 0.5`,
		}},
		"port of SSH elsewhere": {func(s *topology.Spec) { s.SSH.Port, s.LoadBalancers.StatusPort = 2222, 2222 }, []string{
			`loadBalancers.statusPort: 2222 is the SSH port of the load balancers; give another port`,
		}},
		"label of Kubernetes": {func(s *topology.Spec) { s.Servers.Labels = map[string]string{"kubernetes.io/role": "a"} }, []string{
			`servers.labels.kubernetes.io/role: Kubernetes does not let a node give itself this label; choose another name, like example.org/role`,
		}},
		"nodes in the services' network": {func(s *topology.Spec) { s.K3s.ServerConfig = map[string]any{"service-cidr": "192.168.0.0/16"} }, []string{
			`network.cidr: 192.168.1.0/24 overlaps k3s' service-cidr 192.168.0.0/16; choose another network, or set k3s.serverConfig.service-cidr`,
		}},
		"bound elsewhere": {func(s *topology.Spec) { s.K3s.ServerConfig = map[string]any{"bind-address": "127.0.0.1"} }, []string{
			`k3s.serverConfig.bind-address: is decided by the cluster (servers listen on all addresses); take it out`,
		}},
		"bad hash": {func(s *topology.Spec) { s.Servers.AbandonedCA = "sha256:abc" }, []string{
			`servers.abandonedCa: "sha256:abc" is not the hash of a CA; copy it from the message that asked for it, sha256: and 64 hex digits`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := reference()
			c.change(&s)
			var got []string
			for _, p := range topology.Validate(topology.ApplyDefaults(s)) {
				got = append(got, p.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestValidateReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	problems := topology.Validate(topology.ApplyDefaults(topology.Spec{SSH: topology.SSH{MissingKey: true}}))
	var paths []string
	for _, p := range problems {
		paths = append(paths, p.Path)
	}
	want := []string{
		"clusterName", "proxmox.nodes", "network.cidr", "network.gateway", "network.vip",
		"loadBalancers.firstAddress", "servers.firstAddress", "k3s.version", "ssh.privateKey",
	}
	if !slices.Equal(paths, want) {
		t.Errorf("problems of an empty spec: %s, want %s", fmt.Sprint(paths), fmt.Sprint(want))
	}
}
