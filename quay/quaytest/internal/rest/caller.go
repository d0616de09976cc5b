// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"strings"

	"github.com/quayside/quayside/quay/quaytest/internal/store"
	"github.com/quayside/quayside/quay/quaytest/internal/wire"
)

// identify returns the caller of a request, or why the request is refused. Anything
// but one bearer token is anonymous, and so is a token that the server does not
// know. A token that looks like a JWT belongs to single sign-on, which refuses it
// with a reason (doc/quay-api.md sections 3 and 4).
func (a *API) identify(authorization string) (c store.Caller, refused string) {
	scheme, token, ok := strings.Cut(strings.TrimSpace(authorization), " ")
	token = strings.TrimSpace(token)
	if !ok || token == "" || strings.Contains(token, " ") || !strings.EqualFold(scheme, "bearer") {
		return store.Caller{}, ""
	}
	if issuer, ok := jwtIssuer(token); ok && issuer == "" {
		return store.Caller{}, "Token does not contain issuer"
	} else if ok {
		return store.Caller{}, "Issuer " + issuer + " not configured"
	}
	c, _ = a.Store.Bearer(token)
	return c, ""
}

// jwtIssuer returns the issuer that a token names, and reports whether the token
// has the form of a JWT. The signature is not checked: the embedded server has no
// issuer configured.
func jwtIssuer(token string) (issuer string, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", false
	}
	var header struct {
		Type string `json:"typ"`
	}
	var payload struct {
		Issuer string `json:"iss"`
	}
	if !wire.DecodeSegment(parts[0], &header) || !wire.DecodeSegment(parts[1], &payload) {
		return "", false
	}
	switch strings.ToLower(header.Type) {
	case "jwt", "at+jwt":
	default:
		return "", false
	}
	return payload.Issuer, true
}
