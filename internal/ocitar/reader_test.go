// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ocitar_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/manifest"
	"github.com/quayside/quayside/internal/ocitar"
)

// An entry of a tar: a regular file, unless another type is set.
type entry struct {
	name, content string
	kind          byte
	pax           map[string]string
}

func file(name, content string) entry { return entry{name: name, content: content} }

func tarOf(entries ...entry) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: 0o644, Size: int64(len(e.content)), PAXRecords: e.pax}
		if e.kind != 0 {
			h.Typeflag = e.kind
		}
		if e.kind == tar.TypeSymlink || e.kind == tar.TypeLink {
			h.Linkname = "/etc/passwd"
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

// sparse makes the tar of a file that is stored as a sparse one: archive/tar reads
// such a header and does not write it.
func sparse(before []byte, name, content string) []byte {
	key := strings.Repeat("X", len("GNU.sparse.major"))
	text := tarOf(entry{name: name, content: content, pax: map[string]string{"A." + key[2:]: "1"}})
	text = bytes.Replace(text, []byte("A."+key[2:]+"=1"), []byte("GNU.sparse.major=1"), 1)
	return append(bytes.Clone(before[:len(before)-1024]), text...)
}

const version = `{"imageLayoutVersion":"1.0.0"}`

func blobName(d digest.Digest) string { return "blobs/" + d.Algorithm().String() + "/" + d.Encoded() }

func indexOf(name string, d digest.Digest, size int64) string {
	return fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d,"annotations":{%q:%q}}]}`,
		ocispec.MediaTypeImageManifest, d, size, ocispec.AnnotationRefName, name)
}

func TestReaderRefusesHostileArchives(t *testing.T) {
	d := digest.FromString("blob")
	head, index, blob := file("oci-layout", version), file("index.json", indexOf("q.io/a/b:1", d, 4)), file(blobName(d), "blob")
	for name, test := range map[string]struct {
		tar  []byte
		want string // in the error; "": the archive has the blob
	}{
		"plain":               {tarOf(head, index, blob), ""},
		"as tar -C writes it": {tarOf(entry{name: "./", kind: tar.TypeDir}, file("./oci-layout", version), file("./index.json", index.content), file("./"+blob.name, "blob")), ""},
		"other files":         {tarOf(head, file("README", "text"), entry{name: "latest", kind: tar.TypeSymlink}, index, blob), ""},
		"blob twice":          {tarOf(head, index, blob, blob), ""},
		"blob of two sizes":   {tarOf(head, index, blob, file(blob.name, "blobs")), "twice"},
		"two indexes":         {tarOf(head, index, blob, file("./index.json", indexOf("q.io/a/c:1", d, 4))), "index.json\" is there twice"},
		"two versions":        {tarOf(head, head, index, blob), "twice"},
		"no layout":           {tarOf(index, blob), "no oci-layout"},
		"no index":            {tarOf(head, blob), "no index.json"},
		"another version":     {tarOf(file("oci-layout", `{"imageLayoutVersion":"2.0.0"}`), index, blob), "2.0.0"},
		"index is a link":     {tarOf(head, entry{name: "index.json", kind: tar.TypeSymlink}, blob), "index.json"},
		"index is a folder":   {tarOf(head, entry{name: "index.json", kind: tar.TypeDir}, blob), "index.json"},
		"blob is a link":      {tarOf(head, index, entry{name: blob.name, kind: tar.TypeLink}), "regular"},
		"blob is a device":    {tarOf(head, index, entry{name: blob.name, kind: tar.TypeBlock}), "regular"},
		"blob is sparse":      {sparse(tarOf(head, index), blob.name, "blob"), "regular"},
		"absolute name":       {tarOf(head, index, blob, file("/etc/passwd", "root")), "/etc/passwd"},
		"name leads out":      {tarOf(head, index, blob, file("blobs/../../x", "x")), "leads out"},
		"link leads out":      {tarOf(head, index, blob, entry{name: "../x", kind: tar.TypeSymlink}), "leads out"},
		"index by detour":     {tarOf(head, file("a/../index.json", index.content), blob), "leads out"},
		"index is no JSON":    {tarOf(head, file("index.json", "<html>")), "index.json"},
		"index is a list":     {tarOf(head, file("index.json", "[]")), "index.json"},
		"cut short":           {tarOf(head, index, blob)[:2562], "ends within"},
		"no tar":              {[]byte(strings.Repeat("x", 2000)), "not a complete tar"},
		"empty":               {nil, "no oci-layout"},
	} {
		r, err := ocitar.NewReader(bytes.NewReader(test.tar), int64(len(test.tar)))
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
		if err := r.Verify(t.Context(), d); err != nil || !r.Has(ocispec.Descriptor{Digest: d, Size: 4}) {
			t.Errorf("%s: the blob: %v", name, err)
		}
		if _, ok := r.Image("q.io/a/b:1"); !ok || len(r.Index()) != 1 {
			t.Errorf("%s: the index is %v", name, r.Index())
		}
	}
}

// A name in a tar counts only if it is just what a blob of that digest is called.
func TestBlobNames(t *testing.T) {
	d := digest.FromString("blob")
	for name, want := range map[string]bool{
		"blobs/sha256/" + d.Encoded():                                true,
		"blobs/sha256/" + strings.ToUpper(d.Encoded()):               false,
		"blobs/sha256/" + d.Encoded()[1:]:                            false,
		"sha256/" + d.Encoded():                                      false,
		"blobs/blobs/sha256/" + d.Encoded():                          false,
		"blobs/md5/d41d8cd98f00b204e9800998ecf8427e":                 false,
		"blobs/sha512/" + d.Encoded():                                false,
		"blobs/sha512/" + digest.SHA512.FromString("blob").Encoded(): true,
	} {
		text := tarOf(file("oci-layout", version), file("index.json", `{"schemaVersion":2,"manifests":[]}`), file(name, "blob"))
		r, err := ocitar.NewReader(bytes.NewReader(text), int64(len(text)))
		if err != nil || len(r.Sizes()) == 1 != want {
			t.Errorf("%s: blobs are %v: %v", name, r.Sizes(), err)
		}
	}
}

func TestReaderVerifiesContent(t *testing.T) {
	d, other := digest.FromString("blob"), digest.FromString("other")
	text := tarOf(file("oci-layout", version), file("index.json", indexOf("q.io/a/b:1", d, 4)), file(blobName(d), "blob"), file(blobName(other), "0ther"))
	r, err := ocitar.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	if content, err := r.Read(ocispec.Descriptor{Digest: d, Size: 4}); err != nil || string(content) != "blob" {
		t.Errorf("%q, %v", content, err)
	}
	none := digest.FromString("none")
	for _, test := range []struct {
		d    ocispec.Descriptor
		want error
	}{
		{ocispec.Descriptor{Digest: d, Size: 5}, layout.ErrCorrupt},
		{ocispec.Descriptor{Digest: other, Size: 5}, layout.ErrCorrupt},
		{ocispec.Descriptor{Digest: none, Size: 5}, layout.ErrMissing},
	} {
		if _, err := r.Read(test.d); !errors.Is(err, test.want) {
			t.Errorf("%s of %d bytes: %v", test.d.Digest, test.d.Size, err)
		}
	}
	if err := r.Verify(t.Context(), other); !errors.Is(err, layout.ErrCorrupt) {
		t.Error(err)
	}
	blob, size, err := r.Blob(d)
	if err != nil || size != 4 {
		t.Fatalf("%d bytes: %v", size, err)
	}
	if content, err := io.ReadAll(blob); err != nil || string(content) != "blob" {
		t.Errorf("%q, %v", content, err)
	}
	r.Forget(d)
	if _, _, err := r.Blob(d); !errors.Is(err, layout.ErrMissing) {
		t.Error(err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	if _, err := ocitar.Open(filepath.Join(dir, "none.tar")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := ocitar.Open(dir); err == nil {
		t.Error("a folder was opened")
	}
	name := filepath.Join(dir, "all.tar")
	if err := os.WriteFile(name, tarOf(file("oci-layout", version), file("index.json", `{"manifests":[]}`)), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := ocitar.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if r.Loadable() || len(r.Index()) != 0 {
		t.Errorf("%v", r.Index())
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := new(ocitar.Reader).Close(); err != nil {
		t.Error(err)
	}
}

func FuzzReader(f *testing.F) {
	d := digest.FromString("blob")
	f.Add(tarOf(file("oci-layout", version), file("index.json", indexOf("q.io/a/b:1", d, 4)), file(blobName(d), "blob")))
	f.Add(tarOf(file("oci-layout", version), file("index.json", indexOf("x", d, 1<<62)), file("manifest.json", "[]")))
	f.Add(tarOf(file(strings.Repeat("long/", 40)+"name", "x"), entry{name: "index.json", kind: tar.TypeSymlink}))
	f.Add(sparse(tarOf(file("oci-layout", version)), "index.json", indexOf("x", d, 4)))
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := ocitar.NewReader(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return
		}
		total := int64(0)
		for d, size := range r.Sizes() {
			if d.Validate() != nil || size < 0 || size > int64(len(content)) {
				t.Errorf("blob %s of %d bytes", d, size)
			}
			total += size
			blob, _, err := r.Blob(d)
			if err != nil {
				t.Fatal(err)
			}
			read, err := io.ReadAll(blob)
			if err != nil || int64(len(read)) != size {
				t.Errorf("blob %s: %d bytes of %d: %v", d, len(read), size, err)
			}
			if sound := r.Verify(context.Background(), d) == nil; sound != (d.Algorithm().FromBytes(read) == d) {
				t.Errorf("blob %s is sound: %v", d, sound)
			}
		}
		if total > int64(len(content)) {
			t.Errorf("blobs have %d bytes in a tar of %d", total, len(content))
		}
		for _, d := range r.Index() {
			if manifest.Check(d) != nil {
				t.Errorf("index lists %+v", d)
			}
			if content, err := r.Read(d); err == nil && d.Digest.Algorithm().FromBytes(content) != d.Digest {
				t.Errorf("read %s, which it is not", d.Digest)
			}
		}
		if _, err := json.Marshal(r.Index()); err != nil {
			t.Error(err)
		}
	})
}

// An entry that is not a valid descriptor affects itself alone, and a new archive has it.
func TestInvalidEntries(t *testing.T) {
	d := digest.FromString("blob")
	valid := strings.TrimSuffix(strings.SplitN(indexOf("q.io/a/b:1", d, 4), "[", 2)[1], "]}")
	for entry, name := range map[string]string{
		`null`: "", `5`: "", `{"digest":"sha256:../../etc/passwd","size":1}`: "", `{"digest":"` + string(d) + `","size":-1}`: "",
		`{"digest":"sha256:abc","size":"x","annotations":{"org.opencontainers.image.ref.name":"q.io/a/c:1"}}`: "q.io/a/c:1",
		`{"digest":"` + string(d) + `","size":4,"platform":"linux"}`:                                          "",
	} {
		text := tarOf(file("oci-layout", version), file("index.json", `{"schemaVersion":2,"manifests":[`+entry+`,`+valid+`]}`), file(blobName(d), "blob"))
		r, err := ocitar.NewReader(bytes.NewReader(text), int64(len(text)))
		if err != nil {
			t.Errorf("%s: %v", entry, err)
			continue
		}
		if got := r.Invalid(); len(got) != 1 || got[0].Name != name || len(r.Index()) != 1 {
			t.Errorf("%s: invalid %s, index %v", entry, got, r.Index())
		}
		c := ocitar.Contents{Index: r.Index(), Invalid: r.Invalid(), Blobs: []ocispec.Descriptor{{Digest: d, Size: 4}}}
		var written bytes.Buffer
		err = ocitar.Write(t.Context(), &written, c, func(d digest.Digest) (io.ReadCloser, error) {
			blob, _, err := r.Blob(d)
			return io.NopCloser(blob), err
		})
		if err != nil {
			t.Fatal(err)
		}
		again, err := ocitar.NewReader(bytes.NewReader(written.Bytes()), int64(written.Len()))
		if err != nil || len(again.Invalid()) != 1 || string(again.Invalid()[0].Raw) != entry {
			t.Errorf("%s: written %v, %v", entry, again, err)
		}
		if same, err := again.Holds(c); !same || err != nil {
			t.Errorf("%s: the archive has changed: %v", entry, err)
		}
	}
}
