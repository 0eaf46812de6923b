package topology

import (
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"path"
	"regexp"
	"strconv"
	"strings"
)

const maxRetention = 1000

var (
	bucketName   = regexp.MustCompile(`^[a-z0-9][-a-z0-9.]{1,61}[a-z0-9]$`)
	s3Folder     = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$`)
	regionName   = regexp.MustCompile(`^[a-z0-9][-a-z0-9]*$`)
	snapshotName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	folderName   = regexp.MustCompile(`^/[A-Za-z0-9._/-]+$`)
)

func (v *validator) backup() {
	b := v.spec.Backup
	if b != nil {
		if why := cronProblem(b.Schedule); why != "" {
			v.add("backup.schedule", "%q %s", b.Schedule, why)
		}
		if b.Retention < 1 || b.Retention > maxRetention {
			v.add("backup.retention", "%d snapshots are out of range; give 1 to %d", b.Retention, maxRetention)
		}
		if !folderName.MatchString(b.Folder) || path.Clean(b.Folder) != b.Folder {
			v.add("backup.folder", "%q is not the absolute path of a folder on the servers; write it like %s", b.Folder, DefaultSnapshotFolder)
		}
		for _, key := range sortedKeys(v.spec.K3s.ServerConfig) {
			if strings.HasPrefix(key, "etcd-snapshot-") || strings.HasPrefix(key, "etcd-s3") || key == "etcd-disable-snapshots" {
				v.add("k3s.serverConfig."+key, "is decided by backup; take it out, or leave backup out and write all of them here")
			}
		}
		v.s3()
	}
	v.restore()
}

func (v *validator) s3() {
	s := v.spec.Backup.S3
	if s == nil {
		return
	}
	if !endpoint(s.Endpoint) {
		v.add("backup.s3.endpoint", "%q is not a host, with a port if it has another than 443, and no scheme; write it like %s", s.Endpoint, DefaultS3Endpoint)
	} else if host, _, _ := strings.Cut(s.Endpoint, ":"); host == v.spec.Network.VIP {
		v.add("backup.s3.endpoint", "%s is the VIP, at which no S3 answers; give its own address", host)
	}
	if s.Bucket == "" {
		v.add("backup.s3.bucket", "is missing; name the bucket, which must exist")
	} else if !bucketName.MatchString(s.Bucket) {
		v.add("backup.s3.bucket", "%q is not a bucket's name; give the one that there is, 3 to 63 lower-case letters, digits, dots and hyphens", s.Bucket)
	}
	if !regionName.MatchString(s.Region) {
		v.add("backup.s3.region", "%q is not a region; write it like %s", s.Region, DefaultS3Region)
	}
	if s.Folder != "" && !s3Folder.MatchString(s.Folder) {
		v.add("backup.s3.folder", "%q is not a folder in the bucket; write it like clusters/prod, without a slash at either end", s.Folder)
	}
	if s.CA != "" {
		block, _ := pem.Decode([]byte(s.CA))
		if block == nil || block.Type != "CERTIFICATE" {
			v.add("backup.s3.ca", "is not a certificate in PEM; give that of the CA which signed the endpoint's certificate")
		} else if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			v.add("backup.s3.ca", "holds a certificate that cannot be read; give that of the CA which signed the endpoint's certificate")
		}
	}
	for _, key := range s.Missing {
		v.add("backup.s3."+key, "is missing; give the key that may read, write, list and delete in the bucket, as a secret")
	}
}

func endpoint(text string) bool {
	host, port, hasPort := strings.Cut(text, ":")
	if hasPort {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return false
		}
	}
	_, err := netip.ParseAddr(host)
	return err == nil || hostName(host)
}

func (v *validator) restore() {
	r := v.spec.Restore
	if r == nil {
		return
	}
	file := strings.HasPrefix(r.Snapshot, "/")
	switch {
	case r.Snapshot == "":
		v.add("restore.snapshot", "is missing; name one of the output snapshots, or a file on the first server by its absolute path")
	case file && !folderName.MatchString(r.Snapshot) || !file && !snapshotName.MatchString(r.Snapshot):
		v.add("restore.snapshot", "%q is neither the name of a snapshot nor the absolute path of a file on the first server", r.Snapshot)
	}
	if !word.MatchString(r.ID) {
		v.add("restore.id", "%q is not a word; give any new one of letters, digits, dots and hyphens, like today's date: each is restored once", r.ID)
	}
}

var word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
