// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"slices"
	"sort"
	"sync"
)

// A queue is a priority queue. Values of equal priority are first in, first out. push
// never waits; pop does. Safe for concurrent use.
type queue[T any] struct {
	before func(a, b T) bool

	mu      sync.Mutex
	filled  sync.Cond
	waiting []T // in order
	ended   bool
	closed  bool
}

// newQueue makes a queue. before reports whether a goes before b; nil keeps the order of
// arrival.
func newQueue[T any](before func(a, b T) bool) *queue[T] {
	q := &queue[T]{before: before}
	q.filled.L = &q.mu
	return q
}

// push adds v. It returns false if the queue is closed.
func (q *queue[T]) push(v T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	at := len(q.waiting)
	if q.before != nil {
		at = sort.Search(at, func(i int) bool { return q.before(v, q.waiting[i]) })
	}
	q.waiting = slices.Insert(q.waiting, at, v)
	q.filled.Signal()
	return true
}

// pop waits for the next value. It returns false once the queue is closed, and once it
// is empty and ended.
func (q *queue[T]) pop() (v T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && !q.closed && !q.ended {
		q.filled.Wait()
	}
	if q.closed || len(q.waiting) == 0 {
		return v, false
	}
	v, q.waiting[0] = q.waiting[0], v // for the garbage collector
	q.waiting = q.waiting[1:]
	return v, true
}

// rest removes and returns the remaining values.
func (q *queue[T]) rest() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	left := q.waiting
	q.waiting = nil
	return left
}

// end records that no more values are added.
func (q *queue[T]) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.filled.Broadcast()
}

// close ends every pop, now and later. It may be called twice.
func (q *queue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.filled.Broadcast()
}
