package main

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

const (
	zipExtension = ".zip"
	metadataDir  = ".metadata" // beside the snapshots' folder, and below the one in S3
)

// snapshotFile is a snapshot as k3s' ETCDSnapshotFile shows it. The stand-in has no such resource in its API: the supervisor alone lists them.
type snapshotFile struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              snapshotSpec   `json:"spec,omitempty"`
	Status            snapshotStatus `json:"status,omitempty"`
}

type snapshotSpec struct {
	SnapshotName string            `json:"snapshotName"`
	NodeName     string            `json:"nodeName"`
	Location     string            `json:"location"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	S3           *snapshotS3       `json:"s3,omitempty"`
}

// snapshotS3 is where in S3 a snapshot lies; no credentials.
type snapshotS3 struct {
	Endpoint      string `json:"endpoint,omitempty"`
	EndpointCA    string `json:"endpointCA,omitempty"`
	SkipSSLVerify bool   `json:"skipSSLVerify,omitempty"`
	Bucket        string `json:"bucket,omitempty"`
	Region        string `json:"region,omitempty"`
	Prefix        string `json:"prefix,omitempty"`
	Insecure      bool   `json:"insecure,omitempty"`
}

type snapshotStatus struct {
	Size         *resource.Quantity `json:"size,omitempty"`
	CreationTime *metav1.Time       `json:"creationTime,omitempty"`
	ReadyToUse   *bool              `json:"readyToUse,omitempty"`
}

type snapshotList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []snapshotFile `json:"items"`
}

var notInKeys = regexp.MustCompile(`[^-._a-zA-Z0-9]`)

// newSnapshotFile describes a file on a node's disk, or an object with s3.
func newSnapshotFile(name, node, location string, size int64, created time.Time, s3 *snapshotS3) snapshotFile {
	storage, kind := node, "local-"
	if s3 != nil {
		storage, kind = "s3", "s3-"
	}
	return snapshotFile{
		TypeMeta: metav1.TypeMeta{APIVersion: "k3s.cattle.io/v1", Kind: "ETCDSnapshotFile"},
		ObjectMeta: metav1.ObjectMeta{
			Name: kind + notInKeys.ReplaceAllString(name, "_"), Labels: map[string]string{"etcd.k3s.cattle.io/snapshot-storage-node": storage},
		},
		Spec:   snapshotSpec{SnapshotName: name, NodeName: node, Location: location, S3: s3},
		Status: snapshotStatus{Size: resource.NewQuantity(size, resource.DecimalSI), CreationTime: &metav1.Time{Time: created}, ReadyToUse: ptr.To(true)},
	}
}

// setTokenHash says which token opens the snapshot's bootstrap data.
func (f *snapshotFile) setTokenHash(hash string) {
	if hash != "" {
		f.Annotations = map[string]string{"etcd.k3s.cattle.io/snapshot-token-hash": hash}
	}
}

// setMetadata takes over what was in the ConfigMap of extra metadata when the snapshot was made.
func (f *snapshotFile) setMetadata(data []byte) {
	if len(data) == 0 {
		return
	}
	if err := json.Unmarshal(data, &f.Spec.Metadata); err != nil {
		warnf("Failed to unmarshal metadata for %s: %v", f.Spec.SnapshotName, err)
	}
}

// snapshotTime is the time in a snapshot's name, else the file's.
func snapshotTime(name string, modified time.Time) time.Time {
	base := strings.TrimSuffix(name, zipExtension)
	seconds, err := strconv.ParseInt(base[strings.LastIndexByte(base, '-')+1:], 10, 64)
	if err != nil {
		return modified.Truncate(time.Second)
	}
	return time.Unix(seconds, 0)
}
