package drill

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Idle is what became of connections on which nothing was said: of some that were open when HAProxy was reloaded, and of some that were
// opened afterwards.
type Idle struct {
	Setup       string           `json:"setup"`
	Lasted      float64          `json:"lasted"` // seconds
	Connections []IdleConnection `json:"connections"`
}

// IdleConnection is one of them.
type IdleConnection struct {
	Kind   string `json:"kind"`
	Opened string `json:"opened"`
	End    string `json:"end"`

	ended chan string
}

// Kept is what an idle connection that was not cut is said to be.
const Kept = "not cut"

func (i Idle) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "idle for %.0f s, %s:", i.Lasted, i.Setup)
	for _, c := range i.Connections {
		fmt.Fprintf(&b, " %s, opened %s: %s;", c.Kind, c.Opened, c.End)
	}
	return strings.TrimSuffix(b.String(), ";")
}

// Cut are those that have not lasted.
func (i Idle) Cut() []IdleConnection {
	var out []IdleConnection
	for _, c := range i.Connections {
		if c.End != Kept {
			out = append(out, c)
		}
	}
	return out
}

const (
	pods = "/api/v1/namespaces/default/pods"
	// late is how long after its time a connection's line may come.
	late = 30 * time.Second
)

// Idle opens a watch, kubectl exec and kubectl logs -f, reloads HAProxy, opens them once more, says nothing for a time, and sees which of them
// still bring a line. The watch is a plain one, of HTTP/1.1: kubectl's own would ping.
func (c *Cluster) Idle(ctx context.Context, setup string, lasts time.Duration) (Idle, error) {
	out := Idle{Setup: setup, Lasted: lasts.Seconds()}
	name := fmt.Sprintf("idle-%d", time.Now().UnixMilli())
	ctx, cancel := context.WithTimeout(ctx, lasts+3*time.Minute)
	defer cancel()
	quiet := []string{"sh", "-c", fmt.Sprintf("sleep %.0f; echo ended; sleep 600", lasts.Seconds()+20)}
	pod := map[string]any{"metadata": map[string]any{"name": name}, "spec": map[string]any{
		"nodeName": c.Workers[0], "terminationGracePeriodSeconds": 1, "containers": []any{map[string]any{"name": "c", "image": "busybox", "command": quiet}},
	}}
	if err := c.api(ctx, c.client(5*time.Second), "POST", pods, pod, nil); err != nil {
		return out, err
	}
	defer func() {
		_ = c.api(context.WithoutCancel(ctx), c.client(5*time.Second), "DELETE", pods+"/"+name, nil, nil)
	}()
	if err := c.running(ctx, name); err != nil {
		return out, err
	}
	open := func(when string) {
		out.Connections = append(out.Connections,
			c.idleWatch(ctx, when, name),
			c.idleKubectl(ctx, "exec", when, append([]string{"exec", name, "--"}, quiet[0], quiet[1], quiet[2][:strings.LastIndex(quiet[2], ";")])...),
			c.idleKubectl(ctx, "logs -f", when, "logs", "-f", name))
	}
	open("before a reload")
	time.Sleep(2 * time.Second)
	node, err := c.holder()
	if err != nil {
		return out, err
	}
	if _, err := c.run(node, "systemctl reload haproxy"); err != nil {
		return out, err
	}
	time.Sleep(2 * time.Second)
	open("after it")
	select {
	case <-time.After(lasts):
	case <-ctx.Done():
		return out, ctx.Err()
	}
	object := map[string]any{"metadata": map[string]any{"name": name, "labels": map[string]string{"drill": name}}}
	if err := c.api(ctx, c.client(5*time.Second), "POST", space, object, nil); err != nil {
		return out, err
	}
	defer func() {
		_ = c.api(context.WithoutCancel(ctx), c.client(5*time.Second), "DELETE", space+"/"+name, nil, nil)
	}()
	deadline := time.After(20*time.Second + late)
	for i := range out.Connections {
		x := &out.Connections[i]
		select {
		case x.End = <-x.ended:
		case <-deadline:
			x.End = fmt.Sprintf("dead: nothing has come for %s after its time", late)
			deadline = time.After(0)
		}
	}
	return out, nil
}

// running waits until a pod runs.
func (c *Cluster) running(ctx context.Context, name string) error {
	for range 150 {
		var pod struct {
			Status struct {
				Phase string `json:"phase"`
			} `json:"status"`
		}
		if err := c.api(ctx, c.kept, "GET", pods+"/"+name, nil, &pod); err == nil && pod.Status.Phase == "Running" {
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return fmt.Errorf("the pod %s does not run", name)
}

// line says in the end whether a line has come, or when there was no more to wait for.
func line(from io.Reader, why func() error) chan string {
	out, began := make(chan string, 1), time.Now()
	go func() {
		_, err := bufio.NewReader(from).ReadString('\n')
		if err == nil {
			out <- Kept
			return
		}
		if reason := why(); reason != nil {
			err = reason
		}
		out <- fmt.Sprintf("cut after %.0f s (%v)", time.Since(began).Seconds(), err)
	}()
	return out
}

func failed(kind, when string, err error) IdleConnection {
	ended := make(chan string, 1)
	ended <- "not opened: " + err.Error()
	return IdleConnection{Kind: kind, Opened: when, ended: ended}
}

// idleWatch opens a watch, whose line is its first event.
func (c *Cluster) idleWatch(ctx context.Context, when, label string) IdleConnection {
	query := url.Values{"watch": {"1"}, "resourceVersion": {"0"}, "timeoutSeconds": {"7200"}, "labelSelector": {"drill=" + label}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.Endpoint+space+"?"+query.Encode(), nil)
	if err != nil {
		return failed("watch", when, err)
	}
	resp, err := c.client(0).Do(req)
	if err != nil {
		return failed("watch", when, err)
	}
	context.AfterFunc(ctx, func() { resp.Body.Close() })
	return IdleConnection{Kind: "watch", Opened: when, ended: line(resp.Body, func() error { return errors.New("closed") })}
}

// idleKubectl starts kubectl, whose line is the first one that it prints.
func (c *Cluster) idleKubectl(ctx context.Context, kind, when string, args ...string) IdleConnection {
	file, err := c.kubeconfigFile()
	if err != nil {
		return failed(kind, when, err)
	}
	cmd := c.Command(filepath.Join(c.Build, "bin", "kubectl"), append([]string{"--kubeconfig", file}, args...)...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	printed, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return failed(kind, when, err)
	}
	context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	return IdleConnection{Kind: kind, Opened: when, ended: line(printed, func() error {
		err := cmd.Wait()
		var exit *exec.ExitError
		if text := strings.TrimSpace(problems.String()); text != "" && errors.As(err, &exit) {
			return errors.New(text)
		}
		return err
	})}
}

// kubeconfigFile is the kubeconfig as a file of the lab.
func (c *Cluster) kubeconfigFile() (string, error) {
	file := filepath.Join(c.Dir, "drill-kubeconfig")
	return file, os.WriteFile(file, []byte(c.kubeconfig), 0o600)
}
