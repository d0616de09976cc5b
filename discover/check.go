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

// A checker looks up the tags of one repository after another. It keeps no state.
type checker struct {
	finder  *Finder
	host    string
	tags    ref.Tags
	exact   []string        // the tags, if all are exact names
	literal []string        // the exact names among the tags
	named   map[string]bool // the repositories that the pattern names
	since   time.Time
	emit    func(Result)
}

func newChecker(f *Finder, p ref.Pattern, since time.Time, emit func(Result)) checker {
	k := checker{
		finder: f, host: f.Host(), tags: p.Tags, literal: p.Tags.Names(), named: map[string]bool{},
		since: since, emit: emit,
	}
	k.exact, _ = p.Tags.Exact()
	for _, name := range p.Repositories.Names() {
		k.named[name] = true
	}
	return k
}

// check emits all results of repo. It returns an error only if the run cannot go on:
// the context has ended, or the error concerns more than repo.
func (k checker) check(ctx context.Context, repo candidate) error {
	if repo.Invalid != nil {
		names := k.exact
		if names == nil {
			names = []string{k.tags.String()}
		}
		for _, name := range names {
			k.emit(k.unknown(repo, name, repo.Invalid))
		}
		return nil
	}
	if k.exact == nil {
		return k.list(ctx, repo)
	}
	return k.lookUp(ctx, repo, k.exact)
}

// lookUp looks up each of the tags.
func (k checker) lookUp(ctx context.Context, repo candidate, names []string) error {
	for i, name := range names {
		tag, err := k.finder.tag(ctx, repo, name)
		if ctx.Err() != nil && err != nil {
			return ctx.Err()
		}
		switch {
		case errors.Is(err, quay.ErrNoListing):
			return err
		case errors.Is(err, quay.ErrTagNotFound):
			k.emit(k.absent(repo, name, NoTag, tag.Public))
		case concernsRepository(err):
			for _, name := range names[i:] {
				k.emit(k.unanswered(repo, name, err))
			}
			return nil
		case err != nil:
			k.emit(k.unknown(repo, name, err))
		case tag.Start.Before(k.since):
			old := k.result(repo, tag)
			old.Verdict, old.Reason = Absent, TooOld
			k.emit(old)
		default:
			k.emit(k.result(repo, tag))
		}
	}
	return nil
}

// skipped emits what the listing answered about repo: for all tags of the pattern if
// all is set, otherwise only for images that the pattern names.
func (k checker) skipped(repo candidate, reason Reason, all bool) {
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
		r.Skipped = true
		k.emit(r)
	}
}

// list asks for the tags that contain the longest text common to all tags of the
// pattern. Tags come newest first, so the first that is too old ends the list; a
// named tag that was not seen by then is looked up.
func (k checker) list(ctx context.Context, repo candidate) error {
	matched, public, cut := false, false, false
	seen := map[string]bool{}
	query := quay.TagQuery{Contains: k.tags.Literal(), Invalid: true}
	for tag, err := range k.finder.tags(ctx, repo, query) {
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, quay.ErrNoListing) {
				return err
			}
			k.emit(k.unanswered(repo, k.tags.String(), err))
			return nil
		}
		public = tag.Public
		if tag.Invalid != nil {
			name := tag.Name
			if name == "" { // it may be any tag
				name, cut = k.tags.String(), true
			} else if !k.tags.Match(name) {
				continue
			}
			matched, seen[name] = true, true
			k.emit(k.unknown(repo, name, tag.Invalid))
			continue
		}
		if tag.Start.Before(k.since) {
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
			matched = true
			k.emit(k.absent(repo, name, NoTag, public))
		}
	}
	if !matched {
		k.emit(k.absent(repo, k.tags.String(), NoTag, public))
	}
	return nil
}

// result returns a Present result.
func (k checker) result(repo candidate, tag Tag) Result {
	r := k.about(repo, tag.Name)
	r.Verdict = Present
	r.Digest, r.Index, r.Size = tag.Digest, tag.Index, tag.Size
	r.Started, r.Expires = tag.Start, tag.End
	r.Public = r.Public || tag.Public
	return r
}

func (k checker) absent(repo candidate, tag string, reason Reason, public bool) Result {
	r := k.about(repo, tag)
	r.Verdict, r.Reason = Absent, reason
	r.Public = r.Public || public
	return r
}

// unanswered returns the result of an error. If the repository is unlisted, a 404
// proves that it does not exist, because only owners get 404 (doc/quay-api.md section
// 3). A listed repository may have been renamed, so its result is Unknown.
func (k checker) unanswered(repo candidate, tag string, err error) Result {
	if repo.unlisted && errors.Is(err, quay.ErrNotFound) {
		r := k.absent(repo, tag, NoRepository, false)
		r.Named = true
		return r
	}
	return k.unknown(repo, tag, err)
}

func (k checker) unknown(repo candidate, tag string, err error) Result {
	r := k.about(repo, tag)
	r.Verdict, r.Reason, r.Err = Unknown, ReasonOf(err), err
	return r
}

func (k checker) about(repo candidate, tag string) Result {
	return Result{
		Host:       k.host,
		Namespace:  repo.Namespace,
		Repository: repo.Name,
		Tag:        tag,
		Size:       quay.SizeUnknown,
		Public:     repo.Public,
		State:      repo.State,
		Unlisted:   repo.unlisted || repo.Invalid != nil,
		Named:      k.named[repo.Name] && slices.Contains(k.literal, tag),
	}
}
