package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k3sha/pulumi-k3sha/tests/lab/guest"
)

// The first thread cannot end, so it must never enter a namespace: it is the main goroutine's alone.
func init() { runtime.LockOSThread() }

// inside runs a function on a thread in the lab's network namespace.
func (l *Lab) inside(work func() error) error { return within(l.Namespace(), work) }

// Within runs a function on a thread in the network namespace of a VM.
func (l *Lab) Within(id int, work func() error) error { return within(l.Guests().NetNS(id), work) }

// Addresses are those that a VM has, whether it runs or not; none if it has no network.
func (l *Lab) Addresses(id int) []string {
	var out []string
	_ = l.Within(id, func() error {
		all, err := net.InterfaceAddrs()
		for _, a := range all {
			host, _, _ := strings.Cut(a.String(), "/")
			out = append(out, host)
		}
		return err
	})
	return out
}

// Plugged says whether a VM's cable is plugged in.
func (l *Lab) Plugged(id int) bool {
	up := false
	_ = l.inside(func() error {
		port, err := net.InterfaceByName(guest.Port(id))
		up = err == nil && port.Flags&net.FlagUp != 0
		return err
	})
	return up
}

func within(namespace string, work func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: this thread ends with the goroutine
		done <- func() error {
			ns, err := os.Open("/run/netns/" + namespace)
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("entering %s: %w", ns.Name(), err)
			}
			return work()
		}()
	}()
	return <-done
}

// Dial opens a connection from inside of the lab's network.
func (l *Lab) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = l.inside(func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Service is what a client of the VIP saw: it opened a new TLS connection every 50 ms and asked for /readyz.
type Service struct {
	Asked, Failed int
	// Without is the longest time without service: between two answers, less the time between two requests.
	Without time.Duration
	Last    error // the last failure
}

func (s Service) String() string {
	return fmt.Sprintf("%.2f s without service, %d of %d requests failed (%v)", s.Without.Seconds(), s.Failed, s.Asked, s.Last)
}

const (
	askEvery = 50 * time.Millisecond
	askFor   = 5 * time.Second // a request's deadline
)

// Request is one new connection with one question, and what came of it.
type Request struct {
	At   time.Time
	Took time.Duration
	Err  error
}

// Client asks for service at an address until the returned function is called. The server's certificate must be one of the CA's.
func (l *Lab) Client(ctx context.Context, address string, ca []byte) (stop func() Service) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	host, _, _ := net.SplitHostPort(address)
	return l.Service(ctx, "https://"+address+"/readyz", &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS12})
}

// Service is Client for any URL, with TLS as it says or without.
func (l *Lab) Service(ctx context.Context, url string, config *tls.Config) (stop func() Service) {
	began := time.Now()
	ended := l.Requests(ctx, url, config)
	return func() Service {
		answers := []time.Time{began, time.Now()} // a silence that has not ended counts too
		var s Service
		for _, r := range ended() {
			s.Asked++
			if r.Err != nil {
				s.Failed++
				s.Last = r.Err
			} else {
				answers = append(answers, r.At.Add(r.Took))
			}
		}
		slices.SortFunc(answers, time.Time.Compare)
		for i := 1; i < len(answers); i++ {
			s.Without = max(s.Without, answers[i].Sub(answers[i-1])-askEvery)
		}
		return s
	}
}

// Requests asks for a URL each 50 ms, on a new connection, until the returned function is called.
func (l *Lab) Requests(ctx context.Context, url string, config *tls.Config) (stop func() []Request) {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	var all []Request
	var asking sync.WaitGroup
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(askEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				asking.Wait()
				return
			case <-tick.C:
			}
			asking.Go(func() {
				at := time.Now()
				err := l.ask(url, config.Clone())
				mu.Lock()
				defer mu.Unlock()
				all = append(all, Request{At: at, Took: time.Since(at), Err: err})
			})
		}
	}()
	return func() []Request {
		cancel()
		<-ended
		return all
	}
}

func (l *Lab) ask(url string, config *tls.Config) error {
	ctx, cancel := context.WithTimeout(context.Background(), askFor)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DialContext: l.Dial, TLSClientConfig: config, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusUnauthorized { // 401: ready, and knows no anonymous requests
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}
