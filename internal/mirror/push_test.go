// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/registrytest"
	"github.com/quayside/quayside/quay/quaytest"
)

func TestPushSendsEveryByteOnce(t *testing.T) {
	p, s := newPort(t), newSite(t, smallRelease(10))
	images := s.images("2025.1")
	o := s.options()
	o.Signatures = mirror.SignaturesNew
	r := p.pushed(t, o, images)

	unique, sum := s.data.BlobBytes()
	if got := p.wire.bytes.Load(); got != unique || r.Uploaded != unique {
		t.Errorf("uploaded %d bytes, reported %d, and %d are unique", got, r.Uploaded, unique)
	}
	if r.Mounted != sum-unique || r.Mounted == 0 {
		t.Errorf("mounted %d bytes, and %d are shared", r.Mounted, sum-unique)
	}
	if got := s.blobBytes(); got != unique {
		t.Errorf("fetched %d bytes of blobs, and %d are unique", got, unique)
	}
	if r.SignaturesCopied == 0 || r.SignaturesCopied != r.SignaturesFound {
		t.Errorf("%d of %d signatures were copied", r.SignaturesCopied, r.SignaturesFound)
	}
	var attached int
	for _, i := range images {
		at := p.repository(t, i)
		d, err := at.Resolve(t.Context(), i.Tag)
		if err != nil || d.Digest != i.Digest {
			t.Errorf("%s is %s there, %v", i.Reference(), d.Digest, err)
		}
		list, err := at.Attachments(t.Context(), i.Digest)
		if err != nil {
			t.Error(err)
		}
		attached += len(list)
	}
	if attached != r.SignaturesCopied {
		t.Errorf("%d are attached there, and %d were copied", attached, r.SignaturesCopied)
	}

	p.wire.bytes.Store(0)
	p.wire.requests = nil
	before := s.server.Stats().Requests
	r = p.pushed(t, o, images)
	if r.Present != len(images) || p.wire.bytes.Load() != 0 {
		t.Errorf("once more: %d of %d there already, %d bytes uploaded", r.Present, len(images), p.wire.bytes.Load())
	}
	if n := len(p.wire.requests); n != len(images) || s.server.Stats().Requests != before {
		t.Errorf("once more: %d requests to the destination for %d images, %d to the source", n, len(images), s.server.Stats().Requests-before)
	}
}

func TestPushTagsLast(t *testing.T) {
	p, s := newPort(t), newSite(t, smallRelease(6))
	o := s.options()
	o.Signatures = mirror.SignaturesNew
	images := s.images("2025.1")
	p.pushed(t, o, images)
	for _, i := range images {
		at := "/v2/" + p.repository(t, i).Name() + "/"
		writes := slices.Concat(p.wire.sent("PUT", at), p.wire.sent("POST", at))
		puts := p.wire.sent("PUT", at)
		if last := puts[len(puts)-1]; last != "PUT "+at+"manifests/"+i.Tag {
			t.Errorf("%s: the last of %d writes is %s", i.Reference(), len(writes), last)
		}
	}
}

// A run that ends between manifests and tag leaves no tag. The next run sends only what
// is missing.
func TestPushBrokenOffLeavesNoTag(t *testing.T) {
	p, s := newPort(t), newSite(t, smallRelease(1)) // an index, signed
	o := s.options()
	o.Signatures = mirror.SignaturesNew
	images := s.images("2025.1")
	ctx, cancel := context.WithCancel(t.Context())
	p.wire.before = func(r *http.Request) error {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/"+images[0].Tag) {
			cancel()
		}
		return r.Context().Err()
	}
	if _, err := p.push(ctx, t, o, images); !errors.Is(err, context.Canceled) {
		t.Fatalf("run was not broken off: %v", err)
	}
	p.wire.before = nil
	if len(p.wire.sent("PUT", "/manifests/sha256:")) == 0 {
		t.Error("nothing was there before the tag")
	}
	if d, err := p.repository(t, images[0]).Resolve(t.Context(), images[0].Tag); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the tag stands for %s, %v", d.Digest, err)
	}
	p.wire.bytes.Store(0)
	if r := p.pushed(t, o, images); r.Uploaded != 0 || p.wire.bytes.Load() != 0 {
		t.Errorf("%d bytes were sent again", p.wire.bytes.Load())
	}
}

func TestPushDenied(t *testing.T) {
	server, s := registrytest.Start(t, registrytest.WithPassword()), newSite(t, smallRelease(4))
	images := s.images("2025.1")
	for name, who := range map[string]registry.Credentials{
		"none":  nil,
		"wrong": registry.ForHost(server.Host(), registry.NewCredential(registrytest.User, "not-the-secret")),
	} {
		p := openPort(t, server, who)
		r, err := p.push(t.Context(), t, s.options(), images)
		if err != nil || r.Failed != len(images) {
			t.Errorf("%s: %v\n%s", name, err, show(t, r))
		}
		for _, i := range r.Images {
			if !strings.Contains(i.Error, "docker login "+server.Host()) || strings.Contains(i.Error, "not-the-secret") {
				t.Errorf("%s: error does not say what to do, or too much: %s", name, i.Error)
			}
		}
		if n := s.blobBytes(); n != 0 {
			t.Errorf("%s: %d bytes were fetched that cannot be stored", name, n)
		}
		for _, i := range p.planned(t, s.options(), images) {
			if !errors.Is(i.Err, registry.ErrDenied) || !strings.Contains(i.Err.Error(), "docker login "+server.Host()) {
				t.Errorf("%s: planned %s: %v", name, i.Reference(), i.Err)
			}
		}
	}
	p := openPort(t, server, registry.ForHost(server.Host(), registry.NewCredential(registrytest.User, registrytest.Secret)))
	for _, i := range p.planned(t, s.options(), images) {
		if i.Err != nil {
			t.Errorf("planned: %s: %v", i.Reference(), i.Err)
		}
	}
	if files, err := os.ReadDir(p.server.Dir(t)); err != nil || len(files) > 0 {
		t.Errorf("a plan has made %v, %v", files, err)
	}
	p.pushed(t, s.options(), images)
}

// Images that get the same name fail, in whatever order they come, in a copy and in a
// plan. Nothing of them is pushed.
func TestPushCollision(t *testing.T) {
	p, s := newPort(t), newSite(t, smallRelease(3))
	images := s.images("2025.1")
	rename := func(repository string) string {
		if repository == images[1].Repository {
			return ""
		}
		return "one"
	}
	to, err := destination.Registry(p.Registry, "mirror", newLayout(t, t.TempDir()), rename, "")
	if err != nil {
		t.Fatal(err)
	}
	o := s.options()
	o.CheckNamesFirst = true
	both := fmt.Sprintf("/mirror/one:2025.1 is the name of %s and %s at the destination: give each another with --map", images[0].Reference(), images[2].Reference())
	for range 2 {
		slices.Reverse(images)
		plan, err := mirror.New(to, o).Plan(t.Context(), slices.Values(images))
		if err != nil {
			t.Fatal(err)
		}
		for n, i := range plan.Images {
			if (i.Err != nil) != (n != 1) || i.Err != nil && !strings.HasSuffix(i.Err.Error(), both) {
				t.Errorf("planned: %s: %v", i.Reference(), i.Err)
			}
		}
		r, err := mirror.New(to, o).Copy(t.Context(), slices.Values(images))
		if err != nil || r.Failed != 2 {
			t.Fatalf("%v\n%s", err, show(t, r))
		}
		for n, i := range r.Images {
			if (i.Status == mirror.Failed) != (n != 1) || n != 1 && !strings.HasSuffix(i.Error, both) {
				t.Errorf("copied: %s: %s %s", i.Reference, i.Status, i.Error)
			}
		}
	}
	if sent := slices.Concat(p.wire.sent("PUT", "/mirror/one/"), p.wire.sent("POST", "/mirror/one/")); len(sent) > 0 {
		t.Errorf("something was pushed: %s", sent)
	}
}

// Without CheckNamesFirst, the later images fail, and the first one stays.
func TestPushCollisionOfImagesThatCome(t *testing.T) {
	p, s := newPort(t), newSite(t, smallRelease(3))
	images := s.images("2025.1")
	r, err := p.push(t.Context(), t, s.options(), images, "release/*=x*", images[0].Repository+"=one")
	if err != nil || r.Failed != 0 {
		t.Fatalf("%v\n%s", err, show(t, r))
	}
	to, err := destination.Registry(p.Registry, "mirror", newLayout(t, t.TempDir()), func(string) string { return "two" }, "")
	if err != nil {
		t.Fatal(err)
	}
	r, err = mirror.New(to, s.options()).Copy(t.Context(), slices.Values(images))
	if err != nil || r.Copied != 1 || r.Failed != 2 || r.Images[0].Status != mirror.Copied {
		t.Fatalf("%v\n%s", err, show(t, r))
	}
	at, err := p.Repository("mirror/two")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := at.Resolve(t.Context(), images[0].Tag); err != nil || d.Digest != images[0].Digest {
		t.Errorf("the name stands for %s, %v", d.Digest, err)
	}
}

// Without a prefix, an image that matches no rule has no name.
func TestPushWithoutAName(t *testing.T) {
	p, s := newPort(t), newSite(t, smallRelease(3))
	images := s.images("2025.1")
	rename, err := destination.ParseRename([]string{images[1].Repository + "=one"})
	if err != nil {
		t.Fatal(err)
	}
	to, err := destination.Registry(p.Registry, "", newLayout(t, t.TempDir()), rename, "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := mirror.New(to, s.options()).Copy(t.Context(), slices.Values(images))
	if err != nil || r.Copied != 1 || r.Failed != 2 {
		t.Fatalf("%v\n%s", err, show(t, r))
	}
	for n, i := range r.Images {
		if n != 1 && (i.Destination != "" || !strings.Contains(i.Error, "--map")) {
			t.Errorf("%s: %q: %s", i.Reference, i.Destination, i.Error)
		}
	}
	if all := strings.Join(p.wire.requests, "\n"); strings.Contains(all, images[0].Repository) {
		t.Errorf("something was asked of the root:\n%s", all)
	}
}

// unmounted makes a registry that mounts nothing: it starts an upload instead.
func unmounted(r *http.Request) error {
	if q := r.URL.Query(); q.Has("mount") {
		q.Del("mount")
		r.URL.RawQuery = q.Encode()
	}
	return nil
}

func TestPushWhereNothingIsMounted(t *testing.T) {
	p, s := newPort(t), newSite(t, smallRelease(4))
	images := s.images("2025.1")
	p.wire.before = unmounted
	r := p.pushed(t, s.options(), images)
	if fetched := s.blobBytes(); r.Uploaded <= fetched || r.Mounted != 0 {
		t.Errorf("fetched %d bytes, uploaded %d, mounted %d", fetched, r.Uploaded, r.Mounted)
	}
	for _, i := range images {
		if d, err := p.repository(t, i).Resolve(t.Context(), i.Tag); err != nil || d.Digest != i.Digest {
			t.Errorf("%s is %s there, %v", i.Reference(), d.Digest, err)
		}
	}
}

// A blob that another repository has is not fetched, unless the registry then refuses to
// mount it.
func TestPushFetchesAfterAll(t *testing.T) {
	p, s := newPort(t), newSite(t, smallRelease(2))
	images := s.images("2025.1")
	p.pushed(t, s.options(), images[:1])
	tag := filepath.Join(p.server.Dir(t), "docker/registry/v2/repositories", p.repository(t, images[0]).Name(), "_manifests/tags", images[0].Tag)
	if err := os.RemoveAll(tag); err != nil {
		t.Fatal(err)
	}
	p.wire.before = unmounted
	before := s.blobBytes()
	o := s.options()
	o.Jobs = 1 // the first one comes first, and has the shared layer
	r := p.pushed(t, o, images)
	if got := s.blobBytes() - before; got < 65_000 || got > 66_000 {
		t.Errorf("%d bytes were fetched, and the second image has 65000 and its configuration", got)
	}
	if r.Copied != 2 {
		t.Errorf("%s", show(t, r))
	}
}

// Many commits at once upload each blob once.
func TestPushUploadsOnceAmongMany(t *testing.T) {
	p, f := newPort(t), newImageSet(t, quaytest.SampleTag)
	to, err := destination.Registry(p.Registry, "mirror", newLayout(t, t.TempDir()), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	images := f.images[:8]
	for _, i := range images {
		i.Tag = "again" // the same repository, at the same time
		images = append(slices.Clip(images), i)
	}
	var unique int64
	for _, i := range images {
		s := f.staged(i)
		for _, d := range slices.Concat(s.Manifests, s.Blobs) {
			have, err := to.Staging().Has(t.Context(), d)
			if err == nil && !have {
				err = to.Staging().Put(t.Context(), d, f.content[d.Digest])
			}
			if err != nil {
				t.Fatal(err)
			}
			if !have && !manifest.IsManifest(d.MediaType) {
				unique += d.Size
			}
		}
	}
	var all sync.WaitGroup
	for _, i := range images {
		s := f.staged(i)
		all.Go(func() {
			if err := to.Commit(t.Context(), s); err != nil {
				t.Errorf("%s: %v", i.Reference(), err)
			}
		})
	}
	all.Wait()
	if got := p.wire.bytes.Load(); got != unique {
		t.Errorf("uploaded %d bytes, and %d are unique", got, unique)
	}
	seen := map[string]bool{}
	for _, r := range p.wire.sent("POST", "mount=") {
		if seen[r] {
			t.Errorf("asked twice: %s", r)
		}
		seen[r] = true
	}
}

func TestPushNames(t *testing.T) {
	r, err := registry.New("reg.example:5000", registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rename, err := destination.ParseRename([]string{"org/tools/*=t-*"})
	if err != nil {
		t.Fatal(err)
	}
	const digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	for _, test := range []struct {
		prefix string
		rename destination.Rename
		image  mirror.Image
		want   string
	}{
		{"ours", nil, mirror.Image{Repository: "org/app", Tag: "1"}, "reg.example:5000/ours/app:1"},
		{"ours/deep/", nil, mirror.Image{Repository: "org/a/b", Tag: "1"}, "reg.example:5000/ours/deep/a/b:1"},
		{"", rename, mirror.Image{Repository: "org/tools/x", Tag: "1"}, "reg.example:5000/t-x:1"},
		{"", rename, mirror.Image{Repository: "org/app", Tag: "1"}, ""},
		{"ours", rename, mirror.Image{Repository: "org/tools/x", Tag: "1"}, "reg.example:5000/ours/t-x:1"},
		{"ours", rename, mirror.Image{Repository: "org/app", Digest: digest}, "reg.example:5000/ours/app@" + digest},
	} {
		to, err := destination.Registry(r, test.prefix, nil, test.rename, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := to.Name(test.image); got != test.want {
			t.Errorf("%s in %q is %s, not %s", test.image.Repository, test.prefix, got, test.want)
		}
	}
	for _, prefix := range []string{"Ours", "a//b", "..", "a:1"} {
		if _, err := destination.Registry(r, prefix, nil, nil, ""); err == nil || !strings.Contains(err.Error(), prefix) {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
	to, err := destination.Registry(r, "ours", newLayout(t, t.TempDir()), func(string) string { return "../x" }, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := has(t.Context(), to, mirror.Image{Repository: "org/app", Tag: "1", Digest: digest}); err == nil || !strings.Contains(err.Error(), "--map") {
		t.Errorf("a name that is none: %v", err)
	}
}
