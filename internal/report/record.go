// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// A Record is one line of an answer.
type Record interface {
	Image | Repository | Tag
	// cells returns every column of every layout, in order.
	cells() []cell
	// reference and pinned return the image's name by tag and by digest, or "".
	reference() string
	pinned() string
	hasDigest() bool // records of this kind may have a digest
}

// A layout is a set of places where a column is shown.
type layout uint8

const (
	inTable layout = 1 << iota
	inWide
	inPlain
	inCSV
	inVerdicts   // in a table only if verdicts are asked for
	inJSON       // as a string
	inJSONOrNull // as a string, or null if the text is empty
	inJSONRaw    // as it is, or null if the text is empty
)

type cell struct {
	head string
	in   layout
	text string
}

// The verdicts on an image.
const (
	Present = "present"
	Absent  = "absent"
	Unknown = "unknown"
)

// An Image is the verdict on one tag of one repository. Digest and what
// follows it are zero unless the tag is there.
type Image struct {
	Verdict    string // Present, Absent or Unknown
	Host       string // registry, such as "quay.io" or "registry.example:8443"
	Namespace  string
	Repository string // without the namespace; may hold slashes
	Tag        string
	Visibility string // "public", "private" or "" when not known
	State      string // as the server says, such as "NORMAL"; "" when not known
	Reason     string // code of why the verdict is not Present; see ReasonText
	Error      string // the cause of an Unknown, as the server or the connection gave it

	Digest  digest.Digest
	Index   bool      // a manifest list or OCI index, not a single image
	Size    int64     // compressed bytes, or -1 when the server does not say
	Started time.Time // when the tag began to point at the digest
	Expires time.Time // zero: never

	Named bool // the user asked for this image by name; no format shows it
}

// Reference names the image by its tag: host/namespace/repository:tag.
func (i Image) Reference() string {
	return path(i.Host, i.Namespace, i.Repository) + ":" + i.Tag
}

// Pinned names the image by its digest: host/namespace/repository@sha256:...,
// or "" when there is no digest.
func (i Image) Pinned() string { return pin(path(i.Host, i.Namespace, i.Repository), i.Digest) }

// Lists of names cannot show a verdict, so they contain present images only.
func (i Image) reference() string {
	if i.Verdict != Present {
		return ""
	}
	return i.Reference()
}

func (i Image) pinned() string {
	if i.Verdict != Present {
		return ""
	}
	return i.Pinned()
}

func (Image) hasDigest() bool { return true }

func (i Image) cells() []cell {
	return []cell{
		{"kind", inJSON, "image"},
		{"verdict", inCSV | inVerdicts | inJSON, i.Verdict},
		{"reference", inJSON, i.Reference()},
		{"host", inCSV | inJSON, i.Host},
		{"namespace", inCSV | inJSON, i.Namespace},
		{"repository", inCSV | inJSON, i.Repository},
		{"repository", inTable | inPlain, i.Namespace + "/" + i.Repository},
		{"image", inWide, i.Reference()},
		{"tag", inTable | inPlain | inCSV | inJSON, i.Tag},
		{"digest", inTable, short(i.Digest)},
		{"digest", inWide | inPlain | inCSV | inJSONOrNull, i.Digest.String()},
		{"kind", inWide | inCSV, kind(i.Index, i.Digest)},
		{"index", inJSONRaw, boolean(i.Index, i.Digest)},
		{"size", inTable | inWide, human(i.Size, i.Digest)},
		{"size", inPlain | inCSV | inJSONRaw, bytesOf(i.Size, i.Digest)},
		{"started", inTable | inWide | inPlain | inCSV | inJSONOrNull, stamp(i.Started)},
		{"expires", inWide | inCSV | inJSONOrNull, stamp(i.Expires)},
		{"visibility", inWide | inCSV | inJSONOrNull, i.Visibility},
		{"state", inWide | inCSV | inJSONOrNull, i.State},
		{"reason", inCSV | inJSONOrNull, i.Reason},
		{"reason", inVerdicts, ReasonText(i.Reason)},
		{"error", inCSV | inJSONOrNull, i.Error},
	}
}

// A Repository is one repository of a namespace.
type Repository struct {
	Host         string
	Namespace    string
	Name         string // without the namespace; may hold slashes
	Visibility   string // "public" or "private"
	State        string
	LastModified time.Time // start of the newest live tag; zero: no live tag
}

// Reference names the repository: host/namespace/name.
func (r Repository) Reference() string { return path(r.Host, r.Namespace, r.Name) }

func (r Repository) reference() string { return r.Reference() }
func (r Repository) pinned() string    { return "" }
func (Repository) hasDigest() bool     { return false }

func (r Repository) cells() []cell {
	return []cell{
		{"kind", inJSON, "repository"},
		{"reference", inJSON, r.Reference()},
		{"host", inCSV | inJSON, r.Host},
		{"namespace", inCSV | inJSON, r.Namespace},
		{"repository", inTable | inPlain, r.Namespace + "/" + r.Name},
		{"repository", inCSV | inJSON, r.Name},
		{"repository", inWide, r.Reference()},
		{"visibility", inTable | inWide | inPlain | inCSV | inJSON, r.Visibility},
		{"state", inTable | inWide | inPlain | inCSV | inJSON, r.State},
		{"last_modified", inTable | inWide | inPlain | inCSV | inJSONOrNull, stamp(r.LastModified)},
	}
}

// A Tag is one live tag of a repository.
type Tag struct {
	Host       string
	Namespace  string
	Repository string
	Name       string
	Digest     digest.Digest
	Index      bool
	Size       int64 // compressed bytes, or -1 when the server does not say
	Started    time.Time
	Expires    time.Time // zero: never
	Visibility string    // "public", "private" or "" when not known
}

// Reference names the image by its tag: host/namespace/repository:tag.
func (t Tag) Reference() string { return path(t.Host, t.Namespace, t.Repository) + ":" + t.Name }

// Pinned names the image by its digest: host/namespace/repository@sha256:...
func (t Tag) Pinned() string { return pin(path(t.Host, t.Namespace, t.Repository), t.Digest) }

func (t Tag) reference() string { return t.Reference() }
func (t Tag) pinned() string    { return t.Pinned() }
func (Tag) hasDigest() bool     { return true }

func (t Tag) cells() []cell {
	return []cell{
		{"kind", inJSON, "tag"},
		{"reference", inJSON, t.Reference()},
		{"host", inCSV | inJSON, t.Host},
		{"namespace", inCSV | inJSON, t.Namespace},
		{"repository", inCSV | inJSON, t.Repository},
		{"tag", inTable | inPlain | inCSV | inJSON, t.Name},
		{"image", inWide, t.Reference()},
		{"digest", inTable, short(t.Digest)},
		{"digest", inWide | inPlain | inCSV | inJSON, t.Digest.String()},
		{"kind", inTable | inWide | inPlain | inCSV, kind(t.Index, t.Digest)},
		{"index", inJSONRaw, strconv.FormatBool(t.Index)},
		{"size", inTable | inWide, human(t.Size, t.Digest)},
		{"size", inPlain | inCSV | inJSONRaw, bytesOf(t.Size, t.Digest)},
		{"started", inTable | inWide | inPlain | inCSV | inJSONOrNull, stamp(t.Started)},
		{"expires", inTable | inWide | inPlain | inCSV | inJSONOrNull, stamp(t.Expires)},
		{"visibility", inWide | inCSV | inJSONOrNull, t.Visibility},
	}
}

func path(host, namespace, repository string) string {
	return host + "/" + namespace + "/" + repository
}

func pin(repository string, d digest.Digest) string {
	if d == "" {
		return ""
	}
	return repository + "@" + d.String()
}

// short returns the beginning of a digest, enough to tell images apart.
func short(d digest.Digest) string {
	const keep = len("sha256:") + 12
	if text := d.String(); strings.HasPrefix(text, "sha256:") && len(text) > keep {
		return text[:keep]
	}
	return d.String()
}

func kind(index bool, d digest.Digest) string {
	switch {
	case d == "":
		return ""
	case index:
		return "index"
	}
	return "image"
}

// boolean returns whether an image is an index, or "" if there is no image.
func boolean(index bool, d digest.Digest) string {
	if d == "" {
		return ""
	}
	return strconv.FormatBool(index)
}

// stamp returns a time in UTC to the second, or "" for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// bytesOf returns a size in bytes, or "" if it is not known.
func bytesOf(size int64, d digest.Digest) string {
	if size < 0 || d == "" {
		return ""
	}
	return strconv.FormatInt(size, 10)
}

// human returns a size for people, or "" if it is not known.
func human(size int64, d digest.Digest) string {
	if size < 0 || d == "" {
		return ""
	}
	return Bytes(size)
}

// Bytes returns a number of bytes with about three digits, in powers of 1000.
func Bytes(size int64) string {
	if size < 1000 {
		return strconv.FormatInt(size, 10) + "B"
	}
	value, unit := float64(size)/1000, 0
	for value >= 999.95 && unit < len("kMGTPE")-1 {
		value /= 1000
		unit++
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + "kMGTPE"[unit:unit+1] + "B"
}
