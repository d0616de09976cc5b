// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"cmp"
	"slices"
)

// A queue holds the requests of a class that wait to be sent, in the order
// they first came: one that has to be repeated is older than what came since.
//
// A listing goes before other requests: each of its pages is asked for after
// the one before, and brings the work of the others. So that listings alone
// cannot block a class, they take every second turn at most.
type queue struct {
	listings, rest []*job
	listed         bool // the last one that left was a listing
	random         *random
	anyone         bool // the next one is any of those that are no listing
}

func (q *queue) len() int { return len(q.listings) + len(q.rest) }

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

// head returns the one to go next, or nil.
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

// all returns everything that waits.
func (q *queue) all() []*job { return append(slices.Clone(q.listings), q.rest...) }

// remove takes j out, and tells whether it was in.
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
