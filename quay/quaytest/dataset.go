// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// A Dataset is all an embedded Quay holds. Its JSON form is the one of a
// dataset file; times are Unix milliseconds.
type Dataset struct {
	About         string         `json:"about,omitempty"`
	Users         []User         `json:"users"`
	Organizations []Organization `json:"organizations"`
	Repositories  []Repository   `json:"repositories"` // creation order, which is listing order
	Tokens        []Token        `json:"tokens,omitempty"`
	Robots        []Robot        `json:"robots,omitempty"`
	Manifests     []Manifest     `json:"manifests,omitempty"`
	Blobs         []Blob         `json:"blobs,omitempty"`
}

// A User is an account, and a namespace of its own.
type User struct {
	Name     string `json:"name"`
	Enabled  bool   `json:"enabled"`
	Password string `json:"password,omitempty"`
}

// An Organization is a namespace whose owners see all its repositories.
type Organization struct {
	Name    string   `json:"name"`
	Enabled bool     `json:"enabled"`
	Owners  []string `json:"owners,omitempty"`
	// Creators are users and robots, "organization+name", that may make
	// repositories by pushing to them, as members of a team with that role may.
	Creators []string `json:"creators,omitempty"`
}

// A Repository holds tags. Name is without the namespace and may hold slashes.
type Repository struct {
	Namespace   string       `json:"namespace"`
	Name        string       `json:"name"`
	Description string       `json:"description,omitempty"`
	Public      bool         `json:"public"`
	State       string       `json:"state"` // NORMAL ("" is that too), READ_ONLY, MIRROR, ORG_MIRROR or MARKED_FOR_DELETION
	Permissions []Permission `json:"permissions,omitempty"`
	Tags        []Tag        `json:"tags"` // with their history, oldest first
}

// A Permission gives a user or robot direct rights on a repository: write is
// the right to push. Owners of its namespace need none.
type Permission struct {
	User string `json:"user"`
	Role string `json:"role"` // read, write or admin
}

// A Tag is one row of a repository's tag history. The tag is live if it is not
// hidden and End is zero or in the future.
type Tag struct {
	Name         string
	Digest       string
	Start        time.Time // when the tag began to name Digest
	End          time.Time // when it stopped; the zero time means it has not
	Size         *int64    // sum of the layers in bytes; nil if the server does not know
	ManifestList bool      // Digest names an index or a Docker manifest list
	Reversion    bool      // the row restores an earlier one
	Hidden       bool      // kept by the server for itself; no route lists it
}

// wireTag is the form of a Tag in a dataset file. Times are Unix milliseconds.
type wireTag struct {
	Name         string `json:"name"`
	Digest       string `json:"digest"`
	StartMS      int64  `json:"start_ms"`
	EndMS        *int64 `json:"end_ms,omitempty"`
	Size         *int64 `json:"size,omitempty"`
	ManifestList bool   `json:"manifest_list,omitempty"`
	Reversion    bool   `json:"reversion,omitempty"`
	Hidden       bool   `json:"hidden,omitempty"`
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

// A Token is an OAuth application token. Its name is also its secret. One
// whose scope has a word that no Quay knows breaks every check of rights
// (doc/quay-api.md section 3).
type Token struct {
	Name    string `json:"name"`
	User    string `json:"user"`
	Scope   string `json:"scope"` // space-separated, such as "repo:read user:read"
	Expired bool   `json:"expired,omitempty"`
}

// A Robot is an account that the registry API knows and the REST API does not.
type Robot struct {
	Name  string   `json:"name"` // "organization+name"
	Token string   `json:"token"`
	Reads []string `json:"reads,omitempty"` // repositories, "namespace/name"
}

// A Manifest is the exact text a tag's digest stands for.
type Manifest struct {
	Repository string `json:"repository"`
	Digest     string `json:"digest"`
	MediaType  string `json:"media_type"`
	Content    string `json:"content"`
}

// A Blob is a layer or configuration. Its bytes are Base64 or, when that is
// nil, made from Size and Seed as [SyntheticBlob] says or, with a File, as
// [SyntheticLayer] does. When Base64 and Size are nil they are those of the
// same digest in another repository; if there is none, the server knows of the
// blob and cannot serve it.
type Blob struct {
	Repository string  `json:"repository"`
	Digest     string  `json:"digest"`
	Base64     *string `json:"base64,omitempty"`
	Size       *int64  `json:"size,omitempty"` // bytes
	Seed       uint64  `json:"seed,omitempty"`
	File       string  `json:"file,omitempty"` // the one file in a tar
}

// ReadDataset reads the JSON form of a dataset.
func ReadDataset(r io.Reader) (*Dataset, error) {
	var d Dataset
	if err := json.NewDecoder(r).Decode(&d); err != nil {
		return nil, fmt.Errorf("quaytest: read dataset: %w", err)
	}
	return &d, nil
}

// BlobBytes adds up the blobs that a server with this dataset can serve: unique
// counts each digest once, and sum counts it once for every repository that has
// it, which is what copying one repository after another takes.
func (d *Dataset) BlobBytes() (unique, sum int64) {
	stored := newStore(d)()
	counted := map[string]bool{}
	for _, b := range d.Blobs {
		of := stored[b.Digest]
		if of == nil {
			continue
		}
		sum += of.size()
		if !counted[b.Digest] {
			counted[b.Digest] = true
			unique += of.size()
		}
	}
	return unique, sum
}
