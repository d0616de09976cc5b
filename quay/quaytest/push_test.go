// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

const (
	pusher  = "destharbour+pusher"
	creates = "token-of-alice-repo-create"
	writes  = "token-of-alice-repo-write"
	reads   = "token-of-alice-repo-read"
)

// pushDataset has the organization of recording registry-push.
func pushDataset() *quaytest.Dataset {
	return &quaytest.Dataset{
		Users: []quaytest.User{{Name: "alice", Enabled: true, Password: "right"}},
		Organizations: []quaytest.Organization{
			{Name: "destharbour", Enabled: true, Owners: []string{"alice"}, Creators: []string{pusher}},
			{Name: "imgharbour", Enabled: true},
		},
		Repositories: []quaytest.Repository{
			{Namespace: "destharbour", Name: "held", State: "READ_ONLY"},
			{Namespace: "destharbour", Name: "open", Public: true, State: "NORMAL", Permissions: []quaytest.Permission{
				{User: "imgharbour+writer", Role: "write"}, {User: "imgharbour+puller", Role: "read"}}},
		},
		Robots: []quaytest.Robot{
			{Name: pusher, Token: "right"}, {Name: "imgharbour+puller", Token: "right"}, {Name: "imgharbour+writer", Token: "right"},
		},
		Tokens: []quaytest.Token{
			{Name: creates, User: "alice", Scope: "repo:read repo:write repo:create"},
			{Name: writes, User: "alice", Scope: "repo:write"},
			{Name: reads, User: "alice", Scope: "repo:read"},
		},
	}
}

// A pushing is a client of an embedded Quay.
type pushing struct {
	t      testing.TB
	h      *quaytest.Handler
	bearer string
}

func newPushing(t testing.TB, opts ...quaytest.Option) *pushing {
	t.Helper()
	h, err := quaytest.NewHandler(pushDataset(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return &pushing{t: t, h: h}
}

// do sends a request with the registry token that was granted last. Headers are pairs of
// names and values.
func (p *pushing) do(method, target string, body []byte, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, bytes.NewReader(body))
	r.Host, r.TLS = "quay.test:8443", &tls.ConnectionState{}
	r.Header.Set("Authorization", p.bearer)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	p.h.ServeHTTP(w, r)
	return w
}

// want sends a request and checks that the answer has a status and, in its body or
// headers, some words.
func (p *pushing) want(status int, words, method, target string, body []byte, headers ...string) *httptest.ResponseRecorder {
	p.t.Helper()
	w := p.do(method, target, body, headers...)
	if text := fmt.Sprint(w.Header()) + w.Body.String(); w.Code != status || !strings.Contains(text, words) {
		p.t.Errorf("%s %s: %d %s, want %d with %q", method, target, w.Code, text, status, words)
	}
	return w
}

// as requests a registry token and returns the actions that it grants on each scope.
func (p *pushing) as(user, password string, scopes ...string) []string {
	p.t.Helper()
	target := "/v2/auth?service=quay.test:8443"
	for _, s := range scopes {
		target += "&scope=" + url.QueryEscape("repository:"+s)
	}
	w := p.do("GET", target, nil, "Authorization", basic(user, password))
	var answer struct{ Token string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
		p.t.Fatalf("%s: %d %s", target, w.Code, w.Body)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(answer.Token, ".")[1])
	if err != nil {
		p.t.Fatal(err)
	}
	var claims struct{ Access []struct{ Actions []string } }
	if err := json.Unmarshal(payload, &claims); err != nil {
		p.t.Fatal(err)
	}
	var granted []string
	for _, a := range claims.Access {
		granted = append(granted, strings.Join(a.Actions, ","))
	}
	p.bearer = "Bearer " + answer.Token
	return granted
}

func sum(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

// blob pushes a blob in one request.
func (p *pushing) blob(repository string, b []byte) string {
	p.t.Helper()
	p.want(201, sum(b), "POST", "/v2/"+repository+"/blobs/uploads/?digest="+sum(b), b)
	return sum(b)
}

const ociManifestType, ociIndexType = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"

// manifest returns a manifest of one layer.
func manifest(config, layer []byte, more string) []byte {
	return fmt.Appendf(nil, `{"schemaVersion": 2, "mediaType": %q, "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": %q, "size": %d},
	"layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": %q, "size": %d}]%s}`,
		ociManifestType, sum(config), len(config), sum(layer), len(layer), more)
}

// image pushes an image and returns its digest.
func (p *pushing) image(repository, tag, text string) string {
	p.t.Helper()
	config, layer := []byte("{}"), []byte(text)
	p.blob(repository, config)
	p.blob(repository, layer)
	m := manifest(config, layer, "")
	p.want(201, sum(m), "PUT", "/v2/"+repository+"/manifests/"+tag, m, "Content-Type", ociManifestType)
	return sum(m)
}

// A pushReplay replays recording registry-push. The recording has no request bodies:
// each request gets a body of the recorded kind, so digests differ.
type pushReplay struct {
	*pushing
	blob      []byte
	bodies    map[string][]byte // by note
	ours      *strings.Replacer // recorded digests and sizes to ours
	uploads   map[string]string // recorded ids to ours
	pushToken string            // of the first repository; the recording uses it to the end
}

// A pushExchange is an exchange of the recording.
type pushExchange struct {
	recorded
	Response struct {
		Status  int
		Headers map[string]string
		Body    string
		Access  []map[string]any `json:"jwt_access"`
	}
}

func newPushReplay(t *testing.T) *pushReplay {
	blob, config := bytes.Repeat([]byte("0123456789"), 500), bytes.Repeat([]byte(" "), 700)
	first := manifest(config, blob, "")
	missing := strings.Replace(string(first), sum(blob), "sha256:"+strings.Repeat("2", 64), 1)
	subject := manifest(config, blob, `, "artifactType": "application/spdx+json", "subject": {"mediaType": "`+ociManifestType+
		`", "digest": "`+sum(first)+`", "size": `+fmt.Sprint(len(first))+`}`)
	sparse := []byte(`{"schemaVersion": 2, "mediaType": "` + ociIndexType + `", "manifests": [{"mediaType": "` + ociManifestType +
		`", "digest": "` + sum(first) + `", "size": ` + fmt.Sprint(len(first)) + `}, {"mediaType": "` + ociManifestType +
		`", "digest": "sha256:` + strings.Repeat("3", 64) + `", "size": 10}]}`)
	return &pushReplay{
		pushing: newPushing(t), blob: blob, uploads: map[string]string{},
		ours: strings.NewReplacer(
			"sha256:c59d3c0480cc2d71d8f646e735e92da65450311eec46e81a5db8c7e6e8a92054", sum(blob),
			"sha256:e807e71c4e892d521ad1f6c46df22b891f9bf5a8f5a040d64b13564b40c7750e", sum(config),
			"sha256:2b5079ba07207515af892281d05df9fe5d0c4f28a2a5c16b06944cc712344c5c", sum(first),
			"sha256:8aea19ddeee63cfae3e993a9bcc934a312030394323b3922451192af679b9528", sum(subject),
			`"size": 599`, fmt.Sprintf(`"size": %d`, len(subject)),
		),
		bodies: map[string][]byte{
			"first part": blob[:2500], "a part that does not follow": blob[100:2600], "second part": blob[2500:],
			"a whole upload with PUT": blob, "a whole upload in one POST": config,
			"a manifest by tag": first, "the same by digest": first, "by a digest that does not fit": first,
			"a manifest whose layer is not there": []byte(missing), "a manifest with a subject": subject,
			"an index of which one manifest is not there": sparse,
		},
	}
}

// target returns the target of a request with our digests and uploads. Requests that
// were not recorded began some of the uploads.
func (p *pushReplay) target(x pushExchange) string {
	target := p.ours.Replace(x.Request.Target)
	at := strings.Index(target, "/blobs/uploads/")
	if at < 0 {
		return target
	}
	id, _, _ := strings.Cut(target[at+len("/blobs/uploads/"):], "?")
	if id == "" {
		return target
	}
	if p.uploads[id] == "" {
		p.uploads[id] = p.do("POST", target[:at]+"/blobs/uploads/", nil).Header().Get("Docker-Upload-UUID")
	}
	return strings.Replace(target, id, p.uploads[id], 1)
}

// headers returns the headers of a request with our credentials.
func (p *pushReplay) headers(x pushExchange, target string) []string {
	headers := []string{"Content-Type", x.Request.Headers["Content-Type"], "Content-Range", x.Request.Headers["Content-Range"]}
	user, basicAuth := strings.CutPrefix(x.Request.Headers["Authorization"], "Basic ${basic:")
	switch user = strings.TrimSuffix(user, "}"); {
	case x.Request.Headers["Authorization"] == "":
		headers = append(headers, "Authorization", "")
	case basicAuth && x.Response.Status == 401:
		headers = append(headers, "Authorization", basic(user, "wrong"))
	case basicAuth && user == "$oauthtoken":
		scope := target[strings.LastIndex(target, "-")+1 : strings.LastIndex(target, ":")]
		headers = append(headers, "Authorization", basic(user, map[string]string{"read": reads, "write": writes, "create": creates}[scope]))
	case basicAuth:
		headers = append(headers, "Authorization", basic(user, "right"))
	}
	if x.Request.Method == "DELETE" {
		headers = append(headers, "Authorization", p.pushToken)
	}
	return headers
}

// compare returns how an answer differs from the recorded one.
func (p *pushReplay) compare(x pushExchange, target string, w *httptest.ResponseRecorder) (diff string) {
	got, want := w.Header(), x.Response.Headers
	_, basicAuth := strings.CutPrefix(x.Request.Headers["Authorization"], "Basic ")
	if id := got.Get("Docker-Upload-UUID"); id != "" {
		p.uploads[want["docker-upload-uuid"]] = id
	}
	for name, value := range want {
		value = p.ours.Replace(value)
		for recorded, id := range p.uploads {
			value = strings.ReplaceAll(value, recorded, id)
		}
		if have := got.Get(name); have != value && (name != "content-length" || !strings.Contains(target, "/referrers/")) && !(basicAuth && name == "www-authenticate") {
			diff += fmt.Sprintf("%s: %q, recorded %q\n", name, have, value)
		}
	}
	if want["www-authenticate"] == "" && got.Get("Www-Authenticate") != "" && !basicAuth {
		diff += "a challenge that was not recorded\n"
	}
	if w.Code != x.Response.Status {
		diff += fmt.Sprintf("status %d, recorded %d\n", w.Code, x.Response.Status)
	}
	if x.Response.Body != "" {
		diff += cmp.Diff(p.ours.Replace(x.Response.Body), w.Body.String())
	}
	return diff
}

// learn keeps the registry token of an answer, and returns how its grants differ from
// the recorded ones.
func (p *pushReplay) learn(t *testing.T, x pushExchange, w *httptest.ResponseRecorder) string {
	var answer struct{ Token string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	p.bearer = "Bearer " + answer.Token
	if p.pushToken == "" {
		p.pushToken = p.bearer
	}
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(answer.Token, ".")[1])
	var claims struct{ Access []map[string]any }
	_ = json.Unmarshal(payload, &claims)
	return cmp.Diff(x.Response.Access, claims.Access)
}

func TestPushRecording(t *testing.T) {
	rec := readJSON[struct{ Exchanges []pushExchange }](t, recordings+"/registry-push.json")
	p := newPushReplay(t)
	for i, x := range rec.Exchanges {
		target := p.target(x)
		w := p.do(x.Request.Method, target, p.bodies[x.Note], p.headers(x, target)...)
		if strings.HasPrefix(x.Note, "a part that does not follow") { // it overlapped in part: the rest begins where it ended
			p.bodies["second part"] = p.blob[2500:]
		}
		diff := p.compare(x, target, w)
		if x.Response.Access != nil {
			diff += p.learn(t, x, w)
		}
		if diff != "" {
			t.Errorf("%d: %s %s (%s)\n%s", i, x.Request.Method, target, x.Note, diff)
		}
	}
}
