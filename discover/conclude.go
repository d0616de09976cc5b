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

// What makes the answer of a run that went through another than was asked for.
var (
	// ErrNoNamespace: no organization or user has this name. Its listing was
	// empty all the same, which is how a server answers.
	ErrNoNamespace = errors.New("no such organization or user")
	// ErrTokenIgnored: the server does not know the token that it was sent, and
	// answered as to a caller without one. What is public has its results.
	ErrTokenIgnored = errors.New(HintTokenIgnored)
)

// errLapsed is a token that the server knew in one part of the listing and not
// in another: the private repositories of that other part are missing.
var errLapsed = fmt.Errorf("%w: the server knew the token for a part of the listing only: private repositories may be missing", quay.ErrUnauthenticated)

// conclude writes the summary, when every goroutine of the run has ended.
func (c *crew) conclude() {
	s := &c.sum
	s.Listed = int(c.listed.Load())
	s.Unlisted = c.unlisted
	s.Candidates = int(c.waiting.Load())
	s.Checked = int(c.checked.Load())

	through := !c.broke && c.listedAll && s.Checked == s.Candidates
	err := c.fault(through)
	c.recognise()
	if through && err == nil {
		err = c.explain(c.outer)
	}
	if through && err == nil {
		err = c.unfit()
	}
	s.Finished = through && c.listErr == nil
	s.Complete = through && err == nil && s.Unknown == 0 && s.Missing == 0
	s.Hints = c.hints()

	if m, ok := c.catalog.(Meter); ok {
		after := m.Usage()
		s.Requests = after.Requests - c.before.Requests
		s.WithToken = after.WithToken - c.before.WithToken
		s.WithoutToken = after.WithoutToken - c.before.WithoutToken
		s.RateLimited = after.RateLimited - c.before.RateLimited
		s.Retries = after.Retries - c.before.Retries
	}
	if p, ok := c.catalog.(Pacer); ok {
		s.Pace = p.Pace()
	}
	s.Elapsed = time.Since(c.began)
	c.options.Logger.InfoContext(c.ctx, "resolved", "pattern", s.Pattern, "complete", s.Complete,
		"present", s.Present, "absent", s.Absent, "unknown", s.Unknown, "requests", s.Requests)
	if c.options.Progress != nil {
		c.options.Progress(c.progress())
	}
	if err != nil {
		err = fmt.Errorf("discover: %s: %w", s.Pattern, err)
	}
	c.end(*s, err)
}

// unfit is why a run that went through is no answer, or nil: there is no such
// namespace, or the server took the caller for a stranger.
func (c *crew) unfit() error {
	switch {
	case c.sum.Namespace == NamespaceNotFound:
		return fmt.Errorf("%w: %q; names are case-sensitive", ErrNoNamespace, c.pattern.Namespace)
	case c.sum.TokenIgnored:
		return ErrTokenIgnored
	}
	return nil
}

// end makes a run's last word known.
func (r *Run) end(s Summary, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary, r.err = s, err
}

// fault is what ended the run early, or nil. through tells that nothing did.
func (c *crew) fault(through bool) error {
	switch {
	case !through && c.outer.Err() != nil:
		return c.outer.Err()
	case c.broke:
		return nil
	case c.ctx.Err() != nil && !through:
		return context.Cause(c.ctx) // a check met what concerns everything
	case c.listErr != nil:
		return c.listErr
	case c.known && c.unknown:
		return errLapsed
	}
	return nil
}
