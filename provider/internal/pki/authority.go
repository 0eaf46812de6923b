// Package pki makes a cluster's keys and certificates, in the forms that k3s makes and reads itself. It does no I/O.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	// authorityLife is how long a CA is good, as k3s' own.
	authorityLife = 3650 * 24 * time.Hour
	// backdate is how far before their making certificates begin: a node whose clock is behind must not refuse them. k3s would, for one,
	// take another hash of a CA that it cannot verify yet, and every token would be wrong.
	backdate = 24 * time.Hour
)

// Pair is a certificate and its key, both PEM; the key is EC in SEC1 form, as k3s' own CAs have it.
type Pair struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// Authorities are the CAs of a cluster. Each is a root of its own: under one root for all, etcd would take any kubelet for one of its
// own clients. Each is self-signed, as k3s makes them; a later one can be signed by it, which is what k3s' rotate-ca asks for.
type Authorities struct {
	Server        Pair `json:"server"`        // serving certificates of the API
	Client        Pair `json:"client"`        // client certificates for the API
	RequestHeader Pair `json:"requestHeader"` // aggregated APIs
	EtcdServer    Pair `json:"etcdServer"`    // etcd's serving and client certificates
	EtcdPeer      Pair `json:"etcdPeer"`      // etcd members among themselves
}

// authority is a CA with its place below k3s' server/tls and the name that k3s gives it.
type authority struct {
	file, name string
	pair       *Pair
}

func (a *Authorities) list() []authority {
	return []authority{
		{"server-ca", "k3s-server-ca", &a.Server},
		{"client-ca", "k3s-client-ca", &a.Client},
		{"request-header-ca", "k3s-request-header-ca", &a.RequestHeader},
		{"etcd/server-ca", "etcd-server-ca", &a.EtcdServer},
		{"etcd/peer-ca", "etcd-peer-ca", &a.EtcdPeer},
	}
}

// NewAuthorities makes the CAs of a new cluster.
func NewAuthorities(now time.Time) (Authorities, error) {
	var all Authorities
	for _, a := range all.list() {
		key, keyPEM, err := newKey()
		if err != nil {
			return all, err
		}
		template := &x509.Certificate{
			SerialNumber: serial(), Subject: pkix.Name{CommonName: fmt.Sprintf("%s@%d", a.name, now.Unix())},
			NotBefore: now.Add(-backdate).UTC(), NotAfter: now.Add(authorityLife).UTC(), IsCA: true, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			return all, err
		}
		*a.pair = Pair{Certificate: block("CERTIFICATE", der), Key: keyPEM}
	}
	return all, nil
}

// Files are the CAs as k3s looks for them below server/tls, before its first start.
func (a Authorities) Files() map[string]string {
	files := map[string]string{}
	for _, ca := range a.list() {
		files[ca.file+".crt"], files[ca.file+".key"] = ca.pair.Certificate, ca.pair.Key
	}
	return files
}

// Take takes over those that there are, by their files below server/tls.
func (a *Authorities) Take(files map[string]string) {
	for _, ca := range a.list() {
		if certificate := files[ca.file+".crt"]; certificate != "" {
			*ca.pair = Pair{Certificate: certificate, Key: files[ca.file+".key"]}
		}
	}
}

// Check says what is wrong with CAs that came from elsewhere. Its errors never quote a key.
func (a Authorities) Check() error {
	seen := map[string]string{}
	for _, ca := range a.list() {
		cert, _, err := ca.pair.open()
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", ca.file, err)
		case !cert.IsCA:
			return fmt.Errorf("%s: is not the certificate of a CA", ca.file)
		case seen[string(cert.RawSubjectPublicKeyInfo)] != "":
			return fmt.Errorf("%s: is the same CA as %s", ca.file, seen[string(cert.RawSubjectPublicKeyInfo)])
		}
		seen[string(cert.RawSubjectPublicKeyInfo)] = ca.file
	}
	return nil
}

// open reads a CA. A certificate's file may go on with those that signed it.
func (p Pair) open() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certBlock, _ := pem.Decode([]byte(p.Certificate))
	keyBlock, _ := pem.Decode([]byte(p.Key))
	if certBlock == nil || certBlock.Type != "CERTIFICATE" || keyBlock == nil || keyBlock.Type != "EC PRIVATE KEY" {
		return nil, nil, errors.New("is not a certificate and an EC key in PEM")
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, nil, errors.New("its certificate cannot be read")
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, nil, errors.New("its key cannot be read")
	}
	if public, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(key.Public()) {
		return nil, nil, errors.New("its key is not the certificate's")
	}
	return cert, key, nil
}

func newKey() (*ecdsa.PrivateKey, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return key, block("EC PRIVATE KEY", der), err
}

func serial() *big.Int {
	n, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // crypto/rand never fails
	return n
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
