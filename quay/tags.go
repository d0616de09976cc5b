// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"log/slog"
	"strconv"
	"strings"
)

// A TagQuery selects the tags to list. The zero value selects all live tags.
type TagQuery struct {
	History  bool   // also list entries that were deleted, moved or have expired
	Exact    string // only this name
	Contains string // only names that contain this text; case-sensitive
	PageSize int    // tags a request: 1 to 100; 0 is 100

	// Invalid yields each row that makes no sense, such as a row without a digest,
	// with Tag.Invalid set. Without Invalid, such a row ends the list.
	Invalid bool
}

const (
	opTags   = "list tags"
	pageSize = 100 // the largest page of a server (doc/quay-api.md section 2)

	// maxRows ends an endless tag list.
	maxRows = 1_000_000
)

// check returns ErrInvalid if q makes no sense.
func (q TagQuery) check() error {
	if q.Exact != "" {
		if err := checkTag(opTags, q.Exact, false); err != nil {
			return err
		}
	}
	if q.Contains != "" {
		if err := checkTag(opTags, q.Contains, true); err != nil {
			return err
		}
	}
	if q.PageSize < 0 || q.PageSize > pageSize {
		return invalid(opTags, "page size %d: must be from 1 to %d, or 0 for %d", q.PageSize, pageSize, pageSize)
	}
	return nil
}

// Tags lists the tags of a repository, newest first. With History, a name occurs once
// for each time it was created or moved. The errors are those of [Client.Tag], but
// an empty list is no error. An error is yielded once, with a zero Tag, and ends the
// sequence: the tags before it are not the whole list. To break off stops the
// requests; to range again starts anew.
//
// The server counts pages from the newest tag. A tag that is created during the
// listing is not in the list; tags that it shifts to a later page are yielded once. A
// tag that is deleted or moved during the listing can hide another tag at the edge of
// a page.
//
// Memory grows by a hash for each tag. After a million tags the list ends with
// [ErrMalformed].
func (c *Client) Tags(ctx context.Context, repo RepoName, q TagQuery) iter.Seq2[Tag, error] {
	return func(yield func(Tag, error) bool) {
		err := repo.check(opTags)
		if err == nil {
			err = q.check()
		}
		if err != nil {
			yield(Tag{}, err)
			return
		}
		rows, total := newRows(q), 0
		pages(ctx, false, yield, func(ctx context.Context, n int) ([]Tag, bool, error) {
			r := request{op: opTags, subject: repo.String(), target: q.target(repo, n)}
			body, when, err := c.getDated(ctx, r)
			if err != nil {
				return nil, false, err
			}
			page, err := decodeTags(body, tagRules{invalid: q.Invalid, active: !q.History, when: when})
			var tags []Tag
			if err == nil {
				tags, err = rows.add(n, page)
			}
			if err != nil {
				return nil, false, c.malformed(r, fmt.Errorf("page %d: %w", n, err))
			}
			total += len(tags)
			c.core.logger.LogAttrs(ctx, slog.LevelInfo, "listed a page",
				slog.String("repository", repo.String()), slog.Int("page", n), slog.Int("tags", total))
			return tags, *page.more, nil
		})
	}
}

func (q TagQuery) target(repo RepoName, page int) string {
	var params []string
	if q.Exact != "" {
		params = append(params, "specificTag", q.Exact)
	}
	if q.Contains != "" {
		params = append(params, "filter_tag_name", "like:"+q.Contains)
	}
	if !q.History {
		params = append(params, "onlyActiveTags", "true")
	}
	size := q.PageSize
	if size == 0 {
		size = pageSize
	}
	return query(tagPath(repo), append(params, "limit", strconv.Itoa(size), "page", strconv.Itoa(page))...)
}

// match applies the filters again: the server's ignores case and reads "_" as any
// character, and older servers have no filter (doc/quay-api.md section 2).
func (q TagQuery) match(t Tag) bool {
	if t.Name == "" {
		return true // an invalid row, which may be any tag
	}
	return (q.Exact == "" || t.Name == q.Exact) && strings.Contains(t.Name, q.Contains)
}

// rows are the tags of the pages so far, as hashes.
type rows struct {
	q    TagQuery
	seed maphash.Seed
	seen map[uint64]bool
}

func newRows(q TagQuery) *rows {
	return &rows{q: q, seed: maphash.MakeSeed(), seen: make(map[uint64]bool)}
}

// add returns the tags of page n that match the query and were on no earlier page. It
// returns an error if the page cannot be the next page of a list that ends.
func (s *rows) add(n int, page tagPage) ([]Tag, error) {
	switch {
	case page.more == nil:
		return nil, errors.New("has_additional is missing")
	case page.number != nil && *page.number != n:
		return nil, fmt.Errorf("the server says page %d", *page.number)
	}
	var tags []Tag
	var keys []uint64
	for _, t := range page.tags {
		key := s.key(t)
		if s.seen[key] {
			continue
		}
		if keys = append(keys, key); !s.q.History {
			s.seen[key] = true // a name has one active tag
		}
		if s.q.match(t) {
			tags = append(tags, t)
		}
	}
	for _, t := range page.ended { // an active tag of the name may follow
		if key := s.historyKey(t); !s.seen[key] {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		s.seen[key] = true
	}
	switch {
	case *page.more && len(keys) == 0:
		return nil, errors.New("the list goes in circles: the page has nothing new, and has_additional is true")
	case *page.more && len(s.seen) >= maxRows:
		return nil, fmt.Errorf("there is more after %d tags", len(s.seen))
	}
	return tags, nil
}

// key identifies a row: an active tag by its name; an entry of a history also by its
// digest and start. It does not use the end, which a push changes.
func (s *rows) key(t Tag) uint64 {
	if !s.q.History {
		return maphash.String(s.seed, t.Name)
	}
	return s.historyKey(t)
}

func (s *rows) historyKey(t Tag) uint64 {
	return maphash.Comparable(s.seed, struct {
		name, digest string
		start        int64
		reversion    bool
	}{t.Name, string(t.Digest), t.Start.Unix(), t.Reversion})
}
