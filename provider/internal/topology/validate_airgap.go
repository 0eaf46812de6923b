package topology

import (
	"path"
	"slices"
	"strings"
)

// archives are the endings of image archives that k3s imports. Source: pkg/agent/containerd of k3s, and pkg/tarfile of wharfie.
var archives = []string{".tar", ".tar.bz2", ".tar.gz", ".tar.lz4", ".tar.zst", ".tbz", ".tgz", ".tzst"}

// Archive is the ending of an image archive's name; "" if k3s imports none of it.
func Archive(url string) string {
	name := path.Base(url)
	longest := ""
	for _, ending := range archives {
		if strings.HasSuffix(name, ending) && len(ending) > len(longest) {
			longest = ending
		}
	}
	return longest
}

// airgap checks where images come from without a registry.
func (v *validator) airgap() {
	k := v.spec.K3s
	if k.Airgap && k.Mirror == "" {
		v.add("k3s.airgap", "takes k3s' own images from the mirror, and there is none; set k3s.mirror")
	}
	for _, name := range sortedKeys(k.Images) {
		image, path := k.Images[name], "k3s.images."+name
		if !manifestName.MatchString(name) {
			v.add(path, "%q is not the name of an archive; use up to 63 lower-case letters, digits and hyphens, like my-app", name)
		}
		v.remoteFile(path, image, "https://mirror.example.org/my-app.tar.zst")
		if image.URL != "" && Archive(image.URL) == "" {
			v.add(path+".url", "does not end as an archive of images; k3s imports %s", strings.Join(slices.Clone(archives), ", "))
		}
	}
}
