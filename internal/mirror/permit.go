// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"time"
)

const (
	// yieldAfter is how long to wait for an answer before another blob is requested: the
	// server may have asked for a later retry.
	yieldAfter = 300 * time.Millisecond
	// workersPerPermit is how many workers share a permit.
	workersPerPermit = 4
)

// A permit allows a goroutine to fetch a blob. The number of permits limits how many blobs
// are fetched at once. For one goroutine.
type permit struct {
	of   chan struct{}
	held bool
}

// acquire waits for a permit. It returns false if the context ends first.
func (p *permit) acquire(ctx context.Context) bool {
	select {
	case p.of <- struct{}{}:
		p.held = true
	case <-ctx.Done():
	}
	return p.held
}

// release returns the permit.
func (p *permit) release() {
	if p.held {
		<-p.of
		p.held = false
	}
}

// yield releases the permit while the caller waits more than 300 ms for an answer. back
// reacquires it, or waits until the context ends.
func (p *permit) yield(ctx context.Context) (back func()) {
	timer := time.AfterFunc(yieldAfter, func() { <-p.of }) // holds one: never waits
	return func() {
		if !timer.Stop() {
			p.held = false
			p.acquire(ctx)
		}
	}
}
