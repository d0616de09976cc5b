// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover_test

import (
	"context"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/ref"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fake is a Catalog in memory. A nil function has a plain answer: every
// repository carries every tag it is asked for.
type fake struct {
	rows    iter.Seq2[discover.Repository, error]
	tag     func(ctx context.Context, repo, name string) (discover.Tag, bool, error)
	tags    map[string][]discover.Tag // newest first; a tag named "!" stands for tagsErr
	tagsErr error
	list    func(ctx context.Context, yield func(discover.Tag, error) bool) // in place of tags
	gone    string                                                          // a repository that Tags answers 404 for
	missing bool                                                            // the namespace does not exist

	mu     sync.Mutex
	asked  []string     // "tag REPO:NAME", "tags REPO~CONTAINS", "namespace NAME"
	yields atomic.Int64 // tags handed out by Tags
}

func (f *fake) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, what)
}

func (f *fake) Repositories(context.Context, string) iter.Seq2[discover.Repository, error] {
	return f.rows
}

func (f *fake) Tag(ctx context.Context, repo discover.Repository, name string) (discover.Tag, bool, error) {
	f.note("tag " + repo.Name + ":" + name)
	if f.tag == nil {
		return discover.Tag{Name: name}, true, nil
	}
	return f.tag(ctx, repo.Name, name)
}

func (f *fake) Tags(ctx context.Context, repo discover.Repository, filter discover.TagFilter) iter.Seq2[discover.Tag, error] {
	f.note("tags " + repo.Name + "~" + filter.Contains)
	return func(yield func(discover.Tag, error) bool) {
		if f.gone != "" && repo.Name == f.gone {
			yield(discover.Tag{}, &quay.Error{Op: "tags", Status: 404, Err: quay.ErrNotFound})
			return
		}
		if f.list != nil {
			f.list(ctx, yield)
			return
		}
		for _, t := range f.tags[repo.Name] {
			if t.Name == "!" {
				yield(discover.Tag{}, f.tagsErr)
				return
			}
			if !strings.Contains(t.Name, filter.Contains) {
				continue
			}
			f.yields.Add(1)
			if !yield(t, nil) {
				return
			}
		}
	}
}

func (f *fake) Namespace(_ context.Context, name string) (bool, error) {
	f.note("namespace " + name)
	return !f.missing, nil
}

// rows lists repositories, and then err unless it is nil.
func rows(err error, repos ...discover.Repository) iter.Seq2[discover.Repository, error] {
	return func(yield func(discover.Repository, error) bool) {
		for _, r := range repos {
			r.Namespace = "harbour"
			if !yield(r, nil) {
				return
			}
		}
		if err != nil {
			yield(discover.Repository{}, err)
		}
	}
}

// named is a public repository for each name.
func named(names ...string) []discover.Repository {
	repos := make([]discover.Repository, len(names))
	for i, name := range names {
		repos[i] = discover.Repository{Name: name, Public: true, State: "NORMAL"}
	}
	return repos
}

func pattern(t testing.TB, s string) ref.Pattern {
	t.Helper()
	p, err := ref.ParsePattern(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// short writes results as "VERDICT REPOSITORY:TAG[ (REASON)]".
func short(results []discover.Result) []string {
	var lines []string
	for _, r := range results {
		line := string(r.Verdict) + " " + r.Repository + ":" + r.Tag
		if r.Reason != "" {
			line += " (" + string(r.Reason) + ")"
		}
		lines = append(lines, line)
	}
	return lines
}
