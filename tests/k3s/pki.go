package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// bootstrapFiles are what a joining server gets from the one it joins: CAs, keys and the encryption configuration.
var bootstrapFiles = []string{
	"tls/server-ca.crt", "tls/server-ca.key", "tls/client-ca.crt", "tls/client-ca.key", "tls/request-header-ca.crt", "tls/request-header-ca.key",
	"tls/etcd/server-ca.crt", "tls/etcd/server-ca.key", "tls/etcd/peer-ca.crt", "tls/etcd/peer-ca.key", "tls/service.key",
	"cred/passwd", "cred/encryption-config.json",
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return key, pemBlock("EC PRIVATE KEY", der), err
}

func serial() *big.Int {
	n, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64)) // crypto/rand never fails
	return n
}

func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

func newCA(dir, name, commonName string) error {
	if _, err := os.Stat(filepath.Join(dir, name+".crt")); err == nil {
		return nil
	}
	key, keyPEM, err := newKey()
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: fmt.Sprintf("%s@%d", commonName, now.Unix())},
		NotBefore: now.Add(-time.Minute), NotAfter: now.AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, name+".key"), keyPEM); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, name+".crt"), pemBlock("CERTIFICATE", der))
}

// newCAs makes the cluster's CAs and the service account key, unless they are there.
func newCAs(server string) error {
	tls := filepath.Join(server, "tls")
	for _, ca := range []struct{ name, cn string }{
		{"server-ca", "k3s-server-ca"},
		{"client-ca", "k3s-client-ca"},
		{"request-header-ca", "k3s-request-header-ca"},
		{"etcd/server-ca", "etcd-server-ca"},
		{"etcd/peer-ca", "etcd-peer-ca"},
	} {
		if err := newCA(tls, ca.name, ca.cn); err != nil {
			return err
		}
	}
	path := filepath.Join(tls, "service.key")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	return writeFile(path, pemBlock("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)))
}

// request says what a leaf certificate is for.
type request struct {
	ca, name string // names below tls/, without extension
	cn       string
	orgs     []string
	sans     []string
	server   bool
	grows    bool // names of the certificate before it stay: k3s' listener only ever adds some
}

func loadCA(tls, name string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certPEM, err := os.ReadFile(filepath.Join(tls, name+".crt"))
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err := os.ReadFile(filepath.Join(tls, name+".key"))
	if err != nil {
		return nil, nil, err
	}
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return nil, nil, fmt.Errorf("%s/%s is not PEM", tls, name)
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	return cert, key, err
}

// sign makes a certificate and its key.
func sign(tls string, r request) (certPEM, keyPEM []byte, err error) {
	ca, caKey, err := loadCA(tls, r.ca)
	if err != nil {
		return nil, nil, err
	}
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: r.cn, Organization: r.orgs},
		NotBefore: ca.NotBefore, NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if r.server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, san := range r.sans {
		if ip := net.ParseIP(san); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, san)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	return append(pemBlock("CERTIFICATE", der), pemBlock("CERTIFICATE", ca.Raw)...), keyPEM, err
}

// issue signs a certificate into files, anew at each start unless keep says that the old one stays, if it is the CA's.
func issue(tls string, keep bool, r request) error {
	path := filepath.Join(tls, r.name)
	if keep && isOf(tls, r.ca, path+".crt") {
		return nil
	}
	if r.grows {
		r.sans = append(r.sans, sansOf(path+".crt")...)
		slices.Sort(r.sans)
		r.sans = slices.Compact(r.sans)
	}
	cert, key, err := sign(tls, r)
	if err != nil {
		return err
	}
	if err := writeFile(path+".key", key); err != nil {
		return err
	}
	return writeFile(path+".crt", cert)
}

// isOf says whether there is a certificate and the CA, which may be another one since, has signed it.
func isOf(tls, ca, path string) bool {
	data, _ := os.ReadFile(path)
	block, _ := pem.Decode(data)
	if block == nil {
		return false
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return false
	}
	signer, _, err := loadCA(tls, ca)
	return err == nil && cert.CheckSignatureFrom(signer) == nil
}

// sansOf are the names of a certificate, if there is one.
func sansOf(path string) []string {
	data, _ := os.ReadFile(path)
	block, _ := pem.Decode(data)
	if block == nil {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	names := cert.DNSNames
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// caHash is the hash in full tokens: that of the server CA's file.
func caHash(ca []byte) string {
	sum := sha256.Sum256(ca)
	return hex.EncodeToString(sum[:])
}
