// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/ref"
)

// A checker asks what the listing could not answer about one repository after
// another. It keeps nothing between them.
type checker struct {
	catalog Catalog
	host    string
	tags    ref.Tags
	exact   []string        // the tags, when they are exact names only
	literal []string        // the exact names among the tags
	named   map[string]bool // the repositories that the pattern names
	since   time.Time
	emit    func(Result)
}

func newChecker(c Catalog, p ref.Pattern, host string, since time.Time, emit func(Result)) checker {
	k := checker{
		catalog: c, host: host, tags: p.Tags, literal: p.Tags.Names(), named: map[string]bool{},
		since: since, emit: emit,
	}
	k.exact, _ = p.Tags.Exact()
	for _, name := range p.Repositories.Names() {
		k.named[name] = true
	}
	return k
}

// check emits all the results of repo. It returns an error only when the run
// cannot go on: ctx ended, or the error concerns more than repo.
func (k checker) check(ctx context.Context, repo Repository) error {
	if repo.Err != nil {
		names := k.exact
		if names == nil {
			names = []string{k.tags.String()}
		}
		for _, name := range names {
			k.emit(k.unknown(repo, name, repo.Err))
		}
		return nil
	}
	if k.exact == nil {
		return k.list(ctx, repo)
	}
	return k.lookUp(ctx, repo, k.exact)
}

// lookUp asks for each of the tags.
func (k checker) lookUp(ctx context.Context, repo Repository, names []string) error {
	for i, name := range names {
		tag, found, err := k.catalog.Tag(ctx, repo, name)
		if ctx.Err() != nil && err != nil {
			return ctx.Err()
		}
		switch {
		case err != nil && endsRun(err, repo):
			return err
		case err != nil && concernsRepository(err):
			for _, name := range names[i:] {
				k.emit(k.unanswered(repo, name, err))
			}
			return nil
		case err != nil:
			k.emit(k.unknown(repo, name, err))
		case !found:
			k.emit(k.absent(repo, name, NoTag, tag.Public))
		case tag.Started.Before(k.since):
			old := k.result(repo, tag)
			old.Verdict, old.Reason = Absent, TooOld
			k.emit(old)
		default:
			k.emit(k.result(repo, tag))
		}
	}
	return nil
}

// pruned emits what the listing answered about repo: if all is set, whatever the
// pattern means; otherwise the images that the pattern spells out.
func (k checker) pruned(repo Repository, reason Reason, all bool) {
	var tags []string
	switch {
	case k.named[repo.Name] && len(k.literal) > 0:
		tags = k.literal
	case all && k.exact != nil:
		tags = k.exact
	case all:
		tags = []string{k.tags.String()}
	}
	for _, tag := range tags {
		r := k.absent(repo, tag, reason, false)
		r.Pruned = true
		k.emit(r)
	}
}

// list asks for the tags by the longest text that all of them must contain,
// and matches them here. Tags come newest first, so the first that is too old
// ends the list: a tag that is named and was not seen by then is asked for.
func (k checker) list(ctx context.Context, repo Repository) error {
	matched, public, cut := false, false, false
	seen := map[string]bool{}
	filter := TagFilter{Contains: k.tags.Literal()}
	for tag, err := range k.catalog.Tags(ctx, repo, filter) {
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if endsRun(err, repo) {
				return err
			}
			k.emit(k.unanswered(repo, k.tags.String(), err))
			return nil
		}
		public = tag.Public
		if tag.Err != nil {
			name := tag.Name
			if name == "" { // it may be any tag
				name, cut = k.tags.String(), true
			} else if !k.tags.Match(name) {
				continue
			}
			matched, seen[name] = true, true
			k.emit(k.unknown(repo, name, tag.Err))
			continue
		}
		if tag.Started.Before(k.since) {
			cut = true
			break
		}
		if k.tags.Match(tag.Name) {
			matched, seen[tag.Name] = true, true
			k.emit(k.result(repo, tag))
		}
	}
	if k.named[repo.Name] {
		var unseen []string
		for _, name := range k.literal {
			if !seen[name] {
				unseen = append(unseen, name)
			}
		}
		if cut && len(unseen) > 0 {
			return k.lookUp(ctx, repo, unseen)
		}
		for _, name := range unseen {
			matched = true // said by name
			k.emit(k.absent(repo, name, NoTag, public))
		}
	}
	if !matched {
		k.emit(k.absent(repo, k.tags.String(), NoTag, public))
	}
	return nil
}

// result is a Present of tag.
func (k checker) result(repo Repository, tag Tag) Result {
	r := k.about(repo, tag.Name)
	r.Verdict = Present
	r.Digest, r.Index, r.Size = tag.Digest, tag.Index, tag.Size
	r.Started, r.Expires = tag.Started, tag.Expires
	r.Public = r.Public || tag.Public
	return r
}

func (k checker) absent(repo Repository, tag string, reason Reason, public bool) Result {
	r := k.about(repo, tag)
	r.Verdict, r.Reason = Absent, reason
	r.Public = r.Public || public
	return r
}

// unanswered is the result of an error. If the listing lacks the repository, a 404
// settles it: only an owner gets one (doc/quay-api.md section 3). A repository that
// was listed may have been renamed or made anew, so it stays Unknown.
func (k checker) unanswered(repo Repository, tag string, err error) Result {
	if repo.Unlisted && errors.Is(err, quay.ErrNotFound) {
		r := k.absent(repo, tag, NoRepository, false)
		r.Named = true
		return r
	}
	return k.unknown(repo, tag, err)
}

func (k checker) unknown(repo Repository, tag string, err error) Result {
	r := k.about(repo, tag)
	r.Verdict, r.Reason, r.Err = Unknown, ReasonOf(err), err
	return r
}

func (k checker) about(repo Repository, tag string) Result {
	return Result{
		Host:       k.host,
		Namespace:  repo.Namespace,
		Repository: repo.Name,
		Tag:        tag,
		Size:       SizeUnknown,
		Public:     repo.Public,
		State:      repo.State,
		Unlisted:   repo.Unlisted,
		Named:      k.named[repo.Name] && slices.Contains(k.literal, tag),
	}
}
