package component

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

func TestInputsThatMustBeKnown(t *testing.T) {
	t.Parallel()
	text, number := resource.NewStringProperty, resource.NewNumberProperty
	output := func(known bool, v resource.PropertyValue, deps ...resource.URN) resource.PropertyValue {
		return resource.NewOutputProperty(resource.Output{Known: known, Element: v, Dependencies: deps})
	}
	inputs := resource.PropertyMap{
		"clusterName": resource.MakeSecret(text("k3s")),
		"network": resource.NewObjectProperty(resource.PropertyMap{
			"cidr":    output(true, text("192.168.1.0/24")),
			"gateway": output(true, text("192.168.1.1"), "urn:pulumi:a::b::c::d"),
			"vip":     resource.MakeComputed(text("")),
			"dns":     text("192.168.1.1"),
		}),
		"proxmox": resource.NewObjectProperty(resource.PropertyMap{
			"templateId": resource.MakeComputed(number(0)), // an input: may be unknown
			"nodes":      resource.NewArrayProperty([]resource.PropertyValue{number(1), text("pve2")}),
			"cloneLanes": number(0),
		}),
		"servers": resource.NewObjectProperty(resource.PropertyMap{"count": number(2.5), "cuont": number(3), "cores": text("2"), "others": resource.NewArrayProperty([]resource.PropertyValue{resource.MakeComputed(text(""))}), "startOver": number(2026)}),
		"workers": resource.NewObjectProperty(resource.PropertyMap{
			"a": resource.NewObjectProperty(resource.PropertyMap{"count": number(0), "labels": resource.NewObjectProperty(resource.PropertyMap{"x": resource.MakeComputed(text(""))})}),
		}),
		"k3s": resource.NewObjectProperty(resource.PropertyMap{
			"token":                resource.MakeSecret(text("a-secret-token")), // an input: may be secret
			"agentToken":           resource.MakeSecret(number(7)),              // but not of another type
			"recoveryBundle":       resource.MakeComputed(text("")),             // may be unknown, too
			"adminCertificateDays": output(false, number(0)),
			"serverConfig":         resource.NewObjectProperty(resource.PropertyMap{"kubelet-arg": resource.NewArrayProperty([]resource.PropertyValue{resource.MakeComputed(text(""))})}),
		}),
	}
	const why = "it decides what is created, so it must be known at preview: write it out or take it from the stack's configuration"
	bastion := resource.NewObjectProperty(resource.PropertyMap{"hostKey": output(true, resource.NewBoolProperty(true)), "privateKey": output(false, text(""))})
	keys := []resource.PropertyValue{text("ssh-ed25519 AAAA"), resource.MakeComputed(text("")), number(1)}
	inputs["ssh"] = resource.NewObjectProperty(resource.PropertyMap{"publicKeys": resource.NewArrayProperty(keys), "bastion": bastion})
	inputs["loadBalancers"] = text("2")
	want := []string{
		"clusterName: is a secret, and this input is shown in every preview; give a value that is none",
		"k3s.adminCertificateDays: is an output that is not known yet; " + why,
		"k3s.agentToken: is a number; give a string",
		"k3s.serverConfig.kubelet-arg[0]: is an output that is not known yet; " + why,
		"loadBalancers: is a string; give an object",
		"network.dns: is a string; give a list",
		"network.gateway: is an output of another resource; " + why,
		"network.vip: is an output that is not known yet; " + why,
		"proxmox.cloneLanes: 0 is out of range; leave it out for the default, or give a positive number",
		"proxmox.nodes[0]: is a number; give a string",
		"servers.cores: is a string; give a whole number",
		"servers.count: 2.5 is not a whole number",
		"servers.cuont: there is no such property; did you mean count? there are: agent, balloon, bridge, cores, count, cpuType, dataDisks, datastore, disk, diskOptions, firewall, first, firstAddress, firstVmId, generation, keep, labels, machines, memory, nodes, onBoot, others, protection, scsiHardware, slots, startOver, startup, tags, taints, templateId, vlan",
		"servers.others[0]: is an output that is not known yet; " + why,
		"servers.startOver: is a number; give a string",
		"ssh.bastion.hostKey: is a bool; give a string",
		"ssh.publicKeys[2]: is a number; give a string",
		"workers.a.labels.x: is an output that is not known yet; " + why,
	}
	var got []string
	for _, p := range checkShape(inputs, reflect.TypeFor[K3sHaClusterArgs]()) {
		got = append(got, p.String())
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestABundleThatIsNotKnownYetHasTheTokensToo(t *testing.T) {
	t.Parallel()
	k3s := func(bundle resource.PropertyValue) []string {
		var out []string
		for _, p := range knownSecrets(resource.PropertyMap{"k3s": resource.NewObjectProperty(resource.PropertyMap{
			"recoveryBundle": bundle, "token": resource.NewStringProperty("a-token-of-the-servers"),
		})}) {
			out = append(out, p.String())
		}
		return out
	}
	want := []string{"k3s.token: is in k3s.recoveryBundle already; leave it out"}
	if got := k3s(resource.MakeComputed(resource.NewStringProperty(""))); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := k3s(resource.NewNullProperty()); len(got) > 0 {
		t.Errorf("without a bundle: %v", got)
	}
}

func TestProgressSaysWhatIsReachedAndWaitedFor(t *testing.T) {
	t.Parallel()
	count := 1
	plan := topology.NewPlan(topology.ApplyDefaults(topology.Spec{
		ClusterName: "k3s", Proxmox: topology.Proxmox{Given: true, Nodes: []string{"pve1"}},
		Workers: map[string]topology.Pool{"worker": {Group: topology.Group{Count: &count}}},
	}))
	start := time.Now()
	p := &progress{plan: plan, ended: map[string]time.Time{}, started: start}
	end := func(seconds int, steps ...string) {
		for _, s := range steps {
			p.ended[s] = start.Add(time.Duration(seconds) * time.Second)
		}
	}
	is := func(seconds int, want string) {
		t.Helper()
		if got := p.text(start.Add(time.Duration(seconds)*time.Second), true); got != want {
			t.Errorf("after %d s: %q, want %q", seconds, got, want)
		}
	}
	end(0, "access-cluster")
	is(1, "0 of 2 load balancers up; creating k3s-lb-01, 1 s; creating k3s-lb-02, 1 s")
	for _, n := range plan.Nodes {
		end(10, "vm-"+n.Name, "contact-"+n.Name, "prepare-"+n.Name)
		if n.Role == topology.LoadBalancer {
			end(10, "admit-"+n.Name)
		}
	}
	is(12, "0 of 2 load balancers up; configuring k3s-lb-01, 2 s; looking at the release of the cluster, 2 s; and 1 more")
	end(15, "converge-k3s-lb-01", "converge-k3s-lb-02")
	is(16, "2 of 2 load balancers up; looking at the release of the cluster, 6 s; giving the right to start the cluster, 6 s")
	end(17, "release-cluster", "start-cluster")
	is(18, "2 of 2 load balancers up; taking the seat of k3s-server-01, 1 s")
	end(18, "admit-k3s-server-01")
	is(19, "2 of 2 load balancers up; joining k3s-server-01, 1 s")
	end(19, "converge-k3s-server-01")
	is(19, "2 of 2 load balancers up, 1 of 3 servers joined; waiting for the API of the cluster, 0 s")
	end(19, "reach-cluster", "admit-k3s-server-02")
	is(20, "2 of 2 load balancers up, 1 of 3 servers joined; taking the seat of k3s-server-03, 1 s; taking the seat of k3s-worker-01, 1 s; and 1 more")
	end(20, "admit-k3s-server-03", "admit-k3s-worker-01", "converge-k3s-server-02")
	is(32, "2 of 2 load balancers up, 2 of 3 servers joined; joining k3s-server-03, 12 s")
}

// A log of an update has a line for what has changed, and one from time to time.
func TestProgressSaysNothingTwice(t *testing.T) {
	t.Parallel()
	start := time.Now()
	var s saying
	var said []string
	for second := range 600 {
		what := "creating"
		if second >= 100 {
			what = "joining"
		}
		if text := s.next(start.Add(time.Duration(second)*time.Second), what, fmt.Sprintf("%s, %d s", what, second)); text != "" {
			said = append(said, text)
		}
	}
	want := []string{"creating", "creating, 30 s", "creating, 60 s", "creating, 90 s", "joining"}
	if len(said) != 21 || !slices.Equal(said[:5], want) || said[20] != "joining, 580 s" {
		t.Errorf("%d lines: %q", len(said), said)
	}
}

// Texts in the configurations of k3s may be secrets or unknown; options on which data in etcd depend may not, nor may other things than texts.
func TestTakeConfigLeaves(t *testing.T) {
	t.Parallel()
	text := resource.NewStringProperty
	list := func(items ...resource.PropertyValue) resource.PropertyValue { return resource.NewArrayProperty(items) }
	inputs := resource.PropertyMap{"k3s": resource.NewObjectProperty(resource.PropertyMap{
		"version": text("v1.31.6+k3s1"),
		"serverConfig": resource.NewObjectProperty(resource.PropertyMap{
			"kube-apiserver-arg": list(text("a=b"), resource.MakeSecret(text("c=d")), resource.MakeComputed(text(""))),
			"vpn-auth":           resource.MakeSecret(text("name=x,joinKey=y")),
			"cluster-cidr":       resource.MakeSecret(text("10.42.0.0/16")),
			"debug":              resource.MakeSecret(resource.NewBoolProperty(true)),
		}),
		"workerConfig": resource.NewObjectProperty(resource.PropertyMap{"pause-image": resource.NewOutputProperty(resource.Output{Element: text("p"), Known: true})}),
	})}
	before := inputs.Copy()
	marked, leaves := TakeConfigLeaves(inputs)
	want := map[string]string{
		"k3s.serverConfig.kube-apiserver-arg[1]": "c=d", "k3s.serverConfig.kube-apiserver-arg[2]": "unknown", "k3s.serverConfig.vpn-auth": "name=x,joinKey=y", "k3s.workerConfig.pause-image": "p",
	}
	got := map[string]string{}
	for path, v := range leaves {
		value, known := plain(v)
		got[path] = "unknown"
		if known {
			got[path] = value.StringValue()
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("leaves %v, want %v", got, want)
	}
	whole := resource.PropertyMap{"k3s": resource.NewOutputProperty(resource.Output{Element: inputs["k3s"], Known: true, Secret: true})}
	if same, none := TakeConfigLeaves(whole); len(none) > 0 || !same.DeepEquals(whole) {
		t.Errorf("a k3s that is a secret as a whole becomes %v", same)
	}
	config := marked["k3s"].ObjectValue()["serverConfig"].ObjectValue()
	if v := config["vpn-auth"].StringValue(); v != topology.LeafMark+"k3s.serverConfig.vpn-auth" {
		t.Errorf("in its place is %q", v)
	}
	if !inputs.DeepEquals(before) {
		t.Error("the inputs themselves have changed")
	}
	var problems []string
	for _, p := range checkShape(resource.PropertyMap{"k3s": marked["k3s"]}, reflect.TypeFor[K3sHaClusterArgs]()) {
		problems = append(problems, p.Path)
	}
	slices.Sort(problems)
	if want := []string{"k3s.serverConfig.cluster-cidr", "k3s.serverConfig.debug"}; !slices.Equal(problems, want) {
		t.Errorf("refused %v, want %v", problems, want)
	}
}

// Values of leaves that are known are looked at like all others, and not quoted.
func TestCheckConfigLeaves(t *testing.T) {
	t.Parallel()
	secret := func(text string) resource.PropertyValue { return resource.MakeSecret(resource.NewStringProperty(text)) }
	inputs, leaves := TakeConfigLeaves(resource.PropertyMap{"k3s": resource.NewObjectProperty(resource.PropertyMap{
		"serverConfig": resource.NewObjectProperty(resource.PropertyMap{
			"etcd-snapshot-retention": secret("many"), "kube-apiserver-arg": resource.NewArrayProperty([]resource.PropertyValue{secret("a=b"), secret("etcd-servers=x")}), "vpn-auth": secret("joinKey=y"),
		}),
	})})
	args, _ := CheckInputs(inputs)
	var got []string
	for _, p := range CheckConfigLeaves(args, leaves) {
		got = append(got, p.Path)
		if strings.Contains(p.Reason, "many") || strings.Contains(p.Reason, "etcd-servers") {
			t.Error(p)
		}
	}
	slices.Sort(got)
	if want := []string{"k3s.serverConfig.etcd-snapshot-retention", "k3s.serverConfig.kube-apiserver-arg[1]"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
