package cluster

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

// mint makes an administrator's certificate that lives for minutes, and its key, which is never written anywhere. The issuing CA follows
// the leaf, so that a cluster whose CA was rotated under the same root still takes it.
func mint(ca Pair, now time.Time) (certificate, key []byte, err error) {
	block, _ := pem.Decode([]byte(ca.Certificate))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, nil, errors.New("the CA of client certificates is not a certificate in PEM")
	}
	issuer, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("the CA of client certificates cannot be read: %w", err)
	}
	signer, err := readKey(ca.Key)
	if err != nil {
		return nil, nil, err
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "system:admin", Organization: []string{"system:masters"}},
		NotBefore:    now.Add(-time.Hour), // clocks differ
		NotAfter:     now.Add(30 * time.Minute),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, issuer, own.Public(), signer)
	if err != nil {
		return nil, nil, fmt.Errorf("signing a client certificate: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		return nil, nil, err
	}
	certificate = append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf}), pem.EncodeToMemory(block)...)
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// readKey reads the CA's key. OpenSSL writes a block of parameters before it. The error never quotes the key.
func readKey(text string) (*ecdsa.PrivateKey, error) {
	for rest := []byte(text); ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return nil, errors.New("the key of the CA of client certificates is not an EC key in PEM (SEC 1)")
		}
		if block.Type != "EC PRIVATE KEY" {
			continue
		}
		if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
			return key, nil
		}
	}
}
