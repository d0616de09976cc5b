// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

const recordings = "../testdata/recordings"

// notReplayed lists the recordings, or single requests of them, that the embedded server
// need not answer as recorded, with the reasons.
var notReplayed = map[string]string{
	"outage-backend":  "an outage of the recorded machine; the quirks html-502 and outage play it",
	"outage-database": "an outage of the recorded machine; the quirk html-500 plays it",
	"outage-timeout":  "an outage of the recorded machine; the quirks stall and capacity play it",
	"limit-http1":     "depends on the requests before it; the limits have tests of their own",
	"http-long":       "the front end's; it has tests of its own",
	"registry-push":   "its organization is not in the dataset; TestPushRecording plays it",
	"http-redirect":   "the front end's: the embedded server has no second listener",
}

type recording struct {
	Name       string
	RecordedAt int64 `json:"recorded_at"`
	Exchanges  []recorded
}

type recorded struct {
	Request struct {
		Method, Target, Host, Scheme string
		Headers                      map[string]string
	}
	Response struct {
		Status      int
		Headers     map[string]string
		Body        *string
		BodyBase64  *string        `json:"body_base64"`
		JWTPayload  map[string]any `json:"jwt_payload"`
		JWTLifetime float64        `json:"jwt_lifetime_s"`
	}
	Note string
}

func TestRecordings(t *testing.T) {
	files, err := filepath.Glob(recordings + "/*.json")
	if err != nil || len(files) < 45 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	unused := map[string]bool{}
	for name := range notReplayed {
		unused[name] = true
	}
	for _, file := range files {
		if filepath.Base(file) == "dataset.json" {
			continue
		}
		rec := readJSON[recording](t, file)
		delete(unused, rec.Name)
		if notReplayed[rec.Name] != "" {
			continue
		}
		t.Run(rec.Name, func(t *testing.T) {
			p := newPlayer(t, rec)
			for _, x := range rec.Exchanges {
				name := rec.Name + " " + x.Request.Method + " " + x.Request.Target + " " + x.Request.Headers["Accept"]
				delete(unused, name)
				if notReplayed[name] == "" {
					p.play(t, x)
				}
			}
		})
	}
	for name := range unused {
		t.Errorf("notReplayed has %q, which is not recorded", name)
	}
}

// A player replays a recording. It carries cursors, registry tokens and signed URLs from
// answers to later requests.
type player struct {
	dataset *quaytest.Dataset
	handler *quaytest.Handler
	replace map[string]string // recorded texts to those of the embedded server
}

func newPlayer(t *testing.T, rec recording) *player {
	now := time.Unix(rec.RecordedAt, 0)
	opts := []quaytest.Option{quaytest.WithClock(func() time.Time { return now })}
	if rec.Name == "registry-blob-redirect" {
		opts = append(opts, quaytest.WithObjectStorage())
	}
	d := recordedDataset(t)
	h, err := quaytest.NewHandler(d, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return &player{dataset: d, handler: h, replace: map[string]string{"${made-up-jwt}": madeUpJWT()}}
}

func (p *player) play(t *testing.T, x recorded) {
	t.Helper()
	req := httptest.NewRequest(x.Request.Method, p.ours(x.Request.Target), nil)
	req.Host = "quay.test:8443"
	if x.Request.Host != "" {
		req.Host = p.ours(x.Request.Host)
	}
	if x.Request.Scheme != "http" {
		req.TLS = &tls.ConnectionState{}
	}
	for name, value := range x.Request.Headers {
		req.Header.Set(name, p.ours(value))
	}
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, req)
	got, want := w.Result(), x.Response

	var diff string
	if got.StatusCode != want.Status {
		diff = fmt.Sprintf("status %d, recorded %d\n", got.StatusCode, want.Status)
	}
	p.learn(got, x)
	for name := range got.Header {
		if name = strings.ToLower(name); !slices.Contains(ownHeaders, name) && want.Headers[name] == "" {
			diff += fmt.Sprintf("header %s was not recorded\n", name)
		}
	}
	for name, value := range want.Headers {
		if !slices.Contains(ownHeaders, name) {
			diff += cmp.Diff(p.header(name, value), p.header(name, got.Header.Get(name)))
		}
	}
	diff += p.body(w.Body.Bytes(), x)
	if diff != "" {
		t.Errorf("%s %.300s %v (%s)\n-recorded +embedded\n%s\n%.500s", x.Request.Method, x.Request.Target, x.Request.Headers, x.Note, diff, w.Body)
	}
}

// ownHeaders are headers that differ from server to server, or that depend on such
// texts or on the connection.
var ownHeaders = []string{"date", "connection", "content-length", "etag", "last-modified", "set-cookie"}

// ours replaces recorded texts by those of the embedded server.
func (p *player) ours(s string) string {
	for recorded, embedded := range p.replace {
		s = strings.ReplaceAll(s, recorded, embedded)
	}
	if name, ok := strings.CutPrefix(s, "Basic ${basic:"); ok {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(p.credentials(strings.TrimSuffix(name, "}"))))
	}
	return s
}

// credentials returns "user:password" for its placeholder in a recording: see the README
// of the recordings.
func (p *player) credentials(name string) string {
	user, which, _ := strings.Cut(name, ":")
	switch {
	case user == "$oauthtoken":
		return user + ":${" + which + "}"
	case name == "robot-none":
		return "harbourline+none:nothing"
	case user == "robot" && which == "":
		return p.dataset.Robots[0].Name + ":" + p.dataset.Robots[0].Token
	case user == "robot":
		return p.dataset.Robots[0].Name + ":wrong"
	case which == "password":
		i := slices.IndexFunc(p.dataset.Users, func(u quaytest.User) bool { return u.Name == user })
		return user + ":" + p.dataset.Users[i].Password
	}
	return user + ":" + which
}

// learn records which texts to replace in later requests.
func (p *player) learn(got *http.Response, x recorded) {
	if to, err := url.Parse(got.Header.Get("Location")); err == nil && to.Host != "" {
		if recorded, err := url.Parse(x.Response.Headers["location"]); err == nil {
			p.replace[recorded.RequestURI()] = to.RequestURI()
			p.replace[recorded.Host] = to.Host
		}
	}
}

// header returns the part of a header that is the same on every server.
func (p *player) header(name, value string) string {
	switch name {
	case "content-type":
		kind, _, err := mime.ParseMediaType(value)
		if value != "" && err != nil {
			return "broken: " + value
		}
		return kind
	case "location":
		to, err := url.Parse(value)
		if err != nil {
			return "broken: " + value
		}
		if to.Query().Has("X-Amz-Signature") { // signed with the storage's keys
			to.Scheme = ""
			q := to.Query()
			_, scope, _ := strings.Cut(q.Get("X-Amz-Credential"), "/")
			q.Set("X-Amz-Credential", "key/"+scope)
			q.Set("X-Amz-Date", "")
			q.Set("X-Amz-Signature", "")
			to.RawQuery = q.Encode()
		}
		if to.Host != "quay.test:8443" {
			to.Host = "second host"
		}
		return to.String()
	}
	return value
}

// body compares the bodies, and records cursors.
func (p *player) body(got []byte, x recorded) string {
	if x.Request.Method == http.MethodHead && len(got) > 0 {
		return "an answer to HEAD has a body\n"
	}
	switch want := x.Response; {
	case want.BodyBase64 != nil:
		text, err := base64.StdEncoding.DecodeString(*want.BodyBase64)
		if err != nil {
			return err.Error()
		}
		return cmp.Diff(text, got)
	case want.Body == nil:
		return ""
	default:
		var recorded, embedded any
		if json.Unmarshal([]byte(*want.Body), &recorded) != nil {
			return "" // an HTML page
		}
		if err := json.Unmarshal(got, &embedded); err != nil {
			return fmt.Sprintf("body is not JSON: %v\n", err)
		}
		diff := ""
		if token := member(embedded, "token"); token != "" {
			diff = checkToken(token, x)
			// Quay's tokens are as long: what fits a header line there fits here.
			if want := len(*x.Response.Body) - len("${registry-jwt}") + len(token); x.Response.Headers["content-length"] != strconv.Itoa(want) {
				diff += fmt.Sprintf("the body is %d bytes long, recorded %s\n", want, x.Response.Headers["content-length"])
			}
			embedded.(map[string]any)["token"] = "${registry-jwt}"
			p.replace["${registry-jwt}"] = token
		}
		if cursor := member(embedded, "next_page"); cursor != "" {
			p.replace[url.QueryEscape(member(recorded, "next_page"))] = url.QueryEscape(cursor)
		}
		return diff + cmp.Diff(neutral(recorded), neutral(embedded))
	}
}

// checkToken compares a registry token's payload.
func checkToken(token string, x recorded) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "token is no JWT\n"
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var payload map[string]any
	if err != nil || json.Unmarshal(text, &payload) != nil {
		return "token's payload cannot be read\n"
	}
	diff := ""
	issued, _ := payload["iat"].(float64)
	lapses, _ := payload["exp"].(float64)
	if got := lapses - issued; got != x.Response.JWTLifetime {
		diff = fmt.Sprintf("token lives %v s, recorded %v\n", got, x.Response.JWTLifetime)
	}
	got := map[string]any{}
	for name := range x.Response.JWTPayload {
		got[name] = payload[name]
	}
	return diff + cmp.Diff(x.Response.JWTPayload, got)
}

// neutral replaces the parts of a body that differ from server to server: cursors,
// avatars, ids, and the host in an error's type.
func neutral(body any) any {
	switch v := body.(type) {
	case []any:
		for i := range v {
			v[i] = neutral(v[i])
		}
	case map[string]any:
		for name, value := range v {
			switch text, _ := value.(string); {
			case slices.Contains([]string{"next_page", "avatar", "id"}, name):
				v[name] = "differs"
			case name == "type" && strings.HasPrefix(text, "http"):
				_, path, _ := strings.Cut(text, "/api/")
				v[name] = path
			default:
				v[name] = neutral(value)
			}
		}
	}
	return body
}

func member(body any, name string) string {
	object, _ := body.(map[string]any)
	text, _ := object[name].(string)
	return text
}

func madeUpJWT() string {
	segment := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return segment(`{"alg":"RS256","typ":"JWT"}`) + "." + segment(`{"iss":"nobody","sub":"nobody"}`) + "." + segment("unsigned")
}

func recordedDataset(t testing.TB) *quaytest.Dataset {
	t.Helper()
	f, err := os.Open(filepath.Join(recordings, "dataset.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := quaytest.ReadDataset(f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func readJSON[T any](t testing.TB, file string) (v T) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}
