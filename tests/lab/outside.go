package lab

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// What is outside of a cluster's network in real life: a registry that asks who is there, behind a certificate of a CA of its own, and a proxy
// that alone can reach it. Both write down what they were asked, one line each.

// The registry, who may use it, and the image that it has. Only the proxy knows RegistryName.
const (
	RegistryAt       = Gateway + ":5000"
	RegistryName     = "registry.example.org:5000"
	RegistryUser     = "puller"
	RegistryPassword = "labs-registry-password"
	RegistryImage    = "mirrored/app"
)

// The proxy, and who may use it. It finds every host of example.org in the lab.
const (
	ProxyAt       = Gateway + ":3128"
	ProxyUser     = "out"
	ProxyPassword = "labs-proxy-password"
)

// Asked is what the registry ("registry") or the proxy ("proxy") was asked so far.
func (l *Lab) Asked(whom string) []string {
	text, err := os.ReadFile(l.state(whom + ".log"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// notes writes lines to a file.
type notes struct {
	mu   sync.Mutex
	file string
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f, err := os.OpenFile(n.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, format+"\n", args...)
}

// serveOutside serves registry and proxy until one of them ends.
func (l *Lab) serveOutside(errs chan<- error) error {
	registry, err := l.listen(RegistryAt)
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(l.state("s3.crt"), l.state("s3.key"))
	if err != nil {
		return err
	}
	proxy, err := l.listen(ProxyAt)
	if err != nil {
		return err
	}
	asked := &notes{file: l.state("registry.log")}
	go func() {
		errs <- server(registryHandler(asked)).Serve(tls.NewListener(registry, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}))
	}()
	through := &notes{file: l.state("proxy.log")}
	go func() { errs <- server(l.proxyHandler(through)).Serve(proxy) }()
	return nil
}

const imageManifest = `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[]}`

func registryHandler(asked *notes) http.Handler {
	sum := sha256.Sum256([]byte(imageManifest))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		known := user == RegistryUser && password == RegistryPassword
		asked.add("%s %s by %q", r.Method, r.URL.Path, user)
		switch {
		case !known:
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/v2/":
		case strings.HasPrefix(r.URL.Path, "/v2/"+RegistryImage+"/manifests/"):
			w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
			w.Header().Set("Docker-Content-Digest", "sha256:"+hex.EncodeToString(sum[:]))
			_, _ = io.WriteString(w, imageManifest)
		default:
			http.NotFound(w, r)
		}
	})
}

// proxyHandler passes requests on, plain ones and tunnels, for whom it knows.
func (l *Lab) proxyHandler(through *notes) http.Handler {
	dial := func(address string) (conn net.Conn, err error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			host, port = address, "80"
		}
		if strings.HasSuffix(host, ".example.org") {
			host = Gateway
		}
		err = l.inside(func() error {
			conn, err = net.DialTimeout("tcp", net.JoinHostPort(host, port), 5*time.Second)
			return err
		})
		return conn, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		check := http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
		user, password, _ := check.BasicAuth()
		through.add("%s %s by %q", r.Method, r.Host, user)
		if user != ProxyUser || password != ProxyPassword {
			w.Header().Set("Proxy-Authenticate", `Basic realm="proxy"`)
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		there, err := dial(r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		if r.Method == http.MethodConnect {
			_, err = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
		} else {
			r.Header.Del("Proxy-Authorization")
			r.Header.Set("Connection", "close")
			err = r.Write(there)
		}
		if err != nil {
			return
		}
		done := make(chan struct{}, 2)
		for _, pipe := range [][2]net.Conn{{here, there}, {there, here}} {
			go func() { _, _ = io.Copy(pipe[0], pipe[1]); done <- struct{}{} }()
		}
		<-done
	})
}
