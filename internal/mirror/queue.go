// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"container/heap"
	"sync"
)

// A queue returns values in an order, and values that are equal in that order first in,
// first out. push never waits; pop does. Safe for concurrent use.
type queue[T any] struct {
	mu      sync.Mutex
	filled  sync.Cond
	waiting ordered[T]
	number  uint64
	ended   bool
	closed  bool
}

// newQueue makes a queue. before reports whether a goes before b; nil keeps the order of
// arrival.
func newQueue[T any](before func(a, b T) bool) *queue[T] {
	q := &queue[T]{waiting: ordered[T]{before: before}}
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
	q.number++
	heap.Push(&q.waiting, entry[T]{v, q.number})
	q.filled.Signal()
	return true
}

// pop waits for the next value. It returns false once the queue is closed, and once it is
// empty and ended.
func (q *queue[T]) pop() (v T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting.entries) == 0 && !q.closed && !q.ended {
		q.filled.Wait()
	}
	if q.closed || len(q.waiting.entries) == 0 {
		return v, false
	}
	return heap.Pop(&q.waiting).(entry[T]).value, true
}

// rest removes and returns what is left, in no order.
func (q *queue[T]) rest() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	var left []T
	for _, e := range q.waiting.entries {
		left = append(left, e.value)
	}
	q.waiting.entries = nil
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

// An entry is a value with the number of its arrival.
type entry[T any] struct {
	value  T
	number uint64
}

// ordered is a heap of entries.
type ordered[T any] struct {
	before  func(a, b T) bool
	entries []entry[T]
}

func (o *ordered[T]) Len() int      { return len(o.entries) }
func (o *ordered[T]) Swap(i, j int) { o.entries[i], o.entries[j] = o.entries[j], o.entries[i] }
func (o *ordered[T]) Push(v any)    { o.entries = append(o.entries, v.(entry[T])) }

func (o *ordered[T]) Less(i, j int) bool {
	a, b := o.entries[i], o.entries[j]
	if o.before != nil {
		if o.before(a.value, b.value) {
			return true
		}
		if o.before(b.value, a.value) {
			return false
		}
	}
	return a.number < b.number
}

func (o *ordered[T]) Pop() any {
	last := len(o.entries) - 1
	v := o.entries[last]
	o.entries[last] = entry[T]{} // for the garbage collector
	o.entries = o.entries[:last]
	return v
}
