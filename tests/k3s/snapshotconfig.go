package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	defaultCron      = "0 */12 * * *"
	defaultRetention = 5
)

// etcdS3 is k3s' configuration of S3, as it is in requests too.
type etcdS3 struct {
	AccessKey     string          `json:"accessKey,omitempty"`
	Bucket        string          `json:"bucket,omitempty"`
	BucketLookup  string          `json:"bucketLookup,omitempty"`
	Endpoint      string          `json:"endpoint,omitempty"`
	EndpointCA    string          `json:"endpointCA,omitempty"`
	Folder        string          `json:"folder,omitempty"`
	Proxy         string          `json:"proxy,omitempty"`
	Region        string          `json:"region,omitempty"`
	SecretKey     string          `json:"secretKey,omitempty"`
	SessionToken  string          `json:"sessionToken,omitempty"`
	Insecure      bool            `json:"insecure,omitempty"`
	SkipSSLVerify bool            `json:"skipSSLVerify,omitempty"`
	Retention     int             `json:"retention,omitempty"`
	Timeout       metav1.Duration `json:"timeout,omitempty"`
}

// defaultS3 is what options that were not given leave: a configuration that is nothing else has not been set.
func defaultS3() etcdS3 {
	return etcdS3{Endpoint: "s3.amazonaws.com", Region: "us-east-1", Timeout: metav1.Duration{Duration: 5 * time.Minute}}
}

// snapshotConfig is how one server makes and keeps snapshots, or one request wants it.
type snapshotConfig struct {
	name      string
	dir       string // empty: the default
	compress  bool
	retention int
	s3        *etcdS3
}

// Options of snapshots, of k3s server and in its configuration.
var snapshotOptions = []string{
	"etcd-disable-snapshots", "etcd-snapshot-name", "etcd-snapshot-schedule-cron", "etcd-snapshot-retention", "etcd-snapshot-dir", "etcd-snapshot-compress",
	"etcd-s3", "etcd-s3-endpoint", "etcd-s3-endpoint-ca", "etcd-s3-skip-ssl-verify", "etcd-s3-access-key", "etcd-s3-secret-key", "etcd-s3-session-token",
	"etcd-s3-bucket", "etcd-s3-bucket-lookup-type", "etcd-s3-region", "etcd-s3-folder", "etcd-s3-proxy", "etcd-s3-insecure", "etcd-s3-timeout", "etcd-s3-retention",
}

func (o *options) snapshots() (snapshotConfig, error) {
	retention, err := o.number("etcd-snapshot-retention", defaultRetention)
	if err != nil {
		return snapshotConfig{}, err
	}
	c := snapshotConfig{name: o.get("etcd-snapshot-name", "etcd-snapshot"), dir: o.get("etcd-snapshot-dir", ""), compress: o.is("etcd-snapshot-compress"), retention: retention}
	if o.is("etcd-s3") {
		c.s3, err = o.s3(retention)
	}
	return c, err
}

// s3 reads the options of S3. Its retention follows that of the disk if only that is given.
func (o *options) s3(retention int) (*etcdS3, error) {
	c := defaultS3()
	timeout, err := time.ParseDuration(o.get("etcd-s3-timeout", c.Timeout.Duration.String()))
	if err != nil {
		return nil, fmt.Errorf("invalid value for flag -etcd-s3-timeout: %w", err)
	}
	c.Timeout.Duration = timeout
	if c.Retention, err = o.number("etcd-s3-retention", retention); err != nil {
		return nil, err
	}
	c.Endpoint, c.Region = o.get("etcd-s3-endpoint", c.Endpoint), o.get("etcd-s3-region", c.Region)
	c.EndpointCA, c.SkipSSLVerify, c.Insecure = o.get("etcd-s3-endpoint-ca", ""), o.is("etcd-s3-skip-ssl-verify"), o.is("etcd-s3-insecure")
	c.Bucket, c.BucketLookup, c.Folder, c.Proxy = o.get("etcd-s3-bucket", ""), o.get("etcd-s3-bucket-lookup-type", ""), o.get("etcd-s3-folder", ""), o.get("etcd-s3-proxy", "")
	c.AccessKey = o.get("etcd-s3-access-key", os.Getenv("AWS_ACCESS_KEY_ID"))
	c.SecretKey = o.get("etcd-s3-secret-key", os.Getenv("AWS_SECRET_ACCESS_KEY"))
	c.SessionToken = o.get("etcd-s3-session-token", os.Getenv("AWS_SESSION_TOKEN"))
	return &c, nil
}

func (o *options) number(key string, def int) (int, error) {
	n, err := strconv.Atoi(o.get(key, strconv.Itoa(def)))
	if err != nil {
		return 0, fmt.Errorf("invalid value for flag -%s: %w", key, err)
	}
	return n, nil
}

// folder is where snapshots lie on disk. The default one is made; others must be there.
func (c snapshotConfig) folder(server string, create bool) (string, error) {
	def := filepath.Join(server, "db", "snapshots")
	dir := c.dir
	if dir == "" {
		dir = def
	}
	info, err := os.Stat(dir)
	if os.IsNotExist(err) && create && dir == def {
		return dir, os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is not a directory", dir)
	}
	return dir, nil
}
