// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quayside/quayside/quay/quaytest"
)

// The end-to-end tests run the command as a process against an embedded Quay, and check
// the results with code of their own.

const releaseTag = "2025.1"

// A release is an embedded Quay with images that share layers.
type release struct {
	*quaytest.Server
	host   string
	data   *quaytest.Dataset
	unique int64 // bytes of all blobs, each once
}

// startRelease starts an embedded Quay with n images of 1.9 MB each that share most of
// their layers.
func startRelease(t *testing.T, n int, o quaytest.ReleaseOptions, options ...quaytest.Option) *release {
	t.Helper()
	if o.Base == 0 {
		o.Base, o.Group, o.Own, o.Groups = 1_000_000, 600_000, 300_000, 3
	}
	r := &release{data: quaytest.Release(n, o)}
	r.unique, _ = r.data.BlobBytes()
	server, err := quaytest.NewServer(r.data, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	r.Server, r.host = server, u.Host
	return r
}

// pattern returns the pattern of all images.
func (r *release) pattern() string { return r.host + "/release/*:" + releaseTag }

// digests returns the digest of each image by its full name.
func (r *release) digests() map[string]string {
	digests := map[string]string{}
	for _, repository := range r.data.Repositories {
		name := fmt.Sprintf("%s/%s/%s:%s", r.host, repository.Namespace, repository.Name, releaseTag)
		digests[name] = repository.Tags[0].Digest.String()
	}
	return digests
}

// attached returns how many signatures and SBOMs the images have.
func (r *release) attached() (n int) {
	for _, repository := range r.data.Repositories {
		n += len(repository.Tags) - 1
	}
	for _, m := range r.data.Manifests {
		if strings.Contains(m.Content, `"subject"`) {
			n++
		}
	}
	return n
}

// attachedIn returns how many entries of a layout are attachments.
func attachedIn(t *testing.T, dir string) (n int) {
	t.Helper()
	var top index
	read(t, filepath.Join(dir, "index.json"), &top)
	for _, e := range top.Manifests {
		if !strings.HasSuffix(e.Annotations["org.opencontainers.image.ref.name"], ":"+releaseTag) {
			n++
		}
	}
	return n
}

// manifest returns the text of a manifest by its digest.
func (r *release) manifest(t *testing.T, digest string) string {
	t.Helper()
	for _, m := range r.data.Manifests {
		if m.Digest.String() == digest {
			return m.Content
		}
	}
	t.Fatalf("the release has no manifest %s", digest)
	return ""
}

// copied returns how many bytes of blobs were served.
func (r *release) copied() int64 {
	classes := r.Stats().Classes
	return classes["blob"].Bytes + classes["storage"].Bytes
}

// command returns a command without the environment of this machine.
func command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, "quayside", args...)
	home := t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home}
	return cmd
}

// ran runs a command, and returns its exit code and output.
func ran(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	cmd := command(t.Context(), t, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// mustRun runs a command that has to end with a code.
func mustRun(t *testing.T, code int, args ...string) (said string) {
	t.Helper()
	got, said := ran(t, args...)
	if got != code {
		t.Fatalf("exit code %d, want %d, of %v:\n%s", got, code, args, said)
	}
	return said
}

// index is an index.json, an index or a manifest.
type index struct {
	Config    *entry
	Layers    []entry
	Manifests []entry
}

type entry struct {
	Digest      string
	Size        int64
	Annotations map[string]string
}

// checkLayout verifies the digest of each blob and that all images of index.json are
// complete. It returns the digests of the images by their names.
func checkLayout(t *testing.T, dir string) map[string]string {
	t.Helper()
	blobs := filepath.Join(dir, "blobs", "sha256")
	sizes := map[string]int64{}
	files, err := os.ReadDir(blobs)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, f := range files {
		if len(f.Name()) != sha256.Size*2 {
			continue
		}
		text, err := os.ReadFile(filepath.Join(blobs, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != f.Name() {
			t.Errorf("%s has other content: %d bytes of digest %x", f.Name(), len(text), sum)
		}
		sizes["sha256:"+f.Name()] = int64(len(text))
	}
	images := map[string]string{}
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return images
	}
	var top index
	if err := errors.Join(err, json.Unmarshal(text, &top)); err != nil {
		t.Fatalf("index.json: %v", err)
	}
	for _, e := range top.Manifests {
		name := e.Annotations["org.opencontainers.image.ref.name"]
		if err := wholeImage(blobs, e, sizes); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.HasSuffix(name, ":"+releaseTag) { // not a signature
			images[name] = e.Digest
		}
	}
	return images
}

// wholeImage returns an error if a part of an image is missing. sizes has the verified
// blobs.
func wholeImage(blobs string, e entry, sizes map[string]int64) error {
	if size, there := sizes[e.Digest]; !there || size != e.Size {
		return fmt.Errorf("%s: %d bytes, want %d", e.Digest, size, e.Size)
	}
	text, err := os.ReadFile(filepath.Join(blobs, strings.TrimPrefix(e.Digest, "sha256:")))
	if err != nil {
		return err
	}
	var m index
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	for _, child := range m.Manifests {
		if err := wholeImage(blobs, child, sizes); err != nil {
			return err
		}
	}
	if m.Config != nil {
		m.Layers = append(m.Layers, *m.Config)
	}
	for _, l := range m.Layers {
		if size, there := sizes[l.Digest]; !there || size != l.Size {
			return fmt.Errorf("%s: %d bytes, want %d", l.Digest, size, l.Size)
		}
	}
	return nil
}
