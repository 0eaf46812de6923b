package component

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// NodeInfoMapOutput is the nodes output: facts of every node by its name.
type NodeInfoMapOutput struct{ *pulumi.OutputState }

// ElementType tells the SDK and the schema what the output holds.
func (NodeInfoMapOutput) ElementType() reflect.Type { return reflect.TypeFor[map[string]NodeInfo]() }

func init() { pulumi.RegisterOutputType(NodeInfoMapOutput{}) }

// nodeInfos is known at preview: all of it is planned, but for the Proxmox node, which is the VM's own
// (the plan's changes when the list of Proxmox nodes does, the VM stays where it is).
func nodeInfos(plan topology.Plan, vms map[string]virtualMachine) NodeInfoMapOutput {
	var where []any
	for _, n := range plan.Nodes {
		where = append(where, vms[n.Name].ProxmoxNode)
	}
	return pulumi.All(where...).ApplyT(func(nodes []any) map[string]NodeInfo {
		out := make(map[string]NodeInfo, len(nodes))
		for i, n := range plan.Nodes {
			proxmoxNode, _ := nodes[i].(string)
			out[n.Name] = NodeInfo{Role: NodeRole(n.Role), IP: n.IP, MAC: n.MAC, VMID: n.VMID, ProxmoxNode: proxmoxNode}
		}
		return out
	}).(NodeInfoMapOutput)
}
