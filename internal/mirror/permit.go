// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"time"
)

const (
	// lendAfter is how long an answer may take until another blob is asked for
	// meanwhile: a server may have told us to come back later.
	yieldAfter = 300 * time.Millisecond
	// lent is how many workers there are for each turn.
	workersPerPermit = 4
)

// A turn is the leave to fetch a blob, of so many that there are at once. For one
// goroutine.
type permit struct {
	of   chan struct{}
	held bool
}

// take waits for a turn. It is false when the context ends.
func (t *permit) acquire(ctx context.Context) bool {
	select {
	case t.of <- struct{}{}:
		t.held = true
	case <-ctx.Done():
	}
	return t.held
}

// give gives it back.
func (t *permit) release() {
	if t.held {
		<-t.of
		t.held = false
	}
}

// lend lends the turn to another when an answer takes its time. back waits until
// it is there again, or the context ends.
func (t *permit) yield(ctx context.Context) (back func()) {
	timer := time.AfterFunc(yieldAfter, func() { <-t.of }) // holds one: never waits
	return func() {
		if !timer.Stop() {
			t.held = false
			t.acquire(ctx)
		}
	}
}
