// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/mirror"
)

// A registry may have only a part of an index, which its tag does not show. The chosen
// images are looked for, and pushed if they are missing.
func TestPushMoreOfASparseIndex(t *testing.T) {
	y, index, children := multi(t)
	p, s := newPort(t), newSite(t, y.data)
	images := s.images("v1")
	o := s.options()
	p.pushed(t, o, images)
	at := p.repository(t, images[0])
	arm64 := children["linux/arm64/v8"].Digest
	revision := filepath.Join(p.server.Dir(t), "docker/registry/v2/repositories", at.Name(), "_manifests/revisions/sha256", arm64.Encoded())
	if err := os.RemoveAll(revision); err != nil {
		t.Fatal(err)
	}
	if there, err := at.HasManifest(t.Context(), arm64); there || err != nil {
		t.Fatalf("the image is there: %v, %v", there, err)
	}
	planned := func() bool {
		to, err := destination.Registry(p.Registry, "mirror", newLayout(t, t.TempDir()), nil, "")
		if err != nil {
			t.Fatal(err)
		}
		plan, err := mirror.New(to, o).Plan(t.Context(), slices.Values(images))
		if err != nil || plan.Images[0].Err != nil {
			t.Fatal(err, plan.Images[0].Err)
		}
		return plan.Images[0].Present
	}

	p.wire.requests = nil
	o.Platforms = platforms(t, mirror.SparseIndex, "linux/amd64")
	r := p.pushed(t, o, images)
	if writes := append(p.wire.sent("PUT", ""), p.wire.sent("POST", "")...); r.Present != 1 || len(writes) > 0 || !planned() {
		t.Errorf("what is there: %q\n%s", writes, show(t, r))
	}
	o.Platforms = platforms(t, mirror.SparseIndex, "linux/arm64,linux/amd64")
	if planned() {
		t.Error("what is not there is planned as there")
	}
	if r := p.pushed(t, o, images); r.Copied != 1 || r.Uploaded != 0 || !planned() {
		t.Errorf("what is not there:\n%s", show(t, r))
	}
	if there, err := at.HasManifest(t.Context(), arm64); !there || err != nil {
		t.Errorf("the image is there: %v, %v", there, err)
	}
	if d, err := at.Resolve(t.Context(), "v1"); err != nil || d.Digest != index.Digest {
		t.Errorf("the tag stands for %s, %v", d.Digest, err)
	}
	if r := p.pushed(t, o, images); r.Present != 1 {
		t.Errorf("once more:\n%s", show(t, r))
	}
}

// A registry that accepts no sparse index, such as distribution: the error says what to
// do.
func TestPushSparseIndexThatIsRefused(t *testing.T) {
	y, _, _ := multi(t)
	p, s := newPort(t), newSite(t, y.data)
	o := s.options()
	o.Platforms = platforms(t, mirror.SparseIndex, "linux/amd64")
	r, err := p.push(t.Context(), t, o, s.images("v1"))
	if err != nil || r.Failed != 1 || !strings.Contains(r.Images[0].Error, "--index rewrite") {
		t.Errorf("%v\n%s", err, show(t, r))
	}
}
