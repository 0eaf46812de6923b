package component

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/proxmox"
	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
	"github.com/k3sha/pulumi-k3sha/provider/resources"
)

// templateDeadline is beyond what a full clone may take.
const templateDeadline = "40m"

// values are those that are plain.
func (a *ProxmoxAPIArgs) values() proxmox.API {
	v := value(a)
	return proxmox.API{Endpoint: value(v.Endpoint), Insecure: v.Insecure}
}

// newDiskTemplates makes what VMs are cloned from whose first disk has options of its own.
func (b *bootstrap) newDiskTemplates() error {
	b.diskTemplates = map[string]pulumi.IntOutput{}
	p := b.plan.Spec.Proxmox
	for _, t := range b.plan.DiskTemplates() {
		var r struct {
			pulumi.CustomResourceState
			Clone pulumi.IntOutput `pulumi:"cloneId"`
		}
		inputs := pulumi.Map{
			"node": pulumi.String(p.TemplateNode), "templateId": b.template(t.Of), "vmId": pulumi.Int(t.VMID), "name": pulumi.String(t.Name),
			"datastore": pulumi.String(t.Datastore), "options": pulumi.ToStringMap(t.Options), "api": b.api(),
		}
		if p.Pool != "" {
			inputs["pool"] = pulumi.String(p.Pool)
		}
		if err := b.register(resources.DiskTemplateToken, b.name+"-template-"+t.Key, inputs, &r, pulumi.DependsOn([]pulumi.Resource{b.machines}),
			pulumi.Timeouts(&pulumi.CustomTimeouts{Create: templateDeadline, Update: templateDeadline, Delete: templateDeadline})); err != nil {
			return err
		}
		b.diskTemplates[t.Key] = r.Clone
	}
	return nil
}

// api is what was given of Proxmox VE's API: the rest comes from the environment of whoever runs Pulumi, and stays out of the state.
func (b *bootstrap) api() pulumi.Map {
	out, a := pulumi.Map{}, value(value(b.args.Proxmox).API)
	if v := a.values(); v.Endpoint != "" {
		out["endpoint"] = pulumi.String(v.Endpoint)
	}
	if a.APIToken != nil {
		out["apiToken"] = pulumi.ToSecret(a.APIToken)
	}
	if a.Insecure != nil {
		out["insecure"] = pulumi.Bool(*a.Insecure)
	}
	return out
}

// cloned is what a node's VM is cloned from, and on which Proxmox node, where that is not just its template: that is the program's then, also
// for a machine that an earlier update has begun to make anew.
func (b *bootstrap) cloned(n topology.Node, template pulumi.IntOutput, node string) (pulumi.IntOutput, string) {
	if t := b.plan.Spec.DiskTemplate(n); t != nil {
		return b.diskTemplates[t.Key], b.plan.Spec.Proxmox.TemplateNode
	}
	return template, node
}
