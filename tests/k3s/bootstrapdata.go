package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// saveDelay is how long after etcd's start k3s has come to saving its bootstrap data: who is killed in between never starts again.
const saveDelay = 2 * time.Second

const (
	newerThanStore = 3 * time.Second // k3s' tolerance between the disk's and the datastore's time
	bootstrapKeys  = "/bootstrap/"
)

// bootstrapFile is a file as the datastore keeps it.
type bootstrapFile struct {
	Timestamp time.Time
	Content   []byte
}

func (s *server) bootstrapKey() string { return bootstrapKeys + shortHash(s.token) }

// shortHash tells tokens apart without telling them.
func shortHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])[:12]
}

func seal(token string, data []byte) ([]byte, error) {
	gcm, err := box(token)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(nonce) // crypto/rand never fails
	return gcm.Seal(nonce, nonce, data, nil), nil
}

func unseal(token string, data []byte) ([]byte, error) {
	gcm, err := box(token)
	if err != nil {
		return nil, err
	}
	if len(data) < gcm.NonceSize() {
		return nil, errors.New("bootstrap data are too short")
	}
	return gcm.Open(nil, data[:gcm.NonceSize()], data[gcm.NonceSize():], nil)
}

func box(token string) (cipher.AEAD, error) {
	key := sha256.Sum256([]byte(token))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// bootstrapData are the files on this server's disk.
func (s *server) bootstrapData() (map[string]bootstrapFile, error) {
	files := map[string]bootstrapFile{}
	for _, name := range bootstrapFiles {
		data, err := os.ReadFile(s.path(name))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(s.path(name))
		if err != nil {
			return nil, err
		}
		files[name] = bootstrapFile{info.ModTime(), data}
	}
	return files, nil
}

// saveBootstrap puts the files into the datastore, once in a cluster's life.
func (s *server) saveBootstrap(ctx context.Context) error {
	files, err := s.bootstrapData()
	if err != nil {
		return err
	}
	data, err := json.Marshal(files)
	if err != nil {
		return err
	}
	sealed, err := seal(s.token, data)
	if err != nil {
		return err
	}
	client, err := s.store()
	if err != nil {
		return err
	}
	defer client.Close()
	put, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	found, err := client.Get(put, s.bootstrapKey())
	if err != nil || len(found.Kvs) > 0 {
		return err
	}
	logf("Saving cluster bootstrap data to datastore")
	_, err = client.Txn(put).If(clientv3.Compare(clientv3.ModRevision(s.bootstrapKey()), "=", 0)).Then(clientv3.OpPut(s.bootstrapKey(), string(sealed))).Commit()
	return err
}

// reconcile compares the files on disk with the cluster's, at every start with data and with SQLite: by the server that is configured, else by
// the datastore on this very disk.
func (s *server) reconcile(ctx context.Context) error {
	if url := s.o.get("server", ""); url != "" {
		files, err := s.remoteBootstrap(ctx, url)
		if err == nil {
			logf("Successfully reconciled with remote datastore")
			return s.compare(files)
		}
		logf("Unable to reconcile with remote datastore: %v", err)
	}
	files, err := s.localBootstrap(ctx)
	if err != nil {
		return fmt.Errorf("failed to bootstrap cluster data: failed to reconcile with local datastore: %w", err)
	}
	return s.compare(files)
}

func (s *server) remoteBootstrap(ctx context.Context, url string) (map[string]bootstrapFile, error) {
	ask, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	remote, err := connect(ask, url, s.o.get("token", ""))
	if err != nil {
		return nil, err
	}
	var files map[string]bootstrapFile
	return files, remote.getJSON(ask, "/v1-k3s/server-bootstrap", "server", &files)
}

// localBootstrap reads the newest bootstrap record on this disk. A fresh SQLite has none. Nor has etcd after half a move: k3s v1.36 refuses
// that, those before it did not, and a test shall see what is lost.
func (s *server) localBootstrap(ctx context.Context) (map[string]bootstrapFile, error) {
	var records map[string][]byte
	var err error
	if s.kine != "" {
		records, err = s.records(ctx)
	} else {
		records, err = s.etcdRecords()
	}
	if err != nil {
		return nil, err
	}
	if len(records) == 0 && s.kine == "" && !s.halfMoved() {
		return nil, errors.New("no bootstrap data found in datastore - check server token value and verify datastore integrity")
	}
	return s.openBootstrap(records)
}

// records are the bootstrap data in the datastore, which runs.
func (s *server) records(ctx context.Context) (map[string][]byte, error) {
	client, err := s.store()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	found, err := client.Get(ctx, bootstrapKeys, clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	records := map[string][]byte{}
	for _, kv := range found.Kvs {
		records[string(kv.Key)] = kv.Value
	}
	return records, nil
}

// openBootstrap decrypts the record of this server's token, if there is any record.
func (s *server) openBootstrap(records map[string][]byte) (map[string]bootstrapFile, error) {
	if len(records) == 0 {
		return nil, nil
	}
	sealed, found := records[s.bootstrapKey()]
	if !found {
		return nil, errors.New("bootstrap data already found and encrypted with different token")
	}
	plain, err := unseal(s.token, sealed)
	if err != nil {
		return nil, err
	}
	var files map[string]bootstrapFile
	return files, json.Unmarshal(plain, &files)
}

// etcdRecords reads the bootstrap data out of a copy of etcd's file.
func (s *server) etcdRecords() (map[string][]byte, error) {
	path := filepath.Join(s.etcdDir(), "member", "snap", "db")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("failed to create temporary datastore client: failed to stat MVCC KV store backend path: %w", err)
	}
	copied := filepath.Join(s.dir, "db", "etcd-tmp")
	if err := writeFile(copied, data); err != nil {
		return nil, err
	}
	defer os.Remove(copied)
	db, err := bolt.Open(copied, 0o600, &bolt.Options{Timeout: 5 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("failed to open database: %w", err)
	}
	defer db.Close()
	records := map[string][]byte{}
	err = db.View(func(tx *bolt.Tx) error {
		bucket := tx.Bucket([]byte("key"))
		if bucket == nil {
			return errors.New("failed to create temporary datastore client: failed to read consistent index")
		}
		return bucket.ForEach(func(_, value []byte) error {
			var kv mvccpb.KeyValue
			if kv.Unmarshal(value) == nil && bytes.HasPrefix(kv.Key, []byte(bootstrapKeys)) {
				records[string(kv.Key)] = slices.Clone(kv.Value)
			}
			return nil
		})
	})
	return records, err
}

// compare takes over what differs, unless the disk is newer than the datastore: then nobody knows which is right.
func (s *server) compare(files map[string]bootstrapFile) error {
	var newer []string
	update := map[string]bootstrapFile{}
	for name, file := range files {
		path := s.path(name)
		data, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			logf("%s doesn't exist. continuing...", path)
			update[name] = file
			continue
		}
		if err != nil {
			return err
		}
		if bytes.Equal(data, file.Content) {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.ModTime().Sub(file.Timestamp) >= newerThanStore {
			newer = append(newer, path)
		} else {
			update[name] = file
		}
	}
	if len(newer) > 0 {
		slices.Sort(newer)
		return fmt.Errorf("%s newer than datastore and could cause a cluster outage. Remove the file(s) from disk and restart to be recreated from datastore.", strings.Join(newer, ", "))
	}
	return s.writeBootstrap(update)
}

func (s *server) writeBootstrap(files map[string]bootstrapFile) error {
	for name, file := range files {
		if !slices.Contains(bootstrapFiles, name) {
			return fmt.Errorf("unexpected bootstrap file %s", name)
		}
		if err := writeFile(s.path(name), file.Content); err != nil {
			return err
		}
		if err := os.Chtimes(s.path(name), file.Timestamp, file.Timestamp); err != nil {
			return err
		}
	}
	return nil
}
