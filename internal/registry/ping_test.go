// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Any answer is enough for Ping. The error of a missing answer has the cause.
func TestPing(t *testing.T) {
	for _, status := range []int{200, 302, 401, 404, 429, 503} {
		q := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Location", "http://localhost:1/")
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(status)
		}))
		s := connect(t, q.URL, robot, robotSecret)
		if err := s.Ping(t.Context()); err != nil || s.seen.count("/v2/") != 1 || s.seen.withToken() != 0 || s.lookups.n != 0 {
			t.Errorf("%d: %v, %d requests, %d lookups", status, err, len(s.seen.log), s.lookups.n)
		}
		q.Close()
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = free.Close()
	var dial *net.OpError
	if err := connect(t, "http://"+free.Addr().String(), "", "").Ping(t.Context()); !errors.As(err, &dial) || dial.Op != "dial" {
		t.Errorf("nobody is there: %v", err)
	}
}
