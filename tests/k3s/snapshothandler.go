package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// snapshotRequest is what /db/snapshot is asked for. S3 is the request's own, never the server's: a save without it stays on disk.
type snapshotRequest struct {
	Operation string   `json:"operation"`
	Name      []string `json:"name,omitempty"`
	Dir       *string  `json:"dir,omitempty"`
	Compress  *bool    `json:"compress,omitempty"`
	Retention *int     `json:"retention,omitempty"`
	S3        *etcdS3  `json:"s3,omitempty"`
}

// over is the server's configuration with the request's wishes.
func (r *snapshotRequest) over(c snapshotConfig) snapshotConfig {
	c.s3 = r.S3
	if len(r.Name) > 0 {
		c.name = r.Name[0]
	}
	if r.Dir != nil {
		c.dir = *r.Dir
	}
	if r.Compress != nil {
		c.compress = *r.Compress
	}
	if r.Retention != nil {
		c.retention = *r.Retention
	}
	return c
}

// handle answers POST /db/snapshot. Errors that are the server's own are told by a number only; its log has the rest.
func (p *snapshotter) handle(w http.ResponseWriter, r *http.Request) {
	request, err := readSnapshotRequest(r)
	if err != nil {
		answerWithID(w, err, http.StatusInternalServerError)
		return
	}
	config, err := p.s.o.snapshots()
	if err != nil {
		answerWithID(w, err, http.StatusInternalServerError)
		return
	}
	c := request.over(config)
	do := map[string]func(ctx context.Context) (any, error){
		"save":   func(ctx context.Context) (any, error) { return p.save(ctx, c) },
		"list":   func(ctx context.Context) (any, error) { return p.list(ctx, c) },
		"prune":  func(ctx context.Context) (any, error) { return p.prune(ctx, c) },
		"delete": func(ctx context.Context) (any, error) { return p.remove(ctx, c, request.Name) },
	}[request.Operation]
	if do == nil {
		answerWithID(w, errors.New("invalid snapshot operation"), http.StatusBadRequest)
		return
	}
	if c.s3 != nil {
		if _, err := p.s3(r.Context(), *c.s3); err != nil {
			answerError(w, fmt.Errorf("failed to initialize S3 client: %w", err), http.StatusBadRequest)
			return
		}
	}
	result, err := do(r.Context())
	if err != nil {
		answerWithID(w, err, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	data, err := json.Marshal(result)
	answer(w, data, err)
}

func readSnapshotRequest(r *http.Request) (*snapshotRequest, error) {
	if r.Method != http.MethodPost {
		return nil, http.ErrNotSupported
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	request := &snapshotRequest{}
	return request, json.Unmarshal(data, request)
}

// answerWithID logs an error under a number and answers that.
func answerWithID(w http.ResponseWriter, err error, code int) {
	id := rand.IntN(99999)
	errorf("etcd-snapshot error ID %05d: %v", id, err)
	answerError(w, fmt.Errorf("etcd-snapshot error ID %05d", id), code)
}

// answerError answers as an API server does.
func answerError(w http.ResponseWriter, err error, code int) {
	errorf("Sending HTTP %d response: %v", code, err)
	status := apierrors.NewInternalError(err).ErrStatus
	if code == http.StatusBadRequest {
		status = apierrors.NewBadRequest(err.Error()).ErrStatus
	}
	status.Kind, status.APIVersion = "Status", "v1"
	data, _ := json.Marshal(status) // of strings and numbers
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(data)
}
