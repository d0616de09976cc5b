// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/quayside/quayside/internal/transport"
)

// realm parses the address of a token server, which may be relative to the request. It
// refuses an address that leads from https to http, because credentials are sent there.
// The caller checks the address with [Registry.reachable] before use.
func (r *Registry) realm(at *url.URL, text string) (*url.URL, error) {
	to, err := at.Parse(text)
	switch {
	case text == "" || err != nil || to.Host == "":
		return nil, errors.New("the registry asks for a token without naming a token server")
	case to.Scheme != "https" && to.Scheme != "http":
		return nil, fmt.Errorf("the registry asks for a token by the unsupported scheme %q", r.hide.Line(to.Scheme))
	case at.Scheme == "https" && to.Scheme != "https":
		return nil, fmt.Errorf("the registry asks for a token over http at %q, although it is used over https", r.hide.Line(to.Host))
	case to.User != nil:
		return nil, fmt.Errorf("the registry asks for a token at %q with a password in the address", r.hide.Line(to.Host))
	}
	to.Fragment = ""
	return to, nil
}

// reachable returns an error for a realm that is an address of this machine or of a
// cloud's metadata, unless the registry is at such an address too.
func (r *Registry) reachable(ctx context.Context, at, to *url.URL) error {
	host := to.Hostname()
	if strings.EqualFold(host, at.Hostname()) {
		return nil
	}
	blocked, is := blockedPrefix(ctx, host)
	if !is {
		return nil
	}
	if _, too := blockedPrefix(ctx, at.Hostname()); too {
		return nil
	}
	return fmt.Errorf("the registry asks for a token at %q, which is an address of this machine or its network (%s)", r.hide.Line(host), blocked)
}

// blockedPrefix returns the range of blocked addresses that contains a host. A name that
// cannot be resolved is in no range, because a proxy may know it.
func blockedPrefix(ctx context.Context, host string) (netip.Prefix, bool) {
	var addresses []netip.Addr
	if address, err := netip.ParseAddr(host); err == nil {
		addresses = append(addresses, address)
	} else if addresses, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
		return netip.Prefix{}, false
	}
	for _, address := range addresses {
		for _, blocked := range auth.DefaultBlockedRealmPrefixes() {
			if blocked.Contains(embedded(address)) || blocked.Contains(address.WithZone("")) {
				return blocked, true
			}
		}
	}
	return netip.Prefix{}, false
}

var (
	nat64   = netip.MustParsePrefix("64:ff9b::/96")
	sixToIV = netip.MustParsePrefix("2002::/16")
)

// embedded returns the IPv4 address that an IPv6 address contains, or the address itself.
func embedded(address netip.Addr) netip.Addr {
	address = address.Unmap().WithZone("")
	if !address.Is6() {
		return address
	}
	switch b := address.As16(); {
	case nat64.Contains(address):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToIV.Contains(address):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return address
}

const maxTokenAnswer = 128 << 10 // bytes of a token server's answer

// fetchToken requests a token for the scope and for the others of the batch. refused
// reports whether the server may accept a request for fewer repositories.
func (a *attempt) fetchToken(ctx context.Context, w *authMethod) (t *token, refused bool, err error) {
	r := a.registry
	if w.scheme == auth.SchemeBasic {
		user, secret := w.basic.parts()
		return newToken(base64.StdEncoding.EncodeToString([]byte(user+":"+secret)), w.scheme, a.scope, nil), false, nil
	}
	who, lookup := r.credential(ctx, a.scope.repository)
	if lookup != nil && ctx.Err() != nil {
		return nil, false, ctx.Err()
	}
	server := ""
	if who.ownHost && !r.isOwn(w.realm) {
		who, server = Credential{}, w.realm.Host
	}
	limited, alternative := ctx, w.otherRealm || w.orBasic && who.isPassword()
	if alternative && !w.last && r.silent.has(w.realm) {
		return nil, false, &Error{Op: opToken, Subject: r.tokenServer(w), Err: errors.New("it did not answer an earlier request")}
	}
	if alternative && !r.isOwn(w.realm) {
		var stop context.CancelFunc
		limited, stop = context.WithTimeout(ctx, realmPatience)
		defer stop()
	}
	value, refused, err := r.askToken(limited, w, a.scopes(w), who)
	switch e := new(Error); {
	case err == nil:
	case errors.As(err, &e) && limited.Err() != nil && ctx.Err() == nil:
		e.Err = fmt.Errorf("no answer within %v", realmPatience) // not the caller's deadline
		return nil, false, e
	case lookup != nil:
		return nil, false, lookup
	case errors.As(err, &e) && e.kind == ErrDenied && server != "":
		e.Hint, e.kind = withheld(r.host, r.hide.Line(server)), ErrLogin
		return nil, refused, e
	default:
		return nil, refused, err
	}
	r.hide.AddPassing(value)
	t = newToken(value, w.scheme, a.scope, a.others)
	t.anonymous, t.withheld, t.lookup = who.IsZero(), r.hide.Line(server), lookup
	t.quay = w.realm.Path == quayRealm
	return t, false, nil
}

// quayRealm is the path of a Quay's token server (doc/quay-api.md section 5).
const quayRealm = "/v2/auth"

// isOwn reports whether a realm is on the registry's own host, with the same scheme or
// with https in place of http.
func (r *Registry) isOwn(realm *url.URL) bool {
	own, err := url.Parse(r.base)
	if err != nil {
		return false
	}
	upgraded := own.Scheme == "http" && realm.Scheme == "https" && own.Port() == "" && (realm.Port() == "" || realm.Port() == "443")
	return transport.Origin(realm) == r.origin || upgraded && strings.EqualFold(own.Hostname(), realm.Hostname())
}

// scopes returns the scopes of a token request: the attempt's own, pull scopes of the
// other repositories of the batch, and further scopes that the registry names. A request
// for a pull token includes no scope with more rights.
func (a *attempt) scopes(w *authMethod) []string {
	scopes := a.scope.scopes()
	for _, name := range a.others {
		scopes = append(scopes, pullScope(name))
	}
	own := map[string]bool{}
	for _, scope := range scopes {
		own[scope[:strings.LastIndexByte(scope, ':')]] = true
	}
	for _, scope := range strings.Fields(w.scope) {
		cut := strings.LastIndexByte(scope, ':')
		if cut < 0 || own[scope[:cut]] || !a.scope.push && scope[cut+1:] != auth.ActionPull {
			continue
		}
		own[scope[:cut]] = true
		scopes = append(scopes, scope)
	}
	return scopes
}

// opToken is the operation in errors.
const opToken = "get a token from"

// tokenServer returns the name of the host that a token is requested from.
func (r *Registry) tokenServer(w *authMethod) string {
	if r.isOwn(w.realm) {
		return r.host
	}
	return r.hide.Line(w.realm.Host)
}

// askToken requests a token from a realm: by the distribution project's token
// specification with a password or anonymously, or by its OAuth 2 variant with an
// identity token.
func (r *Registry) askToken(ctx context.Context, w *authMethod, scopes []string, who Credential) (value string, refused bool, err error) {
	const op = opToken
	subject := r.tokenServer(w)
	req, err := tokenRequest(ctx, w, scopes, who, r.userAgent)
	if err != nil {
		return "", false, &Error{Op: op, Subject: subject, Err: r.cause(err)}
	}
	resp, err := r.sendAnonymous(req)
	answer := &reply{Response: resp}
	if err == nil {
		answer, err = r.follow(req, answer, transport.Origin(w.realm), func(again *http.Request, crossOrigin bool) (*reply, error) {
			if crossOrigin && again.Body != nil {
				return nil, errors.New("redirect of an identity token to another host")
			}
			if !crossOrigin {
				again.Header["Authorization"] = req.Header["Authorization"]
			}
			if err := r.reachable(ctx, w.realm, again.URL); err != nil {
				return nil, err
			}
			resp, err := r.sendAnonymous(again)
			return &reply{Response: resp}, err
		})
	}
	if err != nil {
		return "", false, r.realmFailed(ctx, op, subject, w, err)
	}
	defer closeBody(answer.Response)
	if !isSuccess(answer.Response) {
		return "", tooMuch(answer.StatusCode), r.refusedToken(op, subject, answer, who)
	}
	var wire struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxTokenAnswer))
	switch {
	case err != nil:
		return "", false, r.failed(op, subject, err)
	case json.Unmarshal(body, &wire) != nil:
		return "", false, r.malformed(op, subject, errors.New("the answer is not JSON with a token"))
	}
	value = strings.TrimSpace(cmp.Or(wire.AccessToken, wire.Token))
	switch {
	case value == "":
		return "", false, r.malformed(op, subject, errors.New("the answer has no token"))
	case strings.ContainsFunc(value, unicode.IsControl):
		return "", false, r.malformed(op, subject, errors.New("the token has characters that a header cannot have"))
	}
	return value, false, nil
}

// realmFailed returns the error for a token server that did not answer. A Quay is its
// own token server, and names it by SERVER_HOSTNAME of its configuration
// (doc/quay-api.md, "Uploads"). If that name does not answer, uploads fail as well.
func (r *Registry) realmFailed(ctx context.Context, op, subject string, w *authMethod, err error) error {
	made := r.failed(op, subject, err)
	e, ok := made.(*Error)
	if ok && ctx.Err() == nil && e.Status == 0 && e.kind == nil && w.realm.Path == quayRealm && !r.isOwn(w.realm) {
		e.kind = ErrRedirect
		e.Hint = fmt.Sprintf("%s calls itself %s and uses that name for tokens and uploads: make the name resolve on this machine, or correct SERVER_HOSTNAME in the registry's configuration", r.host, subject)
	}
	return made
}

// tokenRequest returns the request for a token.
func tokenRequest(ctx context.Context, w *authMethod, scopes []string, who Credential, client string) (*http.Request, error) {
	user, secret := who.parts()
	if user == identityUser {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {secret}, "service": {w.service}, "client_id": {client}}
		if len(scopes) > 0 {
			form.Set("scope", strings.Join(scopes, " "))
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.realm.String(), strings.NewReader(form.Encode()))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return req, err
	}
	query := w.realm.Query()
	if w.service != "" {
		query.Set("service", w.service)
	}
	for _, scope := range scopes {
		query.Add("scope", scope)
	}
	to := *w.realm
	to.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err == nil && user != "" {
		req.SetBasicAuth(user, secret)
	}
	return req, err
}

// refusedToken returns the error for a token request that was refused.
func (r *Registry) refusedToken(op, subject string, answer *reply, who Credential) *Error {
	e := r.refused(op, subject, answer)
	switch {
	case e.kind == ErrDenied && who.IsZero():
		e.Hint = "no credentials are stored for it: " + login(r.host)
	case e.kind == ErrDenied && answer.StatusCode == http.StatusUnauthorized:
		e.Hint, e.kind = "the credentials are refused; log in again: "+login(r.host), ErrLogin
	case e.kind == ErrDenied:
		e.Hint = "the stored credentials do not grant this"
	case e.kind == ErrNotFound: // the endpoint is missing, which says nothing about the repository
		e.kind = nil
	}
	return e
}

// tooMuch reports whether a token server may accept a request for fewer scopes.
func tooMuch(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge,
		http.StatusRequestURITooLong, http.StatusUnprocessableEntity, http.StatusRequestHeaderFieldsTooLarge:
		return true
	}
	return false
}
