// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quayside/quayside/quay"
)

func TestNewNeedsNoOption(t *testing.T) {
	c, err := quay.New()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Server() != "https://quay.io" || c.HasToken() || c.Stats() != (quay.Stats{}) {
		t.Errorf("server %s, token %v, %+v", c.Server(), c.HasToken(), c.Stats())
	}
}

func TestServerAddresses(t *testing.T) {
	for url, want := range map[string]string{
		"https://quay.io":                     "https://quay.io",
		"https://quay.io/":                    "https://quay.io",
		"HTTPS://Quay.IO":                     "https://quay.io",
		"https://registry.example:8443":       "https://registry.example:8443",
		"http://127.0.0.1:8080/":              "http://127.0.0.1:8080",
		"http://[::1]:8080":                   "http://[::1]:8080",
		"https://proxy.example/Quay/inner//":  "https://proxy.example/Quay/inner",
		"https://proxy.example/with%20space/": "https://proxy.example/with%20space",
	} {
		c, err := quay.New(quay.WithServer(url))
		if err != nil || c.Server() != want {
			t.Errorf("%s: %v, %v, want %s", url, c, err, want)
		}
	}
	for url, words := range map[string]string{
		"":                                  "want https://host",
		"quay.io":                           `"quay.io": want https://host`,
		"quay.io:443":                       "want https://host",
		"ftp://quay.io":                     `"ftp://quay.io": want https://host`,
		"https://":                          "want https://host",
		"https:quay.io":                     "want https://host",
		"https:///org":                      "want https://host",
		"://":                               "not a URL",
		"https://quay.io:port":              "not a URL",
		"https://quay.io:99999":             "want a port from 1 to 65535",
		"https://quay.io:0/org":             "want a port",
		"https://quay.io:":                  "want a port",
		"https://quay.io\x7f":               "not a URL",
		"https://quay.io?":                  "query or fragment",
		"https://quay.io/?token=hush-hush":  `"https://quay.io": a query or fragment`,
		"https://quay.io/#":                 "query or fragment",
		"https://quay.io/#hush-hush":        "query or fragment",
		"https://quay.io/api/v1":            `"https://quay.io/api/v1": leave out /api/v1`,
		"https://quay.io/api/v1/":           "leave out /api/v1",
		"https://user:hush-hush@quay.io":    `"https://quay.io": user information`,
		"https://hush-hush@quay.io":         `"https://quay.io": user information`,
		"user:hush-hush@quay.io":            "want https://host",
		"https://user:hush-hush@quay.io:x/": "not a URL",
	} {
		_, err := quay.New(quay.WithServer(url))
		wantError(t, err, "invalid", "quay: new client: ", words)
		if strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: shows the secret: %v", url, err)
		}
	}
}

func TestOptionsAreValidated(t *testing.T) {
	for name, opts := range map[string][]quay.Option{
		"space":            {quay.WithToken("hush hush")},
		"Bearer":           {quay.WithToken("Bearer hush")},
		"line break":       {quay.WithToken("hush\r\nX-Evil: 1")},
		"ASCII":            {quay.WithToken("hush☃")},
		"nil transport":    {quay.WithTransport(nil)},
		"nil pool":         {quay.WithRootCAs(nil)},
		"root CAs beside":  {quay.WithRootCAs(x509.NewCertPool()), quay.WithTransport(http.DefaultTransport)},
		"empty user agent": {quay.WithUserAgent(" ")},
		"not printable":    {quay.WithUserAgent("me\nX-Evil: 1")},
		"timeout -1s":      {quay.WithTimeout(-time.Second)},
		"timeout 0s":       {quay.WithTimeout(0)},
		"-1 retries":       {quay.WithRetries(-1)},
	} {
		words := name
		if name == "line break" {
			words = "not printable ASCII"
		}
		c, err := quay.New(opts...)
		wantError(t, err, "invalid", "quay: new client: ", words)
		if c != nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

// A nil option is no option.
func TestNilOption(t *testing.T) {
	c, err := quay.New(nil)
	if err != nil || c.Server() != quay.DefaultServer || c.HasToken() {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestRequestHeaders(t *testing.T) {
	var got http.Header
	url := canned(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		fmt.Fprint(w, listing(0, 0, ""))
	})
	ask := func(opts ...quay.Option) {
		t.Helper()
		if _, err := drain(t, list(client(t, url, opts...), "org")); err != nil {
			t.Error(err)
		}
	}
	ask()
	if ua := got.Get("User-Agent"); !strings.HasPrefix(ua, "quayside/") || !strings.HasSuffix(ua, " (+https://github.com/quayside/quayside)") {
		t.Errorf("User-Agent is %q", ua)
	}
	if got.Get("Accept") != "application/json" || got["Authorization"] != nil {
		t.Errorf("headers are %v", got)
	}
	ask(quay.WithUserAgent("mirror-job/7 (ops@example.org)"), quay.WithToken(" t0ken "))
	if got.Get("User-Agent") != "mirror-job/7 (ops@example.org)" || got.Get("Authorization") != "Bearer t0ken" {
		t.Errorf("headers are %v", got)
	}
	ask(quay.WithToken("t0ken"), quay.WithToken("\n"))
	if got["Authorization"] != nil {
		t.Errorf("an empty token is sent: %v", got)
	}
}

// A user agent that looks like a browser's is refused (recording browser-agent).
func TestBrowserAgent(t *testing.T) {
	c := client(t, embedded(t).URL(), quay.WithUserAgent("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"))
	_, err := drain(t, list(c, "alice"))
	wantError(t, err, "none", "400: API calls must be invoked with an X-Requested-With header if called from a browser")
}
