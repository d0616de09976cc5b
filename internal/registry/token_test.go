// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/quay/quaytest"
)

// closed returns an organization of n private repositories with an image each, and a
// robot that may read all but some.
func closed(n int, without ...int) (d *quaytest.Dataset, names []string) {
	d = quaytest.SampleDataset()
	var content quaytest.Manifest
	for _, m := range d.Manifests {
		if m.Repository == private {
			content = m
			break
		}
	}
	bot := quaytest.Robot{Name: "closed+bot", Token: "closed-robot-token"}
	d.Organizations = append(d.Organizations, quaytest.Organization{Name: "closed", Enabled: true})
	left := map[int]bool{}
	for _, i := range without {
		left[i] = true
	}
	for i := range n {
		name := fmt.Sprintf("image-%03d", i)
		d.Repositories = append(d.Repositories, quaytest.Repository{Namespace: "closed", Name: name, State: "NORMAL",
			Tags: []quaytest.Tag{{Name: tag, Digest: content.Digest, Start: time.Unix(1_700_000_000, 0)}}})
		m := content
		m.Repository = "closed/" + name
		d.Manifests = append(d.Manifests, m)
		names = append(names, m.Repository)
		if !left[i] {
			bot.Reads = append(bot.Reads, m.Repository)
		}
	}
	d.Robots = append(d.Robots, bot)
	return d, names
}

func closedServer(t *testing.T, d *quaytest.Dataset) *quaytest.Server {
	t.Helper()
	q, err := quaytest.NewServer(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

// resolveAll resolves the tag in all repositories at once, twice.
func resolveAll(t *testing.T, s *server, names []string) (errs map[string]error) {
	t.Helper()
	errs = map[string]error{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 2 {
		for _, name := range names {
			r := s.repository(t, name)
			all.Go(func() {
				_, err := r.Resolve(t.Context(), tag)
				mu.Lock()
				defer mu.Unlock()
				errs[name] = errors.Join(errs[name], err)
			})
		}
	}
	all.Wait()
	return errs
}

// One token request has several scopes (doc/quay-api.md section 5): 75 repositories need
// three tokens, however many requests run at once.
func TestOneTokenForMany(t *testing.T) {
	d, names := closed(75)
	s := connect(t, closedServer(t, d).URL(), "closed+bot", "closed-robot-token")
	s.WillPull(names...)
	s.WillPull(names...)
	for name, err := range resolveAll(t, s, names) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := s.seen.count("/v2/auth"); n != 3 {
		t.Errorf("%d tokens asked for, want 3", n)
	}
	if s.lookups.n != 3 {
		t.Errorf("%d credentials looked up, want 3", s.lookups.n)
	}
	for _, req := range s.seen.log {
		if strings.Contains(req.URL.RawQuery, "push") {
			t.Errorf("asks to push: %s", req.URL)
		}
	}
}

// Without WillPull each repository has a token of its own.
func TestOneTokenForEach(t *testing.T) {
	d, names := closed(4)
	s := connect(t, closedServer(t, d).URL(), "closed+bot", "closed-robot-token")
	for name, err := range resolveAll(t, s, names) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := s.seen.count("/v2/auth"); n != 4 {
		t.Errorf("%d tokens asked for, want 4", n)
	}
}

// A token lists what it grants (doc/quay-api.md section 5). A repository that it omits
// does not affect the others.
func TestSomeOfABatchAreDenied(t *testing.T) {
	d, names := closed(20, 3, 7)
	s := connect(t, closedServer(t, d).URL(), "closed+bot", "closed-robot-token")
	s.WillPull(names...)
	for name, err := range resolveAll(t, s, names) {
		if denied := name == names[3] || name == names[7]; errors.Is(err, registry.ErrDenied) != denied || !denied && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := s.seen.count("/v2/auth"); n > 8 { // one for the batch, and some for each of the two, asked twice
		t.Errorf("%d tokens asked for", n)
	}
}

// A batch with a disabled namespace or an invalid name is refused as a whole (405 and
// 400: doc/quay-api.md section 5). So is a batch that is too large for the token server
// (the mirror registry accepts ten scopes). Then tokens are requested for its halves.
func TestRefusedBatchIsHalved(t *testing.T) {
	for _, status := range []int{400, 405, 413} {
		d, names := closed(12)
		q := closedServer(t, d)
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(r.URL.Query()["scope"]) > 10 {
				w.WriteHeader(status)
				return
			}
			forward(w, r, q.URL())
		}))
		t.Cleanup(front.Close)
		s := connect(t, front.URL, "closed+bot", "closed-robot-token")
		s.WillPull(names...)
		for name, err := range resolveAll(t, s, names) {
			if err != nil {
				t.Errorf("%d: %s: %v", status, name, err)
			}
		}
		if n := s.seen.count("/v2/auth"); n != 3 {
			t.Errorf("%d: %d tokens asked for", status, n)
		}
	}
}

// A token is valid for an hour by its own claims (doc/quay-api.md section 5). A token
// that the server refuses is replaced at once.
func TestRefusedTokenIsReplaced(t *testing.T) {
	d, names := closed(3)
	first, second := closedServer(t, d), closedServer(t, d) // which does not take the first one's tokens
	to := first
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { forward(w, r, to.URL()) }))
	t.Cleanup(front.Close)
	s := connect(t, front.URL, "closed+bot", "closed-robot-token")
	s.WillPull(names...)
	r := s.repository(t, names[0])
	for range 3 {
		if _, err := r.Resolve(t.Context(), tag); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.seen.count("/v2/auth"); n != 1 {
		t.Errorf("%d tokens asked for, want 1", n)
	}
	to = second
	if _, err := r.Resolve(t.Context(), tag); err != nil {
		t.Error(err)
	}
	if n := s.seen.count("/v2/auth"); n != 2 {
		t.Errorf("%d tokens asked for, want 2", n)
	}
	// The others had the same token, and need one more together.
	for _, name := range names[1:] {
		if _, err := s.repository(t, name).Resolve(t.Context(), tag); err != nil {
			t.Error(err)
		}
	}
	if n := s.seen.count("/v2/auth"); n != 3 {
		t.Errorf("%d tokens asked for, want 3", n)
	}
}

// A repository that was read without a token is read so again, even if others of its
// batch need a token.
func TestPublicStaysWithoutToken(t *testing.T) {
	s := sample(t, robot, robotSecret)
	s.WillPull(public, private)
	for _, name := range []string{public, private, public} {
		before := s.seen.withToken()
		if _, err := s.repository(t, name).Resolve(t.Context(), tag); err != nil {
			t.Error(err)
		}
		if sent := s.seen.withToken() - before; name == public && sent != 0 {
			t.Errorf("%s: %d requests with an Authorization header", name, sent)
		}
	}
	for _, req := range s.seen.log {
		if strings.Contains(req.URL.RawQuery, "kolla-base") {
			t.Errorf("asks for a token for what is public: %s", req.URL)
		}
	}
}

// answers is an http.RoundTripper that returns a status, a challenge and a body.
type answers func(req *http.Request) (status int, header, body string)

func (f answers) RoundTrip(req *http.Request) (*http.Response, error) {
	status, challenge, body := f(req)
	resp := &http.Response{StatusCode: status, Request: req, Header: http.Header{}, Proto: "HTTP/1.1",
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
	if challenge != "" {
		resp.Header.Set("WWW-Authenticate", challenge)
	}
	return resp, nil
}

// jwt returns a registry token like a Quay's (doc/quay-api.md section 5).
func jwt(issued time.Time, names ...string) string {
	var access []map[string]any
	for _, name := range names {
		actions := []string{"pull"}
		if strings.HasPrefix(name, "-") {
			name, actions = name[1:], []string{}
		}
		if strings.HasPrefix(name, "+") {
			name, actions = name[1:], []string{"pull", "push"}
		}
		access = append(access, map[string]any{"type": "repository", "name": name, "actions": actions})
	}
	payload, _ := json.Marshal(map[string]any{"iat": issued.Unix(), "exp": issued.Unix() + 3600, "access": access})
	return "eyJ9." + base64.RawURLEncoding.EncodeToString(payload) + ".c2ln"
}

// The claims of a token count: its lifetime, whatever the server's clock says, and its
// access.
func TestTokenIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tokens, refused int
		r, err := registry.New("quay.io", registry.Options{Transport: answers(func(req *http.Request) (int, string, string) {
			if said := req.Header.Values("User-Agent"); len(said) != 1 || said[0] != "quayside" {
				t.Errorf("%s is asked for by %q", req.URL.Path, said)
			}
			switch {
			case req.URL.Path == "/v2/auth":
				tokens++
				return 200, "", fmt.Sprintf(`{"token":%q}`, jwt(time.Now().Add(-5*time.Hour), "a/b", "a/c", "-a/none"))
			case req.Header.Get("Authorization") == "" || strings.Contains(req.URL.Path, "none"):
				refused++
				return 401, `Bearer realm="https://quay.io/v2/auth",service="quay.io"`, ""
			}
			return 200, "", ""
		})})
		if err != nil {
			t.Fatal(err)
		}
		r.WillPull("a/b", "a/c", "a/none")
		ask := func(name string) error {
			repository, err := r.Repository(name)
			if err != nil {
				t.Fatal(err)
			}
			_, err = repository.HasBlob(t.Context(), describe(nil, ""))
			return err
		}
		for _, step := range []struct {
			after           time.Duration
			name            string
			tokens, refused int
		}{
			{0, "a/b", 1, 1},
			{0, "a/c", 1, 1},
			{58 * time.Minute, "a/b", 1, 1},
			{90 * time.Second, "a/b", 2, 2},
			{0, "a/c", 2, 2},
			{0, "a/none", 3, 4}, // no token is requested for it alone: the first one omits it
		} {
			time.Sleep(step.after)
			err := ask(step.name)
			if denied := step.name == "a/none"; errors.Is(err, registry.ErrDenied) != denied || !denied && err != nil {
				t.Errorf("%s: %v", step.name, err)
			}
			if tokens != step.tokens || refused != step.refused {
				t.Errorf("%s after %v: %d tokens and %d refusals, want %d and %d", step.name, step.after, tokens, refused, step.tokens, step.refused)
			}
		}
	})
}

// If a Quay is used by an alias and its own name does not answer, the error says so.
func TestTokenServerOfAnAlias(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://127.0.0.1:1/v2/auth",service="127.0.0.1:1"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	err := connect(t, url, "bob", "secret-of-bob").repository(t, "a/b").CheckPush(t.Context())
	if !errors.Is(err, registry.ErrRedirect) || !strings.Contains(err.Error(), "calls itself 127.0.0.1:1") {
		t.Errorf("error is %v", err)
	}
}

// A token that no header can hold is malformed at once. If the token grants the push,
// the error of a refusal names the registry's reason, such as a quota, and no scope.
func TestTokenForAPush(t *testing.T) {
	for value, want := range map[string]string{
		"two\nlines": "malformed", "nul\x00": "malformed", " " + jwt(time.Now(), "+a/b") + "\n": "quota",
		jwt(time.Now(), "+a/b"): "quota", jwt(time.Now(), "a/b"): "repo:create",
	} {
		s := connect(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/v2/auth":
				_ = json.NewEncoder(w).Encode(map[string]string{"token": value})
			case r.Header.Get("Authorization") == "":
				w.Header().Set("WWW-Authenticate", `Bearer realm="/v2/auth"`)
				w.WriteHeader(http.StatusUnauthorized)
			default:
				w.WriteHeader(http.StatusForbidden)
				_, _ = w.Write([]byte(`{"errors":[{"code":"DENIED","message":"quota exceeded"}]}`))
			}
		}), "bob", "secret-of-bob")
		err := s.repository(t, "a/b").CheckPush(t.Context())
		if malformed := want == "malformed"; errors.Is(err, registry.ErrMalformed) != malformed || malformed && s.seen.count("/uploads/") != 1 {
			t.Errorf("%q: %v", value, err)
		}
		if names := strings.Contains(err.Error(), "repo:create"); want != "malformed" && (names != (want == "repo:create") || !strings.Contains(err.Error(), "quota exceeded")) {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// A refused password is not sent again for others in the batch: some servers count
// failures.
func TestRefusedPasswordIsSentOnce(t *testing.T) {
	s := connect(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}), robot, robotSecret)
	s.WillPull("a/b", "a/c")
	_, err := s.repository(t, "a/b").Resolve(t.Context(), tag)
	if n := s.seen.withToken(); n != 1 || !errors.Is(err, registry.ErrDenied) {
		t.Errorf("sent %d times, and %v", n, err)
	}
}

// If anonymous requests are refused, public repositories need a token too.
func TestNoAnonymousAccess(t *testing.T) {
	s := sample(t, robot, robotSecret, quaytest.WithQuirk("no-anonymous", ""))
	s.WillPull(public, "stackfleet/haproxy")
	for _, name := range []string{public, "stackfleet/haproxy"} {
		if _, err := s.repository(t, name).Resolve(t.Context(), tag); err != nil {
			t.Error(err)
		}
	}
	if n := s.seen.count("/v2/auth"); n != 1 {
		t.Errorf("%d tokens asked for, want 1", n)
	}
}

// forward passes a request on to another server with the client's Host.
func forward(w http.ResponseWriter, r *http.Request, to string) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, to+r.URL.RequestURI(), r.Body)
	if err != nil {
		panic(err)
	}
	out.Header, out.Host, out.ContentLength = r.Header.Clone(), r.Host, r.ContentLength
	resp, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	for key, values := range resp.Header {
		w.Header()[key] = values
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}
