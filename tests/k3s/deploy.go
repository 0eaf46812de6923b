package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // what objects are labelled with, no security
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	deployPoll    = 15 * time.Second
	gvkAnnotation = "addon.k3s.cattle.io/gvks"
	ownerHash     = "objectset.rio.cattle.io/hash"
	ownerPrefix   = "objectset.rio.cattle.io/owner-"
)

var (
	addonsGVR = schema.GroupVersionResource{Group: "k3s.cattle.io", Version: "v1", Resource: "addons"}
	crdsGVR   = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// deployer applies what lies in k3s' folder of manifests, as k3s' deploy controller does: every 15 s what has another time than when it was
// last seen; at the start everything, whatever an Addon says of it; of what was in a file and is not any more, it deletes. A file that is gone
// it does not notice.
type deployer struct {
	dir    string
	client dynamic.Interface
	mapper *restmapper.DeferredDiscoveryRESTMapper
	seen   map[string]time.Time
}

// deploy applies manifests for ever.
func (s *server) deploy(ctx context.Context) {
	config, err := clientcmd.BuildConfigFromFlags("", s.path("cred/client-supervisor.kubeconfig"))
	if err != nil {
		logf("deploy: %v", err)
		return
	}
	d, err := newDeployer(filepath.Join(s.o.dataDir(), "server/manifests"), config)
	if err != nil {
		logf("deploy: %v", err)
		return
	}
	force := true
	for {
		if err := d.resources(ctx); err != nil {
			logf("deploy: %v", err)
		} else if err := d.files(ctx, force); err != nil {
			logf("Failed to process config: %v", err)
		} else {
			force = false
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(deployPoll):
		}
	}
}

func newDeployer(dir string, config *rest.Config) (*deployer, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	found, err := discovery.NewDiscoveryClientForConfig(config)
	return &deployer{dir: dir, client: client, mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found)), seen: map[string]time.Time{}}, err
}

// resources makes k3s' own kinds known, as far as manifests of users need them. HelmChart is kept and no chart installed.
func (d *deployer) resources(ctx context.Context) error {
	for _, kind := range []struct{ group, plural, kind string }{
		{"k3s.cattle.io", "addons", "Addon"}, {"helm.cattle.io", "helmcharts", "HelmChart"}, {"helm.cattle.io", "helmchartconfigs", "HelmChartConfig"},
	} {
		name := kind.plural + "." + kind.group
		if _, err := d.client.Resource(crdsGVR).Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			if err != nil {
				return err
			}
			continue
		}
		text := fmt.Sprintf(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":%q},"spec":{"group":%q,"scope":"Namespaced",
			"names":{"plural":%q,"singular":%q,"kind":%q},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`,
			name, kind.group, kind.plural, strings.ToLower(kind.kind), kind.kind)
		var object unstructured.Unstructured
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			return err
		}
		if _, err := d.client.Resource(crdsGVR).Create(ctx, &object, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

// files looks at all files below the folder.
func (d *deployer) files(ctx context.Context, force bool) error {
	d.mapper.Reset()
	var errs []error
	err := filepath.WalkDir(d.dir, func(path string, entry fs.DirEntry, err error) error {
		name := filepath.Base(path)
		if err != nil || entry.IsDir() || strings.HasPrefix(name, ".") || !slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(name)) {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !force && info.ModTime().Equal(d.seen[path]) {
			return nil
		}
		if err := d.file(ctx, path, !force); err != nil {
			errs = append(errs, fmt.Errorf("failed to process %s: %w", path, err))
		} else {
			d.seen[path] = info.ModTime()
		}
		return nil
	})
	if os.IsNotExist(err) {
		return nil
	}
	return errors.Join(append(errs, err)...)
}

// file applies a manifest, and keeps an Addon of it.
func (d *deployer) file(ctx context.Context, path string, compare bool) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	addons := d.client.Resource(addonsGVR).Namespace(metav1.NamespaceSystem)
	addon, err := addons.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		addon, err = addons.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "k3s.cattle.io/v1", "kind": "Addon", "metadata": map[string]any{"name": name, "namespace": metav1.NamespaceSystem}, "spec": map[string]any{"source": path},
		}}, metav1.CreateOptions{})
	}
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	checksum := hex.EncodeToString(sum[:])
	if had, _, _ := unstructured.NestedString(addon.Object, "spec", "checksum"); compare && had == checksum {
		return nil
	}
	objects, err := manifestObjects(content)
	if err != nil {
		return err
	}
	gvks, err := d.apply(ctx, name, objects, addon.GetAnnotations()[gvkAnnotation])
	if err != nil {
		return err
	}
	addon.Object["spec"] = map[string]any{"source": path, "checksum": checksum}
	annotations := addon.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[gvkAnnotation] = gvks
	addon.SetAnnotations(annotations)
	_, err = addons.Update(ctx, addon, metav1.UpdateOptions{})
	return err
}

// apply brings a manifest's objects into the cluster and deletes those that an earlier form of it had besides. It returns their kinds.
func (d *deployer) apply(ctx context.Context, addon string, objects []*unstructured.Unstructured, before string) (string, error) {
	owner := map[string]string{ownerPrefix + "gvk": "k3s.cattle.io/v1, Kind=Addon", ownerPrefix + "name": addon, ownerPrefix + "namespace": metav1.NamespaceSystem}
	sum := sha1.Sum([]byte("k3s.cattle.io/v1, Kind=Addon" + metav1.NamespaceSystem + "/" + addon)) //nolint:gosec // as above
	hash := hex.EncodeToString(sum[:])
	kinds, wanted := map[string]bool{}, map[string]bool{}
	for _, object := range objects {
		gvk := object.GroupVersionKind()
		mapping, err := d.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		if err != nil {
			return "", err
		}
		kinds[gvk.String()] = true
		var resource dynamic.ResourceInterface = d.client.Resource(mapping.Resource)
		if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
			if object.GetNamespace() == "" {
				object.SetNamespace(metav1.NamespaceDefault)
			}
			resource = d.client.Resource(mapping.Resource).Namespace(object.GetNamespace())
		}
		labels, annotations := object.GetLabels(), object.GetAnnotations()
		if labels == nil {
			labels = map[string]string{}
		}
		if annotations == nil {
			annotations = map[string]string{}
		}
		labels[ownerHash] = hash
		maps.Copy(annotations, owner)
		object.SetLabels(labels)
		object.SetAnnotations(annotations)
		wanted[mapping.Resource.String()+" "+object.GetNamespace()+"/"+object.GetName()] = true
		text, err := object.MarshalJSON()
		if err != nil {
			return "", err
		}
		force := true
		if _, err := resource.Patch(ctx, object.GetName(), types.ApplyPatchType, text, metav1.PatchOptions{FieldManager: "deploy", Force: &force}); err != nil {
			return "", err
		}
	}
	now := slices.Sorted(maps.Keys(kinds))
	for _, text := range slices.Compact(slices.Sorted(slices.Values(append(strings.Split(before, ";"), now...)))) {
		if err := d.prune(ctx, text, hash, wanted); err != nil {
			return "", err
		}
	}
	return strings.Join(now, ";"), nil
}

// prune deletes the addon's objects of a kind that are not wanted any more.
func (d *deployer) prune(ctx context.Context, kind, hash string, wanted map[string]bool) error {
	groupVersion, name, found := strings.Cut(kind, ", Kind=")
	gv, err := schema.ParseGroupVersion(groupVersion)
	if !found || err != nil {
		return nil //nolint:nilerr // none, or a kind of no API
	}
	mapping, err := d.mapper.RESTMapping(schema.GroupKind{Group: gv.Group, Kind: name}, gv.Version)
	if meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return err
	}
	list, err := d.client.Resource(mapping.Resource).List(ctx, metav1.ListOptions{LabelSelector: ownerHash + "=" + hash})
	if err != nil {
		return err
	}
	for _, object := range list.Items {
		if wanted[mapping.Resource.String()+" "+object.GetNamespace()+"/"+object.GetName()] {
			continue
		}
		background := metav1.DeletePropagationBackground
		if err := d.client.Resource(mapping.Resource).Namespace(object.GetNamespace()).Delete(ctx, object.GetName(), metav1.DeleteOptions{PropagationPolicy: &background}); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// manifestObjects are the objects of a manifest.
func manifestObjects(content []byte) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	reader := yaml.NewYAMLReader(bufio.NewReaderSize(bytes.NewReader(content), 4096))
	for {
		raw, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if text, err := yaml.ToJSON(raw); err != nil {
			return nil, err
		} else if string(bytes.TrimSpace(text)) == "null" {
			continue
		} else if object, _, err := unstructured.UnstructuredJSONScheme.Decode(text, nil, nil); err != nil {
			return nil, err
		} else if list, isList := object.(*unstructured.UnstructuredList); isList {
			for i := range list.Items {
				out = append(out, &list.Items[i])
			}
		} else if one, isOne := object.(*unstructured.Unstructured); isOne {
			out = append(out, one)
		}
	}
}
