// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/quay/quaytest"
)

func TestNamesAreChecked(t *testing.T) {
	for _, host := range []string{"", "https://quay.io", "quay.io/org", "a b", "user@quay.io", "quay.io?x", "quay.io#x", "[::1"} {
		if _, err := registry.New(host, registry.Options{}); err == nil {
			t.Errorf("host %q", host)
		}
	}
	for _, host := range []string{"quay.io", "quay.io:443", "localhost:5000", "[::1]:5000", "127.0.0.1", "docker.io"} {
		r, err := registry.New(host, registry.Options{})
		if err != nil || r.Host() != host {
			t.Errorf("host %q: %v", host, err)
		}
	}
	s := connect(t, "http://127.0.0.1:1", "", "")
	for _, name := range []string{"", "/a", "a/", "a//b", "../a", "a/../b", "A/b", "a b", "a/b?x", "a/b#x", "a/%2e%2e", "a/.b", strings.Repeat("a", 256), "a\nb"} {
		if _, err := s.Repository(name); err == nil {
			t.Errorf("repository %q", name)
		}
	}
	for _, name := range []string{"a", "a/b/c/d", "a-", "a..b/c__d.e-f", strings.Repeat("a", 255)} {
		r, err := s.Repository(name)
		if err != nil {
			t.Errorf("repository %q: %v", name, err)
		} else if again, _ := s.Repository(name); again != r || r.Name() != name {
			t.Errorf("repository %q is %q", name, r.Name())
		}
	}
	r := s.repository(t, "a/b")
	for _, tag := range []string{"", "..", "a/b", "-a", strings.Repeat("a", 129), "a?b", "sha256:" + strings.Repeat("1", 64)} {
		if _, err := r.Resolve(t.Context(), tag); err == nil || len(s.seen.log) != 0 {
			t.Errorf("tag %q: %v", tag, err)
		}
	}
	for _, bad := range []digest.Digest{"sha256:../../x", "md5:1234", ""} {
		_, _, err := r.Blob(t.Context(), ocispec.Descriptor{Digest: bad, Size: 1}, 0)
		_, _, err2 := r.Manifest(t.Context(), bad)
		_, err3 := r.Attachments(t.Context(), bad)
		if err == nil || err2 == nil || err3 == nil || len(s.seen.log) != 0 {
			t.Errorf("%q: %v, %v, %v", bad, err, err2, err3)
		}
	}
	for offset, size := range map[int64]int64{-1: 10, 11: 10, 0: -1} {
		d := ocispec.Descriptor{Digest: digest.FromString("x"), Size: size}
		if _, _, err := r.Blob(t.Context(), d, offset); err == nil || len(s.seen.log) != 0 {
			t.Errorf("from %d of %d: %v", offset, size, err)
		}
	}
}

// The settings suit many long blobs from a Quay (doc/quay-api.md section 6), and HTTP/2
// works with a private authority.
func TestTransport(t *testing.T) {
	blob := quaytest.SyntheticBlob(public, 3<<20, 1)
	data := quaytest.SampleDataset()
	data.Blobs = append(data.Blobs, blob)
	q, err := quaytest.NewServer(data, quaytest.WithTLS())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	base := registry.NewTransport(q.CertPool())
	t.Cleanup(base.CloseIdleConnections)
	var proto string
	reg, err := registry.New(strings.TrimPrefix(q.URL(), "https://"), registry.Options{Transport: protocol{base, &proto}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := reg.Repository(public)
	if err != nil {
		t.Fatal(err)
	}
	d := ocispec.Descriptor{Digest: digest.Digest(blob.Digest), Size: *blob.Size}
	if content, _, err := drain(t, r, d, 0); err != nil || digest.FromBytes(content) != d.Digest {
		t.Errorf("%d bytes, %v", len(content), err)
	}
	if proto != "HTTP/2.0" {
		t.Errorf("speaks %s", proto)
	}
	if base.HTTP2.MaxReceiveBufferPerStream != 1<<20 || !base.DisableCompression ||
		base.ResponseHeaderTimeout < time.Minute || base.IdleConnTimeout >= 5*time.Second {
		t.Errorf("%+v", base)
	}
}

type protocol struct {
	base http.RoundTripper
	said *string
}

func (p protocol) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := p.base.RoundTrip(req)
	if err == nil {
		*p.said = resp.Proto
	}
	return resp, err
}
