package pki

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"time"
)

// Admin is a certificate of the cluster's administrator, system:admin of system:masters, signed by the CA of client certificates. The CA
// stands behind it in the file, so that it outlives a rotation under the same root. It never outlives its CA.
func (a Authorities) Admin(now time.Time, life time.Duration) (pair Pair, until time.Time, err error) {
	ca, caKey, err := a.Client.open()
	if err != nil {
		return Pair{}, time.Time{}, err
	}
	key, keyPEM, err := newKey()
	if err != nil {
		return Pair{}, time.Time{}, err
	}
	until = now.Add(life).UTC().Truncate(time.Second)
	if until.After(ca.NotAfter) {
		until = ca.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "system:admin", Organization: []string{"system:masters"}},
		NotBefore: now.Add(-backdate).UTC(), NotAfter: until,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		return Pair{}, time.Time{}, err
	}
	return Pair{Certificate: block("CERTIFICATE", der) + block("CERTIFICATE", ca.Raw), Key: keyPEM}, until, nil
}
