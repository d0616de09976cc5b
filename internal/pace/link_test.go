// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/quayside/quayside/internal/transport"
)

// bodyFor gives the body of an answer to a request: as long as the request
// says, and carried by the link.
func (m *model) bodyFor(ctx context.Context, req *http.Request) (io.ReadCloser, int64) {
	size, err := strconv.ParseInt(req.URL.Query().Get("size"), 10, 64)
	if err != nil || m.link == 0 {
		return io.NopCloser(strings.NewReader("{}")), 2
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.streams++
	m.streamPeak = max(m.streamPeak, m.streams)
	return &carriedBody{ctx: ctx, m: m, left: size}, size
}

// bodies is how many are on the link.
func (m *model) bodies() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.streams
}

// queued lets d of what is on the link pass before a header.
func (m *model) queued(ctx context.Context) error {
	m.mu.Lock()
	wait := time.Until(m.free)
	m.mu.Unlock()
	return transport.Sleep(ctx, wait)
}

// A carriedBody comes over the link, piece by piece.
type carriedBody struct {
	ctx   context.Context
	m     *model
	left  int64 // bytes that are not on the link yet
	ready int64 // bytes that have come
	once  sync.Once
}

// piece is how much of a body is on the link at once: what sockets hold.
const piece = 512 << 10

func (b *carriedBody) Read(p []byte) (int, error) {
	if b.left == 0 && b.ready == 0 {
		_ = b.Close()
		return 0, io.EOF
	}
	if b.ready == 0 {
		if err := transport.Sleep(b.ctx, b.load()); err != nil {
			return 0, err
		}
	}
	n := min(b.ready, int64(len(p)))
	b.ready -= n
	return int(n), nil
}

// load puts the next piece on the link, and returns how long it takes.
func (b *carriedBody) load() time.Duration {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	b.ready = min(b.left, piece)
	b.left -= b.ready
	b.m.carried += b.ready
	if now := time.Now(); b.m.free.Before(now) {
		b.m.free = now
	}
	b.m.free = b.m.free.Add(time.Duration(float64(b.ready) / b.m.link * float64(time.Second)))
	return time.Until(b.m.free)
}

func (b *carriedBody) Close() error {
	b.once.Do(func() {
		b.m.mu.Lock()
		defer b.m.mu.Unlock()
		b.m.streams--
	})
	return nil
}
