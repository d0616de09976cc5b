// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// A NamespaceKind is a kind of owner of a namespace.
type NamespaceKind string

// The kinds of namespaces.
const (
	Organization NamespaceKind = "organization"
	User         NamespaceKind = "user"
)

// A Namespace is a namespace that exists.
type Namespace struct {
	Name string // in the server's spelling
	Kind NamespaceKind
}

const opNamespace = "look up namespace"

// Namespace reports whether name is an organization or a user. It returns
// [ErrNotFound] if name is neither. A listing cannot show this, because the listing
// of a namespace that does not exist is empty. Namespace sends one request for an
// organization and two for any other name, and needs no token (doc/quay-api.md
// section 5).
func (c *Client) Namespace(ctx context.Context, name string) (Namespace, error) {
	if err := checkNamespace(opNamespace, name); err != nil {
		return Namespace{}, err
	}
	r := request{op: opNamespace, subject: name, target: "/api/v1/organization/" + url.PathEscape(name)}
	body, err := c.get(ctx, r)
	if err == nil {
		spelling, err := decodeOrganization(body)
		if err != nil {
			return Namespace{}, c.malformed(r, err)
		}
		return Namespace{Name: spelling, Kind: Organization}, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return Namespace{}, err
	}
	r.target = "/api/v1/users/" + url.PathEscape(name)
	if body, err = c.get(ctx, r); err != nil {
		if e, ok := errors.AsType[*Error](err); ok && isNoUser(e) {
			e.kind, e.Message, e.Hint = ErrNotFound, "neither an organization nor a user", ""
		}
		return Namespace{}, err
	}
	// Only the 200 matters; the body's schema is undocumented.
	var user map[string]any
	if err := decode(body, &user); err != nil {
		return Namespace{}, c.malformed(r, err)
	}
	if user == nil {
		return Namespace{}, c.malformed(r, errors.New("the answer is null"))
	}
	return Namespace{Name: name, Kind: User}, nil
}

// isNoUser reports whether the answer of the users route means that there is no such
// user: 404 as problem JSON or, on a current Quay, as Flask's {"message": text}
// (doc/quay-api.md, "Corrections"). An HTML page can come from a proxy whose Quay is
// down. A JSON 404 is Quay's, because the organization's route has just answered with
// Quay's own 404.
func isNoUser(e *Error) bool {
	return e.kind == ErrNotFound || e.Status == http.StatusNotFound && e.shape == shapeMessage
}

// decodeOrganization returns the organization's name.
func decodeOrganization(body []byte) (string, error) {
	var w struct {
		Name *string `json:"name"`
	}
	if err := decode(body, &w); err != nil {
		return "", err
	}
	if w.Name == nil {
		return "", errors.New("name is missing")
	}
	return *w.Name, printable("name", *w.Name)
}
