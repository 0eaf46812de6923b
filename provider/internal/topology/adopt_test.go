package topology_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// What a k3s says of its options, in the forms that it knows.
func TestOptionsOf(t *testing.T) {
	t.Parallel()
	got := topology.OptionsOf([]string{"server", "--cluster-init", "--disable", "traefik", "--disable=servicelb", "-t", "********", "--secrets-encryption", "true", "--v", "2", "--debug"}, map[string]string{"K3S_TOKEN": "********", "K3S_SELINUX": "true", "K3S_RESOLV_CONF": ""})
	for option, want := range map[string][]string{
		"cluster-init": {"true"}, "disable": {"traefik", "servicelb"}, "token": {"********"}, "secrets-encryption": {"true"}, "v": {"2"}, "debug": {"true"}, "selinux": {"true"},
	} {
		if !slices.Equal(got[option], want) {
			t.Errorf("%s: %q, want %q", option, got[option], want)
		}
	}
	if len(got) != 7 {
		t.Errorf("%v", got)
	}
}

// A k3s is taken over if nothing of it would be lost, and nothing that its data are made by would change.
func TestCheckAdoption(t *testing.T) {
	t.Parallel()
	server := topology.Node{Name: "homelab", Role: topology.Server, IP: "192.168.1.50", Path: "servers", Slot: 1}
	worker := topology.Node{Name: "k3s-worker-01", Role: topology.Worker, IP: "192.168.1.51", Path: "workers.worker", Slot: 1}
	for name, c := range map[string]struct {
		n       topology.Node
		args    string
		version string
		wanted  map[string][]string
		name    string
		address string
		want    []string
	}{
		"as it is":            {n: server, args: "server"},
		"what is ours to say": {n: server, args: "server --token ******** --tls-san 192.168.1.50 --node-name homelab --with-node-id --write-kubeconfig-mode 644 --cluster-init --etcd-snapshot-retention 9 --etcd-arg heartbeat-interval=100 --debug", wanted: map[string][]string{"tls-san": {"192.168.1.220", "192.168.1.50"}, "etcd-snapshot-retention": {"5"}}},
		"the same options":    {n: server, args: "server --disable traefik,servicelb --flannel-backend=host-gw --kubelet-arg max-pods=50", wanted: map[string][]string{"disable": {"servicelb", "traefik", "metrics-server"}, "flannel-backend": {"host-gw"}, "kubelet-arg": {"v=1", "max-pods=50"}}},
		"defaults in words":   {n: server, args: "server --flannel-backend vxlan --cluster-cidr 10.42.0.0/16 --disable-network-policy=false"},
		"an option may come":  {n: server, args: "server", wanted: map[string][]string{"kubelet-arg": {"max-pods=50"}}},
		"one may be a secret": {n: server, args: "server --vpn-auth name=tailscale", wanted: map[string][]string{"vpn-auth": {topology.HiddenOption}}},
		"one is no word's to say": {n: server, args: "server --vpn-auth name=tailscale,joinKey=s3cret", want: []string{
			"it runs with vpn-auth: (not shown), and would not any more; say so in k3s.serverConfig.vpn-auth, too, or take it out there first",
		}},
		"another name":        {n: server, args: "server", name: "oldbox", want: []string{"its node is called oldbox in Kubernetes, and keeps that name; set servers.nodes.1.name to it"}},
		"another address":     {n: server, args: "server", address: "10.0.0.5", want: []string{"its node has the address 10.0.0.5 in Kubernetes, by which the others know it; set servers.nodes.1.ip to it"}},
		"a newer release":     {n: server, args: "server", version: "v1.32.1+k3s1", want: []string{"k3s.version: v1.31.6+k3s1 is older than v1.32.1+k3s1, which has come up in this cluster; k3s cannot go back, give v1.32.1+k3s1 or a newer release"}},
		"a much older one":    {n: server, args: "server", version: "v1.29.1+k3s1", want: []string{"k3s.version: v1.31.6+k3s1 skips a minor version after v1.29.1+k3s1; go through v1.30 first"}},
		"its own data folder": {n: server, args: "server --data-dir /srv/k3s", want: []string{"it has its data in /srv/k3s; only those in /var/lib/rancher/k3s can be adopted"}},
		"a database":          {n: server, args: "server --datastore-endpoint ********", want: []string{"it has its data in a datastore of its own (datastore-endpoint); only those in SQLite or embedded etcd can be adopted"}},
		"no Traefik there": {n: server, args: "server --disable traefik", want: []string{
			"it runs with disable: traefik, and would not any more; say so in k3s.disable, too, or take it out there first",
		}},
		"another network of pods": {n: server, args: "server --cluster-cidr 10.0.0.0/16 --kubelet-arg a=b", want: []string{
			"it runs with cluster-cidr: 10.0.0.0/16, by which its data are made; set k3s.serverConfig.cluster-cidr to that",
			"it runs with kubelet-arg: a=b, and would not any more; say so in k3s.serverConfig.kubelet-arg, too, or take it out there first",
		}},
		"a network that is only wanted": {n: server, args: "server", wanted: map[string][]string{"flannel-backend": {"host-gw"}}, want: []string{
			"it runs with flannel-backend: vxlan, by which its data are made; set k3s.serverConfig.flannel-backend to that",
		}},
		"names, snapshots, a quota": {n: server, args: "server --tls-san old.example.org --etcd-s3 --etcd-arg quota-backend-bytes=8589934592 --https-listen-port 7443", want: []string{
			"it runs with etcd-arg: quota-backend-bytes=8589934592, and would not any more; say so in k3s.serverConfig.etcd-arg, too, or take it out there first",
			"it runs with etcd-s3, and its snapshots would not be made so any more; say how in backup, or take it out there first",
			"it runs with https-listen-port: 7443, and servers listen on 6443; loadBalancers.apiPort sets the port of the VIP; take it out there first",
			"its certificate has the names old.example.org, and would not any more; list them in k3s.tlsSans, or take them out there first",
		}},
		"Secrets in the clear": {n: server, args: "server", wanted: map[string][]string{"secrets-encryption": {"true"}}, want: []string{
			"it runs with secrets-encryption: false, by which its Secrets are kept; set k3s.secretsEncryption to false",
		}},
		"a kubeconfig elsewhere": {n: server, args: "server --write-kubeconfig /root/kubeconfig", want: []string{
			"it runs with write-kubeconfig: /root/kubeconfig, and the cluster needs it in /etc/rancher/k3s/k3s.yaml; take that out there first",
		}},
		"a worker": {n: worker, args: "agent --server https://192.168.1.50:6443 --token ********"},
		"a worker with an option": {n: worker, args: "agent --kubelet-arg=max-pods=50", want: []string{
			"it runs with kubelet-arg: max-pods=50, and would not any more; say so in k3s.workerConfig.kubelet-arg, too, or take it out there first",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := topology.Found{Name: c.n.Name, Address: c.n.IP, Version: "v1.31.5+k3s1", Datastore: topology.SQLite, Options: topology.OptionsOf(strings.Fields(c.args), nil)}
			for field, given := range map[*string]string{&found.Name: c.name, &found.Address: c.address, &found.Version: c.version} {
				if given != "" {
					*field = given
				}
			}
			wanted := map[string][]string{"secrets-encryption": {"false"}}
			for option, values := range c.wanted {
				wanted[option] = values
			}
			if got := topology.CheckAdoption(c.n, "v1.31.6+k3s1", wanted, found); !slices.Equal(got, c.want) {
				t.Errorf("\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// A slot that is adopted is a machine that is there, whatever the others of its group are, and has a name of its own.
func TestAnAdoptedSlot(t *testing.T) {
	t.Parallel()
	s := reference()
	s.Servers.Nodes = map[string]topology.Override{"1": {Adopt: true, Name: "homelab", IP: "192.168.1.50"}}
	s = topology.ApplyDefaults(s)
	if problems := topology.Validate(s); len(problems) > 0 {
		t.Fatal(problems)
	}
	p := topology.NewPlan(s)
	first := p.Servers()[0]
	if first.Name != "homelab" || !first.Existing || !first.Adopt || first.VMID != 0 {
		t.Errorf("%+v", first)
	}
	var vms, met []string
	for _, step := range p.Steps {
		switch step.Verb {
		case topology.VM:
			vms = append(vms, step.Node.Name)
		case topology.Meet:
			met = append(met, step.Node.Name)
		}
	}
	if len(vms) != 6 || !slices.Equal(met, []string{"homelab"}) {
		t.Errorf("VMs %v, met %v", vms, met)
	}
	// It leaves: no other machine may have its address in the same update.
	after := reference()
	after.Servers.Slots, after.Servers.Count = []int{2, 3, 4}, nil
	after.Servers.Nodes = map[string]topology.Override{"4": {IP: "192.168.1.50"}}
	want := []string{"servers.nodes.4.ip: k3s-server-04 would have 192.168.1.50, which homelab has, a machine that is there and leaves in this update; give it another one"}
	if got := lines(topology.CheckChange(p.Machines(), topology.NewPlan(topology.ApplyDefaults(after)).Machines())); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := p.Announce(topology.Change{K3s: []string{"homelab", "k3s-server-02", "k3s-server-03"}}); got != "restarts k3s on homelab, k3s-server-02, -03 (one at a time)" {
		t.Errorf("%q", got)
	}
}
