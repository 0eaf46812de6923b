package topology

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Template is a VM template that is made from a cloud image, as the user described it.
type Template struct {
	Node           string // Proxmox node
	VMID           int
	Name           string
	Image          string // by its name; excludes URL
	ImageVersion   string
	ImageMirror    string
	URL            string
	SHA256         string
	ImageDatastore string
	Datastore      string
	Bridge         string
	VLAN           int
	Memory         int // MiB
	SCSI           string
	Disk           DiskOptions // of its disk, and so of those of its clones
	CIUpgrade      bool
	Pool           string
	Tags           []string
	Host           TemplateHost
}

// TemplateHost is a Proxmox node's own shell; its keys are not here, they may be unknown at preview.
type TemplateHost struct {
	Address string
	Port    int
	User    string
	// Missing names the required keys (privateKey, hostKey) that were not given.
	Missing []string
}

// Defaults of a template.
const (
	DefaultImageDatastore = "local"
	DefaultTemplateMemory = 2048
	DefaultTemplateSCSI   = "virtio-scsi-pci"
	NewestImage           = "latest"
)

// CloudImage is where a publisher has an image, and its list of checksums.
type CloudImage struct {
	Mirror    string    // below which the folders are
	Newest    [2]string // folder and file of the newest one
	Dated     [2]string // of one of a version, which stands where %s is
	Checksums string    // the list's file, in the same folder
	Algorithm string
}

// CloudImages are those that are known by name, for amd64, which is what Proxmox VE runs on.
var CloudImages = map[string]CloudImage{
	"ubuntu-24.04": {
		"https://cloud-images.ubuntu.com",
		[2]string{"releases/noble/release", "ubuntu-24.04-server-cloudimg-amd64.img"},
		[2]string{"releases/noble/release-%s", "ubuntu-24.04-server-cloudimg-amd64.img"},
		"SHA256SUMS", "sha256",
	},
	"debian-12": {
		"https://cloud.debian.org",
		[2]string{"images/cloud/bookworm/latest", "debian-12-generic-amd64.qcow2"},
		[2]string{"images/cloud/bookworm/%s", "debian-12-generic-amd64-%s.qcow2"},
		"SHA512SUMS", "sha512",
	},
}

// At is where a version of an image is: the URL of its folder, and its file in there.
func (i CloudImage) At(mirror, version string) (folder, file string) {
	if mirror == "" {
		mirror = i.Mirror
	}
	folder, file = i.Newest[0], i.Newest[1]
	if version != NewestImage {
		folder, file = strings.ReplaceAll(i.Dated[0], "%s", version), strings.ReplaceAll(i.Dated[1], "%s", version)
	}
	return strings.TrimSuffix(mirror, "/") + "/" + folder, file
}

// TemplateDefaults fills in what was left out.
func TemplateDefaults(t Template, resourceName string) Template {
	setDefault(&t.Name, resourceName)
	if t.VMID == 0 {
		t.VMID = vmID(0, 1, "template "+t.Node+" "+t.Name)
	}
	setDefault(&t.ImageDatastore, DefaultImageDatastore)
	setDefault(&t.Datastore, DefaultDatastore)
	setDefault(&t.Bridge, DefaultBridge)
	setDefault(&t.Memory, DefaultTemplateMemory)
	setDefault(&t.SCSI, DefaultTemplateSCSI)
	if t.Image != "" {
		setDefault(&t.ImageVersion, NewestImage)
	}
	setDefault(&t.Host.User, "root")
	setDefault(&t.Host.Port, DefaultSSHPort)
	return t
}

var (
	vmNamePattern = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*$`)
	imagePattern  = regexp.MustCompile(`^[0-9]{8}(-[0-9]{1,6})?(\.[0-9]{1,3})?$`)
	sha256Pattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ValidateTemplate returns everything that is wrong with a template to which TemplateDefaults has been applied.
func ValidateTemplate(t Template) []Problem {
	v := &validator{}
	if t.Node == "" {
		v.add("node", "is missing; give the Proxmox node on which the template is made, like pve1")
	} else {
		v.proxmoxNode("node", t.Node)
	}
	v.templateID("vmId", t.VMID)
	if !vmNamePattern.MatchString(t.Name) || len(t.Name) > 100 {
		v.add("name", "%q is not the name of a VM; use letters, digits and hyphens, like ubuntu-24-04", t.Name)
	}
	v.image(t)
	v.datastore("imageDatastore", t.ImageDatastore)
	v.datastore("datastore", t.Datastore)
	v.bridge("bridge", t.Bridge)
	v.vlan("vlan", t.VLAN)
	switch m := t.Memory; {
	case m > 0 && m <= 64:
		v.add("memory", "%d MiB is too little; it is in MiB: %d GiB are %d", m, m, m*1024)
	case m < minLBMemory || m > maxMemory:
		v.add("memory", "%d MiB is out of range; give %d to %d", m, minLBMemory, maxMemory)
	}
	if controllers := append([]string{DefaultTemplateSCSI}, SCSIControllers...); !slices.Contains(controllers, t.SCSI) {
		v.add("scsiHardware", "%q is not a controller of Proxmox VE;%s give one of %s", t.SCSI, suggest(t.SCSI, controllers), strings.Join(controllers, ", "))
	}
	if t.Disk.IOThread != nil && *t.Disk.IOThread && t.SCSI != "virtio-scsi-single" {
		v.add("iothread", "needs a controller of its own for each disk; set scsiHardware: virtio-scsi-single, too")
	}
	v.cache("cache", t.Disk.Cache)
	if t.Pool != "" && !poolPattern.MatchString(t.Pool) {
		v.add("pool", "%q is not a resource pool; use letters, digits and - _ ., with / between the levels of a nested one, like k3s/prod", t.Pool)
	}
	v.tags("tags", t.Tags)
	v.templateHost(t.Host)
	return v.problems
}

func (v *validator) image(t Template) {
	known := sortedKeys(CloudImages)
	switch {
	case t.Image == "" && t.URL == "":
		v.add("image", "is missing; name an image (%s), or give the url and sha256 of another one", strings.Join(known, ", "))
	case t.Image != "" && t.URL != "":
		v.add("url", "and image exclude each other; take one of the two out")
		return
	case t.Image != "":
		if _, found := CloudImages[t.Image]; !found {
			v.add("image", "%q is not an image that is known by name;%s give one of %s, or the url and sha256 of another one", t.Image, suggest(t.Image, known), strings.Join(known, ", "))
		}
		if t.SHA256 != "" {
			v.add("sha256", "is for url; image is checked by its publisher's own list, take it out")
		}
		if t.ImageVersion != NewestImage && !imagePattern.MatchString(t.ImageVersion) {
			v.add("imageVersion", "%q is not a version; write it as the publisher's folder has it, like 20250610, or leave it out for the newest", t.ImageVersion)
		}
		if t.ImageMirror != "" && !webURL(t.ImageMirror) {
			v.add("imageMirror", "%q is not a URL; give the one below which the publisher's folders lie, like https://mirror.example.org", t.ImageMirror)
		}
		return
	default:
		if !webURL(t.URL) {
			v.add("url", "%q is not the URL of an image; write it like https://example.org/image.qcow2", t.URL)
		}
		switch {
		case t.SHA256 == "":
			v.add("sha256", "is missing; give the image's, 64 hex digits, as its publisher states it")
		case !sha256Pattern.MatchString(t.SHA256):
			v.add("sha256", "%q is not a SHA-256; give 64 hex digits", t.SHA256)
		}
	}
	for path, given := range map[string]string{"imageVersion": t.ImageVersion, "imageMirror": t.ImageMirror} {
		if given != "" {
			v.add(path, "is for an image by name; take it out, or name an image")
		}
	}
}

func webURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && !strings.ContainsAny(text, " \t\r\n'\"\\")
}

func (v *validator) templateHost(h TemplateHost) {
	_, notAddress := netip.ParseAddr(h.Address)
	switch {
	case h.Address == "":
		v.add("host.address", "is missing; give the address of the Proxmox node itself, at which its SSH server answers")
	case strings.Contains(h.Address, "://"):
		v.add("host.address", "%q is a URL; give the host alone, as for ssh", h.Address)
	case notAddress != nil && !hostName(h.Address):
		v.add("host.address", "%q is neither an address nor a host name; give the one at which the Proxmox node's SSH server answers", h.Address)
	}
	v.port("host.port", h.Port)
	if !userPattern.MatchString(h.User) {
		v.add("host.user", "%q is not a user of the Proxmox node's system; give root, or one that may run sudo without a password", h.User)
	}
	for _, key := range h.Missing {
		v.add("host."+key, "is missing; %s", map[string]string{
			"privateKey": "give the private key that logs in to the Proxmox node, as a secret", "hostKey": "give the node's host key as ssh-keyscan -t ed25519 prints it, without the host",
		}[key])
	}
}
