// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/pace"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/quay/quaytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A site is an embedded Quay and the options to copy from it.
type site struct {
	t      *testing.T
	server *quaytest.Server
	data   *quaytest.Dataset
	host   string
	plain  bool // no transport that repeats requests
}

func newSite(t *testing.T, data *quaytest.Dataset, options ...quaytest.Option) *site {
	t.Helper()
	server, err := quaytest.NewServer(data, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, server: server, data: data, host: at.Host}
}

// options returns options with a transport of their own.
func (s *site) options() mirror.Options {
	base := &http.Transport{}
	s.t.Cleanup(base.CloseIdleConnections)
	return mirror.Options{
		Signatures: mirror.SignaturesNever,
		Registry: func(host string) (*registry.Registry, error) {
			o := registry.Options{PlainHTTP: true, Transport: base}
			if !s.plain {
				o.Transport = pace.New(pace.Options{Base: base, Retries: 10})
			}
			return registry.New(host, o)
		},
	}
}

// images returns the public images with a tag.
func (s *site) images(tag string) []mirror.Image {
	s.t.Helper()
	var images []mirror.Image
	for _, r := range s.data.Repositories {
		for _, at := range r.Tags {
			if r.Public && at.Name == tag && at.End.IsZero() {
				images = append(images, mirror.Image{
					Host: s.host, Repository: r.Namespace + "/" + r.Name, Tag: tag, Digest: digest.Digest(at.Digest),
				})
			}
		}
	}
	if len(images) == 0 {
		s.t.Fatalf("no image has the tag %s", tag)
	}
	return images
}

// blobBytes returns how many bytes of blobs the server sent.
func (s *site) blobBytes() int64 {
	of := s.server.Stats().Classes
	return of["blob"].Bytes + of["storage"].Bytes
}

func newLayout(t *testing.T, dir string) *layout.Layout {
	t.Helper()
	l, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// copyTo copies images, and fails the test if the run returns an error.
func copyTo(t *testing.T, l *layout.Layout, o mirror.Options, images []mirror.Image) mirror.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := mirror.New(destination.Layout(l), o).Copy(ctx, slices.Values(images))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// whole fails the test unless the report says that so many images were copied, and the
// layout holds them undamaged.
func whole(t *testing.T, l *layout.Layout, r mirror.Report, copied int) {
	t.Helper()
	if !r.Complete || r.Copied != copied || r.Failed != 0 {
		t.Errorf("want %d images copied and a complete report, have\n%s", copied, show(t, r))
	}
	v, err := layout.Verify(t.Context(), l.Dir(), layout.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Damaged) > 0 {
		t.Errorf("damaged: %v", v.Damaged)
	}
}

// show returns a report as indented JSON.
func show(t *testing.T, r mirror.Report) string {
	t.Helper()
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// failed returns the references of the images that failed.
func failed(r mirror.Report) string {
	var names []string
	for _, i := range r.Images {
		if i.Status == mirror.Failed {
			names = append(names, i.Reference)
		}
	}
	return strings.Join(names, " ")
}
