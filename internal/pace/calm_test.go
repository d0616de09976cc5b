// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package pace_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/quayside/quayside/internal/pace"
)

// Frames of HTTP/2 that a calm server reads or sends (RFC 9113, section 6).
const (
	frameHeaders  = 0x1
	frameReset    = 0x3
	frameSettings = 0x4
	frameGoAway   = 0x7

	flagAck        = 0x1
	flagEndStream  = 0x1
	flagEndHeaders = 0x4

	enhanceYourCalm = 0xb
	preface         = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
)

// A calmServer speaks just enough HTTP/2 to ask for calm, which net/http's
// server cannot be told to do. The other requests get an empty 200.
type calmServer struct {
	net.Listener
	goAway bool // it asks by GOAWAY, for the connection, and not by RST_STREAM
	open   sync.WaitGroup

	mu       sync.Mutex
	requests int
	calm     int // how many of the first requests it asks for calm
}

func (s *calmServer) serve() {
	for {
		c, err := s.Accept()
		if err != nil {
			return // closed
		}
		s.open.Go(func() { s.talk(c) })
	}
}

func (s *calmServer) talk(c net.Conn) {
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, len(preface))); err != nil {
		return
	}
	send(c, frameSettings, 0, 0, nil)
	for {
		var head [9]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, c, length); err != nil {
			return
		}
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		switch {
		case kind == frameSettings && flags&flagAck == 0:
			send(c, frameSettings, flagAck, 0, nil)
		case kind != frameHeaders:
		case !s.asks():
			send(c, frameHeaders, flagEndHeaders|flagEndStream, stream, []byte{0x88}) // :status 200
		case s.goAway:
			send(c, frameGoAway, 0, 0, []byte{0, 0, 0, 0, 0, 0, 0, enhanceYourCalm})
			return
		default:
			send(c, frameReset, 0, stream, []byte{0, 0, 0, enhanceYourCalm})
		}
	}
}

// asks counts a request, and tells whether it is asked for calm.
func (s *calmServer) asks() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	return s.requests <= s.calm
}

func send(c net.Conn, kind, flags byte, stream uint32, payload []byte) {
	frame := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	frame = binary.BigEndian.AppendUint32(frame, stream)
	_, _ = c.Write(append(frame, payload...)) // a client that has gone needs none
}

// TestCalmOverTheWire: what net/http makes of a server that asks for calm, for
// a request or for a connection, is a refusal.
func TestCalmOverTheWire(t *testing.T) {
	for _, goAway := range []bool{false, true} {
		certificates := httptest.NewUnstartedServer(nil)
		certificates.StartTLS()
		defer certificates.Close()
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certificates.TLS.Certificates, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		s := &calmServer{Listener: l, goAway: goAway, calm: 2}
		s.open.Go(s.serve)
		base := certificates.Client().Transport.(*http.Transport).Clone()
		base.ForceAttemptHTTP2 = true
		rt := pace.New(pace.Options{Base: base, Retries: 1})

		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+l.Addr().String()+"/api/v1/repository", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := rt.RoundTrip(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("go away %v: got %v, %v", goAway, resp, err)
		} else {
			resp.Body.Close()
		}
		if h := rt.Stats()[0]; h.Refused != 2 || h.Requests != 3 || s.requests != 3 {
			t.Errorf("go away %v: %+v, and the server counts %d", goAway, h, s.requests)
		}
		rt.CloseIdleConnections()
		l.Close()
		s.open.Wait()
	}
}
