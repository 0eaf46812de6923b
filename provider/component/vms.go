package component

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/muhlba91/pulumi-proxmoxve/sdk/v6/go/proxmoxve/vm"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

const (
	proxmoxVersion     = "6.18.1" // the SDK itself sends none, and the newest plugin speaks other tokens
	proxmoxDownloadURL = "github://api.github.com/muhlba91/pulumi-proxmoxve"
	vmDeadline         = 1800 // seconds for each operation on a VM
)

// virtualMachine is a created VM: what later steps depend on, where it really is, whether Proxmox VE shows it as running, and which
// instance of its machine it is.
type virtualMachine struct {
	Resource    pulumi.Resource
	ProxmoxNode pulumi.StringOutput
	Running     pulumi.BoolOutput
	Instance    pulumi.StringOutput
}

// unread are the inputs that a VM keeps as they are: what only seeds it, and would replace it (the template, keys, the Proxmox node); its
// instance, which is made up anew at each run of the program; and the options of its disk, which are the template's. For those the plugin
// fills in defaults, but a clone does not get them (bpg before 0.73.2, so v6 too): they would differ at the next update, and restart
// every VM for nothing.
var unread = []string{
	"clone", "initialization.userAccount", "nodeName",
	"smbios.family", "smbios.manufacturer", "smbios.product", "smbios.serial", "smbios.sku", "smbios.uuid",
	"disks[0].aio", "disks[0].backup", "disks[0].cache", "disks[0].discard", "disks[0].iothread", "disks[0].replicate", "disks[0].speed", "disks[0].ssd",
}

// newVM clones a node's VM from the template. Proxmox VE's cloud-init settings seed it once.
func (b *bootstrap) newVM(step topology.Step) (virtualMachine, error) {
	n, s := step.Node, b.plan.Spec
	network := vm.VirtualMachineNetworkDeviceArgs{
		Bridge: pulumi.String(n.Bridge), MacAddress: pulumi.String(n.MAC),
		Model: pulumi.String("virtio"), Firewall: pulumi.Bool(*n.Firewall),
	}
	if n.VLAN != 0 {
		network.VlanId = pulumi.Int(n.VLAN)
	}
	prefix := netip.MustParsePrefix(s.Network.CIDR) // validated
	dns := vm.VirtualMachineInitializationDnsArgs{Servers: pulumi.ToStringArray(s.Network.DNS)}
	ignored := unread
	if s.Network.SearchDomain != "" {
		dns.Domain = pulumi.String(s.Network.SearchDomain)
	} else {
		// One that the template has, or that was taken out of the program, stays: the plugin cannot take it away, and would try for ever.
		ignored = append(slices.Clone(unread), "initialization.dns.domain")
	}
	ignored = slices.DeleteFunc(slices.Clone(ignored), func(at string) bool {
		name, found := strings.CutPrefix(at, "disks[0].")
		_, given := n.DiskOptions.Settings()[name]
		return found && given
	})
	for i := range n.DataDisks { // nothing was said of it, and the plugin reads zeros
		ignored = append(ignored, fmt.Sprintf("disks[%d].speed", i+1))
	}
	seed := b.seed(n)
	args := &vm.VirtualMachineArgs{
		NodeName:    pulumi.String(n.ProxmoxNode),
		VmId:        pulumi.Int(n.VMID),
		Name:        pulumi.String(n.Name),
		Description: pulumi.String(fmt.Sprintf("%s of k3s cluster %s, managed by Pulumi", n.Role, s.ClusterName)),
		Tags:        pulumi.ToStringArray(tags(s, n)),
		Clone: vm.VirtualMachineCloneArgs{
			VmId: seed.templateID, NodeName: seed.templateNode, DatastoreId: seed.datastore, Retries: seed.retries, Full: pulumi.Bool(true),
		},
		Cpu:            vm.VirtualMachineCpuArgs{Cores: pulumi.Int(n.Cores), Type: pulumi.String(n.CPUType), Units: pulumi.Int(1024)},
		Memory:         vmMemory(n),
		NetworkDevices: vm.VirtualMachineNetworkDeviceArray{network},
		Disks:          append(vm.VirtualMachineDiskArray{firstDisk(n)}, dataDisks(n)...),
		Initialization: vm.VirtualMachineInitializationArgs{
			DatastoreId: pulumi.String(n.Datastore), Interface: pulumi.String("ide2"),
			IpConfigs: vm.VirtualMachineInitializationIpConfigArray{vm.VirtualMachineInitializationIpConfigArgs{
				Ipv4: vm.VirtualMachineInitializationIpConfigIpv4Args{
					Address: pulumi.String(fmt.Sprintf("%s/%d", n.IP, prefix.Bits())), Gateway: pulumi.String(s.Network.Gateway),
				},
			}},
			Dns:         dns,
			UserAccount: vm.VirtualMachineInitializationUserAccountArgs{Username: pulumi.String(s.SSH.User), Keys: b.publicKeys},
		},
		Agent:           agent(*n.Agent),
		OperatingSystem: vm.VirtualMachineOperatingSystemArgs{Type: pulumi.String("l26")},
		ScsiHardware:    pulumi.String(cmp.Or(n.SCSI, "virtio-scsi-pci")), // the plugin's default: it leaves a clone what its template has
		// The serial console is the one that cloud images write to; left out, plugins disagree about what there is then.
		Vga:           vm.VirtualMachineVgaArgs{Type: pulumi.String("serial0")},
		Smbios:        smbios(n, b.whenItsTurn(step, newInstance())),
		SerialDevices: vm.VirtualMachineSerialDeviceArray{vm.VirtualMachineSerialDeviceArgs{Device: pulumi.String("socket")}},
		// Without this the provider adds an empty CD drive, which takes a privilege on / and shows up at every preview.
		Cdrom:         vm.VirtualMachineCdromArgs{FileId: pulumi.String("none"), Interface: pulumi.String("ide3")},
		OnBoot:        pulumi.Bool(*n.OnBoot),
		Started:       pulumi.Bool(true),
		StopOnDestroy: pulumi.Bool(true),

		TimeoutClone: pulumi.Int(vmDeadline), TimeoutMigrate: pulumi.Int(vmDeadline), TimeoutCreate: pulumi.Int(vmDeadline), TimeoutStartVm: pulumi.Int(vmDeadline),
		TimeoutReboot: pulumi.Int(vmDeadline), TimeoutShutdownVm: pulumi.Int(vmDeadline), TimeoutStopVm: pulumi.Int(300),
	}
	if n.Startup != nil {
		args.Startup = startup(*n.Startup)
	}
	if *n.Protection {
		args.Protection = pulumi.Bool(true)
	}
	if s.Proxmox.Pool != "" {
		args.PoolId = pulumi.String(s.Proxmox.Pool)
	}
	machine, err := vm.NewVirtualMachine(b.ctx, b.childName(step), args,
		pulumi.Parent(b.cluster),
		pulumi.Version(proxmoxVersion), pulumi.PluginDownloadURL(proxmoxDownloadURL),
		pulumi.DependsOn(append(b.predecessors(step), b.machines, b.commands)),
		// With a fixed VM id there cannot be two of it.
		pulumi.DeleteBeforeReplace(true),
		pulumi.IgnoreChanges(ignored),
		pulumi.Transforms([]pulumi.ResourceTransform{b.reseeded(n)}),
		pulumi.ReplaceOnChanges([]string{generationAt}),
		b.turns,
	)
	if err != nil {
		return virtualMachine{}, err
	}
	running := machine.Started.ApplyT(func(on *bool) bool { return on == nil || *on }).(pulumi.BoolOutput)
	instance := machine.Smbios.Serial().ApplyT(func(serial *string) string { return value(serial) }).(pulumi.StringOutput)
	return virtualMachine{Resource: machine, ProxmoxNode: machine.NodeName, Running: running, Instance: instance}, nil
}

// agent is the guest agent's channel. The plugin asks the agent for addresses whenever it looks at a VM, before it is installed, too: which
// nobody here needs, so it gives up soon.
func agent(on bool) vm.VirtualMachineAgentArgs {
	args := vm.VirtualMachineAgentArgs{Enabled: pulumi.Bool(on)}
	if on {
		args.Timeout = pulumi.String("2s")
	}
	return args
}

// firstDisk has size and place, and the options that are given: its template has those, too. Any other would differ from the template's at
// every update.
func firstDisk(n topology.Node) vm.VirtualMachineDiskArgs {
	out, o := vm.VirtualMachineDiskArgs{
		Interface: pulumi.String("scsi0"), DatastoreId: pulumi.String(n.Datastore), Size: pulumi.Int(n.Disk),
	}, n.DiskOptions
	if discard, given := o.Settings()["discard"]; given {
		out.Discard = pulumi.String(discard)
	}
	if o.Cache != "" {
		out.Cache = pulumi.String(o.Cache)
	}
	for to, given := range map[*pulumi.BoolPtrInput]*bool{&out.Ssd: o.SSD, &out.Iothread: o.IOThread, &out.Backup: o.Backup} {
		if given != nil {
			*to = pulumi.BoolPtr(*given)
		}
	}
	return out
}

// dataDisks are the disks that a template has not: those get their options when they are made.
func dataDisks(n topology.Node) vm.VirtualMachineDiskArray {
	var out vm.VirtualMachineDiskArray
	for i, d := range n.DataDisks {
		discard := "ignore"
		if d.Discard {
			discard = "on"
		}
		out = append(out, vm.VirtualMachineDiskArgs{
			Interface: pulumi.String(fmt.Sprintf("scsi%d", i+1)), DatastoreId: pulumi.String(cmp.Or(d.Datastore, n.Datastore)), Size: pulumi.Int(d.Size),
			Serial: pulumi.String(d.Name), Discard: pulumi.String(discard), Ssd: pulumi.Bool(d.SSD), Iothread: pulumi.Bool(d.IOThread),
			Cache: pulumi.String(d.Cache), Backup: pulumi.Bool(*d.Backup), FileFormat: pulumi.String("raw"),
		})
	}
	return out
}

func vmMemory(n topology.Node) vm.VirtualMachineMemoryArgs {
	args := vm.VirtualMachineMemoryArgs{Dedicated: pulumi.Int(n.Memory)}
	if n.Balloon > 0 {
		args.Floating = pulumi.Int(n.Balloon)
	}
	return args
}

// startup is when Proxmox VE starts a VM; -1 is its way to say that nothing was said.
func startup(s topology.Startup) vm.VirtualMachineStartupArgs {
	said := func(seconds int) pulumi.IntInput {
		if seconds == 0 {
			return pulumi.Int(-1)
		}
		return pulumi.Int(seconds)
	}
	return vm.VirtualMachineStartupArgs{Order: pulumi.Int(s.Order), UpDelay: said(s.UpDelay), DownDelay: said(s.DownDelay)}
}

// generationAt is where a VM keeps its generation: in SMBIOS, beside its instance. (Pulumi's replacementTrigger is not used for it: transforms
// in Python programs cannot pass it on.)
const generationAt = "smbios.version"

func smbios(n topology.Node, instance pulumi.StringInput) vm.VirtualMachineSmbiosArgs {
	args := vm.VirtualMachineSmbiosArgs{Serial: instance.ToStringOutput()}
	if n.Generation > 0 {
		args.Version = pulumi.String(fmt.Sprintf("generation %d", n.Generation))
	}
	return args
}

// newInstance makes up the id of a VM that is created. One that exists keeps its own, for it is ignored afterwards: so whatever was done on
// a machine is done again on the one that takes its place, also when the one before was lost.
func newInstance() string {
	random := make([]byte, 8)
	_, _ = rand.Read(random) // crypto/rand never fails
	return "k3sha-" + hex.EncodeToString(random)
}

// tags are sorted, lower case and unique, as Proxmox VE stores them: anything else would differ at every preview.
func tags(s topology.Spec, n topology.Node) []string {
	out := append([]string{s.ClusterName, string(n.Role)}, n.Tags...)
	for i := range out {
		out[i] = strings.ToLower(out[i])
	}
	slices.Sort(out)
	return slices.Compact(out)
}
