// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package discover

import (
	"context"
	"fmt"
)

// classifyCaller sets what the listing shows about the namespace and the caller.
func (r *run) classifyCaller() {
	s := &r.sum
	refused := s.Unknown > 0 && s.Unknowns[GoneOrPrivate] == r.asked && r.asked > r.askedUnlisted
	s.Denied = refused && (s.Checked-s.Unlisted > 1 || r.denied > 0)
	if s.Listed > 0 {
		s.Namespace = NamespaceFound
		if r.known || r.unknown {
			r.setCallerKnown(r.known && !r.unknown)
		}
	} else if s.Present+s.Absent > 0 {
		s.Namespace = NamespaceFound // looked up by name
	}
}

func (r *run) setCallerKnown(known bool) {
	if known {
		r.sum.CallerKnown = Yes
		return
	}
	r.sum.CallerKnown = No
	r.sum.TokenIgnored = r.finder.client.HasToken()
}

// askCaller asks the server whether it knows the token, if there is one.
func (r *run) askCaller(ctx context.Context) error {
	if !r.finder.client.HasToken() {
		return nil
	}
	known, err := r.finder.KnowsToken(ctx)
	if err == nil {
		r.setCallerKnown(known)
	}
	return err
}

// explain asks the server why there is nothing to see: an empty listing, or a
// repository looked up by name that is gone or private. It also asks about the caller
// if no valid row of the listing shows whether the server knows the token. Otherwise it
// sends nothing.
func (r *run) explain(ctx context.Context) error {
	s := &r.sum
	if s.Listed > 0 && s.CallerKnown == NotAsked {
		return r.askCaller(ctx)
	}
	if s.Listed > 0 || s.ByName && s.Unknowns[GoneOrPrivate] == 0 && r.nonexistent == 0 {
		return nil
	}
	exists := false
	if !r.noNamespace {
		var err error
		if exists, err = r.finder.HasNamespace(ctx, r.pattern.Namespace); err != nil {
			return err
		}
	}
	if err := r.askCaller(ctx); err != nil {
		return err
	}
	switch {
	case !exists:
		s.Namespace = NamespaceNotFound
	case s.ByName:
		s.Namespace = NamespaceFound
	default:
		s.Namespace = NamespaceNothingVisible
		if s.CallerKnown != Yes {
			return nil
		}
		owner, err := r.finder.ownsEmpty(ctx, r.pattern.Namespace)
		if owner {
			s.Namespace = NamespaceEmpty
		}
		if err != nil { // without this answer the run is as good
			r.options.Logger.InfoContext(ctx, "owner not known", "namespace", r.pattern.Namespace, "error", err)
		}
		return ctx.Err()
	}
	return nil
}

// hints returns what may surprise about the answer.
func (r *run) hints() (hints []Hint) {
	s := &r.sum
	hint := func(code HintCode, format string, args ...any) {
		hints = append(hints, Hint{code, fmt.Sprintf(format, args...)})
	}
	token := r.finder.client.HasToken()
	switch s.Namespace {
	case NamespaceNotFound:
		hint(HintNoNamespace, "no organization or user is named %q; names are case-sensitive", r.pattern.Namespace)
	case NamespaceEmpty:
		hint(HintNothingVisible, "%s has no repositories", r.pattern.Namespace)
	case NamespaceNothingVisible:
		if token {
			hint(HintNothingVisible, "%s exists, and shows this caller no repositories", r.pattern.Namespace)
		} else {
			hint(HintNothingVisible, "%s exists, and shows no public repositories; ask with a token to see its private ones", r.pattern.Namespace)
		}
	}
	if s.TokenIgnored {
		hint(HintTokenIgnored, "%s", ErrTokenIgnored)
	}
	if s.Unknowns[GoneOrPrivate] > 0 && s.Namespace == NamespaceFound && !token {
		switch {
		case s.ByName:
			hint(HintGoneOrPrivate, "%s/%s does not exist or is private; ask with a token to see private repositories", r.pattern.Namespace, r.byName)
		case s.Unlisted > 0:
			hint(HintGoneOrPrivate, "a named repository that is not listed does not exist or is private; ask with a token to see private repositories")
		}
	}
	switch {
	case s.Denied && !token:
		hint(HintDenied, "every repository was refused; the server may want a token")
	case r.private == 0 || !token:
	case r.denied == r.private:
		hint(HintDenied, "every private repository was refused; the token may lack the scope repo:read")
	case r.failed == r.private:
		hint(HintTokenBroken, "every private repository met a server error; the token may be broken: make a new one with the scope repo:read")
	}
	if n := s.Skipped[Nested]; n > 0 {
		hint(HintNested, "nested repositories are left out (%d): write ** for * to match across slashes", n)
	}
	if s.Finished && s.Listed > 0 && s.Unlisted == 0 && s.Skipped[NoMatch] == s.Listed {
		text := fmt.Sprintf("no repository of %s matches the pattern: check its spelling", r.pattern.Namespace)
		if !token {
			text += "; ask with a token to see private repositories"
		}
		hint(HintNoMatch, "%s", text)
	}
	return hints
}
