package component_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/component"
)

// A template is an image by its name or URL, a download by the plugin of Proxmox VE, and what the node's own shell makes of it.
func TestTemplate(t *testing.T) {
	t.Parallel()
	private, public := newKey(t)
	host := component.TemplateHostArgs{Address: "192.168.1.5", PrivateKey: pulumi.String(private), HostKey: pulumi.String(public)}
	for name, c := range map[string]struct {
		args component.CloudImageTemplateArgs
		made []string
		url  string
	}{
		"by name": {component.CloudImageTemplateArgs{Node: "pve1", VMID: new(9100), Image: new("debian-12"), Discard: new(true), Backup: new(false), Host: host}, []string{"base", "base-download", "base-image", "base-template"}, "https://example.org/of-its-list"},
		"by URL":  {component.CloudImageTemplateArgs{Node: "pve1", VMID: new(9100), URL: new("https://example.org/a.qcow2"), SHA256: new("ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789"), Discard: new(true), Backup: new(false), Host: host}, []string{"base", "base-download", "base-template"}, "https://example.org/a.qcow2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &mocks{resources: map[string]recorded{}}
			id := make(chan int, 1)
			err := pulumi.RunErr(func(ctx *pulumi.Context) error {
				made, err := component.NewTemplate(ctx, "0.1.0", "base", c.args)
				if err != nil {
					return err
				}
				made.VMID.ApplyT(func(v int) int { id <- v; return v })
				return nil
			}, pulumi.WithMocks("project", "stack", m))
			if err != nil {
				t.Fatal(err)
			}
			if got := <-id; got != 9100 {
				t.Errorf("vmId is %d", got)
			}
			if got := slices.Sorted(maps.Keys(m.resources)); !slices.Equal(got, c.made) {
				t.Errorf("made %v, want %v", got, c.made)
			}
			file, template := m.resources["base-download"], m.resources["base-template"]
			for key, want := range map[resource.PropertyKey]string{"url": c.url, "contentType": "iso", "nodeName": "pve1", "datastoreId": "local", "fileName": "base-abcdef012345.img"} {
				if got := file.inputs[key]; !got.IsString() || got.StringValue() != want {
					t.Errorf("the download's %s is %v, want %s", key, got, want)
				}
			}
			for key, want := range map[resource.PropertyKey]any{
				"image": "base-download-id", "diskOptions": ",discard=on,backup=0", "scsiHardware": "virtio-scsi-pci", "datastore": "local-lvm", "vmId": 9100.0, "ciUpgrade": false,
			} {
				if got := template.inputs[key]; !got.DeepEquals(resource.NewPropertyValue(want)) {
					t.Errorf("the template's %s is %v, want %v", key, got, want)
				}
			}
			if shell := template.inputs["host"].ObjectValue(); !shell["privateKey"].IsSecret() {
				t.Errorf("the private key is no secret: %v", shell)
			}
		})
	}
	var refused error
	if err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		_, refused = component.NewTemplate(ctx, "0.1.0", "base", component.CloudImageTemplateArgs{Node: "pve1", Image: new("debian-12")})
		return nil
	}, pulumi.WithMocks("project", "stack", &mocks{resources: map[string]recorded{}})); err != nil {
		t.Fatal(err)
	}
	want := `CloudImageTemplate "base" has 3 problems:
  host.address: is missing; give the address of the Proxmox node itself, at which its SSH server answers
  host.privateKey: is missing; give the private key that logs in to the Proxmox node, as a secret
  host.hostKey: is missing; give the node's host key as ssh-keyscan -t ed25519 prints it, without the host`
	if refused == nil || refused.Error() != want {
		t.Errorf("%v", refused)
	}
}
