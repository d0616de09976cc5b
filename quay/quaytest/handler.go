// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/quayside/quayside/quay/quaytest/internal/cursor"
	"github.com/quayside/quayside/quay/quaytest/internal/front"
	"github.com/quayside/quayside/quay/quaytest/internal/objectstore"
	"github.com/quayside/quayside/quay/quaytest/internal/registry"
	"github.com/quayside/quayside/quay/quaytest/internal/rest"
	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// A Handler is an embedded Quay as an http.Handler. It calls itself by the Host of
// each request, and believes the header X-Forwarded-Proto, as Quay behind its front
// end does. It is safe for concurrent use.
type Handler struct {
	front  *front.Front
	cancel context.CancelFunc
}

// NewHandler returns an embedded Quay that holds a dataset. The dataset must not be
// changed afterwards; several handlers may share it. NewHandler fails if the dataset
// contradicts itself: a repository without its namespace, an owner who is not a user,
// a name that is used twice. Close the Handler to end answers that wait.
func NewHandler(d *Dataset, opts ...Option) (*Handler, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	return newHandler(d, cfg)
}

func newHandler(d *Dataset, cfg config) (*Handler, error) {
	if d == nil {
		return nil, errors.New("quaytest: the dataset is nil")
	}
	st, err := load(d, store.Options{PushLimit: cfg.pushLimit, NoAnonymous: cfg.quirks.NoAnonymous, Vanished: cfg.quirks.Vanish})
	if err != nil {
		return nil, err
	}
	f, err := cfg.front()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Handler{front: front.New(ctx, f, newQuay(st, cfg)), cancel: cancel}, nil
}

// newQuay returns Quay's own code: the two APIs and the object storage.
func newQuay(st *store.Store, cfg config) http.Handler {
	cursors := cursor.NewKey()
	api := &rest.API{Store: st, Now: cfg.now, Cursors: cursors, Hostname: cfg.hostname,
		MirrorRegistry: cfg.quirks.MirrorRegistry, ReusePage: cfg.quirks.PageReuse, RepeatCursor: cfg.quirks.RepeatCursor}
	c := registry.Config{Store: st, Now: cfg.now, Cursors: cursors, Hostname: cfg.hostname, BlobRange: cfg.quirks.BlobRange}
	if cfg.objectStorage {
		c.Storage = objectstore.New(st, cfg.now)
		c.Storage.IgnoreRange, c.Storage.Lapsed = cfg.quirks.StorageIgnoresRange, cfg.quirks.StorageLapsed
	}
	reg := registry.New(c)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case c.Storage != nil && strings.HasPrefix(path, objectstore.Path):
			c.Storage.ServeHTTP(w, r)
		case wire.RequestLine(r) > wire.MaxRequestLine:
			wire.SendLineTooLong(w, r)
		case strings.HasPrefix(path, "/v2/") || path == "/v2":
			reg.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	})
}

// ServeHTTP answers one request. It panics with http.ErrAbortHandler if a quirk
// breaks the answer off, or if the client leaves while the answer waits.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.front.ServeHTTP(w, r) }

// Stats returns a snapshot of the counters.
func (h *Handler) Stats() Stats { return newStats(h.front.Stats()) }

// Close breaks off every answer that waits. It may be called several times.
func (h *Handler) Close() { h.cancel() }
