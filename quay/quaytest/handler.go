// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// A Handler is an embedded Quay as an http.Handler. It is safe for concurrent
// use. It calls itself by the Host of each request, and believes the header
// X-Forwarded-Proto, as Quay behind its front end does.
type Handler struct {
	cfg      config
	st       *state
	cursors  *cursorKey
	registry *registry
	served   *front // what stands before Quay's own code: shape.go
	cancel   context.CancelFunc
}

// NewHandler makes an embedded Quay that holds the dataset. The dataset must
// not be changed afterwards; several handlers may share it. A dataset that
// contradicts itself is an error: a repository without its namespace, an owner
// who is no user, a name that is there twice.
func NewHandler(d *Dataset, opts ...Option) (*Handler, error) {
	cfg := config{now: time.Now, pushLimit: defaultPushLimit}
	for _, o := range opts {
		if err := o(&cfg); err != nil {
			return nil, err
		}
	}
	if d == nil || cfg.now == nil {
		return nil, errors.New("quaytest: the dataset or the clock is nil")
	}
	st, err := newState(d)
	if err != nil {
		return nil, err
	}
	st.pushed.limit = cfg.pushLimit
	h := &Handler{cfg: cfg, st: st, cursors: newCursorKey(), registry: newRegistry(st)}
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	h.served = cfg.shape.wrap(ctx, http.HandlerFunc(h.route), h.now)
	return h, nil
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.served.ServeHTTP(w, r) }

// Close breaks off every answer that waits or stalls. It may be called twice.
func (h *Handler) Close() { h.cancel() }

// now gives the time by the server's clock.
func (h *Handler) now() time.Time { return h.cfg.now() }

// route sends a request to the part of Quay that answers it.
func (h *Handler) route(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case h.cfg.objectStorage && strings.HasPrefix(path, storagePath):
		h.serveStorage(w, r)
	case requestLine(r) > gunicornLineMax:
		sendLineTooLong(w, r)
	case strings.HasPrefix(path, "/v2/") || path == "/v2":
		h.serveRegistry(w, r)
	default:
		h.serveREST(w, r)
	}
}
