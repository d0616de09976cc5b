// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/quay/quaytest"
)

// names returns the names of a layout's entries without their host.
func names(l *layout.Layout) []string {
	var all []string
	for _, e := range l.Images() {
		_, name, _ := strings.Cut(e.Name, "/")
		all = append(all, name)
	}
	return all
}

func TestSignaturesTravelWithTheirImage(t *testing.T) {
	y := newDataset(t)
	amd64, arm64 := y.image("app", "linux/amd64", "a"), y.image("app", "linux/arm64", "b")
	root := y.index("app", amd64, arm64)
	y.tag("app", "v1", root)
	y.tag("app", cosign(root, ".sig"), y.artifact("app", nil, "signature of the index"))
	y.tag("app", cosign(arm64, ".sig"), y.artifact("app", nil, "signature of an image"))
	attestation := y.artifact("app", nil, "attestation")
	y.tag("app", cosign(root, ".att"), attestation)
	y.tag("app", cosign(attestation, ".sig"), y.artifact("app", nil, "signature of the attestation"))
	referrer := y.artifact("app", &root, "referrer")
	nested := y.artifact("app", &referrer, "signature of the referrer")
	y.tag("plain", "v1", y.image("plain", "linux/amd64", "c"))

	s := newSite(t, y.data)
	l := newLayout(t, t.TempDir())
	o := s.options()
	o.Signatures = mirror.SignaturesNew
	r := copyTo(t, l, o, s.images("v1"))
	whole(t, l, r, 2)
	want := []string{
		"yard/app:v1", "yard/plain:v1",
		"yard/app:" + cosign(root, ".sig"), "yard/app:" + cosign(arm64, ".sig"), "yard/app:" + cosign(root, ".att"),
		"yard/app:" + cosign(attestation, ".sig"),
		"yard/app@" + referrer.Digest.String(), "yard/app@" + nested.Digest.String(),
	}
	slices.Sort(want)
	if got := names(l); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("entries\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := r.Images[0].Signatures; got != (mirror.Signatures{Found: 6, Copied: 6}) || r.SignaturesCopied != 6 || r.SignaturesFound != 6 {
		t.Errorf("signatures %+v", got)
	}

	before := s.server.Stats().Requests
	if r := copyTo(t, l, o, s.images("v1")); r.Present != 2 || s.server.Stats().Requests != before {
		t.Errorf("%d requests for images that have not changed", s.server.Stats().Requests-before)
	}
}

func TestSignaturesOfUnchangedImages(t *testing.T) {
	y := newDataset(t)
	root := y.image("app", "linux/amd64", "a")
	y.tag("app", "v1", root)
	y.tag("app", cosign(root, ".sig"), y.artifact("app", nil, "signed later"))
	s := newSite(t, y.data)
	l := newLayout(t, t.TempDir())
	o := s.options() // without signatures
	r := copyTo(t, l, o, s.images("v1"))
	whole(t, l, r, 1)
	if len(l.Images()) != 1 || r.SignaturesFound != 0 {
		t.Errorf("entries %v", names(l))
	}
	o.Signatures = mirror.SignaturesAlways
	sent := s.blobBytes()
	r = copyTo(t, l, o, s.images("v1"))
	if r.Present != 1 || !r.Complete || r.Images[0].Signatures != (mirror.Signatures{Found: 1, Copied: 1}) || len(l.Images()) != 2 {
		t.Errorf("entries %v, have\n%s", names(l), show(t, r))
	}
	if got := s.blobBytes() - sent; got != int64(len("{}")+len("signed later")) {
		t.Errorf("%d bytes of blobs", got)
	}
}

// An image whose signature cannot be fetched is copied, and the report is not complete.
func TestMissingSignatureDoesNotFailItsImage(t *testing.T) {
	for _, test := range []struct{ name, quirk, value string }{
		{"a blob of it", "wrong-bytes", ""},
		{"its manifest", "outage", "1000:403:/v2/yard/app/manifests/"},
		{"the list", "outage", "1000:403:/v2/yard/app/referrers/*"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			y := newDataset(t)
			root := y.image("app", "linux/amd64", "a")
			y.tag("app", "v1", root)
			signature := y.artifact("app", nil, "signature")
			y.tag("app", cosign(root, ".sig"), signature)
			value := test.value
			switch test.name {
			case "a blob of it":
				value = "/v2/yard/app/blobs/" + y.blob("app", "", "signature").Digest.String()
			case "its manifest":
				value += signature.Digest.String()
			}
			s := newSite(t, y.data, quaytest.WithQuirk(test.quirk, value))
			l := newLayout(t, t.TempDir())
			o := s.options()
			o.Signatures = mirror.SignaturesNew
			r := copyTo(t, l, o, s.images("v1"))
			i := r.Images[0]
			if r.Complete || r.Copied != 1 || i.Signatures.Missing != 1 || len(i.Notes) != 1 || r.SignaturesMissing != 1 {
				t.Errorf("have\n%s", show(t, r))
			}
			if got := names(l); !slices.Equal(got, []string{"yard/app:v1"}) {
				t.Errorf("entries %v", got)
			}
		})
	}
}

// A cutOff transport ends the run when the referrers of an image are requested.
type cutOff struct {
	base http.RoundTripper
	end  func()
}

func (c cutOff) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.Contains(req.URL.Path, "/referrers/") {
		return c.base.RoundTrip(req)
	}
	c.end()
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// What an interrupted run did not find out is not missing, and what it did not copy saves
// nothing.
func TestInterruptedRunMissesAndSavesNothing(t *testing.T) {
	s := newSite(t, smallRelease(20))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	o := s.options()
	o.Signatures = mirror.SignaturesNew
	o.Registry = func(host string) (*registry.Registry, error) {
		return registry.New(host, registry.Options{PlainHTTP: true, Transport: cutOff{base, cancel}})
	}
	r, err := mirror.New(destination.Layout(newLayout(t, t.TempDir())), o).Copy(ctx, slices.Values(s.images("2025.1")))
	if !errors.Is(err, context.Canceled) || r.Copied != 0 || r.SignaturesMissing != 0 || r.Saved != 0 {
		t.Errorf("%v: %d copied, %d signatures missing, %d bytes saved", err, r.Copied, r.SignaturesMissing, r.Saved)
	}
	for _, i := range r.Images {
		if len(i.Notes) > 0 {
			t.Errorf("%s: %q", i.Reference, i.Notes)
		}
	}
}
