// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/registrytest"
)

// opened returns an open function for Upload that counts its calls.
func opened(content []byte, times *int) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		if times != nil {
			*times++
		}
		return io.NopCloser(bytes.NewReader(content)), nil
	}
}

// push pushes an image, and returns the descriptor of its manifest.
func push(t *testing.T, r *registry.Repository, m ocispec.Manifest, tag string, blobs ...[]byte) ocispec.Descriptor {
	t.Helper()
	for i, content := range blobs {
		d := describe(content, ocispec.MediaTypeImageLayer)
		if err := r.Upload(t.Context(), d, opened(content, nil)); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			d.MediaType = ocispec.MediaTypeImageConfig
			m.Config = d
		} else {
			m.Layers = append(m.Layers, d)
		}
	}
	m.Versioned, m.MediaType = specs.Versioned{SchemaVersion: 2}, ocispec.MediaTypeImageManifest
	content, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	d := describe(content, ocispec.MediaTypeImageManifest)
	if err := r.PushManifest(t.Context(), d, content, tag); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPushedIsThere(t *testing.T) {
	s := connect(t, registrytest.Start(t).URL(), "", "")
	r := s.repository(t, "mirror/base")
	layer := bytes.Repeat([]byte("layer "), 200_000)
	d := push(t, r, ocispec.Manifest{}, "v1", []byte("{}"), layer, nil)
	if got, m := image(t, r, "v1"); got.Digest != d.Digest || len(m.Layers) != 2 {
		t.Errorf("v1 is %+v", got)
	}
	if has, err := r.HasManifest(t.Context(), d.Digest); !has || err != nil {
		t.Errorf("HasManifest: %v, %v", has, err)
	}
	blob := describe(layer, "")
	if has, err := r.HasBlob(t.Context(), blob); !has || err != nil {
		t.Errorf("HasBlob: %v, %v", has, err)
	}
	got, start, err := drain(t, r, blob, 1000)
	if err != nil || start != 1000 || !bytes.Equal(got, layer[1000:]) {
		t.Errorf("%d bytes from %d, %v", len(got), start, err)
	}
	if has, err := s.repository(t, "mirror/not-there").HasManifest(t.Context(), d.Digest); has || err != nil {
		t.Errorf("in a repository that is not there: %v, %v", has, err)
	}
}

func TestMount(t *testing.T) {
	real := registrytest.Start(t)
	s := connect(t, real.URL(), "", "")
	from, to := s.repository(t, "mirror/base"), s.repository(t, "mirror/other")
	content := []byte("a layer that both have")
	push(t, from, ocispec.Manifest{}, "v1", []byte("{}"), content)
	d := describe(content, "")
	if done, err := to.Mount(t.Context(), d, from.Name()); !done || err != nil {
		t.Errorf("%v, %v", done, err)
	}
	if has, err := to.HasBlob(t.Context(), d); !has || err != nil {
		t.Errorf("mounted, and not there: %v, %v", has, err)
	}
	none, opened := describe([]byte("nobody has it"), ""), s.seen.opened
	if done, err := to.Mount(t.Context(), none, from.Name()); done || err != nil {
		t.Errorf("of what is not there: %v, %v", done, err)
	}
	var deleted int
	for _, req := range s.seen.log {
		if req.Method == "DELETE" {
			deleted++
		}
	}
	if opened = s.seen.opened - opened; deleted != opened {
		t.Errorf("%d sessions were ended, of %d", deleted, opened)
	}
	if _, err := to.Mount(t.Context(), d, "../../etc"); err == nil {
		t.Error("mounts from a path")
	}
}

func TestPassword(t *testing.T) {
	real := registrytest.Start(t, registrytest.WithPassword())
	s := connect(t, real.URL(), registrytest.User, registrytest.Secret)
	r := s.repository(t, "mirror/base")
	d := push(t, r, ocispec.Manifest{}, "v1", []byte("{}"), []byte("layer"))
	if got, _ := image(t, r, "v1"); got.Digest != d.Digest {
		t.Errorf("v1 is %+v", got)
	}
	if done, err := s.repository(t, "mirror/other").Mount(t.Context(), describe([]byte("layer"), ""), r.Name()); !done || err != nil {
		t.Errorf("mount: %v, %v", done, err)
	}
	if err := s.repository(t, "mirror/new").CheckPush(t.Context()); err != nil {
		t.Errorf("writable: %v", err)
	}
	if s.lookups.n != 3 { // once for each repository
		t.Errorf("%d credentials looked up", s.lookups.n)
	}
	for name, secret := range map[string]string{"none": "", "wrong": "wrong-secret"} {
		s := connect(t, real.URL(), registrytest.User, secret)
		r := s.repository(t, "mirror/base")
		blob := describe([]byte("other"), "")
		if err := r.Upload(t.Context(), blob, opened([]byte("other"), nil)); !errors.Is(err, registry.ErrDenied) {
			t.Errorf("%s: upload: %v", name, err)
		}
		if err := r.CheckPush(t.Context()); !errors.Is(err, registry.ErrDenied) {
			t.Errorf("%s: writable: %v", name, err)
		}
		if err := r.PushManifest(t.Context(), describe([]byte("{}"), ocispec.MediaTypeImageManifest), []byte("{}"), "v1"); !errors.Is(err, registry.ErrDenied) {
			t.Errorf("%s: manifest: %v", name, err)
		}
	}
}

func TestUploadEndsWithItsSource(t *testing.T) {
	s := connect(t, registrytest.Start(t).URL(), "", "")
	r := s.repository(t, "mirror/base")
	content := bytes.Repeat([]byte("x"), 100_000)
	d := describe(content, "")
	broken := errors.New("disk is gone")
	times := 0
	for name, open := range map[string]func() (io.ReadCloser, error){
		"cannot be opened": func() (io.ReadCloser, error) { return nil, broken },
		"breaks off": func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(content[:50_000]), &failing{broken})), nil
		},
		"too short": opened(content[:50_000], nil),
		"too long":  opened(append(content, 'y'), nil),
	} {
		times = 0
		r := s.repository(t, "mirror/"+strings.ReplaceAll(name, " ", "-"))
		err := r.Upload(t.Context(), d, func() (io.ReadCloser, error) { times++; return open() })
		if err == nil || !strings.Contains(err.Error(), "read the content to upload") || times != 1 {
			t.Errorf("%s: opened %d times, %v", name, times, err)
		}
		if strings.Contains(name, "be opened") && !errors.Is(err, broken) {
			t.Errorf("%s: the cause is lost: %v", name, err)
		}
		// Content that is too long begins with the blob.
		if has, err := r.HasBlob(t.Context(), d); has && name != "too long" || err != nil {
			t.Errorf("%s: there all the same: %v", name, err)
		}
	}
	other := d
	other.Digest = digest.FromString("another")
	if err := r.Upload(t.Context(), other, opened(content, nil)); err == nil {
		t.Error("stored under another's digest")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Upload(ctx, d, opened(content, nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func TestPushManifestChecksFirst(t *testing.T) {
	s := connect(t, "http://127.0.0.1:1", "", "") // no server
	r := s.repository(t, "mirror/base")
	content := []byte(`{"schemaVersion":2}`)
	good := describe(content, ocispec.MediaTypeImageManifest)
	for name, change := range map[string]func(d *ocispec.Descriptor, tag *string){
		"digest": func(d *ocispec.Descriptor, _ *string) { d.Digest = digest.FromString("x") },
		"size":   func(d *ocispec.Descriptor, _ *string) { d.Size++ },
		"type":   func(d *ocispec.Descriptor, _ *string) { d.MediaType = "text/html" },
		"tag":    func(_ *ocispec.Descriptor, tag *string) { *tag = "../x" },
	} {
		d, tag := good, "v1"
		change(&d, &tag)
		if err := r.PushManifest(t.Context(), d, content, tag); err == nil || len(s.seen.log) != 0 {
			t.Errorf("%s: %v, and %d requests", name, err, len(s.seen.log))
		}
	}
}
