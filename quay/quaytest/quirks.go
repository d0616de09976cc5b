// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"errors"
	"fmt"
	"time"

	"github.com/quayside/quayside/quay/quaytest/internal/front"
)

// Quirks are faults and habits of servers and networks. The zero value is a Quay
// without any. Where several would play on one request, only one does. [QuirkList]
// names the fact or the invention behind each.
//
// Durations are of real time, whatever [WithClock] says.
type Quirks struct {
	// Answers that fail.
	Outage           *Outage       // the first answers are an error
	DatabaseRestarts *Interruption // for a time every answer of both APIs is 500 with an HTML page
	Refused          *Interruption // for a time connections break and new ones are refused
	HTML404          *When         // 404 with an HTML page, from an older Quay whose backend is gone
	HTML500          *When         // 500 with an HTML page, while the database is down
	HTML502          *When         // 502 with an HTML page, while the backend is gone
	Random401        *When         // 401 to a query of tags

	// Answers that break off or are wrong.
	Cut          *When  // the answer ends in mid body: HTTP/1.1 loses its connection, HTTP/2 its stream
	CutFirst     *First // the same for blobs of 64 KiB and more
	Stall        *When  // the answer stops in mid body and breaks off after 60 s
	StallFirst   *First // the same for blobs of 64 KiB and more
	Malformed    *When  // 200 with JSON that breaks off, below /api/
	WrongBytes   *When  // a blob of the right size with wrong bytes in it
	Truncated    *When  // half of a blob, with a Content-Length to match
	Endless      *When  // a blob that never ends, without a Content-Length
	RedirectAway *When  // a manifest or blob is a redirect to another host, which refuses an Authorization header

	// Listings.
	PageReuse    bool   // every page holds the repositories of the first one
	RepeatCursor bool   // every page has the same cursor
	Vanish       string // this repository, NAMESPACE/NAME, is listed and then cannot be found

	// Blobs.
	BlobRange           bool // Quay's own storage honours Range: 206 and 416
	StorageIgnoresRange bool // object storage answers a Range with 200 and the whole blob
	StorageLapsed       bool // object storage refuses every signed URL as expired

	// Load.
	Capacity    float64       // requests a second, served one after another; the others queue, and get 504 after 60 s
	LimitsAfter *LimitsAfter  // other limits some time after the first request
	RetryAfter  time.Duration // in whole seconds: refusals have the header Retry-After
	Empty429    bool          // refusals have no body and the header X-Envoy-Ratelimited, as a proxy's
	Keepalive   bool          // connections stay open: not closed after an HTTP/1.1 answer, 5 s idle, or 1,000 requests

	// Other servers.
	NoAnonymous    bool // 401 to callers without a token
	MirrorRegistry bool // no repository listing: 404, and 405 for the list of tags
}

// A When selects the answers that a quirk is played on. The zero value selects all.
type When struct {
	Every int    // every n-th request; 0 is 1
	Path  string // a glob that the path matches: * is any text without a slash, ** any text; "" is every path
}

// A First selects the first answers for each URL.
type First struct {
	Count int    // 1 or more
	Path  string // a glob as in When
}

// An Outage makes the first answers fail.
type Outage struct {
	Requests int           // number of answers
	Lasts    time.Duration // if not 0: all answers for so long after the first request
	Status   int           // 400 to 599; 0 is 503
	Path     string        // a glob as in When; "" is every path but those of object storage
}

// An Interruption begins in mid run and lasts for a time.
type Interruption struct {
	Lasts         time.Duration // more than 0
	AfterRequests int           // how many requests pass before
	After         time.Duration // how much time passes from the first request on
}

// LimitsAfter are limits that replace others some time after the first request.
type LimitsAfter struct {
	After  time.Duration
	Limits Limits
}

// check returns what is wrong with the quirks.
func (q Quirks) check() error {
	if c := q.Capacity; c != 0 && !(c >= 0.001 && c <= 1e6) {
		return fmt.Errorf("quirk capacity: %v: %w", c, errCapacity)
	}
	if q.RetryAfter < 0 || q.RetryAfter%time.Second != 0 {
		return fmt.Errorf("quirk retry-after: %v: want whole seconds", q.RetryAfter)
	}
	if q.LimitsAfter != nil && q.LimitsAfter.After < 0 {
		return errors.New("quirk limits-after: the time is negative")
	}
	_, err := q.front()
	return err
}

var errCapacity = errors.New("want 0.001 to 1000000 requests a second")

// front returns the quirks that the front end plays.
func (q Quirks) front() (front.Quirks, error) {
	f := front.Quirks{Keepalive: q.Keepalive, Empty429: q.Empty429, RetryAfter: q.RetryAfter, Capacity: q.Capacity}
	var failed error
	note := func(name string, err error) {
		if err != nil && failed == nil {
			failed = fmt.Errorf("quirk %s: %w", name, err)
		}
	}
	for _, s := range []struct {
		name string
		from *When
		to   **front.Trigger
	}{
		{"html-404", q.HTML404, &f.HTML404}, {"html-500", q.HTML500, &f.HTML500}, {"html-502", q.HTML502, &f.HTML502},
		{"random-401", q.Random401, &f.Random401}, {"cut", q.Cut, &f.Cut}, {"stall", q.Stall, &f.Stall}, {"malformed", q.Malformed, &f.Malformed},
		{"wrong-bytes", q.WrongBytes, &f.WrongBytes}, {"truncated", q.Truncated, &f.Truncated}, {"endless", q.Endless, &f.Endless},
		{"redirect-away", q.RedirectAway, &f.RedirectAway},
	} {
		if s.from != nil {
			var err error
			*s.to, err = front.NewTrigger(max(s.from.Every, 1), s.from.Path)
			note(s.name, err)
		}
	}
	for _, s := range []struct {
		name string
		from *First
		to   **front.First
	}{{"cut-first", q.CutFirst, &f.CutFirst}, {"stall-first", q.StallFirst, &f.StallFirst}} {
		if s.from != nil {
			var err error
			*s.to, err = front.NewFirst(s.from.Count, s.from.Path)
			note(s.name, err)
		}
	}
	for _, s := range []struct {
		name string
		from *Interruption
		to   **front.Interruption
	}{{"database-restarts", q.DatabaseRestarts, &f.DatabaseRestarts}, {"refused", q.Refused, &f.Refused}} {
		if i := s.from; i != nil {
			if i.Lasts <= 0 || i.AfterRequests < 0 || i.After < 0 {
				note(s.name, errors.New("it lasts no time, or begins before the first request"))
			}
			*s.to = &front.Interruption{Lasts: i.Lasts, AfterRequests: int64(i.AfterRequests), After: i.After}
		}
	}
	if o := q.Outage; o != nil {
		status := o.Status
		if status == 0 {
			status = 503
		}
		if status < 400 || status > 599 || o.Requests < 0 || o.Lasts < 0 {
			note("outage", errors.New("the status is not one of 400 to 599, or the length is negative"))
		}
		var err error
		f.Outage, err = front.NewOutage(status, int64(o.Requests), o.Lasts, o.Path)
		note("outage", err)
	}
	return f, failed
}
