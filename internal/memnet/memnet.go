// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package memnet connects clients and servers of tests in memory. Waits on such
// connections take no time in a synctest bubble.
package memnet

import (
	"context"
	"io"
	"net"
	"sync"
)

// A Listener is a server's end. It is a net.Listener, and Dial is the DialContext of
// its clients. All methods may be called concurrently.
type Listener struct {
	accepted chan net.Conn
	closed   chan struct{}
	close    sync.Once

	mu     sync.Mutex
	err    error // of Dial
	silent bool
	conns  []net.Conn // the server's ends
}

// Listen returns a Listener that accepts connections.
func Listen() *Listener {
	return &Listener{accepted: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial connects to the server. It waits until the server accepts, or ctx ends.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server, silent, err := l.pipe()
	if err != nil {
		return nil, err
	}
	if silent { // the system takes what is sent, and nobody answers
		go func() { _, _ = io.Copy(io.Discard, server) }()
		return client, nil
	}
	select {
	case l.accepted <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pipe makes a connection that Cut closes, whether or not the server has accepted it.
func (l *Listener) pipe() (client, server net.Conn, silent bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, nil, false, l.err
	}
	client, server = net.Pipe()
	l.conns = append(l.conns, server)
	return client, server, l.silent, nil
}

// Cut breaks all connections. From then on Dial returns err, or connects again if err
// is nil.
func (l *Listener) Cut(err error) { l.cut(err, false) }

// Silence breaks all connections. From then on Dial connects to nobody: what is sent
// is taken, and no answer comes.
func (l *Listener) Silence() { l.cut(nil, true) }

func (l *Listener) cut(err error, silent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err, l.silent = err, silent
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error { l.close.Do(func() { close(l.closed) }); return nil }

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }
