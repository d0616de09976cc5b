// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// SizeUnknown is the size of a tag that the server does not know, as of every
// index.
const SizeUnknown int64 = -1

// Tag is one row of a repository's tags (doc/quay-api.md section 2).
type Tag struct {
	Name   string        // as in repository:name
	Digest digest.Digest // of the manifest or index
	Index  bool          // it is a manifest list or OCI index
	Size   int64         // of the compressed layers in bytes, or SizeUnknown

	Start time.Time // when it was made or moved here; UTC; zero: not told
	End   time.Time // when it ends or ended; UTC; zero: it has no end

	Reversion bool // made by going back in the repository's history
	Immutable bool // cannot be moved or deleted

	// Sparse tells which manifests of an index the server holds; nil when it
	// did not say. Quay says it for indexes since 3.17.
	Sparse *Sparse

	// Invalid is what is wrong with the row, if [TagQuery].Invalid asked for such
	// rows; else nil. Nothing but the Name is then set, as the server sent it; it may
	// be "".
	Invalid error
}

// Sparse is what a server says of an index and the manifests it names.
type Sparse struct {
	IsSparse        bool                   // some manifests are not there
	Children        int                    // manifests the index names
	PresentChildren int                    // of these, on the server
	Presence        map[digest.Digest]bool // by the manifest's digest: it is on the server
}

// ActiveAt tells whether the tag stands for its digest at a time. An active tag
// may have an end that is yet to come.
func (t Tag) ActiveAt(now time.Time) bool {
	return !t.Start.After(now) && (t.End.IsZero() || t.End.After(now))
}

const opTag = "look up tag"

// Tag looks up one active tag by its exact name, in one request. It is
// [ErrTagNotFound] when the repository has no such tag, and [ErrNotFound] when
// the server says that there is no such repository, which it says only to
// owners of the namespace. Anyone else gets [ErrUnauthenticated] (without a
// token) or [ErrForbidden] (with one), for private repositories as for
// missing ones (doc/quay-api.md section 3).
func (c *Client) Tag(ctx context.Context, repo RepoName, name string) (Tag, error) {
	if err := repo.check(opTag); err != nil {
		return Tag{}, err
	}
	if err := checkTag(opTag, name, false); err != nil {
		return Tag{}, err
	}
	t, err := c.tag(ctx, repo, name)
	if err == nil || errors.Is(err, ErrTagNotFound) {
		c.core.logger.LogAttrs(ctx, slog.LevelInfo, "looked up a tag",
			slog.String("repository", repo.String()), slog.String("tag", name), slog.Bool("present", err == nil))
	}
	return t, err
}

func (c *Client) tag(ctx context.Context, repo RepoName, name string) (Tag, error) {
	r := request{op: opTag, subject: repo.String() + ":" + name, target: query(tagPath(repo),
		"specificTag", name, "onlyActiveTags", "true", "limit", "1")}
	body, when, err := c.getDated(ctx, r)
	if err != nil {
		return Tag{}, err
	}
	page, err := decodeTags(body, tagRules{active: true, when: when})
	if err == nil && len(page.tags)+len(page.ended) == 0 && value(page.more) {
		err = errors.New("there is no tag, and has_additional is true")
	}
	if err != nil {
		return Tag{}, c.malformed(r, err)
	}
	for _, t := range page.tags {
		if t.Name == name {
			return t, nil
		}
	}
	// A server that answers with another tag, or with one that has ended, because
	// it compares without case or does not know the parameters, has said nothing
	// of this one yet if it has more.
	if len(page.tags)+len(page.ended) > 0 && (page.more == nil || *page.more) {
		next, stop := iter.Pull2(c.Tags(ctx, repo, TagQuery{OnlyActive: true, Exact: name}))
		defer stop()
		if t, err, ok := next(); ok {
			return t, err
		}
	}
	return Tag{}, &Error{
		Op: r.op, Subject: r.subject, Status: http.StatusOK,
		Err: errors.New("no active tag of this name"), kind: ErrTagNotFound,
	}
}

// HasTag tells whether a repository has an active tag of exactly this name, in
// one request. False comes without an error only when the server could say so:
// the repository has no such tag, or there is no such repository. Anyone who
// may not read the repository, or does not own the namespace of one that is
// missing, gets the errors of [Client.Tag]; their text tells which tokens do.
func (c *Client) HasTag(ctx context.Context, repo RepoName, name string) (bool, error) {
	_, err := c.Tag(ctx, repo, name)
	if errors.Is(err, ErrTagNotFound) || errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// tagPath ends with a slash: without it the server redirects. The slashes of a
// nested name stay as they are (doc/quay-api.md section 2).
func tagPath(r RepoName) string {
	parts := strings.Split(r.String(), "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return "/api/v1/repository/" + strings.Join(parts, "/") + "/tag/"
}

// A tagPage is one page of a tag list.
type tagPage struct {
	tags   []Tag
	ended  []Tag // not active, though only active ones were asked for
	number *int  // as the server counts; nil: not told
	more   *bool // there is another page; nil: not told
}

// The fields of doc/quay-api.md section 2. Those that are never absent there,
// but for size, are needed; tagWire.tag says so.
type tagPageWire struct {
	Tags          []row[tagWire] `json:"tags"`
	Page          *int           `json:"page"`
	HasAdditional *bool          `json:"has_additional"`
}

type tagWire struct {
	Name           *string `json:"name"`
	Reversion      *bool   `json:"reversion"`
	Immutable      *bool   `json:"immutable"`
	StartTS        *int64  `json:"start_ts"`
	EndTS          *int64  `json:"end_ts"`
	ManifestDigest *string `json:"manifest_digest"`
	IsManifestList *bool   `json:"is_manifest_list"`
	Size           *int64  `json:"size"`

	IsSparse         *bool                  `json:"is_sparse"`
	ChildCount       *int                   `json:"child_manifest_count"`
	PresentCount     *int                   `json:"present_child_count"`
	ChildrenPresence map[digest.Digest]bool `json:"child_manifests_presence"`
}

// tagRules say how to read a page of tags.
type tagRules struct {
	invalid bool      // a row that makes no sense is a Tag with Invalid set
	active  bool      // only active tags were asked for
	when    time.Time // when the server answered, by its clock; zero: not told
}

// ended reports whether a row is of a tag that is not active, though only active ones were
// asked for: it ended before the server sent the answer (doc/quay-api.md section 2). This
// machine's clock may be wrong, so by that alone a tag is neither there nor gone.
func (r tagRules) ended(t Tag) (bool, error) {
	switch {
	case !r.active || t.End.IsZero():
		return false, nil
	case !r.when.IsZero():
		return t.End.Before(r.when), nil
	case t.End.Before(time.Now()):
		return false, fmt.Errorf("end_ts is %s, which is past, and the answer has no Date", t.End.Format(time.RFC3339))
	}
	return false, nil
}

// decodeTags reads one page.
func decodeTags(body []byte, rules tagRules) (tagPage, error) {
	var w tagPageWire
	if err := decode(body, &w); err != nil {
		return tagPage{}, err
	}
	if w.Tags == nil {
		return tagPage{}, errors.New("tags is missing")
	}
	page := tagPage{tags: make([]Tag, 0, len(w.Tags)), number: w.Page, more: w.HasAdditional}
	for i, row := range w.Tags {
		t, err := Tag{}, row.err
		if err == nil {
			t, err = row.wire.tag()
		}
		ended := false
		if err == nil {
			ended, err = rules.ended(t)
		}
		if err != nil {
			name := value(row.wire.Name)
			err = fmt.Errorf("tag %d: %w (its name: %s)", i+1, err, quote(name))
			if !rules.invalid {
				return tagPage{}, err
			}
			t = Tag{Name: name, Size: SizeUnknown, Invalid: fmt.Errorf("%w: %w", ErrMalformed, err)}
		}
		if ended {
			page.ended = append(page.ended, t)
			continue
		}
		page.tags = append(page.tags, t)
	}
	return page, nil
}

// tag returns the tag, or an error that names the field that is missing or
// makes no sense.
func (w *tagWire) tag() (Tag, error) {
	err := need(
		field{"name", w.Name != nil},
		field{"manifest_digest", w.ManifestDigest != nil},
		field{"is_manifest_list", w.IsManifestList != nil},
	)
	if err != nil {
		return Tag{}, err
	}
	t := Tag{
		Name:      *w.Name,
		Digest:    digest.Digest(*w.ManifestDigest),
		Index:     *w.IsManifestList,
		Size:      SizeUnknown,
		Reversion: value(w.Reversion),
		Immutable: value(w.Immutable),
	}
	if checkTag("", t.Name, false) != nil {
		return Tag{}, fmt.Errorf("name is no name: %s", quote(t.Name))
	}
	if !isDigest(t.Digest) {
		return Tag{}, fmt.Errorf("manifest_digest is no digest: %q", t.Digest)
	}
	if w.Size != nil {
		if t.Size = *w.Size; t.Size < 0 {
			return Tag{}, fmt.Errorf("size is %d", t.Size)
		}
	}
	if t.Start, err = seconds("start_ts", w.StartTS); err != nil {
		return Tag{}, err
	}
	if value(w.EndTS) != 0 { // 0 is no end
		if t.End, err = seconds("end_ts", w.EndTS); err != nil {
			return Tag{}, err
		}
	}
	t.Sparse, err = w.sparse()
	return t, err
}

// sparse returns nil for what is no index, and for an index of a server that
// does not tell.
func (w *tagWire) sparse() (*Sparse, error) {
	if w.IsSparse == nil {
		return nil, nil
	}
	s := &Sparse{IsSparse: *w.IsSparse, Children: value(w.ChildCount), PresentChildren: value(w.PresentCount)}
	for d, present := range w.ChildrenPresence {
		if !isDigest(d) {
			return nil, fmt.Errorf("child_manifests_presence has what is no digest: %q", d)
		}
		if s.Presence == nil {
			s.Presence = make(map[digest.Digest]bool, len(w.ChildrenPresence))
		}
		s.Presence[d] = present
	}
	return s, nil
}
