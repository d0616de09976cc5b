// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quayside/quayside/internal/registry"
)

// With one transfer at once, a server delays each blob until it was asked for five, like
// a server that tells everyone to come back later.
func TestSlowAnswersHoldNobodyUp(t *testing.T) {
	s := newSite(t, small())
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	var waiting atomic.Int64
	five := make(chan struct{})
	slow := roundTripper(func(req *http.Request) (*http.Response, error) {
		if strings.Contains(req.URL.Path, "/blobs/") {
			if waiting.Add(1) == 5 {
				close(five)
			}
			select {
			case <-five:
			case <-time.After(20 * time.Second):
				t.Errorf("%d blobs are asked for while none is answered", waiting.Load())
			}
		}
		return base.RoundTrip(req)
	})
	o := s.options()
	o.Transfers = 1
	o.Registry = func(host string) (*registry.Registry, error) {
		return registry.New(host, registry.Options{PlainHTTP: true, Transport: slow})
	}
	l := newLayout(t, t.TempDir())
	images := s.images("2025.1")
	whole(t, l, copyTo(t, l, o, images), len(images))
}

// roundTripper is an http.RoundTripper made of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
