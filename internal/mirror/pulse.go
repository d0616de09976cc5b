// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quayside/quayside/internal/pace"
	"github.com/quayside/quayside/internal/registry"
)

const (
	// patience is how long all that is fetched from a host together waits for
	// bytes: as long as the transport does for answers.
	patience = 2 * time.Minute
	// leastBytes in a minute, over all transfers, are a sign of life.
	leastBytes = 16 << 10
	// soon is how long a small content takes at most to be a sign of life.
	soon = 5 * time.Second
	// retrial is how often one transfer tries whether a host is back that was
	// given up. The others fail at once.
	retrial = 30 * time.Second
)

// errHostStalled is the error of what is not fetched because its host has
// answered and brought no bytes for too long.
var errHostStalled = errors.New("the server has sent next to nothing")

// A pulse tells whether a host that answers brings bytes, too. One that does not
// costs all transfers together patience, and not each of them its own attempts.
// Safe for concurrent use.
type pulse struct {
	mu     sync.Mutex
	fed    time.Time // when bytes last came, or were first waited for
	gotten int       // bytes since the time begun
	begun  time.Time
	missed bool      // an attempt stalled or broke off since fed
	tried  time.Time // when one last tried whether a host is back that was given up
	busy   int       // attempts under way
	why    error     // the failure that an attempt waited for when it was ended; or nil
}

// start begins an attempt, or says why there is none. done ends it.
func (p *pulse) start(host string) (now time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now = time.Now()
	if end := p.fed.Add(patience); p.missed && !now.Before(end) {
		if end.After(p.tried) {
			p.tried = end
		}
		if now.Sub(p.tried) >= retrial {
			p.tried = now
			p.busy++
			return now, nil
		}
		err = fmt.Errorf("%s: %w for %v", host, errHostStalled, now.Sub(p.fed).Round(time.Second))
		if p.why != nil {
			err = fmt.Errorf("%w: %v", err, p.why)
		}
		return now, err
	}
	if p.busy == 0 && !p.missed {
		p.fed = now
	}
	p.busy++
	return now, nil
}

// guard ends an attempt when the host's patience does, unless bytes come
// meanwhile. The caller calls stop after the attempt.
func (p *pulse) guard(cancel context.CancelCauseFunc) (stop func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := patience // for one that tries whether the host is back
	if rest := patience - time.Since(p.fed); rest > 0 {
		left = rest
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch rest := patience - time.Since(p.fed); {
		case rest > 0:
			timer.Reset(rest)
		case p.missed:
			cancel(errHostStalled)
		default:
			timer.Reset(soon) // it has not stalled; perhaps it waits for its turn
		}
	})
	return timer.Stop
}

// beat records bytes that came.
func (p *pulse) beat(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.begun) > time.Minute {
		p.begun, p.gotten = now, 0
	}
	if p.gotten += n; p.gotten >= leastBytes {
		p.fed, p.missed, p.begun, p.gotten = now, false, now, 0
	}
}

// done ends an attempt, begun at a time, with its error. One that soon brought
// all of a content is a sign of life, however small that was.
func (p *pulse) done(begun time.Time, err error, content bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	if ended, ok := errors.AsType[*pace.EndedError](err); ok {
		p.why = ended.Last
	}
	switch {
	case err == nil && (!content || time.Since(begun) > soon):
	case err == nil:
		p.fed, p.missed = time.Now(), false
	case brokeOff(err):
		p.missed = true
	case isStalled(err) && !p.missed:
		p.missed = true
		if stall := time.Now().Add(-time.Minute); stall.After(p.fed) {
			p.fed = stall // an attempt stalls for no longer: it waited for an answer before
		}
	}
}

// mute reports whether attempts have ended without a byte, and none has brought
// anything since a time: what breaks off then is the host's trouble.
func (p *pulse) mute(since time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.missed && !p.fed.After(since)
}

// brokeOff reports whether an attempt ended in the middle of an answer, so that
// the next may go well.
func brokeOff(err error) bool {
	return err != nil && !isStalled(err) && !isFinal(err) && remedyFor(err) == resumeSame && !errors.As(err, new(noAnswer))
}

// isStalled reports whether an attempt ended because bytes did not come.
func isStalled(err error) bool {
	return errors.Is(err, errStalled) || errors.Is(err, registry.ErrStalled)
}
