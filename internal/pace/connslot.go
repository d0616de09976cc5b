// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace

import "time"

// idleAfter is how long a connection may be unused and still be trusted. Quay
// closes one after 5 s (doc/quay-api.md section 6).
const idleAfter = 4 * time.Second

// A connSlot is one connection to a host, and its replacement when the server closes
// it. The first request dials and the others wait, so that the host is dialled once.
// The very first request to a host, which shows the protocol, and the first after a
// rest are alone on the connection until they are answered.
type connSlot struct {
	conn    *conn     // nil: to be dialled
	warming bool      // a request is alone on it
	used    time.Time // when it last carried an answer
}

// A conn is one connection and the requests on it.
type conn struct {
	client   clientConn // nil while it is dialled
	room     int        // requests it can carry at once
	inflight int
	worked   bool // it has carried an answer
	spent    bool // it refused to take a request
	retired  bool // it takes no new requests, and is closed when the last is done
}

// usable reports whether one more request may be sent. last allows the last place.
func (n *connSlot) usable(last bool) bool {
	return !n.warming && (n.conn == nil || n.conn.takes(last))
}

// gone reports whether the connection takes no new requests. Asking takes a lock of
// net/http, so it is done only before a request is sent.
func (n *connSlot) gone() bool { return n.conn != nil && n.conn.gone() }

// takes reports whether there is a place for one more request. The last place is kept
// for a listing, which must not wait behind the requests that it feeds.
func (l *conn) takes(last bool) bool {
	if last || l.room <= firstWindow {
		return l.inflight < l.room
	}
	return l.inflight < l.room-1
}

// take adds a request to the connection. It reports whether the request has to dial.
func (n *connSlot) take(now time.Time) (l *conn, dial bool) {
	if n.conn == nil {
		n.conn, n.warming, dial = &conn{}, true, true
	}
	if n.conn.inflight == 0 && now.Sub(n.used) > idleAfter {
		n.warming = true
	}
	n.conn.inflight++
	return n.conn, dial
}

// connected sets the connection. Until the server's settings are known, its room is
// that of the previous connection.
func (l *conn) connected(c clientConn, room int) { l.client, l.room = c, max(1, room) }

// measure sets how many requests the connection can carry. It is called when no other
// request is on it and the server's settings are known.
func (l *conn) measure() int {
	l.room = max(1, min(l.client.Available()+l.client.InFlight(), connWindow))
	return l.room
}

// gone reports whether the connection takes no new requests. A server that closes it
// still answers those in flight.
func (l *conn) gone() bool {
	return l.client != nil && (l.spent || l.client.Err() != nil || l.client.Available() == 0 && l.client.InFlight() < l.room)
}
