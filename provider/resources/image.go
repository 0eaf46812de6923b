package resources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// CloudImage is where a publisher's image is, and its checksum, as the publisher's own list had it when this was made: the newest one of then
// stays the one that is meant.
type CloudImage struct{}

// CloudImageArgs name an image.
type CloudImageArgs struct {
	Image   string `pulumi:"image"`
	Version string `pulumi:"imageVersion"`
	Mirror  string `pulumi:"mirror,optional"`
}

// CloudImageState is the image.
type CloudImageState struct {
	Image     string `pulumi:"image"`
	Version   string `pulumi:"imageVersion"`
	Mirror    string `pulumi:"mirror,optional"`
	URL       string `pulumi:"url"`
	Checksum  string `pulumi:"checksum"`
	Algorithm string `pulumi:"algorithm"`
}

var (
	_ infer.CustomCreate[CloudImageArgs, CloudImageState] = CloudImage{}
	_ infer.CustomDiff[CloudImageArgs, CloudImageState]   = CloudImage{}
)

// Create asks the publisher's list.
func (CloudImage) Create(ctx context.Context, req infer.CreateRequest[CloudImageArgs]) (infer.CreateResponse[CloudImageState], error) {
	in := req.Inputs
	out := CloudImageState{Image: in.Image, Version: in.Version, Mirror: in.Mirror}
	resp := infer.CreateResponse[CloudImageState]{ID: in.Image, Output: out}
	if req.DryRun {
		return resp, nil
	}
	image, known := topology.CloudImages[in.Image]
	if !known {
		return resp, fmt.Errorf("%q is not an image that is known by name", in.Image)
	}
	folder, file := image.At(in.Mirror, in.Version)
	list, err := fetch(ctx, folder+"/"+image.Checksums)
	if err != nil {
		return resp, fmt.Errorf("image %s: its publisher's list of checksums cannot be had from here: %w; see imageVersion and imageMirror, or give url and sha256", in.Image, err)
	}
	sum := checksum(list, file)
	if sum == "" {
		return resp, fmt.Errorf("image %s: %s/%s does not have %s; see imageVersion", in.Image, folder, image.Checksums, file)
	}
	resp.Output.URL, resp.Output.Checksum, resp.Output.Algorithm = folder+"/"+file, sum, image.Algorithm
	return resp, nil
}

// Diff has another image, version or mirror be looked up anew.
func (CloudImage) Diff(_ context.Context, req infer.DiffRequest[CloudImageArgs, CloudImageState]) (infer.DiffResponse, error) {
	in, was := req.Inputs, req.State
	changed := map[string]p.PropertyDiff{}
	for property, differs := range map[string]bool{"image": in.Image != was.Image, "imageVersion": in.Version != was.Version, "mirror": in.Mirror != was.Mirror} {
		if differs {
			changed[property] = p.PropertyDiff{Kind: p.UpdateReplace, InputDiff: true}
		}
	}
	return infer.DiffResponse{HasChanges: len(changed) > 0, DetailedDiff: changed}, nil
}

const listSize = 1 << 20 // of checksums, at most

func fetch(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", errors.New(url + " answers " + response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, listSize))
	return string(body), err
}

var hexSum = regexp.MustCompile(`^[0-9a-f]{64,128}$`)

// checksum is that of a file in a list as sha256sum writes it, with or without the mark of a binary file.
func checksum(list, file string) string {
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) == 2 && strings.TrimPrefix(fields[1], "*") == file && hexSum.MatchString(fields[0]) {
			return fields[0]
		}
	}
	return ""
}
