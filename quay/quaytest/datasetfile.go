// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
)

// ReadDataset reads the JSON form of a dataset: an object with the keys that the
// fields of [Dataset] and of the types in it have. In that form the times of a [Tag]
// are Unix milliseconds, start_ms and end_ms, and the data of a [Blob] is base64.
func ReadDataset(r io.Reader) (*Dataset, error) {
	var d Dataset
	if err := json.NewDecoder(r).Decode(&d); err != nil {
		return nil, fmt.Errorf("quaytest: read dataset: %w", err)
	}
	return &d, nil
}

// wireTag is the form of a Tag in a dataset file. Times are Unix milliseconds.
type wireTag struct {
	Name         string        `json:"name"`
	Digest       digest.Digest `json:"digest"`
	StartMS      int64         `json:"start_ms"`
	EndMS        *int64        `json:"end_ms,omitempty"`
	Size         *int64        `json:"size,omitempty"`
	ManifestList bool          `json:"manifest_list,omitempty"`
	Reversion    bool          `json:"reversion,omitempty"`
	Hidden       bool          `json:"hidden,omitempty"`
}

// MarshalJSON returns the form of the tag in a dataset file: times are Unix
// milliseconds in start_ms and end_ms.
func (t Tag) MarshalJSON() ([]byte, error) {
	w := wireTag{Name: t.Name, Digest: t.Digest, Size: t.Size, ManifestList: t.ManifestList, Reversion: t.Reversion, Hidden: t.Hidden}
	if !t.Start.IsZero() {
		w.StartMS = t.Start.UnixMilli()
	}
	if !t.End.IsZero() {
		w.EndMS = new(t.End.UnixMilli())
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads the form that MarshalJSON writes.
func (t *Tag) UnmarshalJSON(text []byte) error {
	var w wireTag
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	*t = Tag{Name: w.Name, Digest: w.Digest, Size: w.Size, ManifestList: w.ManifestList, Reversion: w.Reversion, Hidden: w.Hidden}
	if w.StartMS != 0 {
		t.Start = time.UnixMilli(w.StartMS)
	}
	if w.EndMS != nil {
		t.End = time.UnixMilli(*w.EndMS)
	}
	return nil
}
