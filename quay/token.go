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

// A TokenStatus says whether a server knows the client's token.
type TokenStatus int

// The values of TokenStatus.
const (
	TokenAbsent   TokenStatus = iota // the client sends no token
	TokenAccepted                    // the server knows its user
	TokenIgnored                     // the server answers as if there were no token
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

// CheckToken asks the server whether it knows the token; other requests do not show
// that a token is ignored. It sends one request and needs no scope: the server lists
// the starred repositories of a caller it knows, and answers 400 to an anonymous
// caller (doc/quay-api.md section 1). It does not report the token's scopes.
//
// The server refuses a token that looks like a JWT: the error is [ErrUnauthenticated].
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

// ignored reports whether only an anonymous caller gets the answer e.
func ignored(e *Error) bool {
	switch e.Status {
	case http.StatusBadRequest:
		return e.shape == shapeMessage
	case http.StatusUnauthorized:
		return e.shape == shapeError && strings.Contains(strings.ToLower(e.Message), "anonymous access")
	}
	return false
}
