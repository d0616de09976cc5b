// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A spell is an outage in mid run: it begins after so many requests, or so long
// after the first one, and lasts for a time. Times are real ones, whatever the
// server's clock says.
type spell struct {
	lasts time.Duration
	after int64
	delay time.Duration

	seen         atomic.Int64
	first, began atomic.Pointer[time.Time]
}

// parseSpell reads DURATION[:COUNT|DURATION].
func parseSpell(value string) (*spell, error) {
	length, when, given := strings.Cut(value, ":")
	s := &spell{}
	var err error
	if s.lasts, err = time.ParseDuration(length); err != nil || s.lasts <= 0 {
		return nil, fmt.Errorf("%q is not a duration", length)
	}
	if !given {
		return s, nil
	}
	if s.after, err = strconv.ParseInt(when, 10, 64); err != nil {
		s.delay, err = time.ParseDuration(when)
	}
	if err != nil || s.after < 0 || s.delay < 0 {
		return nil, fmt.Errorf("%q is neither a count nor a duration", when)
	}
	return s, nil
}

// on counts a request, and returns how long the spell lasts still; 0 is not, or
// not any more.
func (s *spell) on() time.Duration {
	if s == nil {
		return 0
	}
	now := time.Now()
	s.first.CompareAndSwap(nil, &now)
	if s.seen.Add(1) > s.after && now.Sub(*s.first.Load()) >= s.delay {
		s.began.CompareAndSwap(nil, &now)
	}
	if began := s.began.Load(); began != nil {
		return max(s.lasts-now.Sub(*began), 0)
	}
	return 0
}

func setDatabaseRestarts(f *front, value string) (err error) {
	f.database, err = parseSpell(value)
	return err
}

func setRefused(f *front, value string) (err error) {
	f.refused, err = parseSpell(value)
	return err
}

// A door is a listener that can be closed for a time. Then nobody listens at its
// address, and the connections it accepted are broken.
type door struct {
	address net.Addr

	mu     sync.Mutex
	inner  net.Listener // nil while the door is closed for a time
	opened chan struct{}
	conns  map[net.Conn]bool
	timer  *time.Timer
	closed bool
}

func newDoor(l net.Listener) *door {
	return &door{address: l.Addr(), inner: l, opened: make(chan struct{}), conns: map[net.Conn]bool{}}
}

// leave closes the door for a time.
func (d *door) leave(lasts time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inner == nil || d.closed {
		return
	}
	_ = d.inner.Close()
	d.inner = nil
	for c := range d.conns {
		_ = c.Close()
	}
	d.timer = time.AfterFunc(lasts, d.back)
}

// back opens the door again. Somebody else may have taken the address meanwhile:
// then it stays closed.
func (d *door) back() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	if l, err := net.Listen("tcp", d.address.String()); err == nil {
		d.inner = l
		close(d.opened)
		d.opened = make(chan struct{})
	}
}

// Accept waits for a connection, and for the door to open again.
func (d *door) Accept() (net.Conn, error) {
	for {
		d.mu.Lock()
		inner, opened, closed := d.inner, d.opened, d.closed
		d.mu.Unlock()
		if closed {
			return nil, net.ErrClosed
		}
		if inner == nil {
			<-opened
			continue
		}
		c, err := inner.Accept()
		switch {
		case err == nil:
			return d.enter(c), nil
		case !errors.Is(err, net.ErrClosed):
			return nil, err
		}
	}
}

// enter keeps account of a connection.
func (d *door) enter(c net.Conn) net.Conn {
	g := &guest{Conn: c, door: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns[g.Conn] = true
	return g
}

// Close closes the door for good.
func (d *door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return net.ErrClosed
	}
	d.closed = true
	if d.timer != nil {
		d.timer.Stop()
	}
	close(d.opened)
	if d.inner == nil {
		return nil
	}
	return d.inner.Close()
}

func (d *door) Addr() net.Addr { return d.address }

// A guest is a connection that came through a door.
type guest struct {
	net.Conn
	door *door
}

func (g *guest) Close() error {
	g.door.mu.Lock()
	delete(g.door.conns, g.Conn)
	g.door.mu.Unlock()
	return g.Conn.Close()
}
