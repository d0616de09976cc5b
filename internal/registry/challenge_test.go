// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/quayside/quayside/internal/registry"
)

// Every form of WWW-Authenticate that registries and proxies send (RFC 9110, section
// 11.6.1, and invalid ones) leads to a token or a password if a challenge can be met.
func TestEveryChallengeIsRead(t *testing.T) {
	bearer := `Bearer realm="http://HOST/token",service="kit"`
	for name, test := range map[string]struct {
		headers []string
		without string // what the error says without credentials; "" is none
		with    string // and with
	}{
		"lower case":              {[]string{`bearer REALM="http://HOST/token",Service="kit"`}, "", ""},
		"upper case":              {[]string{`BEARER realm="http://HOST/token"`}, "", ""},
		"no service":              {[]string{`Bearer realm="http://HOST/token"`}, "", ""},
		"unquoted":                {[]string{`Bearer realm=http://HOST/token,service=kit,scope=repository:a/b:pull`}, "", ""},
		"spaces":                  {[]string{"  Bearer \t realm = \"http://HOST/token\" ,\t service = \"kit\" "}, "", ""},
		"no commas":               {[]string{`Bearer realm="http://HOST/token" service="kit"`}, "", ""},
		"escaped":                 {[]string{`Bearer realm="http://HOST\/token",service="k\"i, t"`}, "", ""},
		"open quote":              {[]string{`Bearer realm="http://HOST/token`}, "", ""},
		"empty scope":             {[]string{`Bearer realm="http://HOST/token",service="kit",scope=""`}, "", ""},
		"another parameter":       {[]string{`Bearer realm="http://HOST/token",error="invalid_token",x`}, "", ""},
		"relative":                {[]string{`Bearer realm="/token",service="kit"`}, "", ""},
		"query":                   {[]string{`Bearer realm="http://HOST/token?account=x&dir=1",service="kit"`}, "", ""},
		"basic before bearer":     {[]string{`Basic realm="x", ` + bearer}, "", ""},
		"bearer before basic":     {[]string{bearer + `, Basic realm="x"`}, "", ""},
		"two headers":             {[]string{"Negotiate", bearer}, "", ""},
		"negotiate with a token":  {[]string{"Negotiate YIIaBc/+.==, " + bearer}, "", ""},
		"three in one":            {[]string{`Negotiate, NTLM, ` + bearer}, "", ""},
		"digest first":            {[]string{`Digest realm="x", nonce="y", qop="auth,auth-int", ` + bearer}, "", ""},
		"empty header first":      {[]string{"", ",,", bearer}, "", ""},
		"a realm that is no good": {[]string{`Bearer realm="ftp://HOST/token"`, bearer}, "", ""},
		"after forty others":      {append(slices.Repeat([]string{`Negotiate`, `Digest realm="x", nonce="y"`}, 20), bearer), "", ""},
		"in a line of hundreds":   {[]string{strings.Repeat(`Odd a=b, `, 500) + bearer}, "", ""},
		"hundreds of others":      {[]string{strings.Repeat(`Odd, `, 500)}, "requires odd; ", "requires odd; "},
		"negotiate and basic":     {[]string{"Negotiate", `Basic realm="x"`}, "docker login", ""},
		"basic without realm":     {[]string{"Basic"}, "docker login", ""},
		"BASIC":                   {[]string{`BASIC realm=x`}, "docker login", ""},
		"basic with a charset":    {[]string{`Basic realm="x, y", charset="UTF-8"`}, "docker login", ""},
		"digest alone":            {[]string{`Digest realm="x", nonce="y"`}, "digest", "digest"},
		"no realm":                {[]string{`Bearer service="kit"`}, "naming a token server", "naming a token server"},
		"nothing":                 {nil, "does not say how to log in", "does not say how to log in"},
		"garbage":                 {[]string{`"=,;`, "="}, "does not say how to log in", "does not say how to log in"},
	} {
		basic := "Basic " + "cm9ib3Q6c2VjcmV0LW9mLXJvYm90" // robot:secret-of-robot
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			said := r.Header.Get("Authorization")
			switch {
			case r.URL.Path == "/token" && (said == "" || said == basic):
				if name == "query" && (r.FormValue("account") != "x" || r.FormValue("service") != "kit") {
					t.Errorf("%s: asks for a token with %s", name, r.URL.RawQuery)
				}
				_, _ = w.Write([]byte(`{"token":"good"}`))
			case said == "Bearer good" || said == basic:
			default:
				for _, header := range test.headers {
					w.Header().Add("WWW-Authenticate", strings.ReplaceAll(header, "HOST", r.Host))
				}
				w.WriteHeader(http.StatusUnauthorized)
			}
		})
		for secret, want := range map[string]string{"": test.without, "secret-of-robot": test.with} {
			has, err := connect(t, url, "robot", secret).repository(t, "a/b").HasBlob(t.Context(), describe(nil, ""))
			switch {
			case want == "" && (!has || err != nil):
				t.Errorf("%s with %q: %v, %v", name, secret, has, err)
			case want != "" && (!errors.Is(err, registry.ErrDenied) || !strings.Contains(err.Error(), want)):
				t.Errorf("%s with %q: %v, which does not say %q", name, secret, err, want)
			}
		}
	}
}

// A token request follows redirects like any GET. The password stays on its host.
func TestTokenRequestIsRedirected(t *testing.T) {
	for status := range map[int]bool{301: true, 302: true, 303: true, 307: true, 308: true} {
		var elsewhere atomic.Value
		elsewhere.Store("/there")
		var password atomic.Int32
		handler := func(w http.ResponseWriter, r *http.Request) {
			_, _, has := r.BasicAuth()
			switch {
			case r.URL.Path == "/token":
				http.Redirect(w, r, elsewhere.Load().(string)+"?"+r.URL.RawQuery, status)
			case r.URL.Path == "/there":
				if has {
					password.Add(1)
				}
				if r.FormValue("scope") == "" {
					t.Errorf("%d: asks for %s", status, r.URL)
				}
				_, _ = w.Write([]byte(`{"access_token":"good"}`))
			case r.Header.Get("Authorization") != "Bearer good":
				w.Header().Set("WWW-Authenticate", `Bearer realm="/token"`)
				w.WriteHeader(http.StatusUnauthorized)
			}
		}
		url, away := serve(t, handler), serve(t, handler)
		for to, want := range map[string]int32{"/there": 1, away + "/there": 0} {
			elsewhere.Store(to)
			password.Store(0)
			has, err := connect(t, url, robot, robotSecret).repository(t, "a/b").HasBlob(t.Context(), describe(nil, ""))
			if !has || err != nil || password.Load() != want {
				t.Errorf("%d to %s: %v, %v, and the password came %d times", status, to, has, err, password.Load())
			}
		}
		for _, to := range []string{"/token", "ftp://x/there", "http://"} {
			elsewhere.Store(to)
			_, err := connect(t, url, robot, robotSecret).repository(t, "a/b").HasBlob(t.Context(), describe(nil, ""))
			if !errors.Is(err, registry.ErrRedirect) {
				t.Errorf("%d to %q: %v", status, to, err)
			}
		}
	}
}

// The body with an identity token follows a redirect on the same host, and to no other.
func TestIdentityTokenStaysOnItsHost(t *testing.T) {
	told := 0
	away := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s with %q", r.URL, r.FormValue("refresh_token"))
	})
	to := "/there"
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusTemporaryRedirect)
		case r.URL.Path == "/there" && r.Method == http.MethodPost && r.FormValue("refresh_token") == "identity-of-robot":
			told++
			_, _ = w.Write([]byte(`{"access_token":"good"}`))
		case r.Header.Get("Authorization") != "Bearer good":
			w.Header().Set("WWW-Authenticate", `Bearer realm="/token"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	if has, err := connect(t, url, "<token>", "identity-of-robot").repository(t, "a/b").HasBlob(t.Context(), describe(nil, "")); !has || err != nil || told != 1 {
		t.Errorf("%v, %v, told %d times", has, err, told)
	}
	to = away + "/there"
	_, err := connect(t, url, "<token>", "identity-of-robot").repository(t, "a/b").HasBlob(t.Context(), describe(nil, ""))
	if err == nil || !strings.Contains(err.Error(), "identity token") {
		t.Errorf("elsewhere: %v", err)
	}
}

// If a registry names a token server on another host, stored credentials are sent
// there. The token of an API is not, and the error says so with the name to use.
func TestTokenForItsOwnHost(t *testing.T) {
	var password string
	realm := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, password, _ = r.BasicAuth()
		if password == "" {
			_, _ = w.Write([]byte(`{"token":"anonymous"}`))
			return
		}
		_, _ = w.Write([]byte(`{"token":"good"}`))
	})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch said := r.Header.Get("Authorization"); {
		case said == "Bearer good", said == "Bearer anonymous" && strings.Contains(r.URL.Path, "public"):
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	host, other := strings.TrimPrefix(url, "http://"), strings.TrimPrefix(realm, "http://")
	c := registry.NewCredential("$oauthtoken", "secret-of-the-api")
	for name, test := range map[string]struct {
		c    registry.Credential
		want string
	}{"stored": {c, "secret-of-the-api"}, "of the API": {c.OwnHost(), ""}} {
		r, err := registry.New(host, registry.Options{PlainHTTP: true, Credentials: registry.ForHost(host, test.c)})
		if err != nil {
			t.Fatal(err)
		}
		for _, repository := range []string{"a/public", "a/private"} {
			password = "none"
			at, err := r.Repository(repository)
			if err != nil {
				t.Fatal(err)
			}
			_, err = at.HasBlob(t.Context(), describe(nil, ""))
			if password != test.want {
				t.Errorf("%s: %s: told %q", name, repository, password)
			}
			denied := test.want == "" && repository == "a/private"
			if denied != errors.Is(err, registry.ErrLogin) || !denied && err != nil || denied && !strings.Contains(err.Error(), other) {
				t.Errorf("%s: %s: %v", name, repository, err)
			}
		}
	}
}

// A failed lookup of a credential is an error only for repositories that need it.
func TestCredentialThatCannotBeLookedUp(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			_, _ = w.Write([]byte(`{"token":"anonymous"}`))
		case r.Header.Get("Authorization") != "Bearer anonymous" || strings.Contains(r.URL.Path, "private"):
			w.Header().Set("WWW-Authenticate", `Bearer realm="/token"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	host := strings.TrimPrefix(url, "http://")
	stored := home(t, map[string]string{".docker/config.json": `{"credsStore":"none-of-that-name"}`})
	r, err := registry.New(host, registry.Options{PlainHTTP: true, Credentials: stored})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a/public": "", "a/private": "docker-credential-none-of-that-name, which is not installed"} {
		at, err := r.Repository(name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = at.HasBlob(t.Context(), describe(nil, ""))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Credentials never go to an address of this machine or to a cloud's metadata if another
// host names it, nor over http if the registry is used over https, nor to an address
// with a password.
func TestRealmThatIsRefused(t *testing.T) {
	for realm, plain := range map[string]bool{
		"http://127.0.0.1:1/token": true, "http://[::1]/token": true, "http://169.254.169.254/latest": true,
		"http://[::ffff:127.0.0.1]/t": true, "http://localhost/t": true,
		"http://registry.example/token": false, "http://auth.example/token": false, "https://a:b@registry.example/token": false,
	} {
		at := through(t, registry.Options{PlainHTTP: plain, Credentials: registry.ForHost("registry.example", registry.NewCredential(robot, robotSecret)),
			Transport: answering(func(req *http.Request) *http.Response {
				if req.URL.Host != "registry.example" || req.URL.Path == "/token" || req.URL.User != nil || req.Header.Get("Authorization") != "" || !plain && req.URL.Scheme != "https" {
					t.Errorf("%s: asks %s", realm, req.URL)
				}
				w := httptest.NewRecorder()
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`"`)
				w.WriteHeader(http.StatusUnauthorized)
				return w.Result()
			})})
		_, pull := at.HasBlob(t.Context(), describe(nil, ""))
		for _, err := range []error{pull, at.CheckPush(t.Context())} {
			if !errors.Is(err, registry.ErrDenied) || !strings.Contains(err.Error(), "asks for a token") || plain != strings.Contains(err.Error(), "this machine") {
				t.Errorf("%s: %v", realm, err)
			}
		}
	}
}

// If a token server does not answer, the next challenge is met. If there is none, the
// token server's error is reported. Other images do not wait for the server again.
func TestChallengeAfterADeadRealm(t *testing.T) {
	for _, dead := range []string{"refused", "silent", "half an answer"} {
		for name, test := range map[string]struct {
			secret string
			after  string // the challenges after the dead one
			fails  bool
			asked  int // how often all images together ask the dead realm; 0 is any
		}{
			"basic":                {"secret-of-robot", `Basic realm="x"`, false, 1},
			"another realm":        {"secret-of-robot", `Bearer realm="http://192.0.2.2/token"`, false, 1},
			"two dead ones":        {"secret-of-robot", `Bearer realm="http://192.0.2.1/other", Basic realm="x"`, false, 2},
			"basic, no password":   {"", `Basic realm="x"`, true, 0},
			"none":                 {"secret-of-robot", "", true, 0},
			"the same realm again": {"secret-of-robot", `Bearer realm="http://192.0.2.1/token"`, true, 0},
		} {
			t.Run(dead+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { deadRealm(t, dead, test.secret, test.after, test.fails, test.asked) })
			})
		}
	}
}

func deadRealm(t *testing.T, dead, secret, after string, fails bool, want int) {
	var asked atomic.Int32
	wire := roundTrips(func(req *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		user, given, _ := req.BasicAuth()
		switch {
		case req.URL.Host == "192.0.2.1":
			asked.Add(1)
			switch dead {
			case "refused":
				return nil, syscall.ECONNREFUSED
			case "silent":
				select {
				case <-req.Context().Done():
					return nil, req.Context().Err()
				case <-time.After(65 * time.Second):
					return nil, errors.New("timeout awaiting response headers")
				}
			}
			w.Body.WriteString(`{"token":`)
			resp := w.Result()
			resp.Body = io.NopCloser(iotest.TimeoutReader(iotest.OneByteReader(w.Body)))
			return resp, nil
		case req.URL.Host == "192.0.2.2":
			_, _ = w.WriteString(`{"token":"good"}`)
		case user == "robot" && given == "secret-of-robot", req.Header.Get("Authorization") == "Bearer good":
		default:
			w.Header().Add("WWW-Authenticate", `Bearer realm="http://192.0.2.1/token",service="x"`)
			w.Header().Add("WWW-Authenticate", after)
			w.WriteHeader(http.StatusUnauthorized)
		}
		resp := w.Result()
		resp.Request = req
		return resp, nil
	})
	const host = "registry.example"
	r, err := registry.New(host, registry.Options{PlainHTTP: true, Transport: wire, Credentials: registry.ForHost(host, registry.NewCredential("robot", secret))})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range 5 {
		name := fmt.Sprintf("a/b%d", i)
		r.WillPull(name)
		at, err := r.Repository(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = at.HasBlob(t.Context(), describe(nil, "")); (err != nil) != fails || fails && !strings.Contains(err.Error(), "192.0.2.1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := int(asked.Load()); want > 0 && n != want {
		t.Errorf("asks the dead realm %d times, want %d", n, want)
	}
	if took := time.Since(began); !fails && took > time.Duration(want)*15*time.Second {
		t.Errorf("5 images took %v", took)
	}
}
