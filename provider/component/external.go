package component

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// besideExternal are the inputs that are given and mean nothing with an external load balancer, by property path.
func (a K3sHaClusterArgs) besideExternal() []string {
	var out []string
	if a.Network.VIP != nil {
		out = append(out, "network.vip")
	}
	for _, name := range given(*a.LoadBalancers, "External", "APIPort") {
		out = append(out, "loadBalancers."+name)
	}
	return out
}

// BackendOutput is the backend output.
type BackendOutput struct{ *pulumi.OutputState }

// ElementType tells the SDK and the schema what the output holds.
func (BackendOutput) ElementType() reflect.Type { return reflect.TypeFor[Backend]() }

func init() { pulumi.RegisterOutputType(BackendOutput{}) }

// backend is known at preview, so that it can be set up before there is a server. (A server answers 401 where it wants a certificate first.)
func backend(plan topology.Plan) BackendOutput {
	out := Backend{Check: BackendCheck{Scheme: "https", Method: "GET", Path: "/readyz", Statuses: []int{200, 401}}}
	for _, n := range plan.ServersBySlot() {
		out.Servers = append(out.Servers, BackendServer{Name: n.Name, Address: n.IP, Port: topology.ServerPort})
	}
	return pulumi.ToOutput(out).ApplyT(func(b Backend) Backend { return b }).(BackendOutput)
}
