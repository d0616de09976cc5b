// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"fmt"
	"net/http"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// A reply is an answer and what is known about its request.
type reply struct {
	*http.Response
	crossOrigin bool   // the registry redirected to another host, which answered
	hint        string // for a 401 or 403: what is known about the credentials, and what to do
	kind        error  // for a 401 or 403: ErrLogin if the credentials are the cause
}

// reply adds a hint to an answer that denies access.
func (a *attempt) reply(resp *http.Response) (*reply, error) {
	answer := &reply{Response: resp}
	if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
		return answer, nil
	}
	if a.used != nil && a.used.lookup != nil { // perhaps the reason for the denial
		closeBody(resp)
		return nil, a.used.lookup
	}
	answer.hint, answer.kind = a.denial(resp.StatusCode)
	return answer, nil
}

// denial returns the hint and the kind for a request that was denied.
func (a *attempt) denial(status int) (hint string, kind error) {
	host, t := a.registry.host, a.used
	switch {
	case a.unmet != nil:
		return a.unmet.Error(), ErrLogin
	case t == nil && status == http.StatusUnauthorized:
		return "the registry does not say how to log in", nil
	case t == nil:
		return "", nil
	case t.withheld != "":
		return withheld(host, t.withheld), ErrLogin
	case t.anonymous && a.scope.push:
		return "no credentials are stored for it: " + login(host), ErrLogin
	case t.anonymous:
		return "the repository is private or does not exist, and no credentials are stored: " + login(host), nil
	case !a.scope.push:
		return deniedPull, nil
	case t.scheme == auth.SchemeBasic && status == http.StatusUnauthorized:
		return "the registry refuses the credentials, or they lack push access: " + login(host) + ", as a user with push access", nil
	}
	if t.read && t.claims.grants(a.scope) {
		return "", nil // push access is granted: the cause is a quota, a policy, or what the registry says
	}
	return t.deniedPush(a.scope.repository), nil
}

const deniedPull = "the repository is private and the credentials do not cover it, or it does not exist"

// deniedPush returns why credentials that were accepted may not push. A Quay's token
// lists the rights that it grants. It grants none if the user has no access or the
// organization does not exist, and only pull if a scope is missing (doc/quay-api.md,
// "Pushing").
func (t *token) deniedPush(repository string) string {
	namespace, _, _ := strings.Cut(repository, "/")
	var why string
	switch {
	case t.read && t.claims.allows(repository, "pull"):
		why = "the credentials are accepted and may pull, but not push"
	default:
		why = fmt.Sprintf("the credentials are accepted, but may not push here, or the organization or project %q does not exist", namespace)
	}
	if t.quay {
		return why + "; on a Quay a token needs the scope repo:write, and repo:create for a new repository"
	}
	return why + "; if the registry does not create repositories on push, create this one first"
}

// login returns the commands that store credentials for a host.
func login(host string) string { return fmt.Sprintf("docker login %s, or podman login %s", host, host) }

// withheld returns the hint for a credential that was not sent to a token server.
func withheld(host, server string) string {
	return fmt.Sprintf("the registry's token server is %s, and the token for %s is not sent to another host; if %s is another name of this registry, use that name",
		server, host, server)
}
