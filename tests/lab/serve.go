package lab

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/k3sha/pulumi-k3sha/tests/lab/pve"
)

// Daemon is the lab's daemon: the Proxmox VE API and the artifact server inside of the lab's network, the control endpoint
// on a socket. With null, there are no guests, and one SSH server answers for all of them.
func (l *Lab) Daemon(ctx context.Context, null bool) error {
	var driver pve.Driver = l.Guests()
	if null {
		driver = pve.NewNull()
	}
	api := pve.New(driver)
	api.Fetch = l.fetchInside
	cert, err := certificate()
	if err != nil {
		return err
	}
	proxmox, err := l.listen(ProxmoxAt)
	if err != nil {
		return err
	}
	files, err := l.listen(FilesAt)
	if err != nil {
		return err
	}
	errs := make(chan error, 10)
	if err := l.startS3(ctx, errs); err != nil {
		return err
	}
	if err := l.serveOutside(errs); err != nil {
		return err
	}
	_ = os.Remove(l.socket())
	control, err := net.Listen("unix", l.socket())
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/k3s/", http.StripPrefix("/k3s/", http.FileServer(http.Dir(l.Releases()))))
	mux.Handle("/files/", http.StripPrefix("/files/", http.FileServer(http.Dir(l.Images()))))
	mux.Handle("/apt/", http.StripPrefix("/apt/", http.FileServer(http.Dir(l.system("apt")))))

	if null {
		machines, err := l.listen("0.0.0.0:22")
		if err != nil {
			return err
		}
		for _, network := range nullNetworks {
			if err := ip("-n", l.Namespace(), "route", "add", "local", network, "dev", "lo"); err != nil {
				return err
			}
		}
		go func() { errs <- l.serveSSH(machines) }()
	} else if err := l.serveHosts(errs); err != nil {
		return err
	}
	go func() {
		errs <- server(api).Serve(tls.NewListener(proxmox, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}))
	}()
	go func() { errs <- server(mux).Serve(files) }()
	go func() { errs <- server(api.Control()).Serve(control) }()
	select {
	case err := <-errs:
		return err
	case <-ctx.Done():
		return nil
	}
}

func server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 30 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
}

// listen opens a socket inside of the lab's network namespace; the daemon itself stays outside, where VMs are started.
func (l *Lab) listen(address string) (listener net.Listener, err error) {
	err = l.inside(func() (err error) {
		listener, err = net.Listen("tcp", address)
		return err
	})
	return listener, err
}

func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pve1"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IPAddresses: []net.IP{net.ParseIP(Gateway), net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"pve1", "localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
