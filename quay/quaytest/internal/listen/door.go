// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package listen

import (
	"errors"
	"net"
	"sync"
	"time"
)

// A door is a listener that can be shut for a time. Meanwhile nothing listens at
// its address, and its connections are closed.
type door struct {
	address net.Addr

	mu     sync.Mutex
	inner  net.Listener // nil while the door is shut
	opened chan struct{}
	conns  map[net.Conn]bool
	timer  *time.Timer
	closed bool
}

func newDoor(l net.Listener) *door {
	return &door{address: l.Addr(), inner: l, opened: make(chan struct{}), conns: map[net.Conn]bool{}}
}

// shut shuts the door for a time.
func (d *door) shut(lasts time.Duration) {
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
	d.timer = time.AfterFunc(lasts, d.open)
}

// open opens the door again. If another process has taken the address meanwhile,
// the door stays shut.
func (d *door) open() {
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

// Accept waits for a connection, and for a door that is shut to open.
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

// enter records a connection.
func (d *door) enter(c net.Conn) net.Conn {
	g := &guest{Conn: c, door: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns[g.Conn] = true
	return g
}

// Close closes the door for ever.
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

// A guest is a connection that a door accepted.
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
