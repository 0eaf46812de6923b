package component

import (
	"fmt"
	"strings"

	"github.com/muhlba91/pulumi-proxmoxve/sdk/v6/go/proxmoxve/download"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
	"github.com/k3sha/pulumi-k3sha/provider/resources"
)

// TemplateToken is the template component's type.
const TemplateToken = Package + ":index:CloudImageTemplate"

// CloudImageTemplateArgs are the template component's inputs.
type CloudImageTemplateArgs struct {
	Node           string           `pulumi:"node"`
	VMID           *int             `pulumi:"vmId,optional"`
	Name           *string          `pulumi:"name,optional"`
	Image          *string          `pulumi:"image,optional"`
	ImageVersion   *string          `pulumi:"imageVersion,optional"`
	ImageMirror    *string          `pulumi:"imageMirror,optional"`
	URL            *string          `pulumi:"url,optional"`
	SHA256         *string          `pulumi:"sha256,optional"`
	ImageDatastore *string          `pulumi:"imageDatastore,optional"`
	Datastore      *string          `pulumi:"datastore,optional"`
	Bridge         *string          `pulumi:"bridge,optional"`
	VLAN           *int             `pulumi:"vlan,optional"`
	Memory         *int             `pulumi:"memory,optional"`
	SCSIHardware   *string          `pulumi:"scsiHardware,optional"`
	Discard        *bool            `pulumi:"discard,optional"`
	SSD            *bool            `pulumi:"ssd,optional"`
	IOThread       *bool            `pulumi:"iothread,optional"`
	Cache          *string          `pulumi:"cache,optional"`
	Backup         *bool            `pulumi:"backup,optional"`
	CIUpgrade      *bool            `pulumi:"ciUpgrade,optional"`
	Pool           *string          `pulumi:"pool,optional"`
	Tags           []string         `pulumi:"tags,optional"`
	Host           TemplateHostArgs `pulumi:"host"`
}

// TemplateHostArgs is how the Proxmox node's own shell is reached.
type TemplateHostArgs struct {
	Address    string             `pulumi:"address"`
	Port       *int               `pulumi:"port,optional"`
	User       *string            `pulumi:"user,optional"`
	PrivateKey pulumi.StringInput `pulumi:"privateKey" provider:"secret"`
	HostKey    pulumi.StringInput `pulumi:"hostKey"`
}

// CloudImageTemplate is a VM template made from a cloud image, with what a cluster's VMs need.
type CloudImageTemplate struct {
	pulumi.ResourceState

	VMID     pulumi.IntOutput    `pulumi:"vmId"`
	Node     pulumi.StringOutput `pulumi:"node"`
	Name     pulumi.StringOutput `pulumi:"name"`
	URL      pulumi.StringOutput `pulumi:"url"`
	Checksum pulumi.StringOutput `pulumi:"checksum"`
}

// Spec turns the inputs into plain values, with defaults.
func (t CloudImageTemplateArgs) Spec(name string) topology.Template {
	out := topology.Template{
		Node: t.Node, VMID: value(t.VMID), Name: value(t.Name), Image: value(t.Image), ImageVersion: value(t.ImageVersion), ImageMirror: value(t.ImageMirror),
		URL: value(t.URL), SHA256: strings.ToLower(value(t.SHA256)), ImageDatastore: value(t.ImageDatastore), Datastore: value(t.Datastore),
		Bridge: value(t.Bridge), VLAN: value(t.VLAN), Memory: value(t.Memory), SCSI: value(t.SCSIHardware),
		Disk:      topology.DiskOptions{Discard: t.Discard, SSD: t.SSD, IOThread: t.IOThread, Cache: value(t.Cache), Backup: t.Backup},
		CIUpgrade: value(t.CIUpgrade), Pool: value(t.Pool), Tags: t.Tags,
		Host: topology.TemplateHost{Address: t.Host.Address, Port: value(t.Host.Port), User: value(t.Host.User)},
	}
	if t.Host.PrivateKey == nil {
		out.Host.Missing = append(out.Host.Missing, "privateKey")
	}
	if t.Host.HostKey == nil {
		out.Host.Missing = append(out.Host.Missing, "hostKey")
	}
	return topology.TemplateDefaults(out, name)
}

// CheckTemplateInputs finds everything that is wrong with a template's inputs as they came over the wire, in one list.
func CheckTemplateInputs(name string, inputs resource.PropertyMap) []topology.Problem {
	var args CloudImageTemplateArgs
	problems := checked(inputs, &args)
	own := topology.ValidateTemplate(args.Spec(name))
	host := object(inputs["host"])
	if key, given := knownText(host["privateKey"]); given {
		if _, reason := readPrivateKey(key); reason != "" {
			own = append(own, topology.Problem{Path: "host.privateKey", Reason: reason})
		}
	}
	if key, given := knownText(host["hostKey"]); given {
		if reason := hostKeyProblem(key); reason != "" {
			own = append(own, topology.Problem{Path: "host.hostKey", Reason: reason})
		}
	}
	return withoutFollowing(problems, own)
}

// NewTemplate is the component from end to end: the image by the plugin of Proxmox VE, the rest by the node's own shell.
func NewTemplate(ctx *pulumi.Context, version, name string, args CloudImageTemplateArgs, opts ...pulumi.ResourceOption) (*CloudImageTemplate, error) {
	t := args.Spec(name)
	if problems := topology.ValidateTemplate(t); len(problems) > 0 {
		return nil, ProblemsOf("CloudImageTemplate", name, problems)
	}
	c := &CloudImageTemplate{}
	if err := ctx.RegisterComponentResource(TemplateToken, name, c, opts...); err != nil {
		return nil, err
	}
	own := func(token, child string, inputs pulumi.Map, r pulumi.CustomResource, more ...pulumi.ResourceOption) error {
		return ctx.RegisterResource(token, child, inputs, r, append([]pulumi.ResourceOption{pulumi.Parent(c), pulumi.Version(version), pulumi.PluginDownloadURL(DownloadURL)}, more...)...)
	}
	url, sum, algorithm := pulumi.String(t.URL).ToStringOutput(), pulumi.String(t.SHA256).ToStringOutput(), pulumi.String("sha256").ToStringOutput()
	if t.Image != "" {
		var image struct {
			pulumi.CustomResourceState
			URL       pulumi.StringOutput `pulumi:"url"`
			Checksum  pulumi.StringOutput `pulumi:"checksum"`
			Algorithm pulumi.StringOutput `pulumi:"algorithm"`
		}
		inputs := pulumi.Map{"image": pulumi.String(t.Image), "imageVersion": pulumi.String(t.ImageVersion)}
		if t.ImageMirror != "" {
			inputs["mirror"] = pulumi.String(t.ImageMirror)
		}
		if err := own(resources.CloudImageToken, name+"-image", inputs, &image); err != nil {
			return nil, err
		}
		url, sum, algorithm = image.URL, image.Checksum, image.Algorithm
	}
	file, err := download.NewFile(ctx, name+"-download", &download.FileArgs{
		NodeName: pulumi.String(t.Node), DatastoreId: pulumi.String(t.ImageDatastore), ContentType: pulumi.String("iso"), // what every version of Proxmox VE takes for a disk image
		Url: url, Checksum: sum, ChecksumAlgorithm: algorithm, FileName: fileName(t.Name, sum),
		// What its publisher has at the same place later is another image.
		Overwrite: pulumi.Bool(false),
	}, pulumi.Parent(c), pulumi.Version(proxmoxVersion), pulumi.PluginDownloadURL(proxmoxDownloadURL))
	if err != nil {
		return nil, err
	}
	var template struct{ pulumi.CustomResourceState }
	inputs := pulumi.Map{
		"node": pulumi.String(t.Node), "vmId": pulumi.Int(t.VMID), "name": pulumi.String(t.Name), "image": file.ID().ToStringOutput(), "checksum": sum,
		"datastore": pulumi.String(t.Datastore), "bridge": pulumi.String(t.Bridge), "memory": pulumi.Int(t.Memory), "scsiHardware": pulumi.String(t.SCSI),
		"diskOptions": pulumi.String(t.Disk.Suffix()), "ciUpgrade": pulumi.Bool(t.CIUpgrade),
		"host": pulumi.Map{
			"address": pulumi.String(t.Host.Address), "port": pulumi.Int(t.Host.Port), "user": pulumi.String(t.Host.User),
			"privateKey": pulumi.ToSecret(args.Host.PrivateKey), "hostKey": args.Host.HostKey,
		},
	}
	if t.VLAN != 0 {
		inputs["vlan"] = pulumi.Int(t.VLAN)
	}
	if t.Pool != "" {
		inputs["pool"] = pulumi.String(t.Pool)
	}
	if len(t.Tags) > 0 {
		inputs["tags"] = pulumi.ToStringArray(t.Tags)
	}
	if err := own(resources.TemplateToken, name+"-template", inputs, &template,
		pulumi.DependsOn([]pulumi.Resource{file}), pulumi.DeleteBeforeReplace(true),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: stepDeadline, Delete: stepDeadline})); err != nil {
		return nil, err
	}
	// Known when the template is there, so that clones wait for it.
	c.VMID = template.ID().ApplyT(func(pulumi.ID) int { return t.VMID }).(pulumi.IntOutput)
	c.Node, c.Name = pulumi.String(t.Node).ToStringOutput(), pulumi.String(t.Name).ToStringOutput()
	c.URL, c.Checksum = url, sum
	return c, nil
}

// fileName is the image's name on its storage, another one for another image. Storages take disk images by these endings alone.
func fileName(template string, sum pulumi.StringOutput) pulumi.StringPtrInput {
	return sum.ApplyT(func(sum string) *string {
		name := fmt.Sprintf("%s-%s.img", template, sum[:min(12, len(sum))])
		return &name
	}).(pulumi.StringPtrOutput)
}

// Annotate describes the component.
func (c *CloudImageTemplate) Annotate(a infer.Annotator) {
	a.Describe(c, "A VM template on a Proxmox node, made from a cloud image, with what the VMs of a K3sHaCluster need: its disk on `scsi0`, one cloud-init drive, a serial console, no upgrade of all packages at first boot. "+
		"Give its `vmId` as the cluster's `proxmox.templateId` (or a group's `templateId`), and its `node` as `proxmox.templateNode`. Another image replaces the template; VMs that exist stay what they are until a higher `generation` makes them anew from it.\n\n"+
		"The image is fetched by Proxmox VE itself, and verified there. The rest is done by the node's own shell (`qm create`, `qm set`, `qm template`): plugin 6.18.1 imports a disk by SSH only, too, and a VM that it makes and others finish would differ at every refresh. "+
		"It takes the privileges `Datastore.AllocateTemplate` on the image's storage and `Sys.AccessNetwork` (before Proxmox VE 8.2: `Sys.Audit` and `Sys.Modify` on `/`), and SSH to the node as root, or as a user with sudo.")
	a.Describe(&c.VMID, "The template's VM id. Known when it is there.")
	a.Describe(&c.Node, "The Proxmox node that has it.")
	a.Describe(&c.Name, "Its name.")
	a.Describe(&c.URL, "Where the image came from.")
	a.Describe(&c.Checksum, "Its checksum: SHA-256, or SHA-512 where its publisher lists that.")
}

// Annotate describes the inputs.
func (t *CloudImageTemplateArgs) Annotate(a infer.Annotator) {
	const again = "\n\nChange: the template is made anew, with the same id."
	a.Describe(&t.Node, "Proxmox node on which the template is made, as its web interface names it."+again)
	a.Describe(&t.VMID, "VM id, 100 to 999999999. Default: derived from node and name."+again+"\n\nUpstream: `qm create`.")
	a.Describe(&t.Name, "Name of the template. Default: the resource's."+again+"\n\nUpstream: `qm create --name`.")
	a.Describe(&t.Image, "A cloud image by its name: `ubuntu-24.04` or `debian-12`, for amd64. Its publisher's list of checksums is asked at creation, from where Pulumi runs. Excludes `url`."+again)
	a.Describe(&t.ImageVersion, "Which one of it, as its publisher's folder is called, like `20250610`. Default: the newest when the template is made for the first time; that one stays."+again)
	a.Describe(&t.ImageMirror, "URL below which the publisher's folders lie, for closed networks. Default: the publisher."+again)
	a.Describe(&t.URL, "URL of another image: qcow2 or raw, with cloud-init. Proxmox VE fetches it. Excludes `image`."+again)
	a.Describe(&t.SHA256, "SHA-256 of the image at `url`, 64 hex digits."+again)
	a.Describe(&t.ImageDatastore, "Storage for the image's file, one with content `iso`. Default: `"+topology.DefaultImageDatastore+"`."+again)
	a.Describe(&t.Datastore, "Storage for the template's disk and cloud-init drive. Default: `"+topology.DefaultDatastore+"`."+again)
	a.Describe(&t.Bridge, "Bridge of its network card; clones have their own. Default: `"+topology.DefaultBridge+"`."+again)
	a.Describe(&t.VLAN, "VLAN id of its network card. Default: untagged."+again)
	a.Describe(&t.Memory, fmt.Sprintf("Memory in MiB; clones have their own. Default: %d.", topology.DefaultTemplateMemory)+again)
	a.Describe(&t.SCSIHardware, "SCSI controller, which clones have unless they say otherwise. Default: `"+topology.DefaultTemplateSCSI+"`."+again+"\n\nUpstream: `qm set --scsihw`.")
	a.Describe(&t.Discard, "Whether the first disk of every clone hands freed blocks back to its storage (TRIM). Default: false."+again+"\n\nUpstream: `discard`.")
	a.Describe(&t.SSD, "Whether the first disk of every clone shows itself as an SSD. Default: false."+again+"\n\nUpstream: `ssd`.")
	a.Describe(&t.IOThread, "Whether the first disk of every clone has a thread of its own; with `scsiHardware: virtio-scsi-single`. Default: false."+again+"\n\nUpstream: `iothread`.")
	a.Describe(&t.Cache, "How the host caches the first disk of every clone: `none`, `directsync`, `writethrough`, `writeback`, `unsafe`. Default: Proxmox VE's, none."+again+"\n\nUpstream: `cache`.")
	a.Describe(&t.Backup, "Whether Proxmox VE's backups have the first disk of every clone. Default: true."+again+"\n\nUpstream: `backup`.")
	a.Describe(&t.CIUpgrade, "Whether cloud-init upgrades all packages at first boot, which takes minutes. Default: false."+again+"\n\nUpstream: `ciupgrade`.")
	a.Describe(&t.Pool, "Resource pool. Default: none."+again)
	a.Describe(&t.Tags, "Tags. Default: none."+again)
	a.Describe(&t.Host, "SSH to the Proxmox node itself.")
}

// Annotate describes the host.
func (h *TemplateHostArgs) Annotate(a infer.Annotator) {
	a.SetToken("index", "TemplateHost")
	a.Describe(h, "SSH to a Proxmox node itself.")
	const how = "\n\nChange: used from then on."
	a.Describe(&h.Address, "Its address or host name."+how)
	a.Describe(&h.Port, "SSH port. Default: 22."+how)
	a.Describe(&h.User, "Who logs in: root, or somebody who may run sudo without a password. Default: `root`."+how)
	a.Describe(&h.PrivateKey, "The private key that logs in. Kept as a secret."+how)
	a.Describe(&h.HostKey, "The node's host key, as `ssh-keyscan -t ed25519` prints it, without the host."+how)
}
