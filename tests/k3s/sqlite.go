package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/k3s-io/kine/pkg/client"
	"github.com/k3s-io/kine/pkg/endpoint"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// sqliteOptions are kine's own for its file.
const sqliteOptions = "?_journal=WAL&cache=shared&_busy_timeout=30000&_txlock=immediate"

func (s *server) sqliteFile() string { return s.path("db/state.db") }

// startSQLite has kine serve the SQLite file under etcd's protocol. A server without a cluster keeps everything there.
func (s *server) startSQLite(ctx context.Context) error {
	config, err := s.listenSQLite(ctx, endpoint.Config{NotifyInterval: 5 * time.Second, EmulatedETCDVersion: "3.5.13"}) // both k3s' own
	if err != nil {
		return fmt.Errorf("creating storage endpoint: %w", err)
	}
	s.kine = config.Endpoints[0]
	s.storeUp.Store(true)
	return nil
}

func (s *server) listenSQLite(ctx context.Context, config endpoint.Config) (endpoint.ETCDConfig, error) {
	if err := os.MkdirAll(s.path("db"), 0o700); err != nil {
		return endpoint.ETCDConfig{}, err
	}
	config.Endpoint, config.Listener = "sqlite://"+s.sqliteFile()+sqliteOptions, "unix://"+s.path("kine.sock")
	return endpoint.Listen(ctx, config)
}

// moveFromSQLite copies what a server without a cluster has kept into the etcd that has just begun. As in k3s, all that says that it is done
// is the file's new name, and nobody asks for that: who is killed in between has etcd's data at the next start, and they are all there is.
func (s *server) moveFromSQLite(ctx context.Context) error {
	if _, err := os.Stat(s.sqliteFile()); os.IsNotExist(err) {
		return nil
	} else if err != nil {
		return err
	}
	logf("Migrating content from sqlite to etcd")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	config, err := s.listenSQLite(ctx, endpoint.Config{})
	if err != nil {
		return err
	}
	from, err := client.New(config)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := s.store()
	if err != nil {
		return err
	}
	defer to.Close()
	values, err := from.List(ctx, "/registry/", 0)
	if err != nil {
		return err
	}
	for _, value := range values {
		logf("Migrating etcd key %s", value.Key)
		if _, err := to.Put(ctx, string(value.Key), string(value.Data)); err != nil {
			return err
		}
		pause, _ := strconv.Atoi(hook("move-pause"))
		time.Sleep(time.Duration(pause) * time.Millisecond)
	}
	return os.Rename(s.sqliteFile(), s.sqliteFile()+".migrated")
}

// halfMoved says that a move was interrupted: it has begun, and the file has its old name.
func (s *server) halfMoved() bool {
	_, err := os.Stat(s.sqliteFile())
	return err == nil
}

// store is a client of this server's datastore.
func (s *server) store() (*clientv3.Client, error) {
	if s.kine != "" {
		return clientv3.New(clientv3.Config{Endpoints: []string{s.kine}, DialTimeout: 5 * time.Second})
	}
	return s.etcdClient("https://127.0.0.1:2379")
}
