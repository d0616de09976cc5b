// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/registrytest"
)

// An outage is a transport that refuses some requests while it lasts.
type outage struct {
	base http.RoundTripper
	hits func(path string) bool
	on   atomic.Bool
	all  atomic.Int64 // requests
}

func (o *outage) RoundTrip(r *http.Request) (*http.Response, error) {
	o.all.Add(1)
	if !o.on.Load() || !o.hits(r.URL.Path) {
		return o.base.RoundTrip(r)
	}
	return &http.Response{
		Status: "403 Forbidden", StatusCode: http.StatusForbidden, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: r,
	}, nil
}

// options returns options whose requests go through the outage.
func (o *outage) options(t *testing.T) mirror.Options {
	t.Helper()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	o.base = base
	return mirror.Options{
		Signatures: mirror.SignaturesNew,
		Registry: func(host string) (*registry.Registry, error) {
			return registry.New(host, registry.Options{PlainHTTP: true, Transport: o})
		},
	}
}

// A keeper opens a destination that lasts from run to run.
type keeper struct {
	open func() (to destination.Destination, release func() error, err error)
	// attached lists what is attached to an image there: tags, and digests of referrers.
	attached func(t *testing.T, i mirror.Image) []string
}

func nothing() error { return nil }

// run copies images, and fails the test if the run returns an error.
func (k keeper) run(t *testing.T, o mirror.Options, images ...mirror.Image) mirror.Report {
	t.Helper()
	to, release, err := k.open()
	if err != nil {
		t.Fatal(err)
	}
	r, err := mirror.New(to, o).Copy(t.Context(), slices.Values(images))
	if err := errors.Join(err, to.Close(), release()); err != nil {
		t.Fatal(err)
	}
	return r
}

// beside returns the names of the referrers of an image in an index.
func beside(all map[string]digest.Digest, i mirror.Image) (names []string) {
	for name := range all {
		if rest, ok := strings.CutPrefix(name, i.Host+"/"+i.Repository); ok && name != i.Reference() {
			names = append(names, rest[1:])
		}
	}
	slices.Sort(names)
	return names
}

func layoutKeeper(folder string) keeper {
	return keeper{
		func() (destination.Destination, func() error, error) {
			l, err := layout.Open(folder, layout.Options{})
			if err != nil {
				return nil, nil, err
			}
			return destination.Layout(l), l.Close, nil
		},
		func(t *testing.T, i mirror.Image) []string {
			t.Helper()
			l, err := layout.Open(folder, layout.Options{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			all := map[string]digest.Digest{}
			for _, e := range l.Images() {
				all[e.Name] = e.Descriptor.Digest
			}
			return beside(all, i)
		},
	}
}

func archiveKeeper(file string) keeper {
	return keeper{
		func() (destination.Destination, func() error, error) {
			to, err := destination.OCIArchive(file, layout.Options{})
			return to, nothing, err
		},
		func(t *testing.T, i mirror.Image) []string { return beside(indexed(t, unpack(t, file)), i) },
	}
}

// registryKeeper pushes to a port. Each run stages blobs anew, because the folder is
// removed after a run in which no image failed. record may be "".
func registryKeeper(t *testing.T, p *port, record string) keeper {
	return keeper{
		func() (destination.Destination, func() error, error) {
			l, err := layout.Open(t.TempDir(), layout.Options{Staging: "docker://port"})
			if err != nil {
				return nil, nil, err
			}
			to, err := destination.Registry(p.Registry, "mirror", l, nil, record)
			return to, l.Remove, err
		},
		func(t *testing.T, i mirror.Image) (names []string) {
			t.Helper()
			list, err := p.repository(t, i).Attachments(t.Context(), i.Digest)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range list {
				if a.Tag != "" {
					names = append(names, a.Tag)
				} else {
					names = append(names, a.Descriptor.Digest.String())
				}
			}
			slices.Sort(names)
			return names
		},
	}
}

// keepers returns a destination of each kind that keeps referrers.
func keepers(t *testing.T) map[string]keeper {
	t.Helper()
	server := registrytest.Start(t)
	return map[string]keeper{
		"layout":   layoutKeeper(filepath.Join(t.TempDir(), "all")),
		"archive":  archiveKeeper(filepath.Join(t.TempDir(), "all.tar")),
		"registry": registryKeeper(t, openPort(t, server, nil), filepath.Join(t.TempDir(), "records", "one.json")),
	}
}

// signed returns a dataset with an image that has a signature in a tag and a referrer,
// and their names.
func signed(t *testing.T) (y *dataset, attached []string, signature ocispec.Descriptor) {
	y = newDataset(t)
	root := y.image("app", "linux/amd64", "a")
	y.tag("app", "v1", root)
	signature = y.artifact("app", nil, "signature")
	y.tag("app", cosign(root, ".sig"), signature)
	attached = []string{cosign(root, ".sig"), y.artifact("app", &root, "referrer").Digest.String()}
	slices.Sort(attached)
	return y, attached, signature
}

// Signatures that were lost in an outage are looked for by each later run until they are
// there.
func TestLostSignaturesAreLookedForAgain(t *testing.T) {
	y, attached, signature := signed(t)
	blob := y.blob("app", "application/vnd.example.signature", "signature").Digest.String()
	all := "/v2/yard/app"
	for name, hits := range map[string]func(path string) bool{
		"list of referrers": func(path string) bool { return strings.HasPrefix(path, all+"/referrers/") },
		"tag":               func(path string) bool { return strings.HasSuffix(path, ".sig") },
		"manifest":          func(path string) bool { return strings.HasSuffix(path, signature.Digest.String()) },
		"blob":              func(path string) bool { return strings.HasSuffix(path, blob) },
		"all that is attached": func(path string) bool {
			return strings.HasPrefix(path, all+"/referrers/") || strings.HasSuffix(path, ".sig")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for kind, k := range keepers(t) {
				t.Run(kind, func(t *testing.T) {
					s := newSite(t, y.data)
					image := s.images("v1")[0]
					out := &outage{hits: hits}
					o := out.options(t)
					out.on.Store(true)
					for run, status := range []mirror.Status{mirror.Copied, mirror.Present} {
						r := k.run(t, o, image)
						if i := r.Images[0]; i.Status != status || i.Signatures.Missing == 0 || len(i.Notes) == 0 || r.Complete {
							t.Fatalf("run %d of the outage:\n%s", run+1, show(t, r))
						}
						if again := r.FailedImages(); !slices.Equal(again, []mirror.Image{image}) {
							t.Errorf("to be looked at again: %+v", again)
						}
					}
					out.on.Store(false)
					r := k.run(t, o, image)
					if i := r.Images[0]; i.Status != mirror.Present || !r.Complete || i.Signatures.Missing != 0 || i.Signatures.Copied != 2 {
						t.Errorf("after the outage:\n%s", show(t, r))
					}
					if got := k.attached(t, image); !slices.Equal(got, attached) {
						t.Errorf("attached there: %q, and %q is wanted", got, attached)
					}
					out.all.Store(0)
					if r := k.run(t, o, image); r.Present != 1 || !r.Complete || out.all.Load() != 0 {
						t.Errorf("once more: %d requests to the source\n%s", out.all.Load(), show(t, r))
					}
				})
			}
		})
	}
}

// A destination that got an image without its referrers gets these later, once.
func TestSignaturesThatWereNotWantedThen(t *testing.T) {
	y, attached, _ := signed(t)
	for kind, k := range keepers(t) {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t, y.data)
			image := s.images("v1")[0]
			out := &outage{}
			o := out.options(t)
			o.Signatures = mirror.SignaturesNever
			for range 2 {
				if r := k.run(t, o, image); !r.Complete || len(k.attached(t, image)) != 0 {
					t.Fatalf("never:\n%s", show(t, r))
				}
			}
			o.Signatures = mirror.SignaturesNew
			if r := k.run(t, o, image); !r.Complete || r.Present != 1 || r.SignaturesCopied != 2 {
				t.Errorf("new:\n%s", show(t, r))
			}
			if got := k.attached(t, image); !slices.Equal(got, attached) {
				t.Errorf("attached there: %q, and %q is wanted", got, attached)
			}
			o.Signatures = mirror.SignaturesNever
			k.run(t, o, image)
			o.Signatures = mirror.SignaturesNew
			out.all.Store(0)
			if r := k.run(t, o, image); r.Present != 1 || out.all.Load() != 0 {
				t.Errorf("once more: %d requests to the source\n%s", out.all.Load(), show(t, r))
			}
		})
	}
}

// Without a file of records, and with one that is lost or damaged, each run asks the
// source, and sends nothing that is there.
func TestRegistryWithoutRecords(t *testing.T) {
	y, attached, _ := signed(t)
	for name, damage := range map[string]func(file string) error{
		"lost":    os.Remove,
		"damaged": func(file string) error { return os.WriteFile(file, []byte(`{"x": 7`), 0o600) },
		"another": func(file string) error { return os.WriteFile(file, []byte(`[1]`), 0o600) },
		"foreign": func(file string) error { return os.WriteFile(file, []byte(`{"images": {}}`), 0o600) },
		"folder":  func(file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o700)) },
		"none":    nil,
	} {
		t.Run(name, func(t *testing.T) {
			s, p := newSite(t, y.data), newPort(t)
			image := s.images("v1")[0]
			file := filepath.Join(t.TempDir(), "records.json")
			if damage == nil {
				file = ""
			}
			k := registryKeeper(t, p, file)
			out := &outage{}
			o := out.options(t)
			k.run(t, o, image)
			if damage != nil {
				if err := damage(file); err != nil {
					t.Fatal(err)
				}
			}
			foreign, _ := os.ReadFile(file)
			out.all.Store(0)
			p.wire.requests = nil
			if r := k.run(t, o, image); !r.Complete || r.Present != 1 || r.SignaturesCopied != 2 || out.all.Load() == 0 {
				t.Errorf("%d requests to the source\n%s", out.all.Load(), show(t, r))
			}
			if writes := slices.Concat(p.wire.sent("PUT", ""), p.wire.sent("POST", "")); len(writes) > 0 {
				t.Errorf("sent again: %q", writes)
			}
			if now, _ := os.ReadFile(file); len(foreign) > 0 && !bytes.Equal(now, foreign) {
				t.Errorf("a file that is not quayside's was replaced by %s", now)
			}
			if got := k.attached(t, image); !slices.Equal(got, attached) {
				t.Errorf("attached there: %q, and %q is wanted", got, attached)
			}
		})
	}
}

// An image that is present does not fail because of its referrers: the source may have
// lost it, or the destination may accept nothing more.
func TestPresentImageDoesNotFailForItsSignatures(t *testing.T) {
	y, _, _ := signed(t)
	s, p := newSite(t, y.data), newPort(t)
	image := s.images("v1")[0]
	k := registryKeeper(t, p, "")
	out := &outage{hits: func(path string) bool { return strings.HasPrefix(path, "/v2/yard/app/manifests/") }}
	o := out.options(t)
	o.Signatures = mirror.SignaturesNever
	k.run(t, o, image)
	o.Signatures = mirror.SignaturesNew
	out.on.Store(true)
	if r := k.run(t, o, image); r.Present != 1 || r.Complete || r.SignaturesMissing != 1 || r.Failed != 0 {
		t.Errorf("source:\n%s", show(t, r))
	}
	out.on.Store(false)
	p.wire.before = func(r *http.Request) error {
		if r.Method == http.MethodPut {
			return answer(http.StatusForbidden)
		}
		return nil
	}
	if r := k.run(t, o, image); r.Present != 1 || r.Complete || r.SignaturesMissing != 2 || r.Failed != 0 {
		t.Errorf("destination:\n%s", show(t, r))
	}
	p.wire.before = nil
	if r := k.run(t, o, image); r.Present != 1 || !r.Complete || r.SignaturesCopied != 2 {
		t.Errorf("in the end:\n%s", show(t, r))
	}
}

// A signature that was damaged or removed at the destination is missing.
func TestDamagedSignatureIsFetchedAgain(t *testing.T) {
	y, attached, _ := signed(t)
	s := newSite(t, y.data)
	image := s.images("v1")[0]
	folder := filepath.Join(t.TempDir(), "all")
	k := layoutKeeper(folder)
	o := (&outage{}).options(t)
	k.run(t, o, image)
	blob := y.blob("app", "application/vnd.example.signature", "signature").Digest
	if err := os.Remove(filepath.Join(folder, "blobs", "sha256", blob.Encoded())); err != nil {
		t.Fatal(err)
	}
	whole(t, newLayout(t, t.TempDir()), k.run(t, o, image), 0)
	v, err := layout.Verify(t.Context(), folder, layout.VerifyOptions{})
	if err != nil || len(v.Damaged) > 0 {
		t.Errorf("%v, damaged: %v", err, v.Damaged)
	}
	l := newLayout(t, folder)
	if err := l.Untag(t.Context(), s.host+"/yard/app:"+attached[0]); err != nil {
		t.Fatal(err)
	}
	copyTo(t, l, o, []mirror.Image{image})
	if got := k.attached(t, image); !slices.Equal(got, attached) {
		t.Errorf("attached there: %q, and %q is wanted", got, attached)
	}
}

// The referrers of an image that was left out of an index are looked for when the image
// is chosen, even if its blobs are there by then.
func TestSignaturesOfPlatformsThatWereChosenLater(t *testing.T) {
	y, index, children := multi(t)
	arm := children["linux/arm64/v8"]
	y.tag("multi", cosign(arm, ".sig"), y.artifact("multi", nil, "signature of one"))
	y.tag("multi", cosign(index, ".sig"), y.artifact("multi", nil, "signature of all"))
	y.tag("multi", "v2", index)
	s := newSite(t, y.data)
	image := s.images("v1")[0]
	other := image
	other.Tag = "v2"
	k := layoutKeeper(filepath.Join(t.TempDir(), "all"))
	out := &outage{}
	o := out.options(t)
	o.Platforms = platforms(t, mirror.SparseIndex, "linux/amd64")
	k.run(t, o, image)
	both := platforms(t, mirror.SparseIndex, "linux/amd64,linux/arm64")
	never := o
	never.Signatures, never.Platforms = mirror.SignaturesNever, both
	k.run(t, never, other) // brings the blobs
	out.all.Store(0)
	if r := k.run(t, o, image); r.Present != 1 || out.all.Load() != 0 {
		t.Errorf("the same again: %d requests\n%s", out.all.Load(), show(t, r))
	}
	o.Platforms = both
	for run := range 3 {
		out.all.Store(0)
		r := k.run(t, o, image)
		if !r.Complete || run > 0 && (r.Present != 1 || out.all.Load() != 0) {
			t.Errorf("run %d: %d requests\n%s", run+1, out.all.Load(), show(t, r))
		}
	}
	if got := k.attached(t, image); !slices.Contains(got, cosign(arm, ".sig")) || !slices.Contains(got, cosign(index, ".sig")) {
		t.Errorf("attached there: %q", got)
	}
}
