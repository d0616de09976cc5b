// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/memnet"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/pace"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/quay/quaytest"
)

// One of two hosts answers no request for a blob. The images of the other are copied
// meanwhile.
func TestAHostThatDiesHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 60
		carriers := map[string]http.RoundTripper{}
		var images []mirror.Image
		for host, own := range map[string]int64{"dead.test": 40 << 10, "quay.test": 50 << 10} {
			data := quaytest.Release(n, quaytest.ReleaseOptions{Base: 2 * own, Group: own / 2, Groups: 4, Own: own})
			h, err := quaytest.NewHandler(data)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			c := memnet.Listen()
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if host == "dead.test" && strings.Contains(r.URL.Path, "/blobs/") {
					panic(http.ErrAbortHandler)
				}
				h.ServeHTTP(w, r)
			})}
			go func() { _ = server.Serve(c) }()
			base := &http.Transport{DialContext: c.Dial}
			carriers[host] = pace.New(pace.Options{Base: base, Retries: 25})
			defer func() {
				base.CloseIdleConnections()
				c.Cut(errRefused)
				_ = server.Close()
			}()
			s := &site{t: t, data: data, host: host}
			images = append(images, s.images("2025.1")...)
		}
		l, err := layout.Open(t.TempDir(), layout.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, _ := mirror.New(destination.Layout(l), mirror.Options{
			Signatures: mirror.SignaturesNever,
			Registry: func(host string) (*registry.Registry, error) {
				return registry.New(host, registry.Options{PlainHTTP: true, Transport: carriers[host]})
			},
		}).Copy(ctx, func(yield func(mirror.Image) bool) {
			for _, dead := range []bool{true, false} { // the dead one's come first
				for _, i := range images {
					if (i.Host == "dead.test") == dead && !yield(i) {
						return
					}
				}
			}
		})
		if r.Copied != n {
			t.Fatalf("%+v", r)
		}
		for _, i := range r.Images {
			if strings.HasPrefix(i.Reference, "quay.test") && i.Status != mirror.Copied {
				t.Errorf("%s: %v %s", i.Reference, i.Status, i.Error)
			}
		}
	})
}
