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
	"github.com/quayside/quayside/ref"
)

// A Finder finds images on one Quay server. Use one Finder for all patterns of a
// server: it remembers whether the server wants the token with every request. It
// is safe for concurrent use. Its errors are those of package quay.
//
// A request with a token costs a Quay about ten times the work of the same request
// without it (doc/quay-api.md section 4). A Finder therefore sends the token only
// with listings and with requests about private repositories. If the server answers
// 401 to an anonymous request about a public repository, the Finder repeats the
// request with the token. Once that shows that the server admits no anonymous
// caller, all requests carry the token.
type Finder struct {
	client    *quay.Client // sends the token, if there is one
	anonymous *quay.Client
	policy    *policy
}

// NewFinder returns a Finder that sends its requests with client.
func NewFinder(client *quay.Client) *Finder {
	return &Finder{client: client, anonymous: client.Anonymous(), policy: newPolicy()}
}

// A Tag is a tag, and what its answer shows about the repository.
type Tag struct {
	quay.Tag

	// Public is true if a caller without a token got the answer, which proves
	// that the repository is public.
	Public bool
}

// A candidate is a repository to look up tags in.
type candidate struct {
	quay.Repository
	// unlisted is true for a repository that no listing has: only its name is
	// known.
	unlisted bool
}

func unlisted(name quay.RepoName) candidate {
	return candidate{quay.Repository{RepoName: name}, true}
}

// Tag looks up one active tag of a repository by its exact name, as
// [quay.Client.Tag]. With [quay.ErrTagNotFound] it still reports whether the
// repository is public.
func (f *Finder) Tag(ctx context.Context, repo quay.RepoName, name string) (Tag, error) {
	return f.tag(ctx, unlisted(repo), name)
}

func (f *Finder) tag(ctx context.Context, repo candidate, name string) (t Tag, err error) {
	t.Public, err = f.ask(ctx, repo, func(c *quay.Client, _ func()) (err error) {
		t.Tag, err = c.Tag(ctx, repo.RepoName, name)
		return err
	})
	if err != nil && !errors.Is(err, quay.ErrTagNotFound) {
		t.Public = false
	}
	return t, err
}

// Tags lists tags of a repository, newest first, as [quay.Client.Tags].
func (f *Finder) Tags(ctx context.Context, repo quay.RepoName, q quay.TagQuery) iter.Seq2[Tag, error] {
	return f.tags(ctx, unlisted(repo), q)
}

func (f *Finder) tags(ctx context.Context, repo candidate, q quay.TagQuery) iter.Seq2[Tag, error] {
	return func(yield func(Tag, error) bool) {
		// An error after the first tag ends the list: to repeat the request
		// would yield the same tags again.
		var late error
		_, err := f.ask(ctx, repo, func(c *quay.Client, answered func()) error {
			begun := false
			for t, err := range c.Tags(ctx, repo.RepoName, q) {
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
				if !yield(Tag{t, c == f.anonymous}, nil) {
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

// HasNamespace reports whether there is an organization or user of this name. It
// sends the token only if the server admits no anonymous caller.
func (f *Finder) HasNamespace(ctx context.Context, name string) (bool, error) {
	_, err := f.anonymous.Namespace(ctx, name)
	if errors.Is(err, quay.ErrUnauthenticated) && f.client.HasToken() {
		_, err = f.client.Namespace(ctx, name)
	}
	if errors.Is(err, quay.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// KnowsToken asks whether the server knows the token's user. It reports false for a
// token that the server ignores or refuses (doc/quay-api.md section 3).
func (f *Finder) KnowsToken(ctx context.Context) (bool, error) {
	status, err := f.client.CheckToken(ctx)
	if errors.Is(err, quay.ErrUnauthenticated) {
		return false, nil
	}
	return status == quay.TokenAccepted, err
}

// ownsEmpty asks whether the token's user owns a namespace that lists no
// repositories. A repository that does not exist is 404 to an owner and 403 to
// anyone else (doc/quay-api.md section 3), and every name is such a repository.
func (f *Finder) ownsEmpty(ctx context.Context, namespace string) (bool, error) {
	_, err := f.client.Tag(ctx, quay.RepoName{Namespace: namespace, Name: "none"}, "none")
	switch {
	case errors.Is(err, quay.ErrNotFound):
		return true, nil
	case err == nil, errors.Is(err, quay.ErrTagNotFound),
		errors.Is(err, quay.ErrForbidden), errors.Is(err, quay.ErrUnauthenticated):
		return false, nil
	}
	return false, err
}

// Host returns the server's host, with its port unless that is the default of the
// scheme.
func (f *Finder) Host() string {
	u, err := url.Parse(f.client.Server())
	if err != nil {
		return ""
	}
	return bareHost(u.Host, u.Scheme)
}

// bareHost returns a host in lower case, without the default port of the scheme.
func bareHost(host, scheme string) string {
	port := ":443"
	if scheme == "http" {
		port = ":80"
	}
	return strings.TrimSuffix(strings.ToLower(host), port)
}

// serves reports whether a pattern is for the Finder's server. The pattern has no
// scheme, so its host may have the default port of any.
func (f *Finder) serves(p ref.Pattern) bool {
	host := f.Host()
	return p.Host == "" || strings.EqualFold(p.Host, host) ||
		bareHost(p.Host, "https") == host || bareHost(p.Host, "http") == host
}
