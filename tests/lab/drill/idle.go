package drill

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Idle is what became of watches on which nothing was said: one that was open when HAProxy was reloaded, and one that was opened afterwards.
type Idle struct {
	Setup  string  `json:"setup"`
	Lasted float64 `json:"lasted"` // seconds
	Across string  `json:"acrossReload"`
	After  string  `json:"afterReload"`
}

func (i Idle) String() string {
	return fmt.Sprintf("watches idle for %.0f s, %s: open across a reload of HAProxy: %s; opened after it: %s", i.Lasted, i.Setup, i.Across, i.After)
}

// Kept is what an idle watch that was not cut is said to be.
const Kept = "not cut"

// Idle opens a watch, reloads HAProxy, opens another, says nothing for a time, and sees whether both still carry an event.
func (c *Cluster) Idle(ctx context.Context, setup string, lasts time.Duration) (Idle, error) {
	label := fmt.Sprintf("idle-%d", time.Now().UnixMilli())
	out := Idle{Setup: setup, Lasted: lasts.Seconds()}
	across, err := c.openIdle(ctx, label)
	if err != nil {
		return out, err
	}
	node, err := c.holder()
	if err != nil {
		return out, err
	}
	if _, err := c.run(node, "systemctl reload haproxy"); err != nil {
		return out, err
	}
	time.Sleep(2 * time.Second)
	after, err := c.openIdle(ctx, label)
	if err != nil {
		return out, err
	}
	select {
	case <-time.After(lasts):
	case <-ctx.Done():
		return out, ctx.Err()
	}
	object := map[string]any{"metadata": map[string]any{"name": label, "labels": map[string]string{"drill": label}}}
	if err := c.api(ctx, c.client(5*time.Second), "POST", space, object, nil); err != nil {
		return out, err
	}
	out.Across, out.After = <-across, <-after
	return out, c.api(ctx, c.client(5*time.Second), "DELETE", space+"/"+label, nil, nil)
}

// openIdle opens a watch, and says in the end whether its first event has come, or when it was cut.
func (c *Cluster) openIdle(ctx context.Context, label string) (<-chan string, error) {
	ctx, cancel := context.WithCancel(ctx)
	query := url.Values{"watch": {"1"}, "resourceVersion": {"0"}, "timeoutSeconds": {"7200"}, "labelSelector": {"drill=" + label}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.Endpoint+space+"?"+query.Encode(), nil)
	if err != nil {
		cancel()
		return nil, err
	}
	began := time.Now()
	resp, err := c.client(0).Do(req)
	if err != nil {
		cancel()
		return nil, err
	}
	out := make(chan string, 1)
	go func() {
		_, err := bufio.NewReader(resp.Body).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = errors.New("closed")
		}
		if err != nil {
			out <- fmt.Sprintf("cut after %.0f s (%v)", time.Since(began).Seconds(), err)
		} else {
			out <- Kept
		}
		cancel()
		resp.Body.Close()
	}()
	return out, nil
}
