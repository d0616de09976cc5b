// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
)

// HTTP/2 stays when a CA of one's own is set (a common loss, since a transport
// with its own TLS settings does not offer it by itself).
func TestTLSWithHTTP2(t *testing.T) {
	s := embedded(t, quaytest.WithTLS())
	c := client(t, s.URL(), quay.WithRootCAs(s.CertPool()), quay.WithToken(ownerToken))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if has, err := c.HasTag(t.Context(), repo("harbourline/plain"), "2025.1"); !has || err != nil {
				t.Errorf("%v, %v", has, err)
			}
		})
	}
	wg.Wait()
	st := s.Stats()
	if st.Connections.HTTP1 != 0 || st.Connections.HTTP2 == 0 || c.Stats().Requests != 20 {
		t.Errorf("connections %+v for %d requests", st.Connections, c.Stats().Requests)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	s := httptest.NewUnstartedServer(say(200, "application/json", listing(0, 0, "")))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	roots := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	_, err := drain(t, list(client(t, s.URL, quay.WithRootCAs(roots)), "org"))
	wantError(t, err, "unavailable", "protocol version")
}

// Only a CA that is not known is a reason to add one.
func TestUntrustedCertificates(t *testing.T) {
	s := embedded(t, quaytest.WithTLS())
	_, err := drain(t, list(client(t, s.URL()), "org"))
	e := wantError(t, err, "unavailable", "unknown authority", "add that CA")
	if _, ok := errors.AsType[x509.UnknownAuthorityError](e); !ok {
		t.Errorf("the cause is lost: %#v", e.Err)
	}
	misnamed := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.CertPool()},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(s.URL(), "https://"))
		},
	}
	defer misnamed.CloseIdleConnections()
	_, err = drain(t, list(client(t, "https://quay.example", quay.WithTransport(misnamed)), "org"))
	if e := wantError(t, err, "unavailable", "certificate is valid for"); e.Hint != "" {
		t.Errorf("hint for a wrong name: %q", e.Hint)
	}
}

// TestRedirects: within the server they are followed, with the token; beyond
// it they are not, and nothing is sent there.
func TestRedirects(t *testing.T) {
	elsewhere := canned(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s was sent elsewhere, with %q", r.Method, r.URL, r.Header.Get("Authorization"))
	})
	var here string
	h := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t0ken" {
			t.Errorf("%s without the token", r.URL)
		}
		ns := r.URL.Query().Get("namespace")
		switch to := map[string]string{
			// Quay's own redirect is absolute (doc/quay-api.md section 2).
			"absolute":  here + "/moved?namespace=moved",
			"relative":  "/moved?namespace=moved",
			"hop1":      "/x?namespace=hop2",
			"hop2":      "/x?namespace=hop3",
			"hop3":      "/x?namespace=moved",
			"loop":      "/x?namespace=loop",
			"elsewhere": elsewhere + "/api/v1/repository?namespace=moved",
			"https":     strings.Replace(here, "http:", "https:", 1) + "/api/v1/repository?namespace=moved",
			"port":      strings.TrimRight(here, "0123456789") + "1/api/v1/repository",
			"user":      strings.Replace(here, "http://", "http://me:pw@", 1) + "/moved?namespace=moved",
			"slashes":   "//evil.test/api/v1/repository?t=t0ken",
			"script":    "javascript:alert(1)",
			"nowhere":   "",
		}[ns]; ns {
		case "moved":
			fmt.Fprint(w, `{"repositories": []}`)
		case "nowhere":
			w.WriteHeader(302)
		default:
			w.Header().Set("Location", to)
			w.WriteHeader(308)
		}
	}
	here = canned(t, h)
	c := client(t, here, quay.WithToken("t0ken"))
	for _, ok := range []string{"absolute", "relative", "hop1"} {
		if _, err := drain(t, list(c, ok)); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	for ns, words := range map[string]string{
		"loop":      "308: too many redirects within " + here,
		"elsewhere": "308: the server redirects to " + elsewhere + ", which was not followed (if that is the Quay, give it as the server)",
		"https":     "308: the server redirects to https://127.0.0.1:",
		"port":      "308: the server redirects to http://127.0.0.1:1,",
		"slashes":   "308: the server redirects to http://evil.test,",
		"script":    "308: a redirect without",
		"nowhere":   "302: a redirect without",
		"user":      "308: ",
	} {
		_, err := drain(t, list(c, ns))
		wantError(t, err, "unavailable", "quay: list repositories "+ns+": "+words)
		if strings.Contains(err.Error(), "t0ken") || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: shows a secret: %v", ns, err)
		}
	}
	if n := c.Stats().Requests; n != 2+2+4+8+5 {
		t.Errorf("%d requests: a loop of redirects ends after five", n)
	}
}

// A Quay with TLS answers plain HTTP with a redirect (recording http-redirect).
func TestPlainHTTPOfATLSServer(t *testing.T) {
	c := client(t, replay(t, "http-redirect"), quay.WithToken(""))
	_, err := drain(t, list(c, "alice"))
	wantError(t, err, "unavailable", "301: the server redirects to https://quay.test, which was not followed", "give it as the server")
}

// silent starts to answer and never ends.
func silent(headers bool) transport {
	return func(r *http.Request) (*http.Response, error) {
		if !headers {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		return &http.Response{StatusCode: 200, Request: r, Body: stalled{r}, ContentLength: -1}, nil
	}
}

type stalled struct{ r *http.Request }

func (s stalled) Read([]byte) (int, error) {
	<-s.r.Context().Done()
	return 0, s.r.Context().Err()
}
func (stalled) Close() error { return nil }

func TestTimeoutBoundsAnAttempt(t *testing.T) {
	for _, headers := range []bool{false, true} {
		for _, c := range []struct {
			timeout, want time.Duration
		}{
			{0, quay.DefaultTimeout},
			{7 * time.Second, 7 * time.Second},
		} {
			synctest.Test(t, func(t *testing.T) {
				opts := []quay.Option{quay.WithTransport(silent(headers))}
				if c.timeout > 0 {
					opts = append(opts, quay.WithTimeout(c.timeout))
				}
				start := time.Now()
				_, err := client(t, "http://quay.test", opts...).Tag(t.Context(), repo("org/r"), "v1")
				want, text := c.want, fmt.Sprintf("no complete answer within %v", c.want)
				if headers && want > time.Minute { // a body has to bring something in a minute
					want, text = time.Minute, "stalled"
				}
				wantError(t, err, "unavailable", text)
				if took := time.Since(start); took != want {
					t.Errorf("took %v, want %v", took, want)
				}
			})
		}
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	s := embedded(t, quaytest.WithTLS())
	before := goleak.IgnoreCurrent()
	roots := quay.WithRootCAs(s.CertPool())
	c := client(t, s.URL(), roots)
	if _, err := drain(t, list(c, "harbourline")); err != nil {
		t.Error(err)
	}
	c.Close()
	goleak.VerifyNone(t, before)
}
