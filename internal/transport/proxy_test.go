// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package transport_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/quayside/quayside/internal/pace"
	"github.com/quayside/quayside/internal/transport"
)

// What a proxy says is its own, and is told as such. A proxy that wants a
// password is asked once.
func TestAProxyIsNamed(t *testing.T) {
	for status, requests := range map[int]int{http.StatusProxyAuthRequired: 1, http.StatusForbidden: 1, http.StatusBadGateway: 2} {
		asked := 0
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.WriteHeader(status)
		}))
		at, err := url.Parse(proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		base := transport.New(nil)
		base.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: at.Host, User: url.UserPassword("me", "pa55word")})
		tr := pace.New(pace.Options{Base: base, Retries: 1})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://registry.invalid/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := tr.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		var named *transport.ProxyError
		if !errors.As(err, &named) || named.Proxy != at.Host || named.Status != status || strings.Contains(err.Error(), "pa55word") {
			t.Errorf("%d: got %v", status, err)
		}
		if asked != requests {
			t.Errorf("%d: asked %d times, want %d", status, asked, requests)
		}
		tr.CloseIdleConnections()
		base.CloseIdleConnections()
		proxy.Close()

		// Nobody is there any more.
		resp, err = tr.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		if named = nil; !errors.As(err, &named) || named.Proxy != at.Host || !strings.Contains(err.Error(), "refused") {
			t.Errorf("refused: got %v", err)
		}
	}
}
