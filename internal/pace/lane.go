// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import "time"

// idleAfter is how long a connection may be unused and still be trusted. Quay
// closes one after 5 s (doc/quay-api.md section 6).
const idleAfter = 4 * time.Second

// A lane is one connection to a host, and the next one when the server closes
// it. A connection is dialled by the first request on it, and the others wait:
// that keeps a host from being dialled once for each of them. The very first
// request to a host, which tells its protocol, and the first after a rest go
// alone until they have been answered.
type lane struct {
	link    *link     // nil: to be dialled
	warming bool      // a request is alone on it
	used    time.Time // when it last carried an answer
}

// A link is one connection and what is on it.
type link struct {
	conn     conn // nil while it is dialled
	room     int  // requests it can carry at once
	inflight int
	worked   bool // it has carried an answer
	spent    bool // it did not take a request
	retired  bool // takes no new requests; closed when the last is done
}

// usable tells whether one more request may be sent on the lane, and perhaps
// into its last place.
func (n *lane) usable(last bool) bool {
	return !n.warming && (n.link == nil || n.link.takes(last))
}

// gone tells whether the lane's connection takes no new requests. To ask is not
// free: it is done before one is sent.
func (n *lane) gone() bool { return n.link != nil && n.link.gone() }

// takes tells whether there is a place for one more request. The last one is
// kept for a listing, which is not to wait behind those that it feeds.
func (l *link) takes(last bool) bool {
	if last || l.room <= firstWindow {
		return l.inflight < l.room
	}
	return l.inflight < l.room-1
}

// take puts a request on the lane. It tells whether its holder is to dial.
func (n *lane) take(now time.Time) (l *link, dial bool) {
	if n.link == nil {
		n.link, n.warming, dial = &link{}, true, true
	}
	if n.link.inflight == 0 && now.Sub(n.used) > idleAfter {
		n.warming = true
	}
	n.link.inflight++
	return n.link, dial
}

// connected gives the link its connection. Until the server's settings are
// known it is taken to carry what the one before did.
func (l *link) connected(c conn, room int) { l.conn, l.room = c, max(1, room) }

// measure finds out how much the link can carry, when nothing is on it and the
// server's settings are known.
func (l *link) measure() int {
	l.room = max(1, min(l.conn.Available()+l.conn.InFlight(), connWindow))
	return l.room
}

// gone tells whether the connection takes no new requests. A server that goes
// away lets those finish that are on their way.
func (l *link) gone() bool {
	return l.conn != nil && (l.spent || l.conn.Err() != nil || l.conn.Available() == 0 && l.conn.InFlight() < l.room)
}
