// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// FuzzIndex parses an index and encodes it with one more name: the entries of others are
// unchanged, byte by byte.
func FuzzIndex(f *testing.F) {
	const d = `"digest":"sha256:1111111111111111111111111111111111111111111111111111111111111111","size":1`
	f.Add([]byte(`{"schemaVersion":2,"manifests":[]}`))
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","annotations":{"a":"<"},"manifests":[{` + d + `},
		{` + d + `,"annotations":{"org.opencontainers.image.ref.name":"latest"},"more":[1.50]}, {` + d + `,
		"annotations":{"org.opencontainers.image.ref.name":"a/b:c"}},{` + d + `,"annotations":{"org.opencontainers.image.ref.name":"a/b:c"}}]}`))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"sha256:../../x","size":-1}]}`))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[null],"manifests":null}`))
	f.Add([]byte(`{"schemaversion":2,"":{},"\u0000":1}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		x, err := parseIndex(content)
		if err != nil {
			return
		}
		for _, e := range x.entries() {
			if e.invalid == nil && strings.ContainsAny(string(e.Descriptor.Digest), `/\.`) || e.Descriptor.Size < 0 {
				t.Fatalf("let through %+v", e.Descriptor)
			}
		}
		const name = "quay.io/org/fuzz:1"
		added, err := newEntry(Entry{Name: name, Descriptor: ocispec.Descriptor{
			Digest: "sha256:2222222222222222222222222222222222222222222222222222222222222222"}})
		if err != nil {
			t.Fatal(err)
		}
		next, _ := x.with([]change{{name: name, entry: &added}})
		written := next.encode()
		if !json.Valid(written) {
			t.Fatalf("wrote %q", written)
		}
		again, err := parseIndex(written)
		if err != nil {
			t.Fatalf("wrote %q, and %v", written, err)
		}
		if !bytes.Equal(again.encode(), written) {
			t.Errorf("wrote %q, and then %q", written, again.encode())
		}
		if at, ok := again.find(name); !ok || again.images[at].Descriptor.Digest != added.Descriptor.Digest {
			t.Errorf("%s is not in %q", name, written)
		}
		for _, e := range x.entries() {
			if e.Name != name && !bytes.Contains(written, e.raw) {
				t.Errorf("%s is gone from %q", e.raw, written)
			}
		}
		for field, raw := range x.fields {
			if !bytes.Equal(again.fields[field], raw) {
				t.Errorf("field %q was %s and is %s", field, raw, again.fields[field])
			}
		}
	})
}
