// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"context"
	"time"

	"github.com/quayside/quayside/ref"
)

// A checker asks what the listing could not answer about one repository after
// another. It keeps nothing between them.
type checker struct {
	catalog Catalog
	host    string
	tags    ref.Tags
	names   []string // the tags, when they are exact names
	since   time.Time
	emit    func(Result)
}

func newChecker(c Catalog, p ref.Pattern, host string, since time.Time, emit func(Result)) checker {
	k := checker{catalog: c, host: host, tags: p.Tags, since: since, emit: emit}
	k.names, _ = p.Tags.Exact()
	return k
}

// check emits all the results of repo. It returns an error only when the run
// cannot go on: ctx ended, or the error concerns more than repo.
func (k checker) check(ctx context.Context, repo Repository) error {
	if k.names == nil {
		return k.list(ctx, repo)
	}
	for i, name := range k.names {
		tag, found, err := k.catalog.Tag(ctx, repo, name)
		if ctx.Err() != nil && err != nil {
			return ctx.Err()
		}
		switch {
		case err != nil && endsRun(err, repo):
			return err
		case err != nil && concernsRepository(err):
			for _, name := range k.names[i:] {
				k.emit(k.unknown(repo, name, err))
			}
			return nil
		case err != nil:
			k.emit(k.unknown(repo, name, err))
		case !found:
			k.emit(k.absent(repo, name, tag.Public))
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

// pruned emits what the listing answered about repo.
func (k checker) pruned(repo Repository, reason Reason) {
	tags := k.names
	if tags == nil {
		tags = []string{k.tags.String()}
	}
	for _, tag := range tags {
		r := k.absent(repo, tag, false)
		r.Pruned, r.Reason = true, reason
		k.emit(r)
	}
}

// list asks for the tags by the longest text that all of them must contain,
// and matches them here. Tags come newest first, so the first that is too old
// ends the list.
func (k checker) list(ctx context.Context, repo Repository) error {
	matched, public := false, false
	filter := TagFilter{Contains: k.tags.Literal()}
	for tag, err := range k.catalog.Tags(ctx, repo, filter) {
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if endsRun(err, repo) {
				return err
			}
			k.emit(k.unknown(repo, k.tags.String(), err))
			return nil
		}
		public = tag.Public
		if tag.Started.Before(k.since) {
			break
		}
		if k.tags.Match(tag.Name) {
			matched = true
			k.emit(k.result(repo, tag))
		}
	}
	if !matched {
		k.emit(k.absent(repo, k.tags.String(), public))
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

func (k checker) absent(repo Repository, tag string, public bool) Result {
	r := k.about(repo, tag)
	r.Verdict = Absent
	r.Public = r.Public || public
	return r
}

func (k checker) unknown(repo Repository, tag string, err error) Result {
	r := k.about(repo, tag)
	r.Verdict, r.Reason, r.Err = Unknown, reasonOf(err), err
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
	}
}
