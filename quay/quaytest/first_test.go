// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

// A pulled is a server with a large and a small blob, on its own disk or in object
// storage.
type pulled struct {
	*quaytest.Server
	client       *http.Client
	large, small string // paths
	whole        []byte // of the large one
}

func newPulled(t *testing.T, opts ...quaytest.Option) *pulled {
	t.Helper()
	d := harbour()
	d.Blobs = []quaytest.Blob{quaytest.SyntheticBlob("harbour/plain", 1<<20, 1), quaytest.SyntheticBlob("harbour/plain", 1000, 2)}
	p := &pulled{large: "/v2/harbour/plain/blobs/" + d.Blobs[0].Digest.String(), small: "/v2/harbour/plain/blobs/" + d.Blobs[1].Digest.String()}
	clean, err := quaytest.NewHandler(d)
	if err != nil {
		t.Fatal(err)
	}
	defer clean.Close()
	p.whole = ask(clean, 2, h1Address, p.large).Body.Bytes()
	p.Server = quaytest.Start(t, d, opts...)
	p.client = p.Client()
	return p
}

// get requests a range of a path, "" for the whole.
func (p *pulled) get(t *testing.T, path, part string) (*http.Response, []byte, error) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, p.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if part != "" {
		req.Header.Set("Range", part)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// A large blob breaks off the given number of times, each time at half of the
// requested part. Small blobs do not. It makes no difference where blobs come from.
func TestCutFirst(t *testing.T) {
	for name, opts := range protocols() {
		for _, more := range [][]quaytest.Option{{quaytest.WithObjectStorage()}, {quaytest.WithQuirk("blob-range", "")}} {
			t.Run(name, func(t *testing.T) {
				p := newPulled(t, append(append(opts, quaytest.WithQuirk("cut-first", "2")), more...)...)
				resp, first, err := p.get(t, p.large, "")
				if err == nil || resp.StatusCode != 200 || !bytes.Equal(first, p.whole[:1<<19]) {
					t.Errorf("the first time: %s, %d bytes, %v", resp.Status, len(first), err)
				}
				resp, second, err := p.get(t, p.large, fmt.Sprintf("bytes=%d-", len(first)))
				if err == nil || resp.StatusCode != 206 || !bytes.Equal(second, p.whole[1<<19:1<<19+1<<18]) {
					t.Errorf("the second time: %s, %d bytes, %v", resp.Status, len(second), err)
				}
				if _, third, err := p.get(t, p.large, ""); err != nil || !bytes.Equal(third, p.whole) {
					t.Errorf("the third time: %d bytes, %v", len(third), err)
				}
				if _, small, err := p.get(t, p.small, ""); err != nil || len(small) != 1000 {
					t.Errorf("a small blob: %d bytes, %v", len(small), err)
				}
				stats := p.Stats()
				if got, want := stats.Classes["blob"].Content+stats.Classes["storage"].Content, int64(1<<19+1<<18+1<<20+1000); got != want {
					t.Errorf("%d bytes of blobs were counted, want %d", got, want)
				}
			})
		}
	}
}

func TestStallFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := harbour()
		d.Blobs = []quaytest.Blob{quaytest.SyntheticBlob("harbour/plain", 1<<20, 1)}
		h, err := quaytest.NewHandler(d, quaytest.WithQuirk("stall-first", "1:/v2/**"))
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		for i, want := range []time.Duration{time.Minute, 0} {
			w := httptest.NewRecorder()
			got := took(func() {
				defer func() { _ = recover() }()
				h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2/harbour/plain/blobs/"+d.Blobs[0].Digest.String(), nil))
			})
			if got != want || w.Body.Len() != 1<<(19+i) {
				t.Errorf("answer %d: %d bytes in %v, want %v", i+1, w.Body.Len(), got, want)
			}
		}
	})
}

// Blobs with wrong content or length.
func TestFalseBlobs(t *testing.T) {
	for name, opts := range protocols() {
		t.Run(name, func(t *testing.T) {
			p := newPulled(t, append(opts, quaytest.WithQuirk("wrong-bytes", "2"))...)
			p.get(t, p.large, "")
			if resp, body, err := p.get(t, p.large, ""); err != nil || len(body) != len(p.whole) || bytes.Equal(body, p.whole) {
				t.Errorf("wrong-bytes: %s, %d bytes, %v", resp.Status, len(body), err)
			}
			if _, body, _ := p.get(t, p.large, ""); !bytes.Equal(body, p.whole) {
				t.Error("wrong-bytes: the third answer is wrong, too")
			}
			p = newPulled(t, append(opts, quaytest.WithQuirk("truncated", ""), quaytest.WithObjectStorage())...)
			if resp, body, err := p.get(t, p.small, ""); err != nil || len(body) != 500 || resp.ContentLength != 500 {
				t.Errorf("truncated: %s, %d bytes of %d, %v", resp.Status, len(body), resp.ContentLength, err)
			}
			p = newPulled(t, append(opts, quaytest.WithQuirk("endless", ""))...)
			resp, err := p.client.Get(p.URL() + p.small)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if n, err := io.CopyN(io.Discard, resp.Body, 10<<20); err != nil || resp.ContentLength != -1 {
				t.Errorf("endless: %d bytes of %d, %v", n, resp.ContentLength, err)
			}
			p.Close() // ends the blob, too
		})
	}
}

// The host that a redirect leads to serves requests without credentials and refuses
// requests with them.
func TestRedirectAway(t *testing.T) {
	p := newPulled(t, quaytest.WithTLS(), quaytest.WithQuirk("redirect-away", "/v2/**/blobs/*"))
	resp, body, err := p.get(t, p.large, "bytes=0-9")
	if err != nil || resp.Request.URL.Hostname() != "localhost" || !bytes.Equal(body, p.whole) {
		t.Errorf("%s from %s: %d bytes, %v", resp.Status, resp.Request.URL.Host, len(body), err)
	}
	careless := &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.CertPool()}},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			r.Header.Set("Authorization", "Bearer x.y.z")
			return nil
		},
	}
	defer careless.CloseIdleConnections()
	if resp, err = careless.Get(p.URL() + p.large); err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || !strings.Contains(string(body), "InvalidArgument") {
		t.Errorf("with Authorization: %s %s", resp.Status, body)
	}
	if diff := cmp.Diff(map[int]int64{200: 1, 307: 2, 400: 1}, p.Stats().Classes["blob"].Statuses); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}
