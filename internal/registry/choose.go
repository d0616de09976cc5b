// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/quayside/quayside/internal/transport"
)

// An authMethod answers one challenge of a 401: with a password, or with a token from a realm.
type authMethod struct {
	scheme  auth.Scheme
	realm   *url.URL // token server
	service string
	scope   string // that the registry asks for
	basic   Credential

	otherRealm, orBasic bool // what else the 401 offers
	last                bool // the realm did not answer before, and no other challenge is left
}

// choose returns the first challenge of a 401 that quayside can answer and that the
// attempt has not tried. Realms that did not answer other attempts come last. If choose
// returns nil, no challenge can be answered, and a.unmet is the reason.
func (a *attempt) choose(resp *http.Response) (*authMethod, error) {
	ctx, r, at := resp.Request.Context(), a.registry, resp.Request.URL
	offered := challenges(resp.Header)
	var unknown []string
	var last *authMethod
	for _, c := range offered {
		var unmet error
		switch c.scheme {
		case "bearer":
			realm, err := r.realm(at, c.parameters["realm"])
			w := &authMethod{scheme: auth.SchemeBearer, realm: realm, service: c.parameters["service"], scope: c.parameters["scope"]}
			w.otherRealm, w.orBasic = alternatives(offered, c.parameters["realm"])
			switch {
			case err == nil && slices.Contains(a.dead, realm.String()):
				continue
			case err == nil && r.silent.has(realm):
				if last == nil {
					last = w
				}
				continue
			case err == nil:
				err = r.reachable(ctx, at, realm)
			}
			if err == nil {
				return w, nil
			}
			unmet = err
		case "basic":
			who, err := r.credential(ctx, a.scope.repository)
			if err != nil {
				return nil, err
			}
			if who.isPassword() {
				return &authMethod{scheme: auth.SchemeBasic, basic: who}, nil
			}
			unmet = errors.New("the registry requires a user and a password, and none are stored: " + login(r.host))
		default:
			if name := r.hide.Line(c.scheme); len(unknown) < maxSchemes && !slices.Contains(unknown, name) {
				unknown = append(unknown, name)
			}
		}
		if a.unmet == nil {
			a.unmet = unmet
		}
	}
	if last != nil {
		last.last = true
		return last, r.reachable(ctx, at, last.realm)
	}
	if a.unmet == nil && len(unknown) > 0 {
		a.unmet = fmt.Errorf("the registry requires %s; quayside supports only Basic and Bearer", strings.Join(unknown, " or "))
	}
	return nil, nil
}

const maxSchemes = 3 // unknown schemes that an error names

// alternatives reports whether a 401 offers another realm, or a password.
func alternatives(offered []challenge, realm string) (otherRealm, basic bool) {
	for _, c := range offered {
		otherRealm = otherRealm || c.scheme == "bearer" && c.parameters["realm"] != realm
		basic = basic || c.scheme == "basic"
	}
	return otherRealm, basic
}

const (
	// realmPatience is how long a realm may take to answer if the registry offers
	// another challenge.
	realmPatience = 15 * time.Second
	// silentTime is how long a realm that did not answer is tried last.
	silentTime = 5 * time.Minute
	maxSilent  = 64 // realms remembered
)

// silentRealms records the realms that did not answer, so that not every image waits
// for them. Safe for concurrent use.
type silentRealms struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// key omits the query, which may differ from answer to answer.
func (*silentRealms) key(realm *url.URL) string { return transport.Origin(realm) + realm.EscapedPath() }

func (s *silentRealms) has(realm *url.URL) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.until[s.key(realm)])
}

func (s *silentRealms) add(realm *url.URL) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil || len(s.until) >= maxSilent {
		s.until = map[string]time.Time{}
	}
	s.until[s.key(realm)] = time.Now().Add(silentTime)
}
