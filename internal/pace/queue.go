// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"cmp"
	"slices"
)

// A queue holds the waiting requests of a class, in the order in which they first came:
// a request that is repeated is older than those that came since.
//
// A listing goes before other requests, because each page brings the work of the
// others. It takes every second place at most, so that listings cannot block a class.
type queue struct {
	listings, rest []*job
	listed         bool // the last request that left was a listing
	random         *random
	anyone         bool // the next request is a random one of rest
}

func (q *queue) length() int { return len(q.listings) + len(q.rest) }

func (q *queue) line(j *job) *[]*job {
	if j.kind.listing {
		return &q.listings
	}
	return &q.rest
}

func (q *queue) push(j *job) {
	line := q.line(j)
	i, _ := slices.BinarySearchFunc(*line, j, byNumber)
	*line = slices.Insert(*line, i, j)
}

// head returns the next request, or nil.
func (q *queue) head() *job {
	switch {
	case len(q.listings) > 0 && (!q.listed || len(q.rest) == 0):
		return q.listings[0]
	case len(q.rest) > 0 && q.anyone:
		return q.rest[q.random.below(int64(len(q.rest)))]
	case len(q.rest) > 0:
		return q.rest[0]
	}
	return nil
}

// remove removes j, and reports whether it was in the queue.
func (q *queue) remove(j *job) bool {
	line := q.line(j)
	i, found := slices.BinarySearchFunc(*line, j, byNumber)
	if found {
		*line = slices.Delete(*line, i, i+1)
		q.listed = j.kind.listing
	}
	return found
}

func byNumber(a, b *job) int { return cmp.Compare(a.number, b.number) }
