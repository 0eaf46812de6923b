package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// An object's metadata say whose snapshot it is.
var (
	clusterIDKey = textproto.CanonicalMIMEHeaderKey("k3s-cluster-id")
	tokenHashKey = textproto.CanonicalMIMEHeaderKey("k3s-token-hash")
	nodeNameKey  = textproto.CanonicalMIMEHeaderKey("k3s-node-name")
)

// s3Client is a bucket that was there when the client was made.
type s3Client struct {
	minio *minio.Client
	c     etcdS3
	mark  map[string]string // metadata of what this server uploads
}

func newS3Client(ctx context.Context, c etcdS3, mark map[string]string) (*s3Client, error) {
	unset := defaultS3()
	unset.Retention = c.Retention // may come from the one of the disk
	if c == unset {
		return nil, errors.New("s3 configuration was not set")
	}
	scheme := "https://"
	if c.Insecure {
		scheme = "http://"
	}
	logf("Attempting to create new S3 client for endpoint=%q bucket=%q folder=%q", scheme+c.Endpoint, c.Bucket, c.Folder)
	if c.Bucket == "" {
		return nil, errors.New("s3 bucket name was not set")
	}
	transport, err := s3Transport(c)
	if err != nil {
		return nil, err
	}
	// After these, k3s asks a cloud's metadata service.
	creds := credentials.NewChainCredentials([]credentials.Provider{
		&credentials.Static{Value: credentials.Value{AccessKeyID: c.AccessKey, SecretAccessKey: c.SecretKey, SessionToken: c.SessionToken, SignerType: credentials.SignatureV4}},
		&credentials.FileAWSCredentials{},
	})
	if _, err := creds.Get(); err != nil {
		return nil, fmt.Errorf("failed to get credentials: %w", err)
	}
	client, err := minio.New(c.Endpoint, &minio.Options{Creds: creds, Secure: !c.Insecure, Region: c.Region, Transport: transport, BucketLookup: bucketLookup(c)})
	if err != nil {
		return nil, err
	}
	logf("Checking if S3 bucket %s exists", c.Bucket)
	ctx, cancel := context.WithTimeout(ctx, c.Timeout.Duration)
	defer cancel()
	exists, err := client.BucketExists(ctx, c.Bucket)
	if err != nil {
		return nil, fmt.Errorf("failed to test for existence of bucket %s: %w", c.Bucket, err)
	}
	if !exists {
		return nil, fmt.Errorf("bucket %s does not exist", c.Bucket)
	}
	logf("S3 bucket %s exists", c.Bucket)
	return &s3Client{client, c, mark}, nil
}

func s3Transport(c etcdS3) (*http.Transport, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	switch {
	case c.SkipSSLVerify:
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	case c.EndpointCA != "":
		pool, err := endpointCAs(c.EndpointCA)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	if c.Proxy == "" {
		return transport, nil
	}
	var proxy *url.URL // nil for none
	if c.Proxy != "none" {
		var err error
		if proxy, err = url.Parse(c.Proxy); err != nil {
			return nil, fmt.Errorf("failed to parse etcd-s3-proxy value as URL: %w", err)
		}
		if proxy.Scheme == "" || proxy.Host == "" {
			return nil, errors.New("proxy URL must include scheme and host")
		}
	}
	transport.Proxy = http.ProxyURL(proxy)
	return transport, nil
}

// endpointCAs are given as paths, or as base64 of PEM.
func endpointCAs(list string) (*x509.CertPool, error) {
	pool, loaded := x509.NewCertPool(), false
	for ca := range strings.SplitSeq(list, " ") {
		data, err := base64.StdEncoding.DecodeString(ca)
		if err != nil {
			data, err = os.ReadFile(ca)
		}
		if err != nil {
			return nil, err
		}
		loaded = pool.AppendCertsFromPEM(data) || loaded
	}
	if !loaded {
		return nil, errors.New("no certificates loaded from etcd-s3-endpoint-ca")
	}
	return pool, nil
}

func bucketLookup(c etcdS3) minio.BucketLookupType {
	switch strings.ToLower(c.BucketLookup) {
	case "dns":
		return minio.BucketLookupDNS
	case "path":
		return minio.BucketLookupPath
	}
	if strings.Contains(c.Endpoint, "aliyun") {
		return minio.BucketLookupDNS
	}
	return minio.BucketLookupAuto
}

// upload puts a snapshot into the bucket, and its extra metadata if it has any.
func (s *s3Client) upload(ctx context.Context, file string) error {
	name := filepath.Base(file)
	contentType := "application/octet-stream"
	if strings.HasSuffix(name, zipExtension) {
		contentType = "application/zip"
	}
	key := path.Join(s.c.Folder, name)
	logf("Uploading snapshot to s3://%s/%s", s.c.Bucket, key)
	err := s.put(ctx, key, file, contentType)
	metadata := filepath.Join(filepath.Dir(file), "..", metadataDir, name)
	if _, missing := os.Stat(metadata); missing == nil {
		if err := s.put(ctx, path.Join(s.c.Folder, metadataDir, name), metadata, "application/json"); err != nil {
			warnf("Failed to upload snapshot metadata to S3: %v", err)
		}
	}
	return err
}

func (s *s3Client) put(ctx context.Context, key, file, contentType string) error {
	ctx, cancel := context.WithTimeout(ctx, s.c.Timeout.Duration)
	defer cancel()
	_, err := s.minio.FPutObject(ctx, s.c.Bucket, key, file, minio.PutObjectOptions{NumThreads: 2, ContentType: contentType, UserMetadata: s.mark})
	return err
}

// download fetches a snapshot into a folder, and its extra metadata beside that, and returns the file.
func (s *s3Client) download(ctx context.Context, name, dir string) (string, error) {
	file := filepath.Join(dir, name)
	if err := s.get(ctx, path.Join(s.c.Folder, name), file); err != nil {
		return "", err
	}
	err := s.get(ctx, path.Join(s.c.Folder, metadataDir, name), filepath.Join(dir, "..", metadataDir, name))
	if err != nil && !missing(err) {
		return "", err
	}
	return file, nil
}

func (s *s3Client) get(ctx context.Context, key, file string) error {
	ctx, cancel := context.WithTimeout(ctx, s.c.Timeout.Duration)
	defer cancel()
	if err := s.minio.FGetObject(ctx, s.c.Bucket, key, file, minio.GetObjectOptions{}); err != nil {
		return err
	}
	return os.Chmod(file, 0o600)
}

func (s *s3Client) where() *snapshotS3 {
	return &snapshotS3{
		Endpoint: s.c.Endpoint, EndpointCA: s.c.EndpointCA, SkipSSLVerify: s.c.SkipSSLVerify, Bucket: s.c.Bucket, Region: s.c.Region, Prefix: s.c.Folder, Insecure: s.c.Insecure,
	}
}

// list are the snapshots below the folder, of all servers.
func (s *s3Client) list(ctx context.Context) ([]snapshotFile, error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.Timeout.Duration)
	defer cancel()
	var out []snapshotFile
	metadata := map[string]string{}
	for object := range s.minio.ListObjects(ctx, s.c.Bucket, minio.ListObjectsOptions{Prefix: s.c.Folder, Recursive: true}) {
		if object.Err != nil {
			return nil, object.Err
		}
		if object.Size == 0 {
			continue
		}
		if isMetadata(object.Key) {
			metadata[path.Base(object.Key)] = object.Key
			continue
		}
		if whole, err := s.minio.StatObject(ctx, s.c.Bucket, object.Key, minio.StatObjectOptions{}); err == nil {
			object = whole
		} else {
			warnf("Failed to get object metadata: %v", err)
		}
		name := path.Base(object.Key)
		file := newSnapshotFile(name, object.UserMetadata[nodeNameKey], "s3://"+s.c.Bucket+"/"+object.Key, object.Size, snapshotTime(name, object.LastModified), s.where())
		file.setTokenHash(object.UserMetadata[tokenHashKey])
		out = append(out, file)
	}
	for i := range out {
		if key := metadata[out[i].Spec.SnapshotName]; key != "" {
			out[i].setMetadata(s.read(ctx, key))
		}
	}
	return out, nil
}

func (s *s3Client) read(ctx context.Context, key string) []byte {
	object, err := s.minio.GetObject(ctx, s.c.Bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil
	}
	defer object.Close()
	data, err := io.ReadAll(object)
	if err != nil && !missing(err) {
		warnf("Failed to read snapshot metadata for %s: %v", path.Base(key), err)
	}
	return data
}

// prune removes the oldest snapshots of a name, whichever server made them, and returns them.
func (s *s3Client) prune(ctx context.Context, name string) ([]string, error) {
	if s.c.Retention < 1 {
		return nil, nil
	}
	prefix := path.Join(s.c.Folder, name)
	logf("Applying snapshot retention=%d to snapshots stored in s3://%s/%s", s.c.Retention, s.c.Bucket, prefix)
	listing, cancel := context.WithTimeout(ctx, s.c.Timeout.Duration)
	defer cancel()
	var objects []minio.ObjectInfo
	for object := range s.minio.ListObjects(listing, s.c.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if object.Err != nil {
			return nil, object.Err
		}
		if !isMetadata(object.Key) {
			objects = append(objects, object)
		}
	}
	sort.Slice(objects, func(i, j int) bool { return objects[j].LastModified.Before(objects[i].LastModified) })
	var deleted []string
	for _, object := range objects[min(s.c.Retention, len(objects)):] {
		logf("Removing S3 snapshot: s3://%s/%s", s.c.Bucket, object.Key)
		name := path.Base(object.Key)
		if err := s.remove(ctx, name); err != nil && !missing(err) {
			return deleted, err
		}
		deleted = append(deleted, name)
	}
	return deleted, nil
}

// remove deletes a snapshot and its extra metadata. An error says whether there was a snapshot at all.
func (s *s3Client) remove(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, s.c.Timeout.Duration)
	defer cancel()
	drop := func(key string) (found, failed error) {
		if _, err := s.minio.StatObject(ctx, s.c.Bucket, key, minio.StatObjectOptions{}); err != nil {
			return err, nil
		}
		return nil, s.minio.RemoveObject(ctx, s.c.Bucket, key, minio.RemoveObjectOptions{})
	}
	found, err := drop(path.Join(s.c.Folder, name))
	if err != nil {
		return err
	}
	if _, err := drop(path.Join(s.c.Folder, metadataDir, name)); err != nil {
		return err
	}
	return found
}

func isMetadata(key string) bool { return path.Base(path.Dir(key)) == metadataDir }

// missing says that a file or an object is not there.
func missing(err error) bool {
	return minio.ToErrorResponse(err).StatusCode == http.StatusNotFound || os.IsNotExist(err)
}
