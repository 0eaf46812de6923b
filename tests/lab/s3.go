package lab

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// S3CA is the CA of the S3 server's certificate, as PEM.
func (l *Lab) S3CA() ([]byte, error) { return os.ReadFile(l.state("s3-ca.pem")) }

// newS3CA makes the S3 server's certificate by a CA of the lab's own, whose key nobody keeps.
func (l *Lab) newS3CA() error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab " + l.Name + " S3 CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "s3"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		IPAddresses: []net.IP{net.ParseIP(Gateway)}, DNSNames: []string{"registry.example.org"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		"s3-ca.pem": {Type: "CERTIFICATE", Bytes: caDER}, "s3.crt": {Type: "CERTIFICATE", Bytes: leafDER}, "s3.key": {Type: "EC PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(l.state(name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// startS3 starts the S3 server with a socket in the lab's network; it ends with the daemon, however that ends. The process itself stays
// outside of the network, as the daemon does: what runs in there are the engines' leftovers.
func (l *Lab) startS3(ctx context.Context, errs chan<- error) error {
	listener, err := l.listen(S3At)
	if err != nil {
		return err
	}
	defer listener.Close() // the child has it
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer socket.Close()
	s3 := exec.CommandContext(ctx, l.path("bin/s3"), "-dir", l.state("s3"), "-bucket", S3Bucket, "-cert", l.state("s3.crt"), "-key", l.state("s3.key"))
	s3.Env = append(os.Environ(), "S3_ACCESS_KEY="+S3AccessKey, "S3_SECRET_KEY="+S3SecretKey)
	s3.ExtraFiles = []*os.File{socket}
	s3.Stdout, s3.Stderr = os.Stdout, os.Stderr
	// This is the main goroutine, which never leaves the first thread: that thread's end is the process' end.
	s3.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s3.Start(); err != nil {
		return fmt.Errorf("starting the S3 server: %w", err)
	}
	go func() {
		err := s3.Wait()
		if err == nil {
			err = errors.New("exit status 0")
		}
		errs <- fmt.Errorf("the S3 server has ended: %w", err)
	}()
	return nil
}
