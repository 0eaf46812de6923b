package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
)

// Hash is k3s' hash of a CA, as it stands in full tokens (K10<hash>::...): of one certificate that of the file, byte for byte; of a bundle
// that of the root which the first certificate leads to.
//
// Upstream: hashCA in k3s' pkg/clientaccess/token.go.
func Hash(bundle string) (string, error) {
	var certs []*x509.Certificate
	for rest := []byte(bundle); ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return "", errors.New("a certificate of the bundle cannot be read")
		}
		certs = append(certs, cert)
	}
	hashed := []byte(bundle)
	switch {
	case len(certs) == 0:
		return "", errors.New("there is no certificate in it")
	case len(certs) > 1:
		roots, middle := x509.NewCertPool(), x509.NewCertPool()
		for _, cert := range certs {
			if len(cert.AuthorityKeyId) == 0 || string(cert.AuthorityKeyId) == string(cert.SubjectKeyId) {
				roots.AddCert(cert)
			} else {
				middle.AddCert(cert)
			}
		}
		chains, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		if err != nil {
			return "", errors.New("its certificates are no chain")
		}
		hashed = chains[0][len(chains[0])-1].Raw
	}
	sum := sha256.Sum256(hashed)
	return hex.EncodeToString(sum[:]), nil
}
