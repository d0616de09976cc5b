// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

// A pulling is a handler of the recorded dataset with a clock.
type pulling struct {
	*quaytest.Handler
	now time.Time
}

func newPulling(t testing.TB, opts ...quaytest.Option) *pulling {
	t.Helper()
	p := &pulling{now: time.Unix(1795446150, 0)} // when most of the registry was recorded
	opts = append([]quaytest.Option{quaytest.WithClock(func() time.Time { return p.now })}, opts...)
	var err error
	if p.Handler, err = quaytest.NewHandler(recordedDataset(t), opts...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// ask sends a request to the handler. Headers are pairs of names and values.
func (p *pulling) ask(method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func scopes(names ...string) string {
	q := url.Values{"service": {"example.com"}}
	for _, n := range names {
		q.Add("scope", "repository:"+n+":pull")
	}
	return "/v2/auth?" + q.Encode()
}

// token requests a registry token and returns the names that it grants pull on.
func (p *pulling) token(t *testing.T, authorization string, names ...string) (bearer string, granted []string) {
	t.Helper()
	var headers []string
	if authorization != "" {
		headers = []string{"Authorization", authorization}
	}
	w := p.ask("GET", scopes(names...), headers...)
	var body struct{ Token string }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 200 {
		t.Fatalf("token: %d %s", w.Code, w.Body)
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(body.Token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var payload struct {
		Access []struct {
			Name    string
			Actions []string
		}
	}
	if err := json.Unmarshal(text, &payload); err != nil {
		t.Fatal(err)
	}
	for _, a := range payload.Access {
		if cmp.Equal(a.Actions, []string{"pull"}) {
			granted = append(granted, a.Name)
		}
	}
	return "Bearer " + body.Token, granted
}

// errorCode returns the code of an error in shape D.
func errorCode(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var body struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || len(body.Errors) != 1 {
		t.Fatalf("%d %q is not an error of the registry", w.Code, w.Body)
	}
	return body.Errors[0].Code
}

const (
	anyType  = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
	private  = "/v2/harbourline/private-one/manifests/2025.1"
	alice    = "alice"
	password = "${password:alice}"
)

// What each kind of credentials grants: doc/quay-api.md section 5, "/v2/auth".
func TestRegistryTokenGrants(t *testing.T) {
	p := newPulling(t)
	asked := []string{"harbourline/plain", "harbourline/private-one", "harbourline/private-shared", "harbourline/none", "nobody/none", "closedharbour/secret-0", "plain"}
	for _, tt := range []struct {
		name, authorization string
		want                []string
	}{
		{"anonymous", "", []string{"harbourline/plain"}},
		{"owner", basic(alice, password), asked[:4:4]},
		{"reader", basic("bob", "${password:bob}"), []string{"harbourline/plain", "harbourline/private-shared"}},
		{"robot", basic("harbourline+puller", "${robot}"), []string{"harbourline/plain", "harbourline/private-one"}},
		{"application token", basic("$oauthtoken", "${bob-repo-read}"), []string{"harbourline/plain", "harbourline/private-shared"}},
		{"application token that reads no repository", basic("$oauthtoken", "${alice-user-read}"), []string{"harbourline/plain"}},
	} {
		if tt.name == "owner" {
			tt.want = append(tt.want, "closedharbour/secret-0")
		}
		_, granted := p.token(t, tt.authorization, asked...)
		if d := cmp.Diff(tt.want, granted); d != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, d)
		}
	}
}

// One malformed scope refuses the whole request: section 5.
func TestRegistryTokenRefusals(t *testing.T) {
	p := newPulling(t)
	good := "scope=repository:harbourline/plain:pull"
	for _, tt := range []struct {
		query, authorization string
		status               int
		code                 string
	}{
		{good + "&scope=repository:harbourline/UPPER:pull", "", 400, "NAME_INVALID"},
		{good + "&scope=repository:harbourline/" + strings.Repeat("a", 256) + ":pull", "", 400, "NAME_INVALID"},
		{good + "&scope=repository:harbourline/plain", "", 400, "INVALID_REQUEST"},
		{good + "&scope=repository:harbourline/plain:steal", "", 400, "INVALID_REQUEST"},
		{"scope=repository:harbourline/plain:pull%20repository:harbourline/pushed:pull", "", 400, "INVALID_REQUEST"},
		{good + "&scope=repository:offharbour/none:pull", basic(alice, password), 405, "DENIED"},
		{"scope=", "", 401, "UNAUTHORIZED"},
		{good, "Bearer ${alice-repo-read}", 401, "UNAUTHORIZED"},
		{good, "Basic !", 401, "UNAUTHORIZED"},
		{good, basic("gonefolk", "${password:gonefolk}"), 401, "UNAUTHORIZED"},
		{good, basic("$oauthtoken", "abc"), 401, "UNAUTHORIZED"},
		{good, basic("$oauthtoken", "${gone-repo-read}"), 401, "UNAUTHORIZED"},
	} {
		w := p.ask("GET", "/v2/auth?"+tt.query, "Authorization", tt.authorization)
		if w.Code != tt.status || errorCode(t, w) != tt.code {
			t.Errorf("%s by %q: %d %s, want %d %s", tt.query, tt.authorization, w.Code, w.Body, tt.status, tt.code)
		}
	}
	if w := p.ask("GET", "/v2/auth", "Authorization", basic(alice, password)); w.Code != 200 {
		t.Errorf("a user without scope: %d, want a token that grants nothing", w.Code)
	}
}

// Public repositories need no token, private ones need a token that names them (section
// 5). A token for one repository reads public ones ("Recorded").
func TestRegistryBearer(t *testing.T) {
	p := newPulling(t)
	named, _ := p.token(t, basic(alice, password), "harbourline/private-one", "harbourline/gone")
	other, _ := p.token(t, basic(alice, password), "harbourline/private-shared")
	const plain = "/v2/harbourline/plain/manifests/2025.1"
	const gone = "/v2/harbourline/gone/tags/list"
	for _, tt := range []struct {
		target, authorization string
		status                int
	}{
		{plain, "", 200},
		{plain, other, 200},
		{private, "", 401},
		{private, named, 200},
		{private, other, 401},
		{gone, "", 401},
		{gone, named, 404}, // an owner's token grants pull on a missing repository
		{gone, other, 401},
		{plain, basic(alice, password), 401},
		{plain, "Bearer ${alice-repo-read}", 401},
		{plain, "Bearer " + madeUpJWT(), 401},
		{plain, named[:len(named)-9] + "AAAAAAAAA", 401},
		{"/v2/", named, 200},
		{"/v2/offharbour/left-behind/manifests/2025.1", "", 200}, // disabled, section 1
		{"/v2/harbourline/marked-deleted/manifests/2025.1", "", 401},
	} {
		w := p.ask("GET", tt.target, "Authorization", tt.authorization, "Accept", anyType)
		if w.Code != tt.status {
			t.Errorf("%s by %.40q: %d %s, want %d", tt.target, tt.authorization, w.Code, w.Body, tt.status)
		}
		challenge := w.Header().Get("WWW-Authenticate")
		if tt.status == 401 && !strings.HasSuffix(challenge, `service="example.com",scope="repository:`+strings.Join(strings.Split(tt.target, "/")[2:4], "/")+`:pull"`) {
			t.Errorf("%s by %.40q: challenge %q", tt.target, tt.authorization, challenge)
		}
	}
	if w := p.ask("GET", gone, "Authorization", named); errorCode(t, w) != "NAME_UNKNOWN" {
		t.Errorf("missing repository: %s, want NAME_UNKNOWN", w.Body)
	}
	// A token for another service is issued, and refused when it is used.
	for service, words := range map[string]string{"&service=other.example": "Audience doesn't match", "": `Token is missing the \"aud\" claim`} {
		w := p.ask("GET", "/v2/auth?scope=repository:harbourline/plain:pull"+service)
		var answer struct{ Token string }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if w := p.ask("GET", plain, "Authorization", "Bearer "+answer.Token); w.Code != 401 || !strings.Contains(w.Body.String(), words) {
			t.Errorf("a token with %q: %d %s, want 401 %s", service, w.Code, w.Body, words)
		}
	}
	stranger := newPulling(t)
	if w := stranger.ask("GET", private, "Authorization", named); w.Code != 401 {
		t.Errorf("another server takes the token: %d", w.Code)
	}
}

// A token repeats its names and must fit a header line of 8 KiB, which is some fifty
// names of 20 characters (section 5).
func TestRegistryTokenLength(t *testing.T) {
	p := newPulling(t)
	var names []string
	for i := range 60 {
		names = append(names, fmt.Sprintf("harbourline/image-%03d", i))
	}
	for n, want := range map[int]int{45: 200, 60: 400} {
		bearer, _ := p.token(t, "", names[:n]...)
		if w := p.ask("GET", "/v2/", "Authorization", bearer); w.Code != want {
			t.Errorf("%d names in %d bytes: %d, want %d", n, len(bearer), w.Code, want)
		}
	}
}

// A token is valid for 3600 s and 30 s of skew, and then refused in shape B: sections 3
// and 5.
func TestRegistryTokenLapses(t *testing.T) {
	p := newPulling(t)
	start := p.now
	bearer, _ := p.token(t, basic(alice, password), "harbourline/private-one")
	for _, tt := range []struct {
		after  time.Duration
		status int
	}{{0, 200}, {3629 * time.Second, 200}, {3631 * time.Second, 401}, {-31 * time.Second, 401}} {
		p.now = start.Add(tt.after)
		w := p.ask("GET", private, "Authorization", bearer, "Accept", anyType)
		if w.Code != tt.status {
			t.Errorf("after %v: %d, want %d", tt.after, w.Code, tt.status)
		}
		if tt.status == 401 && (!strings.HasPrefix(w.Body.String(), `{"error": "`) || w.Header().Get("WWW-Authenticate") == "") {
			t.Errorf("after %v: %q, want shape B and a challenge", tt.after, w.Body)
		}
	}
}

// A server refuses the tokens of another one: each has a key of its own.
func TestRegistryTokenOfAnotherServer(t *testing.T) {
	one, other := newPulling(t), newPulling(t)
	bearer, _ := one.token(t, basic(alice, password), "harbourline/private-one")
	if w := other.ask("GET", private, "Authorization", bearer); w.Code != 401 || !strings.Contains(w.Body.String(), "Unknown service key") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := one.ask("GET", private, "Authorization", bearer, "Accept", anyType); w.Code != 200 {
		t.Errorf("on its own server: %d", w.Code)
	}
}

func TestRegistryQuirks(t *testing.T) {
	closed := newPulling(t, quaytest.WithQuirk("no-anonymous", ""))
	const plain = "/v2/harbourline/plain/tags/list"
	bearer, _ := closed.token(t, basic("bob", "${password:bob}"), "harbourline/plain")
	_, granted := closed.token(t, "", "harbourline/plain")
	if w := closed.ask("GET", plain); w.Code != 401 || granted != nil {
		t.Errorf("anonymous: %d and granted %q, want neither", w.Code, granted)
	}
	if w := closed.ask("GET", plain, "Authorization", bearer); w.Code != 200 {
		t.Errorf("a user: %d, want 200", w.Code)
	}
	vanished := newPulling(t, quaytest.WithQuirk("vanish", "harbourline/plain"))
	if w := vanished.ask("GET", plain); w.Code != 401 {
		t.Errorf("vanished repository: %d, want 401", w.Code)
	}
}

// Paths without a route, and methods that a route does not have.
func TestRegistryRoutes(t *testing.T) {
	p := newPulling(t)
	digest := "sha256:" + zeros
	const pushChallenge = `Bearer realm="http://example.com/v2/auth",service="example.com",scope="repository:harbourline/plain:pull,push"`
	for _, tt := range []struct {
		method, target string
		status         int
		header, value  string
	}{
		{"GET", "/v2", 308, "Location", "http://example.com/v2/"},
		{"GET", "/v2/harbourline//plain/tags/list?n=1", 308, "Location", "http://example.com/v2/harbourline/plain/tags/list?n=1"},
		{"GET", "/v2/harbourline%2Fplain/tags/list", 200, "Content-Type", "application/json"},
		{"GET", "/v2/plain/tags/list", 401, "WWW-Authenticate", // a name of one part is in the namespace library
			`Bearer realm="http://example.com/v2/auth",service="example.com",scope="repository:library/plain:pull"`},
		{"GET", "/v2/harbourline", 404, "Content-Type", "text/html; charset=utf-8"},
		{"GET", "/v2/tags/list", 404, "Content-Type", "text/html; charset=utf-8"},
		{"GET", "/v2/harbourline/plain/tags", 404, "Content-Type", "text/html; charset=utf-8"},
		{"GET", "/v2/harbourline/plain/manifests/-", 404, "Content-Type", "text/html; charset=utf-8"},
		{"GET", "/v2/harbourline/plain/referrers/2025.1", 404, "Content-Type", "text/html; charset=utf-8"},
		{"GET", "/v2/harbour%0Aline/plain/tags/list", 400, "WWW-Authenticate", ""},
		{"POST", "/v2/harbourline/plain/blobs/uploads/", 401, "WWW-Authenticate", pushChallenge},
		{"POST", "/v2/harbourline/plain/blobs/uploads", 308, "Location", "http://example.com/v2/harbourline/plain/blobs/uploads/"},
		{"GET", "/v2/harbourline/plain/blobs/uploads", 405, "Allow", "DELETE, OPTIONS"},
		{"GET", "/v2/harbourline/plain/blobs/uploads/", 405, "Allow", "OPTIONS, POST"},
		{"POST", "/v2/harbourline/plain/blobs/uploads/x", 405, "Allow", "HEAD, GET, OPTIONS, PATCH, PUT, DELETE"},
		{"GET", "/v2/harbourline/plain/blobs/uploads/x", 401, "WWW-Authenticate", pushChallenge},
		{"PATCH", "/v2/harbourline/plain/blobs/uploads/x", 401, "WWW-Authenticate", pushChallenge},
		{"POST", "/v2/harbourline/plain/manifests/2025.1", 405, "Allow", "HEAD, GET, OPTIONS, PUT, DELETE"},
		{"POST", "/v2/harbourline/plain/blobs/" + digest, 405, "Allow", "HEAD, GET, OPTIONS, DELETE"},
		{"POST", "/v2/harbourline/plain/tags/list", 405, "Allow", "HEAD, GET, OPTIONS"},
		{"POST", "/v2/auth", 405, "Allow", "HEAD, GET, OPTIONS"},
		{"GET", "/v2/harbourline/plain/blobs/nonsense", 405, "Allow", "DELETE, OPTIONS"},
		{"PUT", "/v2/harbourline/plain/manifests/2025.1", 401, "WWW-Authenticate", pushChallenge},
		{"DELETE", "/v2/harbourline/plain/blobs/" + digest, 401, "WWW-Authenticate", pushChallenge},
		{"OPTIONS", "/v2/harbourline/plain/tags/list", 200, "Allow", "HEAD, GET, OPTIONS"},
	} {
		w := p.ask(tt.method, tt.target)
		if w.Code != tt.status || w.Header().Get(tt.header) != tt.value {
			t.Errorf("%s %s: %d and %s %q, want %d and %q", tt.method, tt.target, w.Code, tt.header, w.Header().Get(tt.header), tt.status, tt.value)
		}
	}
}

// FuzzRegistry checks that no request makes the server fail.
func FuzzRegistry(f *testing.F) {
	p := newPulling(f, quaytest.WithObjectStorage())
	f.Add("/v2/harbourline/pushed/manifests/2025.1", "", anyType, "")
	f.Add("/v2/auth?scope=repository:a/b:pull", basic(alice, password), "", "")
	f.Add("/v2/harbourline/plain/tags/list?n=-1&last=%", "Bearer a.b.c", "*/*;q=0.5,,", "bytes=0-")
	f.Add("/v2/_catalog?next_page=gAAAA", "Bearer "+madeUpJWT(), "", "")
	f.Add("/blobs/q/sha256/44/44?X-Amz-Date=x&X-Amz-Signature=y", "", "", "bytes=-1")
	f.Fuzz(func(t *testing.T, target, authorization, accept, part string) {
		to, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") {
			t.Skip()
		}
		r := &http.Request{Method: "GET", URL: to, Host: "example.com", Header: http.Header{}}
		r.Header.Set("Authorization", authorization)
		r.Header.Set("Accept", accept)
		r.Header.Set("Range", part)
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if w.Code < 200 || w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
