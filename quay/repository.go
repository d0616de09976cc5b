// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"time"
)

// A RepositoryQuery selects the repositories to list and their optional fields.
type RepositoryQuery struct {
	Namespace    string // an organization or user; required; case-sensitive
	LastModified bool   // fill in Repository.LastModified
	Popularity   bool   // fill in Repository.Popularity

	// Invalid yields each row that makes no sense, such as a row without a name or
	// with a name that no repository can have, with Repository.Invalid set. Without
	// Invalid, a row that lacks a field or has one of the wrong type ends the listing.
	Invalid bool

	// Prefetch fetches the next page while the repositories of a page are yielded.
	// To break off then may cost one more request.
	Prefetch bool
}

// A State says whether users can push to a repository. Servers may have states other
// than these constants.
type State string

// The states of doc/quay-api.md section 1. StateOrgMirror came with Quay 3.17.
const (
	StateNormal    State = "NORMAL"
	StateReadOnly  State = "READ_ONLY"
	StateMirror    State = "MIRROR"
	StateOrgMirror State = "ORG_MIRROR"
)

// A Repository is an entry of a listing (doc/quay-api.md section 1).
type Repository struct {
	// RepoName is in the server's spelling. It may have a space or a control
	// character: escape it before printing. A request about such a name is
	// [ErrInvalid].
	RepoName

	Description string // Markdown; may be long; "" if there is none
	Public      bool   // anyone may read it, without a token
	Kind        string // "image"; "" if the server did not say
	State       State  // "" if the server did not say

	// LastModified is when the newest live tag was created or moved, to the second,
	// in UTC. It is the zero time if there is no live tag, or if the query did not
	// ask for it.
	LastModified time.Time
	// Popularity is the number of actions, such as pulls, in the last seven days; 0
	// if the query did not ask for it.
	Popularity float64

	Starred bool // by the token's user
	// CallerKnown is true if the server knows the token's user. It is false in all
	// entries if the server ignores the token.
	CallerKnown bool

	// Invalid is what is wrong with the row; nil for a valid row, and always without
	// [RepositoryQuery].Invalid. An invalid row has no other field than RepoName:
	// the namespace of the query, and the name as the server sent it, or "".
	Invalid error
}

const opList = "list repositories"

// Repositories lists the repositories of a namespace that the caller may see, including
// all public ones, in the order of their creation. It sends one request for each
// 100 repositories. To break off stops the requests; to range again starts anew.
//
// A namespace that does not exist is an empty list: see [Client.Namespace]. An error is
// yielded once, with a zero Repository, and ends the sequence: the repositories
// before it are not the whole list. It is [ErrMalformed] if an answer lacks a
// required field or the listing goes in circles; no repository of such a page is
// yielded. It is [ErrNoListing] if the server is a mirror registry.
//
// Memory grows by two hashes a page.
func (c *Client) Repositories(ctx context.Context, q RepositoryQuery) iter.Seq2[Repository, error] {
	return func(yield func(Repository, error) bool) {
		if err := checkNamespace(opList, q.Namespace); err != nil {
			yield(Repository{}, err)
			return
		}
		guard, cursor, total := newLoopGuard(), "", 0
		pages(ctx, q.Prefetch, yield, func(ctx context.Context, n int) ([]Repository, bool, error) {
			r := request{op: opList, subject: q.Namespace, target: q.target(cursor)}
			body, err := c.get(ctx, r)
			if err != nil {
				return nil, false, err
			}
			repos, next, err := decodeRepositories(body, q)
			if err == nil {
				err = guard.check(n, repos, next)
			}
			if err != nil {
				return nil, false, c.malformed(r, fmt.Errorf("page %d: %w", n, err))
			}
			cursor, total = next, total+len(repos)
			c.core.logger.LogAttrs(ctx, slog.LevelInfo, "listed a page",
				slog.String("namespace", q.Namespace), slog.Int("page", n), slog.Int("repositories", total))
			return repos, next != "", nil
		})
	}
}

// RepositoryNames returns the names of the repositories of a namespace, without the
// namespace, in the order of [Client.Repositories]. With an error it returns no names.
func (c *Client) RepositoryNames(ctx context.Context, namespace string) ([]string, error) {
	var names []string
	for r, err := range c.Repositories(ctx, RepositoryQuery{Namespace: namespace}) {
		if err != nil {
			return nil, err
		}
		names = append(names, r.Name)
	}
	return names, nil
}

// target returns path and query of a page. Without public=true a listing lacks public
// repositories that the caller has no explicit right to (doc/quay-api.md section 1).
func (q RepositoryQuery) target(cursor string) string {
	params := []string{"namespace", q.Namespace, "public", "true"}
	if q.LastModified {
		params = append(params, "last_modified", "true")
	}
	if q.Popularity {
		params = append(params, "popularity", "true")
	}
	if cursor != "" {
		params = append(params, "next_page", cursor)
	}
	return query("/api/v1/repository", params...)
}

type repositoryPage struct {
	Repositories []row[repositoryWire] `json:"repositories"`
	NextPage     *string               `json:"next_page"` // absent on the last page
}

type repositoryWire struct {
	Namespace    *string  `json:"namespace"`
	Name         *string  `json:"name"`
	Description  *string  `json:"description"`
	IsPublic     *bool    `json:"is_public"`
	Kind         *string  `json:"kind"`
	State        *string  `json:"state"`
	LastModified stamp    `json:"last_modified"`
	Popularity   *float64 `json:"popularity"`
	IsStarred    *bool    `json:"is_starred"`
}

// A stamp is a time that distinguishes null from a missing field.
type stamp struct {
	sent    bool
	seconds *int64 // nil: null
}

func (s *stamp) UnmarshalJSON(data []byte) error {
	s.sent, s.seconds = true, nil
	return json.Unmarshal(data, &s.seconds)
}

// decodeRepositories decodes a page. cursor is "" on the last page.
func decodeRepositories(body []byte, q RepositoryQuery) (repos []Repository, cursor string, err error) {
	var page repositoryPage
	if err := decode(body, &page); err != nil {
		return nil, "", err
	}
	if page.Repositories == nil {
		return nil, "", errors.New("repositories is missing")
	}
	if page.NextPage != nil && *page.NextPage == "" {
		return nil, "", errors.New("next_page is empty")
	}
	repos = make([]Repository, 0, len(page.Repositories))
	foreign := 0
	seen := map[string]bool{}
	for i, row := range page.Repositories {
		r, err := readRepository(row, q)
		if err == nil && q.Invalid && seen[r.Name] {
			err = errors.New("the page has the name twice")
		}
		seen[r.Name] = true
		if err != nil {
			if errors.Is(err, errForeign) {
				foreign++
			}
			name := value(row.wire.Name)
			err = fmt.Errorf("repository %d: %w (its name: %s)", i+1, err, quote(name))
			// A page of nothing but another namespace's rows answers another question.
			if !q.Invalid || foreign == len(page.Repositories) {
				return nil, "", err
			}
			r = Repository{RepoName: RepoName{Namespace: q.Namespace, Name: name}, Invalid: fmt.Errorf("%w: %w", ErrMalformed, err)}
		}
		repos = append(repos, r)
	}
	return repos, value(page.NextPage), nil
}

// errForeign is the error of a row that belongs to another namespace.
var errForeign = errors.New("namespace is not the one asked for")

// readRepository returns the repository of a row, or what is wrong with the row.
func readRepository(row row[repositoryWire], q RepositoryQuery) (Repository, error) {
	if row.err != nil {
		return Repository{}, row.err
	}
	if err := row.wire.check(q); err != nil {
		return Repository{}, err
	}
	r, err := row.wire.repository()
	if err == nil && q.Invalid {
		// Nothing can be asked about a name that cannot be one.
		if wrong, ok := errors.AsType[*Error](r.RepoName.check("")); ok {
			err = wrong.Err
		}
	}
	return r, err
}

// check returns an error if w lacks a field that q requires.
func (w *repositoryWire) check(q RepositoryQuery) error {
	err := need(
		field{"namespace", w.Namespace != nil},
		field{"name", w.Name != nil},
		field{"is_public", w.IsPublic != nil},
		// A missing time must not look like "no live tag".
		field{"last_modified", w.LastModified.sent || !q.LastModified},
		field{"popularity", w.Popularity != nil || !q.Popularity},
	)
	if err != nil {
		return err
	}
	if *w.Name == "" {
		return errors.New("name is empty")
	}
	// Some databases compare without case.
	if !strings.EqualFold(*w.Namespace, q.Namespace) {
		return fmt.Errorf("%w: %s", errForeign, quote(*w.Namespace))
	}
	return nil
}

// repository returns the repository. Call check first.
func (w *repositoryWire) repository() (Repository, error) {
	r := Repository{
		RepoName:    RepoName{Namespace: *w.Namespace, Name: *w.Name},
		Description: value(w.Description),
		Public:      *w.IsPublic,
		Kind:        value(w.Kind),
		State:       State(value(w.State)),
		Popularity:  value(w.Popularity),
		Starred:     value(w.IsStarred),
		CallerKnown: w.IsStarred != nil,
	}
	var err error
	r.LastModified, err = seconds("last_modified", w.LastModified.seconds)
	return r, err
}
