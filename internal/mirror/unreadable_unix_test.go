// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package mirror_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/destination"
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/mirror"
)

// A manifest at the destination that cannot be read fails its image by name, or is
// replaced. The copy and the plan go on.
func TestUnreadableManifestFailsItsImageAlone(t *testing.T) {
	y := newTarDataset(t)
	child := y.image("bad", "linux/amd64", "bad")
	bad := y.index("bad", child)
	y.tag("bad", "v1", bad)
	y.tag("good", "v1", y.image("good", "linux/amd64", "good"))
	y.tag("new", "v1", y.image("new", "linux/amd64", "new"))
	s := newSite(t, y.data)
	first := slices.DeleteFunc(s.images("v1"), func(i mirror.Image) bool { return strings.HasSuffix(i.Repository, "/new") })
	for name, put := range map[string]func(file string) error{
		"unreadable": unreadable,
		"folder": func(file string) error {
			return errors.Join(os.Remove(file), os.MkdirAll(filepath.Join(file, "x"), 0o700))
		},
		"pipe":     func(file string) error { return errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600)) },
		"larger":   func(file string) error { return os.Truncate(file, 5<<20) },
		"dangling": func(file string) error { return errors.Join(os.Remove(file), os.Symlink("nowhere", file)) },
	} {
		for of, d := range map[string]digest.Digest{"root": bad.Digest, "child": child.Digest} {
			for _, check := range []bool{false, true} {
				t.Run(name+" "+of, func(t *testing.T) {
					dir := filepath.Join(t.TempDir(), "oci")
					copyInto := func(images []mirror.Image) mirror.Report {
						l, err := layout.Open(dir, layout.Options{Check: check})
						if err != nil {
							t.Fatal(err)
						}
						defer l.Close()
						if _, err := mirror.New(destination.Layout(l), s.options()).Plan(t.Context(), slices.Values(images)); err != nil {
							t.Errorf("plan: %v", err)
						}
						return copyTo(t, l, s.options(), images)
					}
					copyInto(first)
					if err := put(filepath.Join(dir, "blobs", "sha256", d.Encoded())); err != nil {
						t.Skip(err)
					}
					r := copyInto(s.images("v1"))
					if r.Images[1].Status != mirror.Present || r.Images[2].Status != mirror.Copied {
						t.Errorf("have\n%s", show(t, r))
					}
					if r.Images[0].Status == mirror.Failed && !strings.Contains(r.Images[0].Error, d.String()) {
						t.Errorf("error is %s", r.Images[0].Error)
					}
					if failed := name == "unreadable"; failed != (r.Images[0].Status == mirror.Failed) {
						t.Errorf("have\n%s", show(t, r))
					}
				})
			}
		}
	}
}

// A staged blob that cannot be read is left out of the archive with its image, and is
// fetched again in the next run.
func TestUnreadableStagedBlobFailsItsImageAlone(t *testing.T) {
	s := newSite(t, small())
	for name, open := range map[string]opener{".quayside": destination.OCIArchive, ".quayside-docker": toDockerArchive} {
		for of, largest := range map[string]bool{"layer": true, "manifest": false} {
			t.Run(name+" "+of, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "all.tar")
				stage(t, opened(t, open, file), s)
				one := s.images("2025.1")[0]
				blobs := filepath.Join(file+name, "blobs", "sha256")
				bad := filepath.Join(blobs, one.Digest.Encoded())
				if largest {
					bad = ownLayer(t, blobs, bad)
				}
				if err := unreadable(bad); err != nil {
					t.Skip(err)
				}
				r := archived(t, open, file, s.options(), s.images("2025.1"))
				if r.Failed > 1 || r.Failed == 1 && failed(r) != one.Reference() {
					t.Error(show(t, r))
				}
				if n := len(indexed(t, unpack(t, file))); n != len(r.Images)-r.Failed {
					t.Errorf("the archive has %d images", n)
				}
			})
		}
	}
}

// ownLayer returns the file of the last layer of a manifest.
func ownLayer(t *testing.T, blobs, file string) string {
	t.Helper()
	var m ocispec.Manifest
	if err := json.Unmarshal(read(t, file), &m); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(blobs, m.Layers[len(m.Layers)-1].Digest.Encoded())
}

// unreadable makes a file that nobody can read, not even root.
func unreadable(file string) error {
	if os.Getuid() != 0 {
		return os.Chmod(file, 0)
	}
	if runtime.GOOS != "linux" {
		return errors.ErrUnsupported
	}
	return errors.Join(os.Remove(file), os.Symlink("/proc/self/mem", file))
}
