// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"time"

	"github.com/opencontainers/go-digest"
)

// A Dataset is everything that an embedded Quay holds. [ReadDataset] reads its JSON
// form.
type Dataset struct {
	About         string         `json:"about,omitempty"`
	Users         []User         `json:"users"`
	Organizations []Organization `json:"organizations"`
	Repositories  []Repository   `json:"repositories"` // in order of creation, which is the order of listings
	Tokens        []Token        `json:"tokens,omitempty"`
	Robots        []Robot        `json:"robots,omitempty"`
	Manifests     []Manifest     `json:"manifests,omitempty"`
	Blobs         []Blob         `json:"blobs,omitempty"`
}

// A User is an account with a namespace of the same name.
type User struct {
	Name     string `json:"name"`
	Enabled  bool   `json:"enabled"`
	Password string `json:"password,omitempty"`
}

// An Organization is a namespace whose owners see all its repositories.
type Organization struct {
	Name    string   `json:"name"`
	Enabled bool     `json:"enabled"`
	Owners  []string `json:"owners,omitempty"` // users
	// Creators are users and robots ("organization+name") that may create repositories
	// by pushing to them, like the members of a team with that role.
	Creators []string `json:"creators,omitempty"`
}

// A Repository holds tags.
type Repository struct {
	Namespace   string       `json:"namespace"`
	Name        string       `json:"name"` // without the namespace; may contain slashes
	Description string       `json:"description,omitempty"`
	Public      bool         `json:"public"`
	State       string       `json:"state"` // NORMAL (or ""), READ_ONLY, MIRROR, ORG_MIRROR or MARKED_FOR_DELETION
	Permissions []Permission `json:"permissions,omitempty"`
	Tags        []Tag        `json:"tags"` // the whole history, oldest first
}

// A Permission is a direct role of a user or robot on a repository. Pushing needs the
// role write. The owners of the namespace need no permission.
type Permission struct {
	User string `json:"user"` // or a robot, "organization+name"
	Role string `json:"role"` // read, write or admin
}

// A Tag is one row of a repository's tag history. The tag is live if it is not
// hidden and End is zero or in the future.
type Tag struct {
	Name         string
	Digest       digest.Digest
	Start        time.Time // when the tag began to name Digest
	End          time.Time // when it stopped; the zero time means it has not
	Size         *int64    // sum of the layers in bytes; nil if the server does not know
	ManifestList bool      // Digest names an index or a Docker manifest list
	Reversion    bool      // the row restores an earlier one
	Hidden       bool      // kept by the server for itself; no route lists it
}

// A Token is an OAuth application token. A token whose scope has a word that Quay does
// not know makes every check of rights fail with 500 (doc/quay-api.md section 3).
type Token struct {
	Name    string `json:"name"` // also its secret
	User    string `json:"user"`
	Scope   string `json:"scope"` // separated by spaces, such as "repo:read user:read"
	Expired bool   `json:"expired,omitempty"`
}

// A Robot is an account of the registry API. The REST API does not know robots.
type Robot struct {
	Name  string   `json:"name"` // "organization+name"
	Token string   `json:"token"`
	Reads []string `json:"reads,omitempty"` // repositories, "namespace/name"
}

// A Manifest is the exact text that a digest names.
type Manifest struct {
	Repository string        `json:"repository"` // "namespace/name"
	Digest     digest.Digest `json:"digest"`
	MediaType  string        `json:"media_type"`
	Content    string        `json:"content"`
}

// A Blob is a layer or configuration of a repository. Its content is Data or, if Data
// is nil, generated from Size, Seed and File: see [SyntheticBlob] and
// [SyntheticLayer]. If Size is nil too, the content is that of the same digest in
// another repository; without one, the server knows the blob and cannot serve it.
type Blob struct {
	Repository string        `json:"repository"` // "namespace/name"
	Digest     digest.Digest `json:"digest"`
	Data       []byte        `json:"base64,omitzero"`
	Size       *int64        `json:"size,omitempty"` // bytes
	Seed       uint64        `json:"seed,omitempty"`
	File       string        `json:"file,omitempty"` // name of the one file in a tar
}

// size returns the number of bytes of a blob that has content of its own.
func (b Blob) size() (n int64, ok bool) {
	switch {
	case b.Data != nil:
		return int64(len(b.Data)), true
	case b.Size != nil && *b.Size >= 0:
		return *b.Size, true
	}
	return 0, false
}

// BlobBytes returns the bytes of the blobs that a server with this dataset can serve.
// Unique counts each digest once. Sum counts it once for every repository that has it,
// as copying one repository after another does.
func (d *Dataset) BlobBytes() (unique, sum int64) {
	sizes := map[digest.Digest]int64{}
	for _, b := range d.Blobs {
		if n, ok := b.size(); ok {
			sizes[b.Digest] = n
		}
	}
	for _, n := range sizes {
		unique += n
	}
	for _, b := range d.Blobs {
		sum += sizes[b.Digest]
	}
	return unique, sum
}
