package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
)

// Serving is a certificate for something that the cluster's machines serve, signed by the CA of the API's serving certificates. It is derived
// from the key of that CA, as host keys are, so that it is the same at every run: nothing keeps it. It is good as long as its CA.
func (b Bundle) Serving(name string, hosts []string) (Pair, error) {
	ca, caKey, err := b.Authorities.Server.open()
	if err != nil {
		return Pair{}, err
	}
	derive := func(purpose string) []byte {
		sum := hmac.New(sha256.New, []byte(b.Authorities.Server.Key))
		sum.Write([]byte(purpose + " of " + name + "\x00" + strings.Join(hosts, "\x00")))
		return sum.Sum(nil)
	}
	// All but one in 2^32 hashes are a scalar of P-256; one less is never taken for another.
	order := elliptic.P256().Params().N
	scalar := new(big.Int).SetBytes(derive("serving key"))
	scalar.Mod(scalar, new(big.Int).Sub(order, big.NewInt(1))).Add(scalar, big.NewInt(1))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar.FillBytes(make([]byte, 32)))
	if err != nil {
		return Pair{}, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(derive("serial number")[:15]), Subject: pkix.Name{CommonName: name},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	// Without a source of randomness, ECDSA's nonce is derived, too (RFC 6979).
	der, err := x509.CreateCertificate(nil, template, ca, key.Public(), caKey)
	return Pair{Certificate: block("CERTIFICATE", der) + block("CERTIFICATE", ca.Raw), Key: block("EC PRIVATE KEY", keyDER)}, err
}
