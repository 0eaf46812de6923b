// A program without the component: as many VMs and remote commands, written out by hand as a user would.
package main

import (
	"fmt"

	vm "github.com/muhlba91/pulumi-proxmoxve/sdk/v6/go/proxmoxve/vm"
	"github.com/pulumi/pulumi-command/sdk/go/command/remote"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		key := config.RequireSecret(ctx, "sshPrivateKey")
		word := config.Get(ctx, "version")
		for i := range config.RequireInt(ctx, "workers") {
			if err := node(ctx, key, word, fmt.Sprintf("worker-%04d", i+1), 20000+i, fmt.Sprintf("10.10.%d.%d", 10+i/200, 1+i%200)); err != nil {
				return err
			}
		}
		for i := range 5 { // three servers, two load balancers
			if err := node(ctx, key, word, fmt.Sprintf("server-%d", i+1), 9800+i, fmt.Sprintf("10.10.1.%d", 1+i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// steps on each machine, as many as the component has on a worker.
const steps = 4

func node(ctx *pulumi.Context, key pulumi.StringOutput, word, name string, id int, ip string) error {
	machine, err := vm.NewVirtualMachine(ctx, name, &vm.VirtualMachineArgs{
		NodeName: pulumi.String("pve1"), VmId: pulumi.Int(id), Name: pulumi.String(name), Description: pulumi.String("a node of mine"),
		Clone:  vm.VirtualMachineCloneArgs{VmId: pulumi.Int(9000), NodeName: pulumi.String("pve1"), DatastoreId: pulumi.String("local-lvm")},
		Cpu:    vm.VirtualMachineCpuArgs{Cores: pulumi.Int(2), Type: pulumi.String("x86-64-v2-AES")},
		Memory: vm.VirtualMachineMemoryArgs{Dedicated: pulumi.Int(4096)},
		NetworkDevices: vm.VirtualMachineNetworkDeviceArray{vm.VirtualMachineNetworkDeviceArgs{
			Bridge: pulumi.String("vmbr0"), Model: pulumi.String("virtio"), MacAddress: pulumi.String(fmt.Sprintf("BC:24:12:00:%02X:%02X", id/256, id%256)),
		}},
		Disks: vm.VirtualMachineDiskArray{vm.VirtualMachineDiskArgs{Interface: pulumi.String("scsi0"), DatastoreId: pulumi.String("local-lvm"), Size: pulumi.Int(32)}},
		Initialization: vm.VirtualMachineInitializationArgs{
			DatastoreId: pulumi.String("local-lvm"), Interface: pulumi.String("ide2"),
			IpConfigs: vm.VirtualMachineInitializationIpConfigArray{vm.VirtualMachineInitializationIpConfigArgs{
				Ipv4: vm.VirtualMachineInitializationIpConfigIpv4Args{Address: pulumi.String(ip + "/16"), Gateway: pulumi.String("10.10.0.1")},
			}},
		},
		ScsiHardware: pulumi.String("virtio-scsi-pci"), Started: pulumi.Bool(true), StopOnDestroy: pulumi.Bool(true),
	}, pulumi.Version("6.18.1"), pulumi.IgnoreChanges([]string{"agent", "cdrom", "cpu", "disks", "initialization", "memory", "networkDevices", "vga"})) // else the plugin updates every VM for nothing
	if err != nil {
		return err
	}
	var last pulumi.Resource = machine
	for step := range steps {
		script := "echo a step"
		if step%2 == 1 { // another word runs as many steps as another release does
			script += " " + word
		}
		command, err := remote.NewCommand(ctx, fmt.Sprintf("%s-%d", name, step), &remote.CommandArgs{
			Connection: remote.ConnectionArgs{Host: pulumi.String(ip), User: pulumi.String("ubuntu"), PrivateKey: key},
			Create:     pulumi.String("sudo sh -s"), Stdin: pulumi.String(script), Logging: remote.LoggingNone, AddPreviousOutputInEnv: pulumi.Bool(false),
		}, pulumi.DependsOn([]pulumi.Resource{last}), pulumi.Version("1.2.1"))
		if err != nil {
			return err
		}
		last = command
	}
	return nil
}
