package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	remotecommandconsts "k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/client-go/tools/remotecommand"
	streaming "k8s.io/kubelet/pkg/cri/streaming/remotecommand"
)

const (
	// streamIdle is the kubelet's streaming-connection-idle-timeout.
	streamIdle = 4 * time.Hour
	logPoll    = 200 * time.Millisecond
)

// serveContainers answers at the kubelet's port, to clients whose certificate is of the cluster's client CA. A container is its node:
// commands run there, and what it logs is the file that containerLog names.
func (n *node) serveContainers(serving tls.Certificate, clientCA []byte) error {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(clientCA) {
		return errors.New("the client CA is no certificate")
	}
	listener, err := tls.Listen("tcp", ":10250", &tls.Config{
		Certificates: []tls.Certificate{serving}, MinVersion: tls.VersionTLS12, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool, NextProtos: []string{"http/1.1"},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", execIn)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", followLog)
	srv := http.Server{ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})}
	go func() { _ = srv.Serve(listener) }()
	return nil
}

// nodeProcess runs a container's commands on the node.
type nodeProcess struct{}

func (nodeProcess) ExecInContainer(ctx context.Context, _ string, _ types.UID, _ string, command []string, in io.Reader, out, err io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	if len(command) == 0 {
		return errors.New("no command")
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, err
	return cmd.Run()
}

func execIn(w http.ResponseWriter, r *http.Request) {
	options, err := streaming.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	streaming.ServeExec(w, r, nodeProcess{}, r.PathValue("pod"), "", r.PathValue("container"), r.URL.Query()["command"], options,
		streamIdle, remotecommandconsts.DefaultStreamCreationTimeout, remotecommandconsts.SupportedStreamingProtocols)
}

// startContainers runs what a pod's containers name as their command, on the node, as far as they name one.
func (n *node) startContainers(pod *corev1.Pod) {
	n.containers.Lock()
	defer n.containers.Unlock()
	if _, started := n.processes[pod.UID]; started {
		return
	}
	n.processes[pod.UID] = nil
	for _, c := range pod.Spec.Containers {
		command := slices.Concat(c.Command, c.Args)
		if len(c.Command) == 0 {
			continue
		}
		path := containerLog(pod.Namespace, pod.Name, c.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			logf("container %s: %v", c.Name, err)
			continue
		}
		file, err := os.Create(path)
		if err != nil {
			logf("container %s: %v", c.Name, err)
			continue
		}
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = file, file, &syscall.SysProcAttr{Setpgid: true}
		err = cmd.Start()
		file.Close()
		if err != nil {
			logf("container %s: %v", c.Name, err)
			continue
		}
		n.processes[pod.UID] = append(n.processes[pod.UID], cmd)
		go func() { _ = cmd.Wait() }()
	}
}

// endContainers kills what startContainers has started for a pod.
func (n *node) endContainers(pod *corev1.Pod) {
	n.containers.Lock()
	defer n.containers.Unlock()
	for _, cmd := range n.processes[pod.UID] {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	delete(n.processes, pod.UID)
}

// containerLog is where a container's log is.
func containerLog(namespace, pod, container string) string {
	return filepath.Join("/var/log/pods", namespace+"_"+pod, container, "0.log")
}

func followLog(w http.ResponseWriter, r *http.Request) {
	path := containerLog(r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container"))
	file, err := os.Open(path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	defer file.Close()
	flusher, _ := w.(http.Flusher)
	for {
		_, err := io.Copy(w, file)
		flusher.Flush()
		if err != nil || r.URL.Query().Get("follow") != "true" {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(logPoll):
		}
	}
}

// servingRequest is the certificate with which a node's kubelet serves.
func servingRequest(name, ip string) request {
	return request{ca: "server-ca", cn: name, sans: []string{name, "localhost", "127.0.0.1", ip}, server: true}
}

// splitPair takes apart a key and a certificate that follow each other.
func splitPair(data []byte) (certPEM, keyPEM []byte, err error) {
	key, cert := pem.Decode(data)
	if key == nil || len(cert) == 0 {
		return nil, nil, errors.New("no certificate was sent")
	}
	return cert, pem.EncodeToMemory(key), nil
}
