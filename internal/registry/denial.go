// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"fmt"
	"net/http"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// A reply is an answer, and how it came about.
type reply struct {
	*http.Response
	crossOrigin bool   // the answer is of another host, to which the registry has led
	hint        string // of a 401 or 403: what is known about the credentials, and what to do
	kind        error  // of a 401 or 403: ErrLogin when the credentials are the trouble
}

// reply adds what the attempt knows to an answer that denies access.
func (a *attempt) reply(resp *http.Response) (*reply, error) {
	answer := &reply{Response: resp}
	if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
		return answer, nil
	}
	if a.used != nil && a.used.lookup != nil { // it may be the reason
		closeBody(resp)
		return nil, a.used.lookup
	}
	answer.hint, answer.kind = a.denial(resp.StatusCode)
	return answer, nil
}

// denial says what is known about a request that was denied.
func (a *attempt) denial(status int) (hint string, kind error) {
	host, t := a.registry.host, a.used
	switch {
	case a.unmet != nil:
		return a.unmet.Error(), ErrLogin
	case t == nil && status == http.StatusUnauthorized:
		return "it does not say how to log in", nil
	case t == nil:
		return "", nil
	case t.withheld != "":
		return withheld(host, t.withheld), ErrLogin
	case t.anonymous && a.scope.push:
		return "there are no credentials for it: " + login(host), ErrLogin
	case t.anonymous:
		return "the repository is private or there is none of that name, and there are no credentials: " + login(host), nil
	case !a.scope.push:
		return deniedPull, nil
	case t.scheme == auth.SchemeBasic && status == http.StatusUnauthorized:
		return "it does not take the credentials, or they may not push: " + login(host) + " as someone who may", nil
	}
	if t.read && t.claims.grants(a.scope) {
		return "", nil // it may push: a quota, a policy, or what else the registry says
	}
	return t.deniedPush(a.scope.repository), nil
}

const deniedPull = "the repository is private and the credentials do not cover it, or there is none of that name"

// deniedPush says why credentials that were accepted may not push. A Quay's
// token lists the rights that it grants: none where the credentials are a
// stranger's or the organization does not exist, and pull alone where a scope
// is missing (doc/quay-api.md, "Pushing").
func (t *token) deniedPush(repository string) string {
	namespace, _, _ := strings.Cut(repository, "/")
	var why string
	switch {
	case t.read && t.claims.allows(repository, "pull"):
		why = "the credentials are accepted and may pull, but not push"
	default:
		why = fmt.Sprintf("the credentials are accepted, but may not push here, or there is no organization or project %q", namespace)
	}
	if t.quay {
		return why + "; on a Quay a token needs the scope repo:write, and repo:create for a new repository"
	}
	return why + "; create the repository first if the registry does not do so by itself"
}

// login says how to give credentials.
func login(host string) string { return fmt.Sprintf("docker login %s, or podman login %s", host, host) }

// withheld says that a credential was not sent to a token server.
func withheld(host, server string) string {
	return fmt.Sprintf("it asks for tokens at %s, and the token for %s is not sent to another host; if %s is another name of this registry, use that name",
		server, host, server)
}
