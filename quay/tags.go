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

// TagQuery says which tags to list. The zero value is all, with their history.
type TagQuery struct {
	OnlyActive bool   // leave out what was deleted, moved away or has expired
	Exact      string // only this name
	Contains   string // only names with this in them, in this case of letters
	PageSize   int    // tags a request: 1 to 100; 0 is 100

	// Invalid yields the rows that make no sense, such as one whose digest is
	// none, with Tag.Invalid set. Otherwise such a row ends the list.
	Invalid bool
}

const (
	opTags   = "list tags"
	pageSize = 100 // the most a server gives (doc/quay-api.md section 2)

	// maxRows ends a tag list that does not end by itself.
	maxRows = 1_000_000
)

// check returns an ErrInvalid when q makes no sense.
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
		return invalid(opTags, "page size %d: want 1 to %d, or 0 for %d", q.PageSize, pageSize, pageSize)
	}
	return nil
}

// Tags lists the tags of a repository, the newest first. Without OnlyActive a
// name comes once for each time it was made or moved. Errors are those of
// [Client.Tag], but an empty list is no error. One is yielded once, with a zero
// Tag, and ends the sequence: what came before it is not the whole. Breaking
// off stops the requests; ranging again starts anew.
//
// The server counts pages from the newest tag. One that is made during the
// listing is not in it, and shifts others to a page where they come again:
// they are yielded once. One that is deleted or moved during the listing can
// hide another at a page's edge.
//
// Memory grows by a hash for each tag, up to a million tags; there it ends
// with [ErrMalformed].
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
			page, err := decodeTags(body, tagRules{invalid: q.Invalid, active: q.OnlyActive, when: when})
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
	if q.OnlyActive {
		params = append(params, "onlyActiveTags", "true")
	}
	size := q.PageSize
	if size == 0 {
		size = pageSize
	}
	return query(tagPath(repo), append(params, "limit", strconv.Itoa(size), "page", strconv.Itoa(page))...)
}

// match repeats the server's filters here. Its like filter ignores case and
// takes "_" for any character, and older servers do not know it
// (doc/quay-api.md section 2).
func (q TagQuery) match(t Tag) bool {
	if t.Name == "" {
		return true // an invalid row, which may be any tag
	}
	return (q.Exact == "" || t.Name == q.Exact) && strings.Contains(t.Name, q.Contains)
}

// rows knows the tags of the pages so far by their hashes.
type rows struct {
	q    TagQuery
	seed maphash.Seed
	seen map[uint64]bool
}

func newRows(q TagQuery) *rows {
	return &rows{q: q, seed: maphash.MakeSeed(), seen: make(map[uint64]bool)}
}

// add returns the tags of page n that match the query and were on no page
// before. It returns an error when the page cannot be the next of a list that ends.
func (s *rows) add(n int, page tagPage) ([]Tag, error) {
	switch {
	case page.more == nil:
		return nil, errors.New("has_additional is missing")
	case page.number != nil && *page.number != n:
		return nil, fmt.Errorf("the server calls it page %d", *page.number)
	}
	var tags []Tag
	var keys []uint64
	for _, t := range page.tags {
		key := s.key(t)
		if s.seen[key] {
			continue
		}
		if keys = append(keys, key); s.q.OnlyActive {
			s.seen[key] = true // a name is active once
		}
		if s.q.match(t) {
			tags = append(tags, t)
		}
	}
	for _, t := range page.ended { // the name may come again, and be active
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

// key identifies a row: among active tags by its name; in a history also by
// where and when it pointed, but not by its end, which a push sets.
func (s *rows) key(t Tag) uint64 {
	if s.q.OnlyActive {
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
