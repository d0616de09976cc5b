// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"context"
	"fmt"
)

// recognise tells what the listing showed about the namespace and the caller.
func (c *crew) recognise() {
	s := &c.sum
	refused := s.Unknown > 0 && s.Unknowns[GoneOrPrivate] == c.asked && c.asked > c.unseen
	s.Denied = refused && (s.Checked-s.Unlisted > 1 || c.denied > 0)
	if s.Listed > 0 {
		s.Namespace = NamespaceFound
		c.caller(c.known && !c.unknown)
	} else if s.Present+s.Absent > 0 {
		s.Namespace = NamespaceFound // asked for directly
	}
}

// caller notes whether the server knows the caller.
func (c *crew) caller(known bool) {
	if known {
		c.sum.CallerKnown = Yes
		return
	}
	c.sum.CallerKnown = No
	c.sum.TokenIgnored = c.hasToken()
}

func (c *crew) hasToken() bool {
	a, ok := c.catalog.(Account)
	return ok && a.HasToken()
}

// explain asks why there was nothing to see: an empty listing, or a repository
// asked for directly that is gone or private. In all other cases it sends
// nothing.
func (c *crew) explain(ctx context.Context) error {
	s := &c.sum
	if s.Listed > 0 || s.Direct && s.Unknowns[GoneOrPrivate] == 0 && c.nowhere == 0 {
		return nil
	}
	exists := false
	if !c.nobody {
		var err error
		if exists, err = c.catalog.Namespace(ctx, c.pattern.Namespace); err != nil {
			return err
		}
	}
	account, _ := c.catalog.(Account)
	if c.hasToken() {
		known, err := account.TokenKnown(ctx)
		if err != nil {
			return err
		}
		c.caller(known)
	}
	switch {
	case !exists:
		s.Namespace = NamespaceNotFound
	case s.Direct:
		s.Namespace = NamespaceFound
	default:
		s.Namespace = NamespaceNothingVisible
		if s.CallerKnown != Yes {
			return nil
		}
		all, err := account.SeesAll(ctx, c.pattern.Namespace)
		if all {
			s.Namespace = NamespaceEmpty
		}
		if err != nil {
			// It would only have said more of the same.
			c.options.Logger.InfoContext(ctx, "owner not known", "namespace", c.pattern.Namespace, "error", err)
		}
		return ctx.Err()
	}
	return nil
}

// HintTokenIgnored is the hint that goes with Summary.TokenIgnored.
const HintTokenIgnored = "the server does not know the token: it is wrong, expired or revoked, or a robot account's, " +
	"which this API does not take; private repositories are not seen"

// hints says what may surprise in the answer.
func (c *crew) hints() (hints []string) {
	s := &c.sum
	hint := func(format string, args ...any) { hints = append(hints, fmt.Sprintf(format, args...)) }
	token := c.hasToken()
	switch s.Namespace {
	case NamespaceNotFound:
		hint("no organization or user is named %q; names are case-sensitive", c.pattern.Namespace)
	case NamespaceEmpty:
		hint("%s has no repositories", c.pattern.Namespace)
	case NamespaceNothingVisible:
		if token {
			hint("%s exists, and shows this caller no repositories", c.pattern.Namespace)
		} else {
			hint("%s exists, and shows no public repositories; with a token its private ones may show", c.pattern.Namespace)
		}
	}
	if s.TokenIgnored {
		hint(HintTokenIgnored)
	}
	if s.Direct && s.Unknowns[GoneOrPrivate] > 0 && s.Namespace == NamespaceFound && !token {
		hint("%s/%s does not exist or is private; with a token it may show", c.pattern.Namespace, c.direct)
	}
	if !s.Direct && s.Unlisted > 0 && s.Unknowns[GoneOrPrivate] > 0 && s.Namespace == NamespaceFound && !token {
		hint("a repository that is named and not listed does not exist or is private; with a token it may show")
	}
	switch {
	case s.Denied && !token:
		hint("every repository was refused; the server may want a token")
	case c.private == 0 || !token:
	case c.denied == c.private:
		hint("every private repository was refused; the token may lack the scope repo:read")
	case c.failed == c.private:
		hint("every private repository met a server error; the token may be broken: make a new one with the scope repo:read")
	}
	if n := s.Pruned[Nested]; n > 0 {
		hint("nested repositories are left out (%d): to match across slashes write ** for *", n)
	}
	return hints
}
