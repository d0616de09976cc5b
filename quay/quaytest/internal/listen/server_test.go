// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package listen

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quayside/quayside/internal/memnet"
	"github.com/quayside/quayside/quay/quaytest/internal/front"
)

// A pipeListener has an address that a server's URL can be made of.
type pipeListener struct{ *memnet.Listener }

func (pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8443} }

// A piped is a server in a bubble.
type piped struct {
	*Server
	front *front.Front
	close func()
}

// startPiped starts a server under a name that no resolver knows.
func startPiped(t *testing.T, host string, secure bool, c front.Config) *piped {
	t.Helper()
	c.Now = time.Now
	ctx, cancel := context.WithCancel(context.Background())
	f := front.New(ctx, c, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "an answer") }))
	l := pipeListener{memnet.Listen()}
	s, err := startOn(l, host, f, secure)
	if err != nil {
		t.Fatal(err)
	}
	s.Client().Transport.(*http.Transport).DialContext = l.Dial
	return &piped{s, f, func() { s.Close(cancel) }}
}

// A manifest's location keeps HTTP/1.1 connections.
const keptPath = "/v2/harbour/plain/manifests/1.0"

// Section 6 of doc/quay-api.md: a connection that is idle for 5 s is closed.
func TestIdleConnectionEnds(t *testing.T) {
	for name, c := range map[string]struct {
		host      string
		secure    bool
		keepalive bool
		want      front.Connections
	}{
		"HTTP1":           {"quay.test", false, false, front.Connections{Accepted: 2, HTTP1: 2}},
		"HTTP2":           {"quay.test", true, false, front.Connections{Accepted: 2, HTTP2: 2}},
		"HTTP1 keepalive": {"192.0.2.1", false, true, front.Connections{Accepted: 1, HTTP1: 1}},
		"HTTP2 keepalive": {"192.0.2.1", true, true, front.Connections{Accepted: 1, HTTP2: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startPiped(t, c.host, c.secure, front.Config{Quirks: front.Quirks{Keepalive: c.keepalive}})
				defer s.close()
				for _, idle := range []time.Duration{5*time.Second - time.Millisecond, 5 * time.Second, 0} {
					resp, err := s.Client().Get(s.URL() + keptPath)
					if err != nil {
						t.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					time.Sleep(idle)
					synctest.Wait()
				}
				if got := s.front.Stats().Connections; got != c.want {
					t.Errorf("connections %+v, want %+v", got, c.want)
				}
			})
		})
	}
}

// Close breaks off answers that wait within its grace. An HTTP/2 client may learn of
// the broken stream before it learns of the end of the connection; then it keeps the
// connection open that long.
func TestCloseBreaksWaitsOff(t *testing.T) {
	for name, c := range map[string]struct {
		secure bool
		make   func() front.Config
	}{
		"latency HTTP1":   {false, func() front.Config { return front.Config{Latency: time.Hour} }},
		"latency HTTP2":   {true, func() front.Config { return front.Config{Latency: time.Hour} }},
		"queue HTTP1":     {false, func() front.Config { return front.Config{Quirks: front.Quirks{Capacity: 0.02}} }},
		"queue HTTP2":     {true, func() front.Config { return front.Config{Quirks: front.Quirks{Capacity: 0.02}} }},
		"bandwidth HTTP1": {false, func() front.Config { return front.Config{ByteRate: 1} }},
		"stall HTTP2": {true, func() front.Config {
			always, _ := front.NewTrigger(1, "")
			return front.Config{Quirks: front.Quirks{Stall: always}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startPiped(t, "quay.test", c.secure, c.make())
				var asking sync.WaitGroup
				asking.Go(func() {
					resp, err := s.Client().Get(s.URL() + keptPath)
					if err == nil {
						_, err = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
					if err == nil {
						t.Error("the answer came whole")
					}
				})
				synctest.Wait()
				start := time.Now()
				s.close()
				if d := time.Since(start); d > grace {
					t.Errorf("Close took %v", d)
				}
				asking.Wait()
			})
		})
	}
}
