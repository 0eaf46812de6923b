package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

const (
	promoteTick   = 15 * time.Second // k3s: manageTickerTime
	learnerStall  = 5 * time.Minute  // k3s: learnerMaxStallTime
	voterTestTick = 5 * time.Second  // k3s: testTimeout between a joiner's looks at itself
)

// memberList is /db/info as k3s answers it: etcd's own list.
type memberList struct {
	Members []member `json:"members"`
}

type member struct {
	ID         uint64   `json:"ID"`
	Name       string   `json:"name"`
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
	Learner    bool     `json:"isLearner,omitempty"`
}

func (s *server) etcdDir() string { return filepath.Join(s.dir, "db", "etcd") }

func (s *server) hasData() bool {
	_, err := os.Stat(filepath.Join(s.etcdDir(), "member", "wal"))
	return err == nil
}

func (s *server) peerURL() string   { return "https://" + s.ip + ":2380" }
func (s *server) clientURL() string { return "https://" + s.ip + ":2379" }

// memberName is the node's name and a suffix that stays with the disk.
func (s *server) memberName(create bool) (string, error) {
	path := filepath.Join(s.etcdDir(), "name")
	data, err := os.ReadFile(path)
	if err == nil || !create || !os.IsNotExist(err) {
		return string(data), err
	}
	suffix := make([]byte, 4)
	_, _ = rand.Read(suffix) // crypto/rand never fails
	name := s.name + "-" + hex.EncodeToString(suffix)
	return name, writeFile(path, []byte(name))
}

func (s *server) etcdClient(endpoints ...string) (*clientv3.Client, error) {
	config, err := s.etcdClientConfig(endpoints...)
	if err != nil {
		return nil, err
	}
	return clientv3.New(config)
}

func (s *server) etcdClientConfig(endpoints ...string) (clientv3.Config, error) {
	tls, err := transport.TLSInfo{
		CertFile: s.tls("etcd/client.crt"), KeyFile: s.tls("etcd/client.key"), TrustedCAFile: s.tls("etcd/server-ca.crt"),
	}.ClientConfig()
	return clientv3.Config{Endpoints: endpoints, TLS: tls, DialTimeout: 5 * time.Second}, err
}

// etcdConfig is the member's configuration but for its name and its cluster.
func (s *server) etcdConfig() *embed.Config {
	cfg := embed.NewConfig()
	cfg.Dir = s.etcdDir()
	cfg.LogLevel = "error"
	cfg.TickMs, cfg.ElectionMs = 500, 5000
	for _, arg := range s.o.values["etcd-arg"] {
		var n uint
		if _, err := fmt.Sscanf(arg, "heartbeat-interval=%d", &n); err == nil {
			cfg.TickMs = n
		}
		if _, err := fmt.Sscanf(arg, "election-timeout=%d", &n); err == nil {
			cfg.ElectionMs = n
		}
	}
	cfg.ExperimentalInitialCorruptCheck = true
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = urls(s.peerURL()), urls(s.peerURL())
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = urls("https://127.0.0.1:2379", s.clientURL()), urls(s.clientURL())
	cfg.ListenMetricsUrls = urls("http://127.0.0.1:2381")
	cfg.ClientTLSInfo = transport.TLSInfo{CertFile: s.tls("etcd/server-client.crt"), KeyFile: s.tls("etcd/server-client.key"), TrustedCAFile: s.tls("etcd/server-ca.crt"), ClientCertAuth: true}
	cfg.PeerTLSInfo = transport.TLSInfo{CertFile: s.tls("etcd/peer-server-client.crt"), KeyFile: s.tls("etcd/peer-server-client.key"), TrustedCAFile: s.tls("etcd/peer-ca.crt"), ClientCertAuth: true}
	return cfg
}

// startEtcd starts the member: anew, joining, or from its disk.
func (s *server) startEtcd(ctx context.Context, join bool) error {
	cfg := s.etcdConfig()
	if join {
		cluster, err := s.joinEtcd(ctx)
		if err != nil {
			return err
		}
		cfg.ClusterState, cfg.InitialCluster = embed.ClusterStateFlagExisting, cluster
	}
	name, err := s.memberName(true)
	if err != nil {
		return err
	}
	cfg.Name = name
	if !join {
		cfg.InitialCluster = name + "=" + s.peerURL()
	}
	if err := s.writeEtcdConfig(cfg); err != nil {
		return err
	}
	if s.etcd, err = embed.StartEtcd(cfg); err != nil {
		return err
	}
	select {
	case <-s.etcd.Server.ReadyNotify():
	case <-s.etcd.Server.StopNotify():
		s.removed()
	case <-ctx.Done():
		return ctx.Err()
	}
	for s.etcd.Server.IsLearner() {
		logf("Waiting for etcd member %s to become a voter", name)
		select {
		case <-time.After(voterTestTick):
		case <-s.etcd.Server.StopNotify():
			s.removed()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.storeUp.Store(true)
	go s.manageMembers(ctx)
	return nil
}

// startMember starts etcd, takes over what is in SQLite if the cluster is new, and saves the bootstrap data a while after.
func (s *server) startMember(ctx context.Context, hasData, join bool) error {
	if err := s.startEtcd(ctx, join); err != nil {
		return err
	}
	if !hasData && !join {
		if err := s.moveFromSQLite(ctx); err != nil {
			return fmt.Errorf("failed to migrate content from sqlite to etcd: %w", err)
		}
	}
	go func() {
		time.Sleep(saveDelay)
		if err := s.saveBootstrap(ctx); err != nil && ctx.Err() == nil {
			shutdown(fmt.Errorf("failed to save bootstrap data: %w", err))
		}
	}()
	return nil
}

// writeEtcdConfig leaves etcd's configuration where k3s keeps it, as far as others read it.
func (s *server) writeEtcdConfig(cfg *embed.Config) error {
	text := fmt.Sprintf("client-transport-security:\n  cert-file: %s\n  client-cert-auth: true\n  key-file: %s\n  trusted-ca-file: %s\n"+
		"data-dir: %s\nelection-timeout: %d\nheartbeat-interval: %d\ninitial-cluster: %s\ninitial-cluster-state: %s\nlisten-metrics-urls: http://127.0.0.1:2381\nname: %s\n",
		cfg.ClientTLSInfo.CertFile, cfg.ClientTLSInfo.KeyFile, cfg.ClientTLSInfo.TrustedCAFile, cfg.Dir, cfg.ElectionMs, cfg.TickMs, cfg.InitialCluster, cfg.ClusterState, cfg.Name)
	return writeFile(filepath.Join(s.etcdDir(), "config"), []byte(text))
}

func (s *server) tombstone() string { return filepath.Join(s.etcdDir(), "tombstone") }

// removed: this member is no longer one. A tombstone says so to the next start.
func (s *server) removed() {
	_ = writeFile(s.tombstone(), nil)
	logf("This node has been removed from the cluster - please restart k3s to rejoin the cluster")
	shutdown(errors.New("etcd cluster membership lost"))
}

// buryMember moves the data of a removed member aside, so that this start joins anew: if there is somebody to join.
func (s *server) buryMember() error {
	if _, err := os.Stat(s.tombstone()); err != nil {
		return nil
	}
	if s.o.get("server", "") == "" {
		return errors.New("tombstone file has been detected but --server is empty: backup and delete ${datadir}/server/db to create a new cluster, or set --server to rejoin the cluster")
	}
	logf("tombstone file has been detected, removing ${datadir}/server/db to rejoin the cluster")
	return os.Rename(s.etcdDir(), fmt.Sprintf("%s-backup-%d", s.etcdDir(), time.Now().Unix()))
}

func urls(list ...string) []url.URL {
	var out []url.URL
	for _, raw := range list {
		u, _ := url.Parse(raw) // made here
		out = append(out, *u)
	}
	return out
}

// joinEtcd adds this server as a learner, once a second until the cluster takes it, and returns the initial cluster.
func (s *server) joinEtcd(ctx context.Context) (string, error) {
	for {
		cluster, err := s.tryJoin(ctx)
		if err == nil {
			return cluster, nil
		}
		if !errors.Is(err, errRetry) {
			return "", err
		}
		logf("Waiting to join etcd: %v", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

var errRetry = errors.New("not yet")

func (s *server) tryJoin(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var info memberList
	if err := s.remote.getJSON(ctx, "/db/info", "server", &info); err != nil {
		return "", fmt.Errorf("%w: %w", errRetry, err)
	}
	members := info.Members
	var endpoints, cluster []string
	own, _ := s.memberName(false)
	known := false
	for _, m := range members {
		if len(m.PeerURLs) == 0 {
			continue
		}
		if m.Name == "" && m.PeerURLs[0] == s.peerURL() {
			known = true // added by an earlier try that did not get further
			continue
		}
		if m.Name != "" && m.Name == own {
			known = true
			continue
		}
		if i := strings.LastIndex(m.Name, "-"); i > 0 && m.Name[:i] == s.name {
			shutdown(errors.New("etcd cluster join failed: duplicate node name found, please use a unique name for this node"))
		}
		cluster = append(cluster, m.Name+"="+m.PeerURLs[0])
		if !m.Learner {
			endpoints = append(endpoints, strings.TrimSuffix(m.PeerURLs[0], ":2380")+":2379")
		}
	}
	if len(endpoints) == 0 {
		return "", fmt.Errorf("%w: no voting member known", errRetry)
	}
	client, err := s.etcdClient(endpoints...)
	if err != nil {
		return "", err
	}
	defer client.Close()
	if !known {
		if _, err := client.MemberAddAsLearner(ctx, []string{s.peerURL()}); err != nil {
			if errors.Is(err, rpctypes.ErrPeerURLExist) {
				return "", err
			}
			return "", fmt.Errorf("%w: %w", errRetry, err)
		}
	}
	name, err := s.memberName(true)
	return strings.Join(append(cluster, name+"="+s.peerURL()), ","), err
}

// members lists the members as this server's etcd knows them.
func (s *server) members() []member {
	var out []member
	for _, m := range s.etcd.Server.Cluster().Members() {
		out = append(out, member{ID: uint64(m.ID), Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.ClientURLs, Learner: m.IsLearner})
	}
	return out
}

func (s *server) leads() bool { return s.etcd.Server.Leader() == s.etcd.Server.ID() }

// manageMembers is the leader's work: every tick it promotes learners that are in sync, and removes those that stall.
func (s *server) manageMembers(ctx context.Context) {
	tick := time.NewTicker(promoteTick)
	defer tick.Stop()
	seen := map[uint64]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.etcd.Server.StopNotify():
			if ctx.Err() != nil {
				return
			}
			s.removed()
		case now := <-tick.C:
			if !s.leads() {
				continue
			}
			wait, _ := strconv.Atoi(hook("promote-after"))
			for _, m := range s.members() {
				if !m.Learner {
					continue
				}
				if _, known := seen[m.ID]; !known {
					seen[m.ID] = now
				}
				if now.Sub(seen[m.ID]) < time.Duration(wait)*time.Second {
					continue
				}
				promote, cancel := context.WithTimeout(ctx, 10*time.Second)
				_, err := s.etcd.Server.PromoteMember(promote, m.ID)
				if err == nil {
					logf("Promoted learner %s", m.Name)
				} else if now.Sub(seen[m.ID]) > learnerStall {
					logf("Removing stalled learner %s", m.Name)
					_, _ = s.etcd.Server.RemoveMember(promote, m.ID)
				}
				cancel()
			}
			s.setVoters(ctx)
		}
	}
}
