// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package front

import (
	"sync/atomic"
	"time"
)

// An Outage fails the first answers, or every answer for a time from the first
// request on. A nil Outage fails none.
type Outage struct {
	status   int
	requests int64
	lasts    time.Duration
	paths    *paths // nil: all but those of object storage, which is another host

	seen  atomic.Int64
	first atomic.Pointer[time.Time]
}

// NewOutage returns an Outage of the first requests for the paths that a glob
// matches, or, if lasts is not 0, of all those requests for a time.
func NewOutage(status int, requests int64, lasts time.Duration, glob string) (*Outage, error) {
	p, err := compilePaths(glob)
	return &Outage{status: status, requests: requests, lasts: lasts, paths: p}, err
}

// on counts a request and reports whether it fails.
func (o *Outage) on(path, class string) bool {
	switch {
	case o == nil, o.paths == nil && class == "storage", !o.paths.match(path):
		return false
	case o.lasts == 0:
		return o.seen.Add(1) <= o.requests
	}
	now := time.Now()
	if o.first.CompareAndSwap(nil, &now) {
		return true
	}
	return now.Sub(*o.first.Load()) < o.lasts
}

// An Interruption is an outage that begins after some requests and some time after
// the first request, and lasts for a time. A nil Interruption never begins.
type Interruption struct {
	Lasts         time.Duration
	AfterRequests int64
	After         time.Duration

	seen         atomic.Int64
	first, began atomic.Pointer[time.Time]
}

// left counts a request and returns how much longer the interruption lasts; 0
// means that it has not begun, or has ended.
func (i *Interruption) left() time.Duration {
	if i == nil {
		return 0
	}
	now := time.Now()
	i.first.CompareAndSwap(nil, &now)
	if i.seen.Add(1) > i.AfterRequests && now.Sub(*i.first.Load()) >= i.After {
		i.began.CompareAndSwap(nil, &now)
	}
	if began := i.began.Load(); began != nil {
		return max(i.Lasts-now.Sub(*began), 0)
	}
	return 0
}
