package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k3sha/pulumi-k3sha/provider/internal/contact"
	"github.com/k3sha/pulumi-k3sha/provider/internal/pki"
)

// newCA makes a CA.
func newCA(t *testing.T, name string) (pki.Pair, *x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, _ := x509.ParseCertificate(der)
	secret, _ := x509.MarshalECPrivateKey(key)
	return pki.Pair{
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key:         string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})),
	}, certificate, key
}

func TestMint(t *testing.T) {
	t.Parallel()
	ca, issuer, _ := newCA(t, "client-ca")
	certificate, key, err := mint(ca, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	if len(pair.Certificate) != 2 || !slices.Equal(pair.Certificate[1], issuer.Raw) {
		t.Error("the issuing CA does not follow the leaf")
	}
	roots := x509.NewCertPool()
	roots.AddCert(issuer)
	for at, fine := range map[time.Duration]bool{-50 * time.Minute: true, 0: true, 29 * time.Minute: true, 31 * time.Minute: false} {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, CurrentTime: time.Now().Add(at)})
		if (err == nil) != fine {
			t.Errorf("at %s: %v", at, err)
		}
	}
	if s := pair.Leaf.Subject; s.CommonName != "system:admin" || !slices.Equal(s.Organization, []string{"system:masters"}) || !slices.Equal(pair.Leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) {
		t.Errorf("%+v %v", s, pair.Leaf.ExtKeyUsage)
	}

	other, _, _ := newCA(t, "other")
	for name, bad := range map[string]pki.Pair{
		"no certificate": {Certificate: "x", Key: ca.Key}, "no key": {Certificate: ca.Certificate, Key: "secret"}, "another's key": {Certificate: ca.Certificate, Key: other.Key},
	} {
		if _, _, err := mint(bad, time.Now()); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// sshd is a node: it lets one key in and forwards connections.
type sshd struct {
	host  contact.Host
	mutex sync.Mutex
	conns []net.Conn
}

func newSSHD(t *testing.T) *sshd {
	t.Helper()
	_, private, _ := ed25519.GenerateKey(rand.Reader)
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := ssh.NewSignerFromKey(private)
	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }}
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sshd{host: contact.Host{
		Address: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, User: "ubuntu", PrivateKey: string(pem.EncodeToMemory(block)),
		HostKey: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))),
	}}
	t.Cleanup(func() { listener.Close(); s.hangUp() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mutex.Lock()
			s.conns = append(s.conns, conn)
			s.mutex.Unlock()
			go serveSSH(conn, config)
		}
	}()
	return s
}

// hangUp ends all connections, as a node that restarts.
func (s *sshd) hangUp() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, conn := range s.conns {
		conn.Close()
	}
	s.conns = nil
}

func serveSSH(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		go forward(offered)
	}
}

func forward(offered ssh.NewChannel) {
	var to struct {
		Host       string
		Port       uint32
		Origin     string
		OriginPort uint32
	}
	_ = ssh.Unmarshal(offered.ExtraData(), &to)
	conn, err := net.Dial("tcp", net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))))
	if err != nil {
		_ = offered.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	channel, requests, err := offered.Accept()
	if err != nil {
		conn.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	go func() { _, _ = io.Copy(conn, channel); conn.Close() }()
	_, _ = io.Copy(channel, conn)
	channel.Close()
}

// api is an API whose clock is an hour ahead and which is not ready at first. Its certificate is of the server CA; /db/info wants the token.
func api(t *testing.T, serverCA *x509.Certificate, serverKey *ecdsa.PrivateKey, clientCA *x509.Certificate) int {
	t.Helper()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"kubernetes.default.svc"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, serverCA, key.Public(), serverKey)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		admin := len(r.TLS.VerifiedChains) > 0 && r.TLS.PeerCertificates[0].Subject.CommonName == "system:admin"
		switch {
		case !admin:
			http.Error(w, "no", http.StatusUnauthorized)
		case r.URL.Path == "/readyz":
			if asked++; asked == 1 {
				http.Error(w, "etcd failed", http.StatusInternalServerError)
			}
		case r.URL.Path == "/api/v1/nodes":
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"k3s-server-01"}}]}`)
		}
	}))
	pool := x509.NewCertPool()
	pool.AddCert(clientCA)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool}
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().(*net.TCPAddr).Port
}

func closedPort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func TestReach(t *testing.T) {
	t.Parallel()
	server, serverCA, serverKey := newCA(t, "server-ca")
	client, clientCA, _ := newCA(t, "client-ca")
	node, jump := newSSHD(t), newSSHD(t)
	off := node.host
	off.Port = closedPort(t)
	port := api(t, serverCA, serverKey, clientCA)
	access := Access{ // nothing answers at the VIP: it is moving
		Cluster: "k3s", VIP: "127.0.0.9", APIPort: port, Servers: 1, Jump: &jump.host,
		Ways: []Way{{"k3s-lb-01", off, ""}, {"k3s-lb-02", node.host, ""}, {"k3s-server-01", node.host, fmt.Sprintf("127.0.0.1:%d", port)}}, ServerCA: server.Certificate, ClientCA: client,
	}
	c, err := Reach(t.Context(), access, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.drainFor != 300*time.Second {
		t.Error(c.drainFor)
	}
	if ahead := time.Until(c.now()); ahead < 59*time.Minute || ahead > 61*time.Minute {
		t.Errorf("the cluster's clock is %s ahead", ahead)
	}
	if c.kubelet(t.Context(), "127.0.0.1") {
		t.Error("no kubelet listens here")
	}
	// The node restarts: the tunnel is opened again.
	for range 2 {
		list, err := c.kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		if err != nil || len(list.Items) != 1 {
			t.Errorf("%v %v", list, err)
		}
		node.hangUp()
		jump.hangUp()
		time.Sleep(50 * time.Millisecond)
	}
	c.Close()
	if _, err := c.kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); err == nil {
		t.Error("the closed tunnel leads somewhere")
	}
}

func TestReachFails(t *testing.T) {
	t.Parallel()
	server, serverCA, serverKey := newCA(t, "server-ca")
	client, clientCA, _ := newCA(t, "client-ca")
	other, _, _ := newCA(t, "client-ca")
	node := newSSHD(t)
	off := node.host
	off.Port = closedPort(t)
	fine := Access{
		Cluster: "k3s", VIP: "127.0.0.1", APIPort: api(t, serverCA, serverKey, clientCA), Servers: 1,
		Ways: []Way{{"k3s-lb-01", off, ""}, {"k3s-server-01", node.host, ""}}, ServerCA: server.Certificate, ClientCA: client,
	}
	for name, c := range map[string]struct {
		change func(*Access)
		want   []string
	}{
		"nobody listens": {func(a *Access) { a.APIPort = closedPort(t) }, []string{
			"the API of cluster k3s at 127.0.0.1:", " cannot be reached for 1 s: through k3s-lb-01: SSH: dial tcp 127.0.0.1:", "through k3s-server-01: SSH is fine, but nothing answers at 127.0.0.1:", "then run pulumi up again",
		}},
		"another server CA": {func(a *Access) { a.ServerCA = other.Certificate }, []string{"through k3s-server-01: ", "certificate signed by unknown authority"}},
		"another client CA": {func(a *Access) { a.ClientCA = other }, []string{"through k3s-server-01: ", "/readyz"}},
		"no way":            {func(a *Access) { a.Ways = nil }, []string{"cluster k3s: no node is known through which it could be reached"}},
		"no CA":             {func(a *Access) { a.ServerCA = "" }, []string{"cluster k3s: the CA of its API is not a certificate in PEM"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			access := fine
			c.change(&access)
			_, err := Reach(t.Context(), access, time.Second)
			if err == nil {
				t.Fatal("it was reached")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nlacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "PRIVATE") {
				t.Errorf("a secret: %v", err)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	stopped := fine
	stopped.APIPort = closedPort(t)
	_, err := Reach(ctx, stopped, time.Minute)
	says(t, err, "stopped while reaching cluster k3s: context deadline exceeded")
}
