// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/pace"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/transport"
)

// A remedy is what to do after a request failed.
type remedy uint8

const (
	resume      remedy = iota // ask again, from the same offset
	restart                   // discard what came, and ask again
	otherSource               // ask another repository
)

// remedyFor returns the remedy for an error of a registry, or of what it sent.
func remedyFor(err error) remedy {
	switch {
	case errors.Is(err, registry.ErrDenied), errors.Is(err, registry.ErrNotFound), errors.Is(err, registry.ErrRedirect),
		registry.IsPermanent(err):
		return otherSource
	case errors.Is(err, layout.ErrCorrupt), errors.Is(err, registry.ErrMalformed):
		return restart
	}
	return resume
}

const (
	// maxNoProgress is how many attempts in a row may bring no new byte of a blob, or no
	// manifest or list. Before the header of an answer, the transport has its own
	// retries.
	maxNoProgress = 5

	minPause = 100 * time.Millisecond
	maxPause = 3200 * time.Millisecond
)

// pause waits before the n-th attempt after the first: about 100 ms, doubled each time up
// to about 3 s. It ends with the context.
func pause(ctx context.Context, n int) error {
	d := min(minPause<<min(max(n-1, 0), 10), maxPause)
	if transport.Sleep(ctx, d/2+rand.N(d/2+1)) != nil {
		return context.Cause(ctx)
	}
	return nil
}

// retry calls f until it succeeds or fails permanently. It repeats failures that the
// transport does not see: a body that broke off or does not match. While the host sends
// nothing useful for any request, the transport decides when to give up.
func retry(ctx context.Context, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		if err == nil || ctx.Err() != nil || isFinal(err) || n >= maxNoProgress && !isShared(err) {
			return err
		}
		if err := pause(ctx, n); err != nil {
			return err
		}
	}
}

// isShared reports whether a body broke off or stalled while its host sent nothing useful
// for any request.
func isShared(err error) bool {
	body, ok := errors.AsType[*pace.BodyError](err)
	return ok && body.Shared
}

// isStalled reports whether an attempt ended because no bytes arrived.
func isStalled(err error) bool {
	return errors.Is(err, errStalled) || errors.Is(err, pace.ErrStalled)
}

// isFinal reports whether another try is useless: the server answered, or the transport
// has given up on it. A 404 with an HTML page does not count as a registry's answer.
func isFinal(err error) bool {
	var answer *registry.Error
	var network *net.OpError
	switch {
	case destination.IsFatal(err), errors.Is(err, manifest.ErrUnsupported), errors.Is(err, registry.ErrNotFound), errors.Is(err, registry.ErrDenied),
		registry.IsPermanent(err):
		return true
	case errors.As(err, &answer) && answer.Status != 0:
		return answer.Status != http.StatusNotFound
	}
	return errors.As(err, &network) && network.Op == "dial"
}
