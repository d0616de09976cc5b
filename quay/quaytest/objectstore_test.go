// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

const (
	layerDigest = "sha256:588b8b6c21edc1cab05135d896493d8fde71ed5a698ae355eb750ee81354d9c9"
	layerPath   = "/v2/harbourline/pushed/blobs/" + layerDigest
	layerSize   = 3164
)

// isDigest reports whether a digest is that of the bytes.
func isDigest[D ~string](digest D, text []byte) bool {
	sum := sha256.Sum256(text)
	return string(digest) == "sha256:"+hex.EncodeToString(sum[:])
}

// A blob can be pulled from every repository that has it, though the dataset has the
// content in one only, and from no other: recording registry-blob.
func TestBlobs(t *testing.T) {
	const shared = "sha256:08a9dbee35e5c8a4e299b111e46c04ead48aaa12786b36d21f5898df0f495b1c"
	p := newPulling(t)
	for _, name := range []string{"multi-arch", "pushed", "signed"} {
		w := p.ask("GET", "/v2/harbourline/"+name+"/blobs/"+shared)
		if w.Code != 200 || !isDigest(shared, w.Body.Bytes()) {
			t.Errorf("%s: %d, %d bytes", name, w.Code, w.Body.Len())
		}
	}
	if w := p.ask("GET", "/v2/harbourline/plain/blobs/"+shared); w.Code != 404 || errorCode(t, w) != "BLOB_UNKNOWN" {
		t.Errorf("a blob of other repositories: %d %s", w.Code, w.Body)
	}
	// The headers of both kinds of storage: recordings registry-blob and
	// registry-blob-redirect.
	stored := newPulling(t, quaytest.WithObjectStorage())
	for _, tt := range []struct {
		p             *pulling
		method        string
		ranges, cache string
	}{
		{p, "GET", "", "max-age=31536000"},
		{p, "HEAD", "", "max-age=31436000"},
		{stored, "GET", "bytes", "max-age=31536000"},
		{stored, "HEAD", "bytes", "max-age=31436000"},
	} {
		h := tt.p.ask(tt.method, layerPath).Header()
		if h.Get("Accept-Ranges") != tt.ranges || h.Get("Cache-Control") != tt.cache || h.Get("Docker-Content-Digest") != layerDigest {
			t.Errorf("%s: %v", tt.method, h)
		}
	}
	d := harbour()
	d.Blobs = []quaytest.Blob{{Repository: "harbour/plain", Digest: "sha256:" + zeros}}
	h, err := quaytest.NewHandler(d)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if w := (&pulling{Handler: h}).ask("GET", blobPath); w.Code != 404 || errorCode(t, w) != "BLOB_UNKNOWN" {
		t.Errorf("a blob without bytes: %d %s", w.Code, w.Body)
	}
}

// A synthetic blob has the digest of the served bytes, can be read from any offset, and
// survives the file form of a dataset.
func TestSyntheticBlob(t *testing.T) {
	const size = 1<<20 + 7
	blob := quaytest.SyntheticBlob("harbour/plain", size, 42)
	d := harbour()
	d.Blobs = []quaytest.Blob{blob, quaytest.SyntheticBlob("harbour/plain", 0, 1), quaytest.SyntheticBlob("harbour/plain", size, 43)}
	if d.Blobs[2].Digest == blob.Digest {
		t.Error("two seeds give the same bytes")
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if d, err = quaytest.ReadDataset(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	h, err := quaytest.NewHandler(d, quaytest.WithObjectStorage())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	p := &pulling{Handler: h}
	for _, b := range d.Blobs {
		signed := p.ask("GET", "/v2/harbour/plain/blobs/"+b.Digest.String()).Header().Get("Location")
		whole := p.ask("GET", signed).Body.Bytes()
		if int64(len(whole)) != *b.Size || !isDigest(b.Digest, whole) {
			t.Fatalf("%d bytes of another digest, want %d of %s", len(whole), *b.Size, b.Digest)
		}
		if len(whole) == 0 {
			continue
		}
		for part, want := range map[string][]byte{
			"bytes=0-0": whole[:1], "bytes=15-17": whole[15:18], "bytes=16-": whole[16:], "bytes=100001-300000": whole[100001:300001],
		} {
			if w := p.ask("GET", signed, "Range", part); w.Code != 206 || !bytes.Equal(w.Body.Bytes(), want) {
				t.Errorf("%s: %d, not the same bytes as in the whole", part, w.Code)
			}
		}
	}
}

// A client follows the redirect to the storage, which is another host, without its
// credentials (doc/quay-api.md, "Recorded").
func TestStorageIsAnotherHost(t *testing.T) {
	for name, opts := range protocols() {
		t.Run(name, func(t *testing.T) {
			d := harbour()
			d.Repositories[0].Public = false
			d.Users[0].Password = "secret"
			d.Blobs = []quaytest.Blob{quaytest.SyntheticBlob("harbour/plain", 100_000, 1)}
			s, err := quaytest.NewServer(d, append(opts, quaytest.WithObjectStorage())...)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			get := func(target, authorization string) (*http.Response, []byte) {
				req, err := http.NewRequest("GET", s.URL()+target, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", authorization)
				resp, err := s.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				return resp, body
			}
			_, body := get("/v2/auth?service="+address(s)+"&scope=repository:harbour/plain:pull", basic("pilot", "secret"))
			var token struct{ Token string }
			if err := json.Unmarshal(body, &token); err != nil {
				t.Fatal(err)
			}
			resp, body := get("/v2/harbour/plain/blobs/"+d.Blobs[0].Digest.String(), "Bearer "+token.Token)
			if resp.StatusCode != 200 || !isDigest(d.Blobs[0].Digest, body) {
				t.Fatalf("%s, %d bytes", resp.Status, len(body))
			}
			from, to := resp.Request.Response.Request.URL, resp.Request.URL
			if from.Hostname() != "127.0.0.1" || to.Hostname() != "localhost" || resp.Request.Header.Get("Authorization") != "" {
				t.Errorf("redirected from %s to %s with Authorization %.20q", from.Host, to.Host, resp.Request.Header.Get("Authorization"))
			}
			if n := s.Stats().Classes["storage"].Requests; n != 1 {
				t.Errorf("%d requests of class storage, want 1", n)
			}
		})
	}
}

// A signed URL is valid for 600 s, for GET, on the storage's own host, and without an
// Authorization header.
func TestStorageRefuses(t *testing.T) {
	p := newPulling(t, quaytest.WithObjectStorage())
	start := p.now
	signed := p.ask("GET", layerPath).Header().Get("Location")
	for _, tt := range []struct {
		name, method, target string
		after                time.Duration
		headers              []string
		status               int
		code                 string
	}{
		{"good", "GET", signed, 0, nil, 200, ""},
		{"almost lapsed", "GET", signed, 599 * time.Second, nil, 200, ""},
		{"lapsed", "GET", signed, 600 * time.Second, nil, 403, "AccessDenied"},
		{"unsigned", "GET", strings.Split(signed, "?")[0], 0, nil, 403, "AccessDenied"},
		{"another host", "GET", strings.Replace(signed, "storage.test", "example.com", 1), 0, nil, 403, "SignatureDoesNotMatch"},
		{"another blob", "GET", strings.Replace(signed, "588b8b6c", "588b8b6d", 1), 0, nil, 403, "SignatureDoesNotMatch"},
		{"longer", "GET", strings.Replace(signed, "Expires=600", "Expires=999", 1), 0, nil, 403, "SignatureDoesNotMatch"},
		{"HEAD", "HEAD", signed, 0, nil, 403, ""},
		{"credentials", "GET", signed, 0, []string{"Authorization", "Bearer x.y"}, 400, "InvalidArgument"},
		{"range that is not there", "GET", signed, 0, []string{"Range", "bytes=3164-"}, 416, "InvalidRange"},
	} {
		p.now = start.Add(tt.after)
		w := p.ask(tt.method, tt.target, tt.headers...)
		if w.Code != tt.status || tt.code != "" && !strings.Contains(w.Body.String(), "<Code>"+tt.code+"</Code>") {
			t.Errorf("%s: %d %.300s, want %d %s", tt.name, w.Code, w.Body, tt.status, tt.code)
		}
		if kind := w.Header().Get("Content-Type"); tt.status >= 400 && kind != "application/xml" {
			t.Errorf("%s: %q, want XML", tt.name, kind)
		}
	}
	plain := newPulling(t)
	if w := plain.ask("GET", signed); w.Code != 308 { // like any path that could be a repository's
		t.Errorf("a server without object storage: %d, want 308", w.Code)
	}
}

func TestStorageRange(t *testing.T) {
	p := newPulling(t, quaytest.WithObjectStorage())
	signed := p.ask("GET", layerPath).Header().Get("Location")
	whole := p.ask("GET", signed).Body.Bytes()
	if len(whole) != layerSize || !isDigest(layerDigest, whole) {
		t.Fatalf("%d bytes, want %d", len(whole), layerSize)
	}
	for _, tt := range []struct {
		part   string
		status int
		bytes  []byte
		says   string // Content-Range
	}{
		{"bytes=100-199", 206, whole[100:200], "bytes 100-199/3164"},
		{"bytes=3000-", 206, whole[3000:], "bytes 3000-3163/3164"},
		{"bytes=3000-9999", 206, whole[3000:], "bytes 3000-3163/3164"},
		{"bytes=0-", 206, whole, "bytes 0-3163/3164"},
		{"bytes=-64", 206, whole[3100:], "bytes 3100-3163/3164"},
		{"bytes=-9999", 206, whole, "bytes 0-3163/3164"},
		{"bytes=0-99999999999999999999", 206, whole, "bytes 0-3163/3164"},
		{"bytes=99999999999999999999-", 416, nil, ""},
		{"bytes=9-3", 200, whole, ""},
		{"bytes=-", 200, whole, ""},
		{"bytes=a-b", 200, whole, ""},
		{"bytes=0-1,5-6", 200, whole, ""},
		{"lines=0-1", 200, whole, ""},
		{"bytes=-0", 416, nil, ""},
	} {
		w := p.ask("GET", signed, "Range", tt.part)
		if w.Code != tt.status || w.Header().Get("Content-Range") != tt.says || tt.bytes != nil && !bytes.Equal(tt.bytes, w.Body.Bytes()) {
			t.Errorf("%s: %d, %q, %d bytes", tt.part, w.Code, w.Header().Get("Content-Range"), w.Body.Len())
		}
	}
}

func TestStorageQuirks(t *testing.T) {
	for quirk, want := range map[string]int{"storage-ignores-range": 200, "storage-lapsed": 403} {
		p := newPulling(t, quaytest.WithObjectStorage(), quaytest.WithQuirk(quirk, ""))
		signed := p.ask("GET", layerPath).Header().Get("Location")
		if w := p.ask("GET", signed, "Range", "bytes=100-199"); w.Code != want {
			t.Errorf("%s: %d, want %d", quirk, w.Code, want)
		}
	}
}

// A blob that is being sent ends with the server.
func TestBlobEndsWithServer(t *testing.T) {
	d := harbour()
	d.Blobs = []quaytest.Blob{quaytest.SyntheticBlob("harbour/plain", 8<<20, 1)}
	s, err := quaytest.NewServer(d, quaytest.WithByteRate(1<<16))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Get(s.URL() + "/v2/harbour/plain/blobs/" + d.Blobs[0].Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	s.Close()
	if _, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading on: %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

func FuzzStorageRange(f *testing.F) {
	p := newPulling(f, quaytest.WithObjectStorage())
	signed := p.ask("GET", layerPath).Header().Get("Location")
	whole := p.ask("GET", signed).Body.Bytes()
	for _, part := range []string{"bytes=0-", "bytes=-1", "bytes=9223372036854775807-9223372036854775807", "bytes=0-18446744073709551616", "", "bytes=+1-2"} {
		f.Add(part)
	}
	f.Fuzz(func(t *testing.T, part string) {
		w := p.ask("GET", signed, "Range", part)
		switch {
		case w.Code == 200 && bytes.Equal(w.Body.Bytes(), whole), w.Code == 416:
		case w.Code == 206 && w.Body.Len() > 0 && bytes.Contains(whole, w.Body.Bytes()):
		default:
			t.Errorf("%q: %d, %s", part, w.Code, cmp.Diff(w.Header(), nil))
		}
	})
}
