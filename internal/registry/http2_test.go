// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/registry"
)

// Types and flags of HTTP/2 frames (RFC 9113, section 6), and error codes (section 7).
const (
	frameData, frameHeaders, frameReset, frameSettings, frameGoAway, frameWindow = 0, 1, 3, 4, 7, 8

	flagEnd, flagHeadersEnd, flagAck = 1, 4, 1

	codeNone, codeInternal, codeRefused, codeCancel, codeCalm = 0, 2, 7, 8, 11
)

// An h2conn is a server's side of an HTTP/2 connection, frame by frame.
type h2conn struct {
	net.Conn
	number  int // of the connection
	streams int // requests so far
}

func (c *h2conn) frame(kind, flags byte, stream uint32, payload []byte) {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	head = binary.BigEndian.AppendUint32(append(head, flags), stream)
	_, _ = c.Write(append(head, payload...))
}

// answer sends a status and a header (HPACK, RFC 7541: literals without indexing).
func (c *h2conn) answer(stream uint32, status int, header ...string) {
	var block []byte
	for _, s := range append([]string{":status", strconv.Itoa(status)}, header...) {
		if len(block) == 0 || s == strings.ToLower(s) && isName(header, s) {
			block = append(block, 0)
		}
		block = append(append(block, byte(len(s))), s...)
	}
	c.frame(frameHeaders, flagHeadersEnd, stream, block)
}

// isName reports whether a text is one of the names of a list of names and values.
func isName(header []string, s string) bool {
	for i := 0; i < len(header); i += 2 {
		if header[i] == s {
			return true
		}
	}
	return false
}

func (c *h2conn) reset(stream, code uint32) {
	c.frame(frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, code))
}

func (c *h2conn) goAway(last, code uint32, text string) {
	c.frame(frameGoAway, 0, 0, append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), code), text...))
}

// An h2event is what a client has sent: the header of a request, or a part of its body.
type h2event struct {
	stream uint32
	n      int // requests of all connections, with this one
	header bool
	size   int // bytes of the body so far
	end    bool
}

// h2 starts a server that speaks HTTP/2 as a test wants it to. Events of one
// connection come one after the other. A false result closes the connection.
func h2(t *testing.T, on func(*h2conn, h2event) bool) *registry.Registry {
	t.Helper()
	certificates := httptest.NewUnstartedServer(nil)
	certificates.StartTLS()
	config := &tls.Config{Certificates: certificates.TLS.Certificates, NextProtos: []string{"h2"}}
	roots := x509.NewCertPool()
	roots.AddCert(certificates.Certificate())
	certificates.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	var mu sync.Mutex // of all events
	requests, sizes := 0, map[uint32]int{}
	t.Cleanup(func() { _ = l.Close(); group.Wait() })
	group.Go(func() {
		for number := 1; ; number++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer conn.Close()
				c := &h2conn{Conn: conn, number: number}
				if _, err := io.CopyN(io.Discard, c, 24); err != nil { // the preface
					return
				}
				c.frame(frameSettings, 0, 0, nil)
				for head := make([]byte, 9); ; {
					if _, err := io.ReadFull(c, head); err != nil {
						return
					}
					size := int(binary.BigEndian.Uint32(head) >> 8)
					if _, err := io.CopyN(io.Discard, c, int64(size)); err != nil {
						return
					}
					e := h2event{stream: binary.BigEndian.Uint32(head[5:]), header: head[3] == frameHeaders, end: head[4]&flagEnd != 0}
					switch {
					case head[3] == frameSettings && head[4]&flagAck == 0:
						c.frame(frameSettings, flagAck, 0, nil)
						continue
					case e.header:
						c.streams++
					case head[3] == frameData && size > 0:
						window := binary.BigEndian.AppendUint32(nil, uint32(size))
						c.frame(frameWindow, 0, 0, window)
						c.frame(frameWindow, 0, e.stream, window)
					case head[3] != frameData:
						continue
					}
					mu.Lock()
					if e.header {
						requests++
						sizes[e.stream] = 0
					} else {
						sizes[e.stream] += size
					}
					e.n, e.size = requests, sizes[e.stream]
					on := on(c, e)
					mu.Unlock()
					if !on {
						return
					}
				}
			})
		}
	})
	base := registry.NewTransport(roots)
	t.Cleanup(base.CloseIdleConnections)
	r, err := registry.New(l.Addr().String(), registry.Options{Transport: base})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A download that an HTTP/2 server breaks off is an error that names the cause, and
// never a shorter blob. The next request gets the rest.
func TestDownloadBrokenOffByFrames(t *testing.T) {
	content := bytes.Repeat([]byte("content "), 5000)
	d := describe(content, ocispec.MediaTypeImageLayer)
	half := len(content) / 2
	for name, test := range map[string]struct {
		breaks func(c *h2conn, stream uint32) bool
		want   string // in the error; "" is none
	}{
		"GOAWAY and closed":    {func(c *h2conn, stream uint32) bool { c.goAway(stream, codeNone, ""); return false }, "GOAWAY"},
		"GOAWAY with an error": {func(c *h2conn, stream uint32) bool { c.goAway(stream, codeCalm, "too many"); return false }, "ENHANCE_YOUR_CALM"},
		"reset":                {func(c *h2conn, stream uint32) bool { c.reset(stream, codeInternal); return true }, "INTERNAL_ERROR"},
		"canceled":             {func(c *h2conn, stream uint32) bool { c.reset(stream, codeCancel); return true }, "CANCEL"},
		"closed":               {func(*h2conn, uint32) bool { return false }, "EOF"},
		"ended early":          {func(c *h2conn, stream uint32) bool { c.frame(frameData, flagEnd, stream, nil); return true }, "EOF"},
		"an unknown frame":     {func(c *h2conn, stream uint32) bool { c.frame(99, 0, 7, []byte("x")); return false }, "EOF"},
		"more than a frame has": {func(c *h2conn, stream uint32) bool {
			_, _ = c.Write([]byte{255, 255, 255, 0, 0, 0, 0, 0, 1})
			return true
		}, "frame too large"},
		"GOAWAY and the rest": {func(c *h2conn, stream uint32) bool {
			c.goAway(stream, codeNone, "")
			for rest := content[half:]; len(rest) > 0; rest = rest[min(len(rest), 16000):] {
				c.frame(frameData, 0, stream, rest[:min(len(rest), 16000)])
			}
			c.frame(frameData, flagEnd, stream, nil)
			return true
		}, ""},
	} {
		r := h2(t, func(c *h2conn, e h2event) bool {
			begin, end := 0, half
			if e.n > 1 {
				begin, end = half, len(content)
				c.answer(e.stream, 206, "content-range", "bytes "+strconv.Itoa(half)+"-"+strconv.Itoa(end-1)+"/"+strconv.Itoa(end))
			} else {
				c.answer(e.stream, 200, "content-length", strconv.Itoa(len(content)))
			}
			for at := begin; at < end; at += 16000 {
				c.frame(frameData, 0, e.stream, content[at:min(at+16000, end)])
			}
			if e.n > 1 {
				c.frame(frameData, flagEnd, e.stream, nil)
				return true
			}
			return test.breaks(c, e.stream)
		})
		at, err := r.Repository("a/b")
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := drain(t, at, d, 0)
		if test.want == "" {
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
			continue
		}
		if err == nil || errors.Is(err, io.EOF) || !strings.Contains(err.Error(), test.want) || !bytes.HasPrefix(content, got) {
			t.Errorf("%s: %d bytes, %v, which does not name %s", name, len(got), err, test.want)
		}
		rest, start, err := drain(t, at, d, int64(half))
		if err != nil || start != int64(half) || !bytes.Equal(rest, content[half:]) {
			t.Errorf("%s, the rest: %d bytes from %d, %v", name, len(rest), start, err)
		}
	}
}

// An upload that an HTTP/2 server refuses or breaks off is sent again, whole.
func TestUploadBrokenOffByFrames(t *testing.T) {
	content := bytes.Repeat([]byte("content "), 20000)
	d := describe(content, ocispec.MediaTypeImageLayer)
	for name, breaks := range map[string]func(c *h2conn, e h2event) bool{
		"refused before its body": func(c *h2conn, e h2event) bool { c.reset(e.stream, codeRefused); return true },
		"reset in its body":       func(c *h2conn, e h2event) bool { c.reset(e.stream, codeInternal); return true },
		"canceled in its body":    func(c *h2conn, e h2event) bool { c.reset(e.stream, codeCancel); return true },
		"GOAWAY, not processed":   func(c *h2conn, e h2event) bool { c.goAway(0, codeNone, ""); return true },
		"GOAWAY, processed":       func(c *h2conn, e h2event) bool { c.goAway(e.stream, codeCalm, "x"); return false },
		"closed":                  func(*h2conn, h2event) bool { return false },
	} {
		broken, whole := 0, 0
		r := h2(t, func(c *h2conn, e h2event) bool {
			switch {
			case e.n == 1: // the session
				if e.header {
					c.answer(e.stream, 202, "location", "/v2/a/b/blobs/uploads/1")
					c.frame(frameData, flagEnd, e.stream, nil)
				}
			case broken == 0 && (e.size > 40000 || strings.Contains(name, "before")):
				broken++
				return breaks(c, e)
			case e.end && e.size == len(content):
				whole++
				c.answer(e.stream, 201)
				c.frame(frameData, flagEnd, e.stream, nil)
			}
			return true
		})
		at, err := r.Repository("a/b")
		if err != nil {
			t.Fatal(err)
		}
		if err := at.Upload(t.Context(), d, opened(content, nil)); err != nil || broken != 1 || whole != 1 {
			t.Errorf("%s: %v, broken off %d times, whole %d times", name, err, broken, whole)
		}
	}
}

// A server that begins a TLS handshake and falls silent is given up within seconds.
func TestHalfAHandshake(t *testing.T) {
	for name, begin := range map[string]string{"nothing": "", "half a record": "\x16\x03\x03\x00\x7a\x02\x00", "an alert's head": "\x15\x03\x03"} {
		synctest.Test(t, func(t *testing.T) {
			base := registry.NewTransport(nil)
			base.Proxy = nil
			var peers []net.Conn
			base.DialContext = func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				peers = append(peers, theirs)
				go func() {
					_, _ = theirs.Read(make([]byte, 4096))
					_, _ = io.WriteString(theirs, begin)
					_, _ = io.Copy(io.Discard, theirs)
				}()
				return ours, nil
			}
			r, err := registry.New("registry.example", registry.Options{Transport: base})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			err = r.Ping(t.Context())
			if err == nil || !strings.Contains(err.Error(), "TLS handshake timeout") || time.Since(began) > 15*time.Second {
				t.Errorf("%s: %v after %v", name, err, time.Since(began))
			}
			for _, peer := range peers {
				_ = peer.Close()
			}
			base.CloseIdleConnections()
		})
	}
}

// A proxy that dies in the middle of a blob is an error at once, and the request for
// the rest names the proxy.
func TestProxyThatDies(t *testing.T) {
	content := bytes.Repeat([]byte("content "), 5000)
	d := describe(content, ocispec.MediaTypeImageLayer)
	var proxy *httptest.Server
	var dead atomic.Bool
	proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content[:len(content)/2])
		dead.Store(true)
		_ = proxy.Listener.Close()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(proxy.Close)
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	base := registry.NewTransport(nil)
	base.Proxy = http.ProxyURL(address)
	t.Cleanup(base.CloseIdleConnections)
	at := through(t, registry.Options{PlainHTTP: true, Transport: base})
	if got, _, err := drain(t, at, d, 0); !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(content, got) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, _, err := drain(t, at, d, int64(len(content)/2)); err == nil || !strings.Contains(err.Error(), "proxyconnect") {
		t.Errorf("the rest: %v, which does not name the proxy", err)
	}
}

// A list of referrers that breaks off is the network's error, and no malformed answer.
func TestListBrokenOffByFrames(t *testing.T) {
	for name, breaks := range map[string]func(c *h2conn, stream uint32){
		"INTERNAL_ERROR": func(c *h2conn, stream uint32) { c.reset(stream, codeInternal) },
		"GOAWAY":         func(c *h2conn, stream uint32) { c.goAway(stream, codeCalm, ""); _ = c.Close() },
	} {
		r := h2(t, func(c *h2conn, e h2event) bool {
			c.answer(e.stream, 200, "content-type", ocispec.MediaTypeImageIndex)
			c.frame(frameData, 0, e.stream, []byte(`{"schemaVersion":2,"manifests":[`))
			breaks(c, e.stream)
			return true
		})
		at, err := r.Repository("a/b")
		if err != nil {
			t.Fatal(err)
		}
		got, err := at.Attachments(t.Context(), describe([]byte("image"), "").Digest)
		if err == nil || errors.Is(err, registry.ErrMalformed) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
