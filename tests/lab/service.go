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
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The first thread cannot end, so it must never enter a namespace: it is the main goroutine's alone.
func init() { runtime.LockOSThread() }

// inside runs a function on a thread in the lab's network namespace.
func (l *Lab) inside(work func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: this thread ends with the goroutine
		done <- func() error {
			ns, err := os.Open("/run/netns/" + l.Namespace())
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

// Client asks for service at an address until the returned function is called. The server's certificate must be one of the CA's.
func (l *Lab) Client(ctx context.Context, address string, ca []byte) (stop func() Service) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	host, _, _ := net.SplitHostPort(address)
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	var s Service
	answers := []time.Time{time.Now()}
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
			asking.Add(1)
			go func() {
				defer asking.Done()
				err := l.ask(address, &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS12})
				mu.Lock()
				defer mu.Unlock()
				s.Asked++
				if err != nil {
					s.Failed++
					s.Last = err
				} else {
					answers = append(answers, time.Now())
				}
			}()
		}
	}()
	return func() Service {
		// A silence that has not ended counts too.
		mu.Lock()
		answers = append(answers, time.Now())
		mu.Unlock()
		cancel()
		<-ended
		slices.SortFunc(answers, time.Time.Compare)
		for i := 1; i < len(answers); i++ {
			s.Without = max(s.Without, answers[i].Sub(answers[i-1])-askEvery)
		}
		return s
	}
}

func (l *Lab) ask(address string, config *tls.Config) error {
	ctx, cancel := context.WithTimeout(context.Background(), askFor)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DialContext: l.Dial, TLSClientConfig: config, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/readyz", nil)
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
