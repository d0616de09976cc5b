// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// TokenStatus is what a server makes of a client's token.
type TokenStatus int

// What a server can make of a token.
const (
	TokenAbsent   TokenStatus = iota // the client has none, or is anonymous
	TokenAccepted                    // the server knows its user
	TokenIgnored                     // the server treats the client as anonymous
)

// String returns "absent", "accepted" or "ignored".
func (s TokenStatus) String() string {
	switch s {
	case TokenAbsent:
		return "absent"
	case TokenAccepted:
		return "accepted"
	case TokenIgnored:
		return "ignored"
	}
	return fmt.Sprintf("TokenStatus(%d)", int(s))
}

const opToken = "check token"

// CheckToken asks the server whether it knows the token, since it answers
// everything else as if a token it does not know had not been sent. It costs
// one request, and needs no scope: the server lists the starred repositories of
// anyone it knows, and answers 400 to an anonymous caller (doc/quay-api.md
// section 1). What the token's scopes allow it does not tell.
//
// A token that looks like a JWT is refused by the server rather than ignored:
// that is [ErrUnauthenticated].
func (c *Client) CheckToken(ctx context.Context) (TokenStatus, error) {
	if !c.HasToken() {
		return TokenAbsent, nil
	}
	r := request{op: opToken, target: query("/api/v1/repository", "starred", "true")}
	body, err := c.get(ctx, r)
	if err == nil {
		var page repositoryPage
		if err := decode(body, &page); err != nil {
			return TokenAbsent, c.malformed(r, err)
		}
		if page.Repositories == nil {
			return TokenAbsent, c.malformed(r, errors.New("repositories is missing"))
		}
		return TokenAccepted, nil
	}
	if e, ok := errors.AsType[*Error](err); ok && ignored(e) {
		return TokenIgnored, nil
	}
	return TokenAbsent, err
}

// ignored tells whether e is an answer that only an anonymous caller gets: to
// the question, or on a server that admits no anonymous caller at all.
func ignored(e *Error) bool {
	switch e.Status {
	case http.StatusBadRequest:
		return e.shape == shapeMessage
	case http.StatusUnauthorized:
		return e.shape == shapeError && strings.Contains(strings.ToLower(e.Message), "anonymous access")
	}
	return false
}
