// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/quayside/quayside/quay/quaytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newServer(t *testing.T, opts ...quaytest.Option) *quaytest.Server {
	t.Helper()
	return quaytest.Start(t, harbour(), opts...)
}

func protocols() map[string][]quaytest.Option {
	return map[string][]quaytest.Option{"HTTP1": nil, "HTTP2": {quaytest.WithTLS()}}
}

// address returns a server's host and port.
func address(s *quaytest.Server) string {
	return s.URL()[strings.LastIndex(s.URL(), "/")+1:]
}

// read requests a path of a server, which must answer 200 with a whole body.
func read(t *testing.T, s *quaytest.Server, target string) string {
	t.Helper()
	resp, err := s.Client().Get(s.URL() + target)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", target, resp.Status, err)
	}
	return string(body)
}

func TestServerPlain(t *testing.T) {
	s := newServer(t)
	resp, err := s.Client().Get(s.URL() + listPath)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.Proto != "HTTP/1.1" || !resp.Close || !strings.HasPrefix(s.URL(), "http://127.0.0.1:") {
		t.Errorf("%s, close %v, at %s", resp.Proto, resp.Close, s.URL())
	}
	if s.CAPEM() != nil || s.CertPool() != nil {
		t.Error("a plain server has an authority")
	}
}

func TestServerTLS(t *testing.T) {
	s := newServer(t, quaytest.WithTLS())
	resp, err := s.Client().Get(s.URL() + listPath)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.Proto != "HTTP/2.0" || !strings.HasPrefix(s.URL(), "https://127.0.0.1:") {
		t.Errorf("%s at %s", resp.Proto, s.URL())
	}
	if block, rest := pem.Decode(s.CAPEM()); block == nil || block.Type != "CERTIFICATE" || len(rest) > 0 {
		t.Errorf("CAPEM is %q", s.CAPEM())
	}
	for _, name := range []string{"127.0.0.1", "::1", "localhost"} {
		conn, err := tls.Dial("tcp", address(s), &tls.Config{RootCAs: s.CertPool(), ServerName: name})
		if err != nil {
			t.Errorf("as %s: %v", name, err)
			continue
		}
		conn.Close()
	}
	if conn, err := tls.Dial("tcp", address(s), nil); err == nil {
		conn.Close()
		t.Error("a client without the authority trusts the server")
	}
}

func TestServerListens(t *testing.T) {
	s := newServer(t, quaytest.WithListen("localhost:0"), quaytest.WithTLS())
	if !strings.HasPrefix(s.URL(), "https://localhost:") {
		t.Errorf("URL %s", s.URL())
	}
	read(t, s, listPath)
	for _, bad := range []string{"127.0.0.1", address(s)} {
		if _, err := quaytest.NewServer(harbour(), quaytest.WithListen(bad)); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("listen on %s: %v, want an error that names it", bad, err)
		}
	}
}

// Each HTTP/2 connection has a bucket of its own (section 6).
func TestEachConnectionHasItsLimit(t *testing.T) {
	limits, err := quaytest.ParseLimits("h2=0.001/4")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, quaytest.WithTLS(), quaytest.WithLimits(limits))
	for range 3 {
		client := &http.Client{Transport: s.Client().Transport.(*http.Transport).Clone()}
		var got []int
		for range 6 {
			resp, err := client.Get(s.URL() + listPath)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			got = append(got, resp.StatusCode)
		}
		if diff := cmp.Diff([]int{200, 200, 200, 200, 200, 429}, got); diff != "" {
			t.Errorf("statuses on one connection (-want +got):\n%s", diff)
		}
	}
}

// Section 6: GOAWAY after 1,000 requests.
func TestConnectionCarries1000Requests(t *testing.T) {
	for name, c := range map[string]struct {
		quirk []quaytest.Option
		want  int64
	}{
		"as Quay":   {nil, 2},
		"keepalive": {[]quaytest.Option{quaytest.WithQuirk("keepalive", "")}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, append(c.quirk, quaytest.WithTLS())...)
			for range 1001 {
				read(t, s, listPath)
			}
			want := quaytest.Connections{Accepted: c.want, HTTP2: c.want}
			if diff := cmp.Diff(want, s.Stats().Connections); diff != "" {
				t.Errorf("connections (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCloseFinishesWhatIsBeingWritten(t *testing.T) {
	d := harbour()
	d.Repositories[0].Description = strings.Repeat("x", 16<<20) // more than socket buffers hold
	for name, opts := range protocols() {
		t.Run(name, func(t *testing.T) {
			s, err := quaytest.NewServer(d, opts...)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := s.Client().Get(s.URL() + listPath)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				s.Close()
			}()
			for refused := false; !refused; { // until Close has closed the listener
				conn, err := net.Dial("tcp", address(s))
				if refused = err != nil; !refused {
					conn.Close()
				}
			}
			if n, err := io.Copy(io.Discard, resp.Body); err != nil || n < 16<<20 {
				t.Errorf("read %d bytes, %v", n, err)
			}
			<-closed
		})
	}
}

// Close does not wait for clients that read nothing, wait, are idle, or send no request.
func TestCloseIsPrompt(t *testing.T) {
	d := harbour()
	d.Repositories[0].Description = strings.Repeat("x", 16<<20)
	for name, opts := range protocols() {
		t.Run(name, func(t *testing.T) {
			s, err := quaytest.NewServer(d, append(opts, quaytest.WithQuirk("stall", "/**/tag/"))...)
			if err != nil {
				t.Fatal(err)
			}
			for _, target := range []string{listPath, tagPath} {
				resp, err := s.Client().Get(s.URL() + target)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
			}
			conn, err := net.Dial("tcp", address(s))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			start := time.Now()
			s.Close()
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("Close took %v", d)
			}
			s.Close() // does nothing the second time
		})
	}
}

func BenchmarkServer(b *testing.B) {
	for name, opts := range map[string][]quaytest.Option{
		"HTTP1/close":     nil,
		"HTTP1/keepalive": {quaytest.WithQuirk("keepalive", "")},
		"HTTP2":           {quaytest.WithTLS()},
	} {
		b.Run(name, func(b *testing.B) {
			s, err := quaytest.NewServer(harbour(), opts...)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					resp, err := s.Client().Get(s.URL() + tagPath)
					if err != nil {
						b.Error(err)
						return
					}
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
