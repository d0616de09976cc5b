// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// rewrite makes an index of the entries that are not nil, and stages it. Everything else
// that the index and its entries contain is kept, including annotations and unknown keys.
// The same index and the same choice give the same digest every time.
func (w *walker) rewrite(ctx context.Context, was ocispec.Descriptor, content []byte, children []*ocispec.Descriptor) (ocispec.Descriptor, error) {
	text, err := rewritten(content, children)
	if err != nil {
		return was, fmt.Errorf("%s: rewriting the index: %w", was.Digest, err)
	}
	desc := ocispec.Descriptor{MediaType: was.MediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}
	return desc, w.cache.put(ctx, desc, text)
}

// rewritten returns the content of a rewritten index.
func rewritten(content []byte, children []*ocispec.Descriptor) ([]byte, error) {
	var index map[string]json.RawMessage
	if err := json.Unmarshal(content, &index); err != nil {
		return nil, err
	}
	var entries []map[string]json.RawMessage
	if err := json.Unmarshal(index["manifests"], &entries); err != nil {
		return nil, err
	}
	if len(entries) != len(children) {
		return nil, fmt.Errorf("it has %d entries, but %d were read", len(entries), len(children))
	}
	kept := []map[string]json.RawMessage{}
	for i, child := range children {
		if child == nil {
			continue
		}
		e := entries[i]
		e["digest"], e["size"] = json.RawMessage(fmt.Sprintf("%q", child.Digest)), json.RawMessage(fmt.Sprint(child.Size))
		kept = append(kept, e)
	}
	var err error
	if index["manifests"], err = marshalPlain(kept); err != nil {
		return nil, err
	}
	return marshalPlain(index)
}

// marshalPlain is json.Marshal without escaping for HTML. Keys are sorted.
func marshalPlain(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
