// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

type tarEntry struct{ name, content string }

// tarOf makes a tar. An entry without content whose name ends in @ is a link to
// what stands before it.
func tarOf(entries ...tarEntry) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: 0o644, Size: int64(len(e.content))}
		if name, link := strings.CutSuffix(e.name, "@"); link {
			h.Typeflag, h.Name, h.Linkname = tar.TypeSymlink, name, "/etc/passwd"
		}
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

const layoutFile = `{"imageLayoutVersion":"1.0.0"}`

func indexOf(name string, d digest.Digest, size int64) string {
	return fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d,"annotations":{%q:%q}}]}`,
		ocispec.MediaTypeImageManifest, d, size, ocispec.AnnotationRefName, name)
}

func TestHostileTars(t *testing.T) {
	d := digest.FromString("blob")
	good := tarEntry{"./" + blobName(d), "blob"}
	for name, test := range map[string]struct {
		tar  []byte
		want string // of the error; "" has the blob
	}{
		"as others write it": {tarOf(tarEntry{"./oci-layout", layoutFile}, tarEntry{"./index.json", indexOf("q.io/a/b:1", d, 4)}, good), ""},
		"no layout":          {tarOf(good), "without an image layout"},
		"no index":           {tarOf(tarEntry{"oci-layout", layoutFile}, good), "without an image layout"},
		"index is a link":    {tarOf(tarEntry{"oci-layout", layoutFile}, tarEntry{"index.json@", ""}, good), "without an image layout"},
		"index is no JSON":   {tarOf(tarEntry{"oci-layout", layoutFile}, tarEntry{"index.json", "<html>"}), "index.json"},
		"path as digest":     {tarOf(tarEntry{"oci-layout", layoutFile}, tarEntry{"index.json", indexOf("q.io/a/b:1", "../../etc/passwd", 4)}), "digest"},
		"negative size":      {tarOf(tarEntry{"oci-layout", layoutFile}, tarEntry{"index.json", indexOf("q.io/a/b:1", d, -4)}), "negative size"},
		"cut short":          {tarOf(tarEntry{"oci-layout", layoutFile}, tarEntry{"index.json", indexOf("q.io/a/b:1", d, 4)}, good)[:2562], "ends within"},
		"no tar":             {[]byte(strings.Repeat("x", 2000)), "no whole tar"},
		"empty":              {nil, "without an image layout"},
	} {
		tb, err := readTarball(bytes.NewReader(test.tar), int64(len(test.tar)))
		if test.want != "" {
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: error is %v, and does not say %q", name, err, test.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if ok, err := tb.sound(t.Context(), ocispec.Descriptor{Digest: d, Size: 4}); !ok || err != nil {
			t.Errorf("%s: has the blob: %v, %v", name, ok, err)
		}
		if _, ok := tb.image("q.io/a/b:1"); !ok {
			t.Errorf("%s: has not the image", name)
		}
	}
}

// Names in a tar are compared with what a blob is called, and nothing else.
func TestBlobNames(t *testing.T) {
	d := digest.FromString("blob")
	for name, want := range map[string]bool{
		"blobs/sha256/" + d.Encoded():                                true,
		"blobs/sha256/" + strings.ToUpper(d.Encoded()):               false,
		"blobs/sha256/" + d.Encoded()[1:]:                            false,
		"blobs/sha256/../" + d.Encoded():                             false,
		"sha256/" + d.Encoded():                                      false,
		"/blobs/sha256/" + d.Encoded():                               false,
		"blobs/blobs/sha256/" + d.Encoded():                          false,
		"blobs/md5/d41d8cd98f00b204e9800998ecf8427e":                 false,
		"blobs/sha512/" + d.Encoded():                                false,
		"blobs/sha512/" + digest.SHA512.FromString("blob").Encoded(): true,
	} {
		if _, ok := blobDigest(name); ok != want {
			t.Errorf("%s is a blob: %v", name, ok)
		}
	}
}

func FuzzReadTarball(f *testing.F) {
	d := digest.FromString("blob")
	f.Add(tarOf(tarEntry{"oci-layout", layoutFile}, tarEntry{"index.json", indexOf("q.io/a/b:1", d, 4)}, tarEntry{blobName(d), "blob"}))
	f.Add(tarOf(tarEntry{"oci-layout", layoutFile}, tarEntry{"index.json", indexOf("x", d, 1<<62)}, tarEntry{"manifest.json", "[]"}))
	f.Add(tarOf(tarEntry{strings.Repeat("long/", 40) + "name", "x"}, tarEntry{"../../index.json@", ""}))
	f.Fuzz(func(t *testing.T, content []byte) {
		tb, err := readTarball(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return
		}
		for d, at := range tb.blobs {
			if d.Validate() != nil || at.offset < 0 || at.size < 0 || at.size > int64(len(content))-at.offset {
				t.Errorf("blob %s at %+v", d, at)
			}
			if _, err := tb.sound(context.Background(), ocispec.Descriptor{Digest: d, Size: at.size}); err != nil {
				t.Errorf("blob %s: %v", d, err)
			}
		}
		for _, d := range tb.index {
			if tb.has(d) {
				if content, err := tb.read(d); err == nil && d.Digest.Algorithm().FromBytes(content) != d.Digest {
					t.Errorf("read %s, which it is not", d.Digest)
				}
			}
		}
		if _, err := json.Marshal(tb.index); err != nil {
			t.Error(err)
		}
	})
}
