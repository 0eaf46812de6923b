package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/klauspost/compress/zstd"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k3sha/pulumi-k3sha/tests/k3s/cri"
)

// imageStore is what containerd has: images that were imported from archives when k3s started, and those that were pulled. Of an image only its
// manifest is fetched. Images of Docker Hub, of Kubernetes' own registry and of example.org itself count as being there while containerd has no
// hosts for them, for the lab has no way to them.
type imageStore struct {
	containerd *cri.Containerd
	mu         sync.Mutex
	has        map[string]bool
}

// importImages reads the archives in k3s' folder, as k3s does when containerd has started.
func importImages(dataDir string, containerd *cri.Containerd) (*imageStore, error) {
	s := &imageStore{containerd: containerd, has: map[string]bool{}}
	files, err := filepath.Glob(filepath.Join(dataDir, "agent/images/*.tar*"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		tags, err := archiveTags(file)
		if err != nil {
			return nil, fmt.Errorf("failed to import images from %s: %w", file, err)
		}
		for _, tag := range tags {
			s.has[normal(tag)] = true
			logf("Imported image %s from %s", tag, file)
		}
	}
	return s, nil
}

// archiveTags are the names of the images in an archive, as `docker save` writes them.
func archiveTags(file string) ([]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(file, ".zst") {
		z, err := zstd.NewReader(f)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		in = z
	}
	archive := tar.NewReader(in)
	for {
		header, err := archive.Next()
		if err != nil {
			return nil, err
		}
		if header.Name != "manifest.json" {
			continue
		}
		var images []struct{ RepoTags []string }
		if err := json.NewDecoder(archive).Decode(&images); err != nil {
			return nil, err
		}
		var out []string
		for _, image := range images {
			out = append(out, image.RepoTags...)
		}
		return out, nil
	}
}

// normal is an image's name in full.
func normal(image string) string {
	ref, err := name.ParseReference(image)
	if err != nil {
		return image
	}
	return ref.Name()
}

// pull is a pod's wait for its images.
type pull struct {
	done chan error
	at   time.Time // of the last try
	err  error
	has  bool
}

// pullAgain is the first of a kubelet's waits between tries.
const pullAgain = 5 * time.Second

// pulled says whether a pod's images are there, and has them fetched; what kept them away stands in the pod's status.
func (n *node) pulled(ctx context.Context, pod *corev1.Pod, now time.Time) bool {
	p := n.pulls[pod.UID]
	if p == nil {
		p = &pull{}
		n.pulls[pod.UID] = p
	}
	switch {
	case p.has:
		return true
	case p.done == nil && now.Sub(p.at) < pullAgain:
		return false
	case p.done == nil:
		p.done, p.at = make(chan error, 1), now
		go func() { p.done <- n.images.pull(ctx, pod) }()
	}
	select {
	case p.err = <-p.done:
		p.done, p.has = nil, p.err == nil
	case <-time.After(50 * time.Millisecond):
		return false
	}
	if p.has {
		return true
	}
	logf("%v", p.err)
	pod.Status.ContainerStatuses = nil
	for _, c := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: p.err.Error()}},
		})
	}
	_, _ = n.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return false
}

// pull has a pod's images at hand, or says why not, as a kubelet does.
func (s *imageStore) pull(ctx context.Context, pod *corev1.Pod) error {
	for _, c := range pod.Spec.Containers {
		if err := s.image(ctx, c.Image); err != nil {
			return fmt.Errorf("Failed to pull image %q: %w", c.Image, err) //nolint:staticcheck // the kubelet's words
		}
	}
	return nil
}

func (s *imageStore) image(ctx context.Context, image string) error {
	ref, err := name.ParseReference(image)
	if err != nil {
		return nil //nolint:nilerr // a name of one letter, which containerd takes and this reader does not: one of Docker Hub's
	}
	s.mu.Lock()
	has := s.has[ref.Name()]
	s.mu.Unlock()
	if has {
		return nil
	}
	registry := ref.Context().RegistryStr()
	if registry == name.DefaultRegistry {
		registry = "docker.io" // by which containerd goes
	}
	if slices.Contains([]string{"docker.io", "registry.k8s.io", "example.org"}, registry) && !s.containerd.HasHosts(registry) {
		return nil
	}
	if err := s.containerd.Pull(ctx, image); err != nil {
		return err
	}
	s.mu.Lock()
	s.has[ref.Name()] = true
	s.mu.Unlock()
	return nil
}
