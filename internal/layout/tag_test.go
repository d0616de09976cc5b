// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"pgregory.net/rapid"

	"github.com/quayside/quayside/internal/layout"
)

func TestTag(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	one, two := newImage(content(1, 100)), newImage(content(2, 100))
	put(t, l, one, "")
	put(t, l, two, "")
	d := one.root
	d.Platform = &ocispec.Platform{OS: "linux", Architecture: "arm64"}
	d.Annotations = map[string]string{"mine": "yes"}
	if err := l.Tag(t.Context(), layout.Entry{Name: "quay.io/org/a:1", Descriptor: d}); err != nil {
		t.Fatal(err)
	}
	if len(d.Annotations) != 1 {
		t.Errorf("the caller's annotations are now %v", d.Annotations)
	}
	want := d
	want.Annotations = map[string]string{"mine": "yes",
		"org.opencontainers.image.ref.name": "quay.io/org/a:1", "io.containerd.image.name": "quay.io/org/a:1"}
	got, ok := l.Image("quay.io/org/a:1")
	if diff := cmp.Diff(layout.Entry{Name: "quay.io/org/a:1", Descriptor: want}, got); diff != "" || !ok {
		t.Error(diff)
	}
	if diff := cmp.Diff([]ocispec.Descriptor{want}, readIndex(t, dir).Manifests); diff != "" {
		t.Error(diff)
	}
	put(t, l, two, "quay.io/org/a:1")
	if x := readIndex(t, dir).Manifests; len(x) != 1 || x[0].Digest != two.root.Digest {
		t.Errorf("after another: %+v", x)
	}
	if err := errors.Join(l.Untag(t.Context(), "quay.io/org/a:1"), l.Untag(t.Context(), "quay.io/org/a:1")); err != nil {
		t.Error(err)
	}
	if _, ok := l.Image("quay.io/org/a:1"); ok || len(readIndex(t, dir).Manifests) > 0 {
		t.Error("untagged and there")
	}
}

func TestTagRefuses(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, layout.Options{})
	m := newImage(content(1, 100))
	if err := l.Tag(t.Context(), layout.Entry{Name: "quay.io/org/a:1", Descriptor: m.root}); !errors.Is(err, layout.ErrMissing) {
		t.Errorf("manifest is not there: %v", err)
	}
	put(t, l, m, "")
	for _, name := range []string{"", "latest", "a/b c", "a/b\n", "a/\x00"} {
		if err := l.Tag(t.Context(), layout.Entry{Name: name, Descriptor: m.root}); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Tag(ended, layout.Entry{Name: "a/b:c", Descriptor: m.root}); !errors.Is(err, context.Canceled) {
		t.Errorf("context ended: %v", err)
	}
	if x := readIndex(t, dir).Manifests; len(x) > 0 {
		t.Errorf("index is %+v", x)
	}
}

// written counts writes of the index, and stops the first until the channel is closed.
type written struct {
	slog.Handler
	count atomic.Int32
	first chan struct{}
}

func (w *written) Enabled(context.Context, slog.Level) bool { return true }

func (w *written) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "index is written" && w.count.Add(1) == 1 {
		<-w.first
	}
	return nil
}

// TestTagsShareAWrite: 200 calls that come during one write share the next.
func TestTagsShareAWrite(t *testing.T) {
	dir := t.TempDir()
	m := newImage(content(1, 100))
	synctest.Test(t, func(t *testing.T) {
		w := &written{Handler: slog.DiscardHandler, first: make(chan struct{})}
		l := open(t, dir, layout.Options{Logger: slog.New(w)})
		put(t, l, m, "")
		var all sync.WaitGroup
		tag := func(i int) {
			name := fmt.Sprintf("quay.io/org/image%d:1", i)
			if err := l.Tag(t.Context(), layout.Entry{Name: name, Descriptor: m.root}); err != nil {
				t.Error(err)
			}
		}
		all.Go(func() { tag(0) })
		synctest.Wait()
		for i := range 200 {
			all.Go(func() { tag(i + 1) })
		}
		synctest.Wait() // all of them wait
		if n := len(readIndex(t, dir).Manifests); n != 0 {
			t.Errorf("%d are there before any was written", n)
		}
		close(w.first)
		all.Wait()
		if n := w.count.Load(); n != 2 {
			t.Errorf("%d writes", n)
		}
		tag(7)
		if n := w.count.Load(); n != 2 {
			t.Error("it wrote again what is there")
		}
	})
	if n := len(checkWhole(t, dir)); n != 201 {
		t.Errorf("%d images", n)
	}
}

// TestCloseWaitsForTags: changes that were requested before Close are on disk after it.
func TestCloseWaitsForTags(t *testing.T) {
	dir := t.TempDir()
	m := newImage(content(1, 100))
	synctest.Test(t, func(t *testing.T) {
		w := &written{Handler: slog.DiscardHandler, first: make(chan struct{})}
		l := open(t, dir, layout.Options{Logger: slog.New(w)})
		put(t, l, m, "")
		ended, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if err := l.Tag(ended, layout.Entry{Name: "quay.io/org/a:1", Descriptor: m.root}); !errors.Is(err, context.Canceled) {
				t.Errorf("context ended while it waited: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		all.Wait()
		closed := make(chan error)
		go func() { closed <- l.Close() }()
		synctest.Wait()
		select {
		case err := <-closed:
			t.Errorf("closed before it was written: %v", err)
		default:
			close(w.first)
			if err := <-closed; err != nil {
				t.Error(err)
			}
		}
	})
	if names := checkWhole(t, dir); len(names) != 1 {
		t.Errorf("names are %v", names)
	}
}

// tagged returns the digest of a name in index.json, or "".
func tagged(t *testing.T, dir, name string) (d digest.Digest) {
	t.Helper()
	for _, e := range readIndex(t, dir).Manifests {
		if e.Annotations[ocispec.AnnotationRefName] == name {
			d = e.Digest
		}
	}
	return d
}

// TestTagsAtOnce: when a call of many concurrent Tag and Untag calls returns, its change is
// on disk. Foreign entries stay, and images are sorted by name.
func TestTagsAtOnce(t *testing.T) {
	t.Parallel()
	m := []image{newImage(content(1, 10)), newImage(content(2, 10)), newImage(content(3, 10))}
	base := t.TempDir()
	rounds := 0
	rapid.Check(t, func(r *rapid.T) {
		rounds++
		dir := filepath.Join(base, fmt.Sprint(rounds))
		l, err := layout.Open(dir, layout.Options{})
		if err != nil {
			r.Fatal(err)
		}
		for _, m := range m {
			if err := l.Put(t.Context(), m.root, m.blobs[m.root.Digest]); err != nil {
				r.Fatal(err)
			}
		}
		// Each goroutine has names of its own. An action is an image, or -1 to untag.
		type action struct{ name, image int }
		actions := rapid.SliceOfN(rapid.SliceOfN(rapid.Custom(func(r *rapid.T) action {
			return action{rapid.IntRange(0, 2).Draw(r, "name"), rapid.IntRange(-1, len(m)-1).Draw(r, "image")}
		}), 0, 6), 1, 6).Draw(r, "actions")
		want := make([]map[string]digest.Digest, len(actions))
		var all sync.WaitGroup
		for g := range actions {
			want[g] = map[string]digest.Digest{}
			all.Go(func() {
				for _, a := range actions[g] {
					name := fmt.Sprintf("quay.io/org/%d:%d", a.name, g)
					var err error
					if a.image < 0 {
						err = l.Untag(t.Context(), name)
						delete(want[g], name)
					} else {
						err = l.Tag(t.Context(), layout.Entry{Name: name, Descriptor: m[a.image].root})
						want[g][name] = m[a.image].root.Digest
					}
					if err != nil {
						t.Error(err)
						return
					}
					if onDisk := tagged(t, dir, name); onDisk != want[g][name] {
						t.Errorf("%s is %q on disk, %q was asked for", name, onDisk, want[g][name])
					}
				}
			})
		}
		all.Wait()
		if t.Failed() {
			r.FailNow()
		}
		wanted := []string{}
		for _, names := range want {
			for name, d := range names {
				wanted = append(wanted, name+" "+d.String())
			}
		}
		slices.Sort(wanted)
		check := func() {
			got := []string{}
			for _, e := range l.Images() {
				got = append(got, e.Name+" "+e.Descriptor.Digest.String())
			}
			if diff := cmp.Diff(wanted, got); diff != "" {
				r.Error(diff)
			}
		}
		check()
		if err := l.Close(); err != nil {
			r.Error(err)
		}
		if l, err = layout.Open(dir, layout.Options{}); err != nil {
			r.Fatal(err)
		}
		check()
		if err := l.Close(); err != nil {
			r.Error(err)
		}
	})
}
