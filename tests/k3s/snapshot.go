package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	snapshotv3 "go.etcd.io/etcd/client/v3/snapshot"
	"go.uber.org/zap"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// extraMetadata is the ConfigMap in kube-system whose data go with each snapshot.
const extraMetadata = "k3s-etcd-snapshot-extra-metadata"

// snapshotResult are the names of what was made and what was removed. A snapshot that went to S3 too is named twice.
type snapshotResult struct {
	Created []string `json:"created,omitempty"`
	Deleted []string `json:"deleted,omitempty"`
}

// snapshotter makes one server's snapshots.
type snapshotter struct {
	s       *server
	saving  sync.Mutex
	mu      sync.Mutex
	clients map[etcdS3]*s3Client // k3s keeps them too: a bucket is looked for once
}

// s3 is a client of the bucket in a configuration.
func (p *snapshotter) s3(ctx context.Context, c etcdS3) (*s3Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if client := p.clients[c]; client != nil {
		return client, nil
	}
	namespace, err := p.s.kube.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("failed to set S3 snapshot cluster ID: %w", err)
	}
	client, err := newS3Client(ctx, c, map[string]string{clusterIDKey: string(namespace.UID), nodeNameKey: p.s.name, tokenHashKey: shortHash(p.s.token)})
	if err != nil {
		return nil, err
	}
	if p.clients == nil {
		p.clients = map[etcdS3]*s3Client{}
	}
	p.clients[c] = client
	return client, nil
}

// save makes a snapshot on disk, and in S3 if that is configured, and removes old ones.
func (p *snapshotter) save(ctx context.Context, c snapshotConfig) (*snapshotResult, error) {
	if !p.saving.TryLock() {
		return nil, errors.New("snapshot save already in progress")
	}
	defer p.saving.Unlock()
	dir, err := c.folder(p.s.dir, true)
	if err != nil {
		return nil, fmt.Errorf("failed to get etcd-snapshot-dir: %w", err)
	}
	now := time.Now().Round(time.Second)
	path := filepath.Join(dir, fmt.Sprintf("%s-%s-%d", c.name, p.s.name, now.Unix()))
	logf("Saving etcd snapshot to %s", path)
	client, err := p.s.etcdClientConfig("https://127.0.0.1:2379")
	if err != nil {
		return nil, fmt.Errorf("failed to get config for etcd snapshot: %w", err)
	}
	result := &snapshotResult{}
	if err := snapshotv3.Save(ctx, zap.NewNop(), client, path); err != nil {
		errorf("Failed to take etcd snapshot: %v", err)
		return result, nil // k3s, too, leaves the failure to the record of the snapshot
	}
	if c.compress {
		if path, err = compress(path, now); err != nil {
			return nil, fmt.Errorf("failed to compress snapshot: %w", err)
		}
	}
	result.Created = append(result.Created, filepath.Base(path))
	if err := p.saveMetadata(ctx, path); err != nil {
		warnf("Failed to save local snapshot metadata: %v", err)
	}
	deleted, err := pruneDisk(c.retention, c.name, dir)
	if err != nil {
		warnf("Failed to apply local snapshot retention policy: %v", err)
	}
	result.Deleted = append(result.Deleted, deleted...)
	if c.s3 != nil {
		p.saveToS3(ctx, c, path, result)
	}
	return result, nil
}

// saveToS3 uploads a snapshot. That it fails is no failure of the snapshot.
func (p *snapshotter) saveToS3(ctx context.Context, c snapshotConfig, path string, result *snapshotResult) {
	client, err := p.s3(ctx, *c.s3)
	if err != nil {
		warnf("Unable to initialize S3 client: %v", err)
		return
	}
	logf("Saving etcd snapshot %s to S3", filepath.Base(path))
	if err := client.upload(ctx, path); err != nil {
		errorf("Error received during snapshot upload to S3: %v", err)
	} else {
		result.Created = append(result.Created, filepath.Base(path))
		logf("S3 upload complete for %s", filepath.Base(path))
	}
	deleted, err := client.prune(ctx, c.name)
	if err != nil {
		warnf("Failed to apply s3 snapshot retention policy: %v", err)
	}
	result.Deleted = append(result.Deleted, deleted...)
}

// saveMetadata keeps the data of the ConfigMap beside the snapshot, if there are any.
func (p *snapshotter) saveMetadata(ctx context.Context, path string) error {
	extra, err := p.s.kube.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, extraMetadata, metav1.GetOptions{})
	if err != nil || len(extra.Data) == 0 {
		return nil // there need not be one
	}
	data, err := json.Marshal(extra.Data)
	if err != nil {
		return err
	}
	return writeFile(metadataPath(path), data)
}

func metadataPath(snapshot string) string {
	return filepath.Join(filepath.Dir(snapshot), "..", metadataDir, filepath.Base(snapshot))
}

// list are the snapshots on this server's disk, and those in S3 if that is configured.
func (p *snapshotter) list(ctx context.Context, c snapshotConfig) (*snapshotList, error) {
	list := &snapshotList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}}
	if c.s3 != nil {
		client, err := p.s3(ctx, *c.s3)
		if err != nil {
			return nil, fmt.Errorf("failed to initialize S3 client: %w", err)
		}
		if list.Items, err = client.list(ctx); err != nil {
			return nil, err
		}
	}
	dir, err := c.folder(p.s.dir, true)
	if err != nil {
		return nil, fmt.Errorf("failed to get etcd-snapshot-dir: %w", err)
	}
	return list, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		file := newSnapshotFile(entry.Name(), p.s.name, "file://"+filepath.Join(dir, entry.Name()), info.Size(), snapshotTime(entry.Name(), info.ModTime()), nil)
		metadata, _ := os.ReadFile(metadataPath(path)) // there need not be any
		file.setMetadata(metadata)
		list.Items = append(list.Items, file)
		return nil
	})
}

// remove deletes snapshots from disk and S3.
func (p *snapshotter) remove(ctx context.Context, c snapshotConfig, names []string) (*snapshotResult, error) {
	dir, err := c.folder(p.s.dir, false)
	if err != nil {
		return nil, fmt.Errorf("failed to get etcd-snapshot-dir: %w", err)
	}
	places := map[string]func(name string) error{"locally": func(name string) error {
		_ = os.Remove(metadataPath(filepath.Join(dir, name)))
		return os.Remove(filepath.Join(dir, name))
	}}
	if c.s3 != nil {
		client, err := p.s3(ctx, *c.s3)
		if err != nil {
			return nil, fmt.Errorf("failed to initialize S3 client: %w", err)
		}
		places["in S3"] = func(name string) error { return client.remove(ctx, name) }
	}
	result := &snapshotResult{}
	for _, name := range names {
		for place, drop := range places {
			switch err := drop(name); {
			case err == nil:
				result.Deleted = append(result.Deleted, name)
				logf("Snapshot %s deleted %s", name, place)
			case missing(err):
				logf("Snapshot %s not found %s", name, place)
			default:
				errorf("Failed to delete snapshot %s %s: %v", name, place, err)
			}
		}
	}
	return result, nil
}

// prune removes the oldest snapshots of a name from disk and S3.
func (p *snapshotter) prune(ctx context.Context, c snapshotConfig) (*snapshotResult, error) {
	dir, err := c.folder(p.s.dir, false)
	if err != nil {
		return nil, fmt.Errorf("failed to get etcd-snapshot-dir: %w", err)
	}
	result := &snapshotResult{}
	if result.Deleted, err = pruneDisk(c.retention, c.name, dir); err != nil {
		errorf("Error applying snapshot retention policy: %v", err)
	}
	if c.s3 == nil {
		return result, nil
	}
	client, err := p.s3(ctx, *c.s3)
	if err != nil {
		warnf("Unable to initialize S3 client: %v", err)
		return result, nil
	}
	deleted, err := client.prune(ctx, c.name)
	if err != nil {
		errorf("Error applying S3 snapshot retention policy: %v", err)
	}
	result.Deleted = append(result.Deleted, deleted...)
	return result, nil
}

// pruneDisk leaves as many of the newest snapshots of a name.
func pruneDisk(retention int, name, dir string) ([]string, error) {
	if retention < 1 {
		return nil, nil
	}
	logf("Applying snapshot retention=%d to local snapshots with prefix %s in %s", retention, name, dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	made := map[string]time.Time{}
	var names []string
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || entry.IsDir() || !strings.HasPrefix(entry.Name(), name) {
			continue
		}
		made[entry.Name()] = snapshotTime(entry.Name(), info.ModTime())
		names = append(names, entry.Name())
	}
	sort.Slice(names, func(i, j int) bool { return made[names[j]].Before(made[names[i]]) })
	var deleted []string
	for _, old := range names[min(retention, len(names)):] {
		logf("Removing local snapshot %s", filepath.Join(dir, old))
		if err := os.Remove(filepath.Join(dir, old)); err != nil {
			return deleted, err
		}
		_ = os.Remove(metadataPath(filepath.Join(dir, old)))
		deleted = append(deleted, old)
	}
	return deleted, nil
}
