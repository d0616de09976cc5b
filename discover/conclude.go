// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quayside/quayside/quay"
)

// Errors of a run that went through and yet is not the answer that was asked for.
var (
	// ErrNoNamespace: no organization or user has this name. The server answers with
	// an empty listing.
	ErrNoNamespace = errors.New("no such organization or user")
	// ErrTokenIgnored: the server does not know the token, and answered as if there
	// were none. Only public repositories have results.
	ErrTokenIgnored = errors.New("the server does not know the token: it is wrong, expired or revoked, or a robot account's, " +
		"which this API does not accept; private repositories are missing")
)

// errTokenLapsed is the error of a listing whose caller the server knew on some pages
// only: private repositories of the others are missing.
var errTokenLapsed = fmt.Errorf("%w: the server knew the token for a part of the listing only: private repositories may be missing", quay.ErrUnauthenticated)

// conclude writes the summary, after all goroutines of the run have ended.
func (r *run) conclude() {
	s := &r.sum
	s.Listed = int(r.listed.Load())
	s.Unlisted = r.unlisted
	s.Candidates = int(r.waiting.Load())
	s.Checked = int(r.checked.Load())

	through := !r.broke && r.listedAll && s.Checked == s.Candidates
	err := r.cause(through)
	r.classifyCaller()
	if through && err == nil {
		err = r.explain(r.outer)
	}
	if through && err == nil {
		err = r.misled()
	}
	s.Finished = through && r.listErr == nil
	s.Complete = through && err == nil && s.Unknown == 0 && s.Missing == 0
	s.Hints = r.hints()

	after := r.finder.client.Stats()
	s.Stats = quay.Stats{
		Requests:     after.Requests - r.before.Requests,
		WithToken:    after.WithToken - r.before.WithToken,
		WithoutToken: after.WithoutToken - r.before.WithoutToken,
		RateLimited:  after.RateLimited - r.before.RateLimited,
		Retries:      after.Retries - r.before.Retries,
	}
	s.Pace = r.finder.client.Pace()
	s.Elapsed = time.Since(r.began)
	r.options.Logger.InfoContext(r.ctx, "resolved", "pattern", s.Pattern, "complete", s.Complete,
		"present", s.Present, "absent", s.Absent, "unknown", s.Unknown, "requests", s.Stats.Requests)
	if r.options.Progress != nil {
		r.options.Progress(r.progress())
	}
	if err != nil {
		err = fmt.Errorf("discover: %s: %w", s.Pattern, err)
	}
	r.end(*s, err)
}

// misled returns the error of a run that went through, but whose namespace does not
// exist or whose token the server ignored.
func (r *run) misled() error {
	switch {
	case r.sum.Namespace == NamespaceNotFound:
		return fmt.Errorf("%w: %q; names are case-sensitive", ErrNoNamespace, r.pattern.Namespace)
	case r.sum.TokenIgnored:
		return ErrTokenIgnored
	}
	return nil
}

// end sets the results of Summary and Err.
func (r *Run) end(s Summary, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary, r.err = s, err
}

// cause returns what ended the run early, or nil. through is true if nothing did.
func (r *run) cause(through bool) error {
	switch {
	case !through && r.outer.Err() != nil:
		return r.outer.Err()
	case r.broke:
		return nil
	case r.ctx.Err() != nil && !through:
		return context.Cause(r.ctx) // of a checker
	case r.listErr != nil:
		return r.listErr
	case r.known && r.unknown:
		return errTokenLapsed
	}
	return nil
}
