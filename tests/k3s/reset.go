package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const resetDone = "Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. " +
	"Backup and delete ${datadir}/server/db on each peer etcd server and rejoin the nodes"

func (s *server) resetFlag() string { return s.path("db/reset-flag") }

// mayReset is what k3s asks before it touches anything.
func (s *server) mayReset() error {
	if s.o.get("server", "") != "" {
		return errors.New("cannot perform cluster-reset while server URL is set - remove server from configuration before resetting")
	}
	if s.o.get("cluster-reset-restore-path", "") == "" || s.o.get("token", "") != "" {
		return nil
	}
	if _, err := os.Stat(s.path("token")); os.IsNotExist(err) {
		return errors.New(s.path("token") + " does not exist, please pass --token to complete the restoration")
	}
	return nil
}

// clusterReset makes a cluster of this server alone, out of its own data or a snapshot. Only etcd runs meanwhile.
func (s *server) clusterReset(ctx context.Context) error {
	if err := s.buryMember(); err != nil {
		return err
	}
	s.token, _ = password(s.o.get("token", read(s.path("token"))))
	s.agentToken, _ = password(s.o.get("agent-token", ""))
	if err := s.prepareCertificates(); err != nil {
		return err
	}
	if err := s.listen(ctx); err != nil { // a k3s that runs has the port
		return err
	}
	if err := s.resetData(ctx); err != nil {
		return fmt.Errorf("starting kubernetes: preparing server: start managed database: %w", err)
	}
	if err := s.startAlone(ctx); err != nil {
		return err
	}
	defer s.etcd.Close()
	if err := s.rebootstrap(ctx); err != nil {
		return err
	}
	// The certificates are of other CAs now.
	if err := s.prepare(); err != nil {
		return err
	}
	logf("%s", resetDone)
	return nil
}

// resetData puts the snapshot in the place of the data, if one is given, and says that a reset has been done. A second one of the same data
// is refused; a snapshot may be restored again and again.
func (s *server) resetData(ctx context.Context) error {
	restore := s.o.get("cluster-reset-restore-path", "")
	if restore == "" {
		if _, err := os.Stat(s.resetFlag()); err == nil {
			return fmt.Errorf("Managed etcd cluster membership was previously reset, please remove the cluster-reset flag and start k3s normally. "+
				"If you need to perform another cluster reset, you must first manually delete the file at %s", s.resetFlag())
		}
	} else {
		path, err := s.fetchSnapshot(ctx, restore)
		if err != nil {
			return err
		}
		if err := s.restore(path); err != nil {
			return err
		}
	}
	if err := s.renameMember(); err != nil {
		return err
	}
	return writeFile(s.resetFlag(), nil)
}

// fetchSnapshot returns the file of a snapshot, downloaded if S3 is configured.
func (s *server) fetchSnapshot(ctx context.Context, name string) (string, error) {
	c, err := s.o.snapshots()
	if err != nil {
		return "", err
	}
	if c.s3 != nil {
		logf("Retrieving etcd snapshot %s from S3", name)
		client, err := newS3Client(ctx, *c.s3, nil)
		if err != nil {
			return "", fmt.Errorf("failed to initialize S3 client: %w", err)
		}
		dir, err := c.folder(s.dir, true)
		if err != nil {
			return "", fmt.Errorf("failed to get the snapshot dir: %w", err)
		}
		if name, err = client.download(ctx, name, dir); err != nil {
			return "", fmt.Errorf("failed to download snapshot from S3: %w", err)
		}
		logf("S3 download complete for %s", name)
	}
	info, err := os.Stat(name)
	if os.IsNotExist(err) {
		return "", fmt.Errorf("etcd: snapshot path does not exist: %s", name)
	}
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		return "", fmt.Errorf("etcd: snapshot path must be a file, not a directory: %s", name)
	}
	return name, nil
}

// restore writes a new data directory from a snapshot. The old one is moved aside before etcd has looked at the snapshot: if that is none,
// this server is left without data.
func (s *server) restore(path string) error {
	name, err := s.memberName(true)
	if err != nil {
		return err
	}
	if strings.HasSuffix(path, zipExtension) {
		if path, err = decompress(path); err != nil {
			return err
		}
	}
	old := fmt.Sprintf("%s-old-%d", s.etcdDir(), time.Now().Unix())
	if err := os.Rename(s.etcdDir(), old); err != nil {
		return err
	}
	logf("Pre-restore etcd database moved to %s", old)
	return snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
		SnapshotPath: path, Name: name, OutputDataDir: s.etcdDir(), OutputWALDir: filepath.Join(s.etcdDir(), "member", "wal"),
		PeerURLs: []string{s.peerURL()}, InitialCluster: name + "=" + s.peerURL(),
	})
}

// renameMember gives this member another suffix: nobody shall take it for the one that was.
func (s *server) renameMember() error {
	suffix := make([]byte, 4)
	_, _ = rand.Read(suffix) // crypto/rand never fails
	return writeFile(filepath.Join(s.etcdDir(), "name"), []byte(s.name+"-"+hex.EncodeToString(suffix)))
}

// startAlone starts etcd as the only member, whoever was one before, and waits until it is.
func (s *server) startAlone(ctx context.Context) error {
	cfg := s.etcdConfig()
	var err error
	if cfg.Name, err = s.memberName(false); err != nil {
		return err
	}
	cfg.InitialCluster, cfg.ForceNewCluster = cfg.Name+"="+s.peerURL(), true
	if s.etcd, err = embed.StartEtcd(cfg); err != nil {
		return err
	}
	client, err := s.etcdClient("https://127.0.0.1:2379")
	if err != nil {
		return err
	}
	defer client.Close()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.etcd.Server.StopNotify():
			return errors.New("etcd stopped")
		case <-tick.C:
		}
		list, err := client.MemberList(ctx)
		if err != nil || len(list.Members) != 1 || len(list.Members[0].PeerURLs) == 0 {
			continue
		}
		m := list.Members[0]
		if m.PeerURLs[0] != s.peerURL() { // the snapshot is another machine's
			_, _ = client.MemberUpdate(ctx, m.ID, []string{s.peerURL()})
		} else if m.Name == cfg.Name {
			return nil
		}
	}
}

// rebootstrap takes over the CAs and keys of the data, after the present ones have been copied. The wrong token ends the reset here: the data
// are the snapshot's by now.
func (s *server) rebootstrap(ctx context.Context) error {
	records, err := s.records(ctx)
	if err != nil || len(records) == 0 {
		return err
	}
	files, err := s.openBootstrap(records)
	if err != nil {
		return err
	}
	backup := fmt.Sprintf("%s-%d", s.path("tls"), time.Now().Unix())
	logf("Cluster reset: backing up certificates directory to %s", backup)
	if err := os.CopyFS(backup, os.DirFS(s.path("tls"))); err != nil {
		return fmt.Errorf("cluster reset failed to back up server TLS dir: %w", err)
	}
	warnf("Updating bootstrap data on disk from datastore")
	return s.writeBootstrap(files)
}

// afterReset ends a reset at the next start. The API's secret may be of another life of this machine: its password is the disk's.
func (s *server) afterReset(ctx context.Context) {
	if !s.wasReset {
		return
	}
	err := s.kube.CoreV1().Secrets(metav1.NamespaceSystem).Delete(ctx, s.name+".node-password.k3s", metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		warnf("failed to delete old node password secret: %v", err)
	}
}
