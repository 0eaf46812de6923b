package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// listen opens the one port that k3s has. It answers from the beginning: 503 until there is something behind it.
func (s *server) listen(ctx context.Context) error {
	clientCA, err := os.ReadFile(s.tls("client-ca.crt"))
	if err != nil {
		return err
	}
	proxyCA, err := os.ReadFile(s.tls("request-header-ca.crt"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(clientCA)
	pool.AppendCertsFromPEM(proxyCA)
	cert, err := tls.LoadX509KeyPair(s.tls("serving-kube-apiserver.crt"), s.tls("serving-kube-apiserver.key"))
	if err != nil {
		return err
	}
	srv := &http.Server{
		Addr: ":6443", Handler: s.handler(), ReadHeaderTimeout: 30 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}},
	}
	listener, err := net.Listen("tcp", srv.Addr)
	if err != nil {
		return err
	}
	go func() {
		if err := srv.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			fatal(err)
		}
	}()
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	return nil
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "pong") })
	mux.HandleFunc("/cacerts", func(w http.ResponseWriter, _ *http.Request) {
		ca, err := os.ReadFile(s.tls("server-ca.crt"))
		answer(w, ca, err)
	})
	mux.HandleFunc("GET /v1-k3s/readyz", s.auth("node", func(w http.ResponseWriter, _ *http.Request) {
		if !s.ready.Load() {
			http.Error(w, "runtime core not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok")
	}))
	mux.HandleFunc("GET /v1-k3s/config", s.auth("node", func(w http.ResponseWriter, _ *http.Request) {
		data, err := json.Marshal(s.o.critical())
		answer(w, data, err)
	}))
	if s.kine == "" {
		s.handleCluster(mux)
	} else {
		mux.HandleFunc("/v1-k3s/server-bootstrap", s.auth("server", http.NotFound))
		mux.HandleFunc("/db/", s.auth("server", http.NotFound))
	}
	mux.HandleFunc("POST /v1-k3s/client-kubelet.crt", s.auth("node", s.whenReady(s.kubeletCert)))
	mux.HandleFunc("POST /v1-k3s/serving-kubelet.crt", s.auth("node", s.whenReady(s.kubeletCert)))
	mux.HandleFunc("GET /v1-k3s/client-ca.crt", s.auth("node", func(w http.ResponseWriter, _ *http.Request) {
		ca, err := os.ReadFile(s.tls("client-ca.crt"))
		answer(w, ca, err)
	}))
	mux.HandleFunc("GET /v1-k3s/apiservers", s.auth("node", s.whenReady(s.apiservers)))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if api := s.api.Load(); api != nil {
			(*api).ServeHTTP(w, r)
			return
		}
		text := "starting"
		if s.storeUp.Load() {
			text = "apiserver not ready"
		}
		http.Error(w, text, http.StatusServiceUnavailable)
	})
	return mux
}

// handleCluster answers what other servers ask and what is etcd's: with SQLite there is nothing to join.
func (s *server) handleCluster(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1-k3s/server-bootstrap", s.auth("server", s.whenReady(func(w http.ResponseWriter, _ *http.Request) {
		files, err := s.bootstrapData()
		if err != nil {
			answer(w, nil, err)
			return
		}
		data, err := json.Marshal(files)
		answer(w, data, err)
	})))
	mux.HandleFunc("GET /db/info", s.auth("server", s.whenReady(func(w http.ResponseWriter, _ *http.Request) {
		data, err := json.Marshal(memberList{s.members()})
		answer(w, data, err)
	})))
	mux.HandleFunc("/db/snapshot", s.auth("server", s.whenReady(s.snapshots.handle)))
}

func answer(w http.ResponseWriter, data []byte, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(data)
}

func (s *server) whenReady(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.ready.Load() {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		next(w, r)
	}
}

// auth lets in who knows the password of the role. A server may do what a node may.
func (s *server) auth(role string, next http.HandlerFunc) http.HandlerFunc {
	equal := func(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
	return func(w http.ResponseWriter, r *http.Request) {
		user, password, given := r.BasicAuth()
		if !given {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		isServer := user == "server" && equal(password, s.token)
		isNode := user == "node" && (equal(password, s.agentToken) || equal(password, s.token))
		if !isServer && !isNode {
			http.Error(w, "not authorized", http.StatusUnauthorized)
			return
		}
		if role == "server" && !isServer {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		next(w, r)
	}
}

// kubeletCert issues a node its client certificate, if it knows the password that its first registration left.
func (s *server) kubeletCert(w http.ResponseWriter, r *http.Request) {
	name, nodePassword := r.Header.Get("k3s-Node-Name"), r.Header.Get("k3s-Node-Password")
	if name == "" || nodePassword == "" {
		http.Error(w, "node name and password are required", http.StatusBadRequest)
		return
	}
	if err := s.ensurePassword(r.Context(), s.kube.CoreV1().Secrets("kube-system"), name, nodePassword); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	wanted := request{ca: "client-ca", cn: "system:node:" + name, orgs: []string{"system:nodes"}}
	if strings.HasSuffix(r.URL.Path, "/serving-kubelet.crt") {
		wanted = servingRequest(name, r.Header.Get("k3s-Node-Ip"))
	}
	cert, key, err := sign(s.path("tls"), wanted)
	answer(w, bytes.Join([][]byte{key, cert}, nil), err)
}

type secrets interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Secret, error)
	Create(ctx context.Context, secret *corev1.Secret, opts metav1.CreateOptions) (*corev1.Secret, error)
}

func (s *server) ensurePassword(ctx context.Context, client secrets, node, nodePassword string) error {
	sum := sha256.Sum256([]byte(nodePassword))
	hash, name := hex.EncodeToString(sum[:]), node+".node-password.k3s"
	secret, err := client.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		immutable := true
		_, err = client.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Immutable: &immutable, Type: "k3s.cattle.io/node-password", StringData: map[string]string{"hash": hash},
		}, metav1.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	if string(secret.Data["hash"]) != hash {
		return fmt.Errorf("unable to verify password for node %s: hash does not match", node)
	}
	return nil
}

func (s *server) apiservers(w http.ResponseWriter, r *http.Request) {
	endpoints, err := s.kube.CoreV1().Endpoints("default").Get(r.Context(), "kubernetes", metav1.GetOptions{})
	if err != nil {
		answer(w, nil, err)
		return
	}
	list := []string{}
	for _, subset := range endpoints.Subsets {
		for _, address := range subset.Addresses {
			list = append(list, address.IP+":6443")
		}
	}
	data, err := json.Marshal(list)
	answer(w, data, err)
}

// remote is a cluster as somebody who joins sees it.
type remote struct {
	url      string
	ca       []byte
	password string
	client   *http.Client
}

// connect fetches the cluster's CA and compares it with the token's hash, before any secret is sent.
func connect(ctx context.Context, url, token string) (*remote, error) {
	pass, hash := password(token)
	r := &remote{url: strings.TrimSuffix(url, "/"), password: pass}
	insecure := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer insecure.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/cacerts", nil)
	if err != nil {
		return nil, err
	}
	resp, err := insecure.Do(req)
	if err != nil {
		return nil, fmt.Errorf("failed to get CA certs: %w", err)
	}
	defer resp.Body.Close()
	if r.ca, err = io.ReadAll(resp.Body); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("failed to get CA certs: %s", resp.Status)
	}
	if hash != "" && hash != caHash(r.ca) {
		return nil, fmt.Errorf("token CA hash does not match the Cluster CA certificate hash: %s != %s", hash, caHash(r.ca))
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(r.ca)
	r.client = &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	return r, nil
}

func (r *remote) do(ctx context.Context, method, path, user string, header map[string]string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, nil)
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(user, r.password)
	for key, value := range header {
		req.Header.Set(key, value)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s%s: %s: %s", r.url, path, resp.Status, strings.TrimSpace(string(data)))
	}
	return data, err
}

func (r *remote) getJSON(ctx context.Context, path, user string, into any) error {
	data, err := r.do(ctx, http.MethodGet, path, user, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}
