// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/quay/quaytest"
)

func TestPublicNeedsNoToken(t *testing.T) {
	s := sample(t, robot, robotSecret)
	s.WillPull(public, private)
	r := s.repository(t, public)
	_, m := image(t, r, tag)
	for _, d := range m.Blobs() {
		content, start, err := drain(t, r, d, 0)
		if err != nil || start != 0 || digest.FromBytes(content) != d.Digest {
			t.Errorf("%s: %d bytes from %d, %v", d.Digest, len(content), start, err)
		}
	}
	if n := s.seen.withToken(); n != 0 {
		t.Errorf("%d requests had an Authorization header", n)
	}
	if s.lookups.n != 0 || s.seen.count("/v2/auth") != 0 {
		t.Errorf("%d credentials looked up, %d tokens asked for", s.lookups.n, s.seen.count("/v2/auth"))
	}
}

func TestPrivateNeedsOneToken(t *testing.T) {
	for name, c := range map[string][2]string{
		"robot":             {robot, robotSecret},
		"application token": {"$oauthtoken", quaytest.SampleToken},
		"password":          {quaytest.SampleOwner, quaytest.SampleOwner + "-password"},
	} {
		s := sample(t, c[0], c[1])
		r := s.repository(t, private)
		_, m := image(t, r, tag)
		for _, d := range m.Blobs() {
			if content, _, err := drain(t, r, d, 0); err != nil || digest.FromBytes(content) != d.Digest {
				t.Errorf("%s: %d bytes, %v", name, len(content), err)
			}
		}
		if n := s.seen.count("/v2/auth"); n != 1 {
			t.Errorf("%s: %d tokens asked for, want 1", name, n)
		}
	}
}

func TestDenied(t *testing.T) {
	for name, test := range map[string]struct{ user, secret, repository, hint string }{
		"nobody":         {"", "", private, "private"},
		"not theirs":     {"visitor", "visitor-password", private, "private"},
		"no such":        {robot, robotSecret, "stackfleet/no-such", "does not exist"},
		"wrong password": {robot, "not-the-token", private, "log in"},
	} {
		s := sample(t, test.user, test.secret)
		_, err := s.repository(t, test.repository).Resolve(t.Context(), tag)
		if !errors.Is(err, registry.ErrDenied) || !strings.Contains(err.Error(), test.hint) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && !strings.Contains(err.Error(), s.Host()+"/"+test.repository+":"+tag) {
			t.Errorf("%s: does not say on what: %v", name, err)
		}
	}
}

func TestMissing(t *testing.T) {
	s := sample(t, "", "")
	r := s.repository(t, public)
	none := ocispec.Descriptor{MediaType: "x", Digest: digest.FromString("none"), Size: 4}
	if _, err := r.Resolve(t.Context(), "no-such-tag"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("tag: %v", err)
	}
	if _, _, err := r.Manifest(t.Context(), none.Digest); !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), "MANIFEST_UNKNOWN") {
		t.Errorf("manifest: %v", err)
	}
	if _, _, err := r.Blob(t.Context(), none, 0); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("blob: %v", err)
	}
	if has, err := r.HasBlob(t.Context(), none); has || err != nil {
		t.Errorf("HasBlob: %v, %v", has, err)
	}
	if has, err := r.HasManifest(t.Context(), none.Digest); has || err != nil {
		t.Errorf("HasManifest: %v, %v", has, err)
	}
	d, m := image(t, r, tag)
	if has, err := r.HasManifest(t.Context(), d.Digest); !has || err != nil {
		t.Errorf("HasManifest of one that is there: %v, %v", has, err)
	}
	if has, err := r.HasBlob(t.Context(), *m.Config); !has || err != nil {
		t.Errorf("HasBlob of one that is there: %v, %v", has, err)
	}
}

// An HTML 404 comes from a dead backend, and is not ErrNotFound (doc/quay-api.md section
// 3).
func TestPageIsNotAnAnswer(t *testing.T) {
	s := sample(t, "", "", quaytest.WithQuirk("html-404", "/v2/**"))
	has, err := s.repository(t, public).HasManifest(t.Context(), digest.FromString("x"))
	if has || err == nil || errors.Is(err, registry.ErrNotFound) {
		t.Errorf("%v, %v", has, err)
	}
}

// A Quay with local storage supports no ranges. One with object storage redirects, and
// that supports them (doc/quay-api.md, "Recorded").
func TestBlobFromAnOffset(t *testing.T) {
	for name, test := range map[string]struct {
		opts    []quaytest.Option
		resumes bool
	}{
		"local":                  {nil, false},
		"object storage":         {[]quaytest.Option{quaytest.WithObjectStorage()}, true},
		"storage without ranges": {[]quaytest.Option{quaytest.WithObjectStorage(), quaytest.WithQuirk("storage-ignores-range", "")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, repository := range []string{public, private} {
				s := sample(t, robot, robotSecret, test.opts...)
				r := s.repository(t, repository)
				_, m := image(t, r, tag)
				d := largest(m)
				whole, start, err := drain(t, r, d, 0)
				if err != nil || start != 0 || digest.FromBytes(whole) != d.Digest {
					t.Fatalf("from 0: %d bytes from %d, %v", len(whole), start, err)
				}
				for _, offset := range []int64{1, d.Size / 2, d.Size - 1} {
					got, start, err := drain(t, r, d, offset)
					want := int64(0)
					if test.resumes {
						want = offset
					}
					if err != nil || start != want || !bytes.Equal(got, whole[start:]) {
						t.Errorf("from %d: %d bytes from %d, %v", offset, len(got), start, err)
					}
				}
				before := len(s.seen.log)
				if got, start, err := drain(t, r, d, d.Size); err != nil || start != d.Size || len(got) != 0 {
					t.Errorf("from the end: %d bytes from %d, %v", len(got), start, err)
				}
				if len(s.seen.log) != before {
					t.Error("asked for what is there already")
				}
				larger := d
				larger.Size += 100
				if _, _, err := drain(t, r, larger, 0); !errors.Is(err, registry.ErrMalformed) {
					t.Errorf("larger than it is: %v", err)
				}
				if _, _, err := drain(t, r, larger, d.Size+1); !errors.Is(err, registry.ErrMalformed) {
					t.Errorf("from beyond its end: %v", err)
				}
			}
		})
	}
}

// An expired URL is 403 (inferred: doc/quay-api.md, "Recorded"): another is requested
// from the registry, once.
func TestLapsedAddressIsAskedForAgain(t *testing.T) {
	s := sample(t, "", "", quaytest.WithObjectStorage(), quaytest.WithQuirk("storage-lapsed", ""))
	r := s.repository(t, public)
	_, m := image(t, r, tag)
	_, _, err := r.Blob(t.Context(), largest(m), 0)
	if !errors.Is(err, registry.ErrDenied) || !strings.Contains(err.Error(), "storage") {
		t.Errorf("%v", err)
	}
	if n := s.seen.count("/v2/" + public + "/blobs/"); n != 2 {
		t.Errorf("registry asked %d times, want 2", n)
	}
	if err != nil && strings.Contains(err.Error(), "X-Amz") {
		t.Errorf("shows the signed address: %v", err)
	}
}
