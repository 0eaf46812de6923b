package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// until tries a step again and again until it is done, fails for good, or its time is over (*lateError). Errors of the moment are tried
// again: a server that goes takes its connections with it. The end of the context ends everything at once.
func (c *Cluster) until(ctx context.Context, doing string, within time.Duration, step func(context.Context) (bool, error)) error {
	deadline := time.Now().Add(within)
	var last error
	for {
		done, err := step(ctx)
		var final finalError
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("stopped while %s: %w", doing, context.Cause(ctx))
		case errors.As(err, &final):
			return err
		case err != nil && !transient(err):
			return fmt.Errorf("%s: %w", doing, err)
		case err == nil && done:
			return nil
		}
		last = err
		if time.Now().After(deadline) {
			return &lateError{doing, within, last}
		}
		select {
		case <-ctx.Done():
		case <-time.After(c.waits.Pause):
		}
	}
}

// lateError is a step that was not done in its time.
type lateError struct {
	doing  string
	within time.Duration
	last   error // what was last seen; nil when everything was answered
}

func (e *lateError) Error() string {
	if e.last == nil {
		return fmt.Sprintf("%s: not done for %s; run pulumi up again", e.doing, span(e.within))
	}
	return fmt.Sprintf("%s: not done for %s, last seen: %v; when the cluster's API answers again, run pulumi up again", e.doing, span(e.within), e.last)
}

func (e *lateError) Unwrap() error { return e.last }

// finalError is one that no waiting cures, in the words that the user reads.
type finalError string

func (e finalError) Error() string { return string(e) }

// transient says whether an error may be gone in a moment: no answer, or one that says "not now".
func transient(err error) bool {
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) {
		return true
	}
	switch code := answer.Status().Code; code {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return true
	default:
		return code >= http.StatusInternalServerError
	}
}

// span is a duration as people say it.
func span(d time.Duration) string {
	if d%time.Second != 0 {
		return d.String()
	}
	return fmt.Sprintf("%d s", int(d/time.Second))
}
