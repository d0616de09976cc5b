// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/internal/registrytest"
)

// Credentials are checked without asking for the right to push. Without credentials
// CheckLogin sends nothing, and CheckCredentials finds out whether anonymous clients may
// push.
func TestChecksOfCredentials(t *testing.T) {
	closed, open := registrytest.Start(t, registrytest.WithPassword()).URL(), registrytest.Start(t).URL()
	for name, test := range map[string]struct {
		server        *server
		denied, login bool // by CheckCredentials, by CheckLogin
	}{
		"a password":        {connect(t, closed, registrytest.User, registrytest.Secret), false, false},
		"a wrong password":  {connect(t, closed, registrytest.User, "other"), true, true},
		"no password":       {connect(t, closed, "", ""), true, false},
		"none is needed":    {connect(t, open, "", ""), false, false},
		"an unneeded one":   {connect(t, open, registrytest.User, "other"), false, false},
		"a robot":           {sample(t, robot, robotSecret), false, false},
		"a robot's mistake": {sample(t, robot, "other"), true, true},
		"nobody, on a Quay": {sample(t, "", ""), true, false},
	} {
		at := test.server.repository(t, "nobody/nothing")
		if err := at.CheckLogin(t.Context()); errors.Is(err, registry.ErrLogin) != test.login || err != nil && !test.login {
			t.Errorf("%s: login: %v", name, err)
		}
		if err := at.CheckCredentials(t.Context()); errors.Is(err, registry.ErrDenied) != test.denied || err != nil && !test.denied {
			t.Errorf("%s: %v", name, err)
		}
		if n := test.server.seen.count("/uploads/"); n > 0 {
			t.Errorf("%s: opens an upload session", name)
		}
	}
}

// A credential that was not sent was not refused.
func TestLoginThatIsNotKnown(t *testing.T) {
	for challenge, want := range map[string]string{`Digest realm="x"`: "requires digest", "": "does not say how to log in"} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if challenge != "" {
				w.Header().Set("WWW-Authenticate", challenge)
			}
			w.WriteHeader(http.StatusUnauthorized)
		})
		s := connect(t, url, robot, robotSecret)
		if err := s.repository(t, "a/b").CheckLogin(t.Context()); !errors.Is(err, registry.ErrDenied) || !strings.Contains(err.Error(), want) || s.seen.withToken() != 0 {
			t.Errorf("%q: %v", challenge, err)
		}
	}
}
