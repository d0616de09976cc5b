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

// SizeUnknown is the size of a tag if the server does not know it, such as of an index.
const SizeUnknown int64 = -1

// A Tag is an entry of a repository's tag list (doc/quay-api.md section 2).
type Tag struct {
	Name   string        // as in repository:name
	Digest digest.Digest // of the manifest or index
	Index  bool          // a manifest list or OCI index
	Size   int64         // of the compressed layers in bytes, or SizeUnknown

	Start time.Time // when it was created or moved; UTC; zero: unknown
	End   time.Time // when it ends or ended; UTC; zero: never

	Reversion bool // set by a reversion of the repository's history
	Immutable bool // cannot be moved or deleted

	// Coverage says which manifests of an index the server has; nil if the server
	// did not say. Quay says it since 3.17.
	Coverage *IndexCoverage

	// Invalid is what is wrong with the row; nil for a valid row, and always without
	// [TagQuery].Invalid. An invalid row has no other field than Name, as the server
	// sent it; it may be "".
	Invalid error
}

// An IndexCoverage says which manifests of an index are on the server.
type IndexCoverage struct {
	Partial         bool                   // some manifests are missing
	Children        int                    // manifests that the index names
	PresentChildren int                    // of these, on the server
	Presence        map[digest.Digest]bool // by the digest of a manifest: on the server
}

// ActiveAt reports whether the tag points at its digest at a time. An active tag may
// have an End in the future.
func (t Tag) ActiveAt(now time.Time) bool {
	return !t.Start.After(now) && (t.End.IsZero() || t.End.After(now))
}

const opTag = "look up tag"

// Tag looks up one active tag by its exact name, in one request. The error is
// [ErrTagNotFound] if the repository has no such tag, and [ErrNotFound] if the server
// says that there is no such repository, which it says only to owners of the
// namespace. Other callers get [ErrUnauthenticated] (without a token) or
// [ErrForbidden] (with one), both for private and for missing repositories
// (doc/quay-api.md section 3).
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
	// A server that compares without case or ignores the parameters answers with
	// another tag, or with one that has ended. Then this tag may be on a later page.
	if len(page.tags)+len(page.ended) > 0 && (page.more == nil || *page.more) {
		next, stop := iter.Pull2(c.Tags(ctx, repo, TagQuery{Exact: name}))
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

// HasTag reports whether a repository has an active tag of exactly this name, in one
// request. It returns false without an error only if the server says so: the
// repository has no such tag, or there is no such repository. A caller who may not
// read the repository, or does not own the namespace of a missing repository, gets
// the errors of [Client.Tag]; their text says which token to use.
func (c *Client) HasTag(ctx context.Context, repo RepoName, name string) (bool, error) {
	_, err := c.Tag(ctx, repo, name)
	if errors.Is(err, ErrTagNotFound) || errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// tagPath returns the path of a repository's tags. Without the slash at its end the
// server redirects. Slashes of a nested name are not escaped (doc/quay-api.md
// section 2).
func tagPath(r RepoName) string {
	parts := strings.Split(r.String(), "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return "/api/v1/repository/" + strings.Join(parts, "/") + "/tag/"
}

// A tagPage is a page of a tag list.
type tagPage struct {
	tags   []Tag
	ended  []Tag // not active, although only active tags were asked for
	number *int  // by the server's count; nil: unknown
	more   *bool // there is another page; nil: unknown
}

// A tagPageWire has the fields of doc/quay-api.md section 2.
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

// tagRules say how to decode a page of tags.
type tagRules struct {
	invalid bool      // keep invalid rows
	active  bool      // only active tags were asked for
	when    time.Time // when the server answered, by its clock; zero: unknown
}

// ended reports whether a tag ended before the server sent the answer, although only
// active tags were asked for (doc/quay-api.md section 2). It returns an error if only
// this machine's clock, which may be wrong, says so.
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

// decodeTags decodes a page.
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

// tag returns the tag, or an error that names the field that is missing or invalid.
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
		return Tag{}, fmt.Errorf("manifest_digest is invalid: %q", t.Digest)
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
	t.Coverage, err = w.coverage()
	return t, err
}

// coverage returns nil if the server does not say which manifests of an index it has.
func (w *tagWire) coverage() (*IndexCoverage, error) {
	if w.IsSparse == nil {
		return nil, nil
	}
	s := &IndexCoverage{Partial: *w.IsSparse, Children: value(w.ChildCount), PresentChildren: value(w.PresentCount)}
	for d, present := range w.ChildrenPresence {
		if !isDigest(d) {
			return nil, fmt.Errorf("child_manifests_presence has an invalid digest: %q", d)
		}
		if s.Presence == nil {
			s.Presence = make(map[digest.Digest]bool, len(w.ChildrenPresence))
		}
		s.Presence[d] = present
	}
	return s, nil
}
