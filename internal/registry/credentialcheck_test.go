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

// Whom a registry takes for somebody is admitted, whatever he may do there.
func TestAdmits(t *testing.T) {
	closed, open := "http://"+registrytest.Start(t, registrytest.WithPassword()).Host(), "http://"+registrytest.Start(t).Host()
	for name, test := range map[string]struct {
		server *server
		denied bool
	}{
		"a password":           {connect(t, closed, registrytest.User, registrytest.Secret), false},
		"a wrong password":     {connect(t, closed, registrytest.User, "other"), true},
		"no password":          {connect(t, closed, "", ""), true},
		"none is wanted":       {connect(t, open, "", ""), false},
		"a token":              {sample(t, robot, robotSecret), false},
		"a token it knows not": {sample(t, robot, "other"), true},
		"no token":             {sample(t, "", ""), true},
	} {
		err := test.server.repository(t, "nobody/nothing").CheckCredentials(t.Context())
		if errors.Is(err, registry.ErrDenied) != test.denied || err != nil && !test.denied {
			t.Errorf("%s: %v", name, err)
		}
		if n := test.server.seen.count("/uploads/"); n > 0 {
			t.Errorf("%s: something was to be pushed", name)
		}
	}
}

// Credentials are tried by themselves; without any nothing is asked.
func TestLogin(t *testing.T) {
	closed, open := "http://"+registrytest.Start(t, registrytest.WithPassword()).Host(), "http://"+registrytest.Start(t).Host()
	for name, test := range map[string]struct {
		server *server
		denied bool
	}{
		"a password":           {connect(t, closed, registrytest.User, registrytest.Secret), false},
		"a wrong password":     {connect(t, closed, registrytest.User, "other"), true},
		"no password":          {connect(t, closed, "", ""), false},
		"none is wanted":       {connect(t, open, registrytest.User, "other"), false},
		"a robot":              {sample(t, robot, robotSecret), false},
		"a robot with no such": {sample(t, robot, "other"), true},
	} {
		err := test.server.repository(t, "nobody/nothing").CheckLogin(t.Context())
		if errors.Is(err, registry.ErrLogin) != test.denied || err != nil && !test.denied {
			t.Errorf("%s: %v", name, err)
		}
		if n := test.server.seen.count("/uploads/"); n > 0 {
			t.Errorf("%s: something was to be pushed", name)
		}
	}
}

// What was not sent was not refused.
func TestLoginThatIsNotKnown(t *testing.T) {
	for challenge, want := range map[string]string{`Digest realm="x"`: "wants digest", "": "does not say how to log in"} {
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
