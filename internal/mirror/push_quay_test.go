// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"testing"

	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/quay/quaytest"
)

// robot has push access to an embedded Quay.
type robot struct{}

func (robot) Credential(context.Context, string, string) (registry.Credential, error) {
	return registry.NewCredential("mirror+pusher", "secret-of-the-robot"), nil
}

// Referrers that are copied to a Quay are in its referrers API, and leave no tag that
// people see.
func TestReferrersOnAQuay(t *testing.T) {
	y, attached, _ := signed(t)
	s := newSite(t, y.data)
	quay := newSite(t, &quaytest.Dataset{
		Organizations: []quaytest.Organization{{Name: "mirror", Enabled: true, Creators: []string{"mirror+pusher"}}},
		Robots:        []quaytest.Robot{{Name: "mirror+pusher", Token: "secret-of-the-robot"}},
	})
	w := &wire{base: &http.Transport{}}
	t.Cleanup(w.base.CloseIdleConnections)
	r, err := registry.New(quay.host, registry.Options{PlainHTTP: true, Transport: w, Credentials: robot{}})
	if err != nil {
		t.Fatal(err)
	}
	p := &port{Registry: r, wire: w}
	image := s.images("v1")[0]
	o := s.options()
	o.Signatures = mirror.SignaturesNew
	k := registryKeeper(t, p, "")
	if report := k.run(t, o, image); !report.Complete || report.SignaturesCopied != 2 {
		t.Fatalf("have\n%s", show(t, report))
	}
	if got := k.attached(t, image); !slices.Equal(got, attached) {
		t.Errorf("attached there: %q, and %q is wanted", got, attached)
	}
	fallback := regexp.MustCompile(`/manifests/sha256-[0-9a-f]{64}$`)
	for _, put := range w.sent("PUT", "/manifests/") {
		if fallback.MatchString(put) {
			t.Errorf("%s: a tag that shows", put)
		}
	}
	if n := len(w.sent("GET", "/referrers/")); n != 2 { // one is this test's own
		t.Errorf("asked %d times for referrers", n)
	}
}
