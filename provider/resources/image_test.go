package resources

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// An image by its name is looked up in its publisher's own list: the newest, or one of a version.
func TestCloudImage(t *testing.T) {
	t.Parallel()
	two, five, dated := strings.Repeat("2", 64), strings.Repeat("5", 128), strings.Repeat("6", 128)
	lists := map[string]string{
		"/releases/noble/release/SHA256SUMS":                  strings.Repeat("1", 64) + " *ubuntu-24.04-server-cloudimg-arm64.img\n" + two + " *ubuntu-24.04-server-cloudimg-amd64.img\n",
		"/releases/noble/release-20250610/SHA256SUMS":         "nothing of it\n",
		"/images/cloud/bookworm/latest/SHA512SUMS":            five + "  debian-12-generic-amd64.qcow2\n",
		"/images/cloud/bookworm/20250610-2139/SHA512SUMS":     dated + "  debian-12-generic-amd64-20250610-2139.qcow2\n",
		"/images/cloud/bookworm/20250611-2139/other/too/long": "",
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, found := lists[r.URL.Path]
		if !found {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	defer server.Close()
	for name, c := range map[string]struct {
		in        CloudImageArgs
		url, sum  string
		algorithm string
		err       string
	}{
		"Ubuntu":          {CloudImageArgs{Image: "ubuntu-24.04", Version: "latest"}, "/releases/noble/release/ubuntu-24.04-server-cloudimg-amd64.img", two, "sha256", ""},
		"Debian":          {CloudImageArgs{Image: "debian-12", Version: "latest"}, "/images/cloud/bookworm/latest/debian-12-generic-amd64.qcow2", five, "sha512", ""},
		"Debian of a day": {CloudImageArgs{Image: "debian-12", Version: "20250610-2139"}, "/images/cloud/bookworm/20250610-2139/debian-12-generic-amd64-20250610-2139.qcow2", dated, "sha512", ""},
		"not in its list": {CloudImageArgs{Image: "ubuntu-24.04", Version: "20250610"}, "", "", "", "does not have ubuntu-24.04-server-cloudimg-amd64.img; see imageVersion"},
		"no such version": {CloudImageArgs{Image: "ubuntu-24.04", Version: "20240101"}, "", "", "", "image ubuntu-24.04: its publisher's list of checksums cannot be had from here: "},
		"no such image":   {CloudImageArgs{Image: "gentoo", Version: "latest"}, "", "", "", `"gentoo" is not an image that is known by name`},
	} {
		c.in.Mirror = server.URL + "/"
		got, err := CloudImage{}.Create(t.Context(), infer.CreateRequest[CloudImageArgs]{Inputs: c.in})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", name, err, c.err)
			}
			continue
		}
		if out := got.Output; err != nil || out.URL != server.URL+c.url || out.Checksum != c.sum || out.Algorithm != c.algorithm {
			t.Errorf("%s: %+v (%v)", name, out, err)
		}
		// Asked again it stays what it was, whatever is the newest by then.
		if diff, err := (CloudImage{}).Diff(t.Context(), infer.DiffRequest[CloudImageArgs, CloudImageState]{Inputs: c.in, State: got.Output}); err != nil || diff.HasChanges {
			t.Errorf("%s: %+v (%v)", name, diff, err)
		}
		c.in.Version = "20260101"
		if diff, _ := (CloudImage{}).Diff(t.Context(), infer.DiffRequest[CloudImageArgs, CloudImageState]{Inputs: c.in, State: got.Output}); !diff.HasChanges {
			t.Errorf("%s: another version changes nothing", name)
		}
	}
}
