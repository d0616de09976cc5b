// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"strings"

	"github.com/quayside/quayside/quay"
)

// QuayCatalog is the Catalog of a Quay server. It is safe for concurrent use,
// and remembers what it learned about the server's wish for a token: use one
// for all the runs against a server.
type QuayCatalog struct {
	client    *quay.Client // sends the token, if there is one
	anonymous *quay.Client
	policy    *policy
}

// Quay makes a Catalog of client.
//
// A token costs a Quay ten times the work of the same request without it
// (doc/quay-api.md section 4), so it goes where it is needed: on the listing,
// and on private repositories. Public repositories are asked without it. When
// that is answered 401 the same question is asked with the token; when this
// shows that the server admits no anonymous caller, everything carries the
// token from then on. A few repositories that vanish between the listing and
// their check answer 401 too, and change nothing.
func Quay(client *quay.Client) *QuayCatalog {
	return &QuayCatalog{client: client, anonymous: client.Anonymous(), policy: newPolicy()}
}

// Repositories lists namespace with the token. The listing is asked for
// last_modified, which is null when no tag is live (doc/quay-api.md section 1).
func (q *QuayCatalog) Repositories(ctx context.Context, namespace string) iter.Seq2[Repository, error] {
	return func(yield func(Repository, error) bool) {
		query := quay.RepositoryQuery{Namespace: namespace, LastModified: true, Prefetch: true, Invalid: true}
		for r, err := range q.client.Repositories(ctx, query) {
			if err != nil {
				yield(Repository{}, err)
				return
			}
			repo := Repository{
				Namespace:    r.Namespace,
				Name:         r.Name,
				Public:       r.Public,
				State:        string(r.State),
				LastModified: r.LastModified,
				Empty:        r.LastModified.IsZero(),
				CallerKnown:  r.CallerKnown,
				Err:          r.Invalid,
			}
			if !yield(repo, nil) {
				return
			}
		}
	}
}

// Tag looks up one active tag: one request, with or without the token as the
// repository needs.
func (q *QuayCatalog) Tag(ctx context.Context, repo Repository, name string) (Tag, bool, error) {
	var tag quay.Tag
	anonymous, err := q.ask(ctx, repo, func(c *quay.Client, _ func()) (err error) {
		tag, err = c.Tag(ctx, repoName(repo), name)
		return err
	})
	switch {
	case errors.Is(err, quay.ErrTagNotFound):
		return Tag{Public: anonymous}, false, nil
	case err != nil:
		return Tag{}, false, err
	}
	return tagOf(tag, anonymous), true, nil
}

// Tags lists the active tags whose name contains filter.Contains, newest first
// (doc/quay-api.md section 2).
func (q *QuayCatalog) Tags(ctx context.Context, repo Repository, filter TagFilter) iter.Seq2[Tag, error] {
	query := quay.TagQuery{Contains: filter.Contains, Invalid: true}
	return func(yield func(Tag, error) bool) {
		// What goes wrong after the first tag is out cannot be asked again:
		// it would give the same tags twice.
		var late error
		_, err := q.ask(ctx, repo, func(c *quay.Client, answered func()) error {
			begun := false
			for t, err := range c.Tags(ctx, repoName(repo), query) {
				if err != nil && begun {
					late = err
					return nil
				}
				if err != nil {
					return err
				}
				if !begun {
					begun = true
					answered()
				}
				if !yield(tagOf(t, c == q.anonymous), nil) {
					return nil
				}
			}
			return nil
		})
		if err == nil {
			err = late
		}
		if err != nil {
			yield(Tag{}, err)
		}
	}
}

// Namespace tells whether there is an organization or user of this name. It is
// asked without the token, which it needs only where anonymous callers are
// not admitted.
func (q *QuayCatalog) Namespace(ctx context.Context, name string) (bool, error) {
	_, err := q.anonymous.Namespace(ctx, name)
	if errors.Is(err, quay.ErrUnauthenticated) && q.HasToken() {
		_, err = q.client.Namespace(ctx, name)
	}
	if errors.Is(err, quay.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Host is the server's host, with its port when it is not the scheme's own.
func (q *QuayCatalog) Host() string {
	u, err := url.Parse(q.client.Server())
	if err != nil {
		return ""
	}
	return bareHost(u.Host, u.Scheme)
}

// bareHost lowers a host and drops the port that its scheme stands for.
func bareHost(host, scheme string) string {
	port := ":443"
	if scheme == "http" {
		port = ":80"
	}
	return strings.TrimSuffix(strings.ToLower(host), port)
}

// Usage counts what the client sent, for this catalog and for whoever else
// uses the client or its Anonymous clients.
func (q *QuayCatalog) Usage() Usage {
	return q.client.Stats()
}

// Pace tells what the client has learned of its server by now.
func (q *QuayCatalog) Pace() Pace { return q.client.Pace() }

// HasToken tells whether the client was given a token.
func (q *QuayCatalog) HasToken() bool { return q.client.HasToken() }

// TokenKnown asks the server whether it knows the token's user. It answers a
// token it does not know as if none had been sent, and refuses one that looks
// like a JWT (doc/quay-api.md section 3).
func (q *QuayCatalog) TokenKnown(ctx context.Context) (bool, error) {
	status, err := q.client.CheckToken(ctx)
	if errors.Is(err, quay.ErrUnauthenticated) {
		return false, nil
	}
	return status == quay.TokenAccepted, err
}

// SeesAll tells whether the token's user owns namespace. A repository that
// does not exist is 404 to an owner and 403 to anyone else (doc/quay-api.md
// section 3), so one is asked for: the namespace shows none, so an owner's
// answer is 404 whatever the name.
func (q *QuayCatalog) SeesAll(ctx context.Context, namespace string) (bool, error) {
	_, err := q.client.Tag(ctx, quay.RepoName{Namespace: namespace, Name: "none"}, "none")
	switch {
	case errors.Is(err, quay.ErrNotFound):
		return true, nil
	case err == nil, errors.Is(err, quay.ErrTagNotFound),
		errors.Is(err, quay.ErrForbidden), errors.Is(err, quay.ErrUnauthenticated):
		return false, nil
	}
	return false, err
}

func repoName(r Repository) quay.RepoName {
	return quay.RepoName{Namespace: r.Namespace, Name: r.Name}
}

func tagOf(t quay.Tag, public bool) Tag {
	return Tag{
		Name:    t.Name,
		Digest:  t.Digest,
		Index:   t.Index,
		Size:    t.Size,
		Started: t.Start,
		Expires: t.End,
		Public:  public,
		Err:     t.Invalid,
	}
}
