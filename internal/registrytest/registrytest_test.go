// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registrytest_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/quayside/quayside/internal/registrytest"
)

func TestStart(t *testing.T) {
	for name, test := range map[string]struct {
		opts   []registrytest.Option
		secret string
		status int
	}{
		"open":         {nil, "", 200},
		"no password":  {[]registrytest.Option{registrytest.WithPassword()}, "", 401},
		"wrong":        {[]registrytest.Option{registrytest.WithPassword()}, "wrong", 401},
		"the password": {[]registrytest.Option{registrytest.WithPassword()}, registrytest.Secret, 200},
	} {
		s := registrytest.Start(t, test.opts...)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.secret != "" {
			req.SetBasicAuth(registrytest.User, test.secret)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != test.status || resp.Header.Get("Docker-Distribution-Api-Version") != "registry/2.0" {
			t.Errorf("%s: %d %v, want %d", name, resp.StatusCode, resp.Header, test.status)
		}
	}
}
