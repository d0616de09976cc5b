// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/registry"
)

var zero time.Time

func malformed(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, registry.ErrMalformed) {
		t.Errorf("%s: %v", what, err)
	}
}

// serve starts a server with a handler.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// Answers that do not match the request for a blob: a range that begins elsewhere,
// another size, a coding, no end. Proxies send them, and no Quay.
func TestBlobThatIsNotWhatWasAskedFor(t *testing.T) {
	content := strings.Repeat("0123456789", 1000)
	d := describe([]byte(content), "")
	for name, answer := range map[string]http.HandlerFunc{
		"begins elsewhere":      part("bytes 10-9999/10000", content[10:]),
		"of another size":       part("bytes 5000-9999/20000", content[5000:]),
		"ends beyond":           part("bytes 5000-10999/*", content[5000:]+content[:1000]),
		"no range":              part("", content[5000:]),
		"range of nothing":      part("bytes 9-5/10000", ""),
		"range of another unit": part("pages 5000-9999/10000", content[5000:]),
		"negative range":        part("bytes -5000-9999/10000", content[5000:]),
		"other length":          part("bytes 5000-9999/10000", content[5001:]),
		"whole, too short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9999")
			_, _ = io.WriteString(w, content[1:])
		},
		"whole, too long": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, content+"x") },
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				_, _ = io.WriteString(w, content)
				w.(http.Flusher).Flush()
			}
		},
		"not satisfiable": status(416, ""),
	} {
		r := connect(t, serve(t, answer), "", "").repository(t, "a/b")
		_, _, err := drain(t, r, d, 5000)
		malformed(t, name, err)
	}
	for name, answer := range map[string]http.HandlerFunc{
		"exactly": part("bytes 5000-9999/10000", content[5000:]),
		"unknown": part("bytes 5000-9999/*", content[5000:]),
	} {
		got, start, err := drain(t, connect(t, serve(t, answer), "", "").repository(t, "a/b"), d, 5000)
		if err != nil || start != 5000 || string(got) != content[5000:] {
			t.Errorf("%s: %d bytes from %d, %v", name, len(got), start, err)
		}
	}
	short := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, content[:100])
		w.(http.Flusher).Flush() // so without a length
	}
	if _, _, err := drain(t, connect(t, serve(t, short), "", "").repository(t, "a/b"), d, 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("breaks off: %v", err)
	}
}

func part(contentRange, content string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", contentRange)
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, content)
	}
}

func TestManifestThatIsNotWhatWasAskedFor(t *testing.T) {
	content := `{"schemaVersion":2}`
	for name, answer := range map[string]http.HandlerFunc{
		"other content": typed(ocispec.MediaTypeImageManifest, content+" "),
		"schema 1":      typed("application/vnd.docker.distribution.manifest.v1+prettyjws", content),
		"a page":        typed("text/html", content),
		"no type":       typed("", content),
		"endless":       typed(ocispec.MediaTypeImageManifest, strings.Repeat(" ", 5<<20)),
	} {
		_, _, err := connect(t, serve(t, answer), "", "").repository(t, "a/b").Manifest(t.Context(), digest.FromString(content))
		malformed(t, name, err)
	}
}

func typed(mediaType, content string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{mediaType}
		_, _ = io.WriteString(w, content)
	}
}

// A redirect to another host or port gets no credential. Some are not followed at all.
func TestRedirects(t *testing.T) {
	content := []byte("content of the blob")
	d := describe(content, "")
	away := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for key := range r.Header {
			switch key {
			case "Accept-Encoding", "User-Agent", "Range":
			default:
				t.Errorf("%s went along", key)
			}
		}
		http.ServeContent(w, r, "", zero, bytes.NewReader(content))
	})
	for name, test := range map[string]struct {
		location string
		good     bool
	}{
		"another port":      {away + "/x?signature=s3cr3t", true},
		"another host":      {strings.Replace(away, "127.0.0.1", "localhost", 1) + "/x", true},
		"within":            {"/v2/a/b/blobs/here", true},
		"round":             {"/v2/a/b/blobs/round", false},
		"another scheme":    {"file:///etc/passwd", false},
		"with a password":   {strings.Replace(away, "http://", "http://a:b@", 1), false},
		"nowhere":           {"", false},
		"no address":        {"http://[", false},
		"a broken redirect": {"http://[" + robotSecret + "/", false},
	} {
		var asked int
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if user, secret, _ := r.BasicAuth(); user != robot || secret != robotSecret {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			asked++
			switch {
			case strings.HasSuffix(r.URL.Path, "/here"):
				http.ServeContent(w, r, "", zero, bytes.NewReader(content))
			default:
				w.Header()["Location"] = []string{test.location}
				w.WriteHeader(http.StatusTemporaryRedirect)
			}
		})
		got, start, err := drain(t, connect(t, url, robot, robotSecret).repository(t, "a/b"), d, 3)
		switch {
		case test.good && (err != nil || start != 3 || string(got) != string(content[3:])):
			t.Errorf("%s: %q from %d, %v", name, got, start, err)
		case !test.good && !errors.Is(err, registry.ErrRedirect):
			t.Errorf("%s: %v", name, err)
		case err != nil && (strings.Contains(err.Error(), robotSecret) || !strings.Contains(err.Error(), "fetch blob 127.0.0.1")):
			t.Errorf("%s: %v", name, err)
		case asked > 6:
			t.Errorf("%s: followed %d times", name, asked)
		}
	}
}

// An upload to another host carries no credentials. TestRedirectsOverTLS covers https
// to http.
func TestUploadElsewhere(t *testing.T) {
	content := []byte("content")
	away := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the credential went along")
		}
		got, _ := io.ReadAll(r.Body)
		if string(got) != string(content) || r.URL.Query().Get("digest") == "" || r.URL.Query().Get("state") != "s" {
			t.Errorf("%s with %q", r.URL, got)
		}
		w.WriteHeader(http.StatusCreated)
	})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Location", away+"/upload?state=s")
		w.WriteHeader(http.StatusAccepted)
	})
	if err := connect(t, url, robot, robotSecret).repository(t, "a/b").Upload(t.Context(), describe(content, ""), opened(content, nil)); err != nil {
		t.Error(err)
	}
}

// A server that repeats secrets in every part of its answers gets none shown.
func TestNoSecretComesOut(t *testing.T) {
	const secret, token = `hu5h <&+/%s>"x"`, "t0ken-of-the-server"
	forms := []string{"hu5h", "t0ken", base64.StdEncoding.EncodeToString([]byte(robot + ":" + secret)),
		base64.StdEncoding.EncodeToString([]byte(secret)), url.QueryEscape(secret)}
	quoted, _ := json.Marshal(secret)
	said := []string{
		`{"errors":[{"code":` + string(quoted) + `,"message":"you sent ` + string(quoted[1:len(quoted)-1]) + `"}]}`,
		`{"errors":[{"code":"` + token + `","message":"` + strings.Repeat("x", 290) + token + `"}]}`,
		`{"errors":[{"code":"DENIED","message":"` + strings.Replace(string(quoted[1:len(quoted)-1]), " ", `\u0000`, 1) + `"}]}`,
		`{"errors":[{"message":"` + forms[2] + " " + forms[3] + " " + forms[4] + `"}]}`,
		"<title>" + secret + token + "</title>", secret + token,
	}
	for _, scheme := range []string{"Basic", "Bearer"} {
		for _, code := range []int{200, 201, 202, 302, 307, 400, 401, 403, 404, 416, 501} {
			for _, body := range said {
				answer := func(w http.ResponseWriter, r *http.Request) {
					if strings.Contains(r.URL.String()+r.Referer()+r.UserAgent(), "hu5h") {
						t.Errorf("the secret is in %s", r.URL)
					}
					challenge := `Basic realm="` + token + `"`
					if scheme == "Bearer" {
						challenge = `Bearer realm="http://` + r.Host + `/token",service="` + token + `"`
					}
					w.Header().Set("WWW-Authenticate", challenge)
					_, _, told := r.BasicAuth()
					switch {
					case r.URL.Path == "/token" && code != 400:
						fmt.Fprintf(w, `{"token":%q}`, token)
						return
					case r.Header.Get("Authorization") == "" && !told:
						w.WriteHeader(http.StatusUnauthorized)
						return
					}
					w.Header().Set("Location", "ftp://"+url.PathEscape(secret)+".test/?t="+token)
					w.Header().Set("Content-Type", secret+token)
					w.Header().Set("Docker-Content-Digest", secret+token)
					w.Header().Set("Content-Range", token)
					w.WriteHeader(code)
					_, _ = io.WriteString(w, body)
				}
				s := connect(t, serve(t, answer), robot, secret)
				r := s.repository(t, "a/b")
				d := describe([]byte("content"), ocispec.MediaTypeImageManifest)
				var errs [8]error
				_, errs[0] = r.Resolve(t.Context(), "v1")
				_, _, errs[1] = r.Manifest(t.Context(), d.Digest)
				_, _, errs[2] = drain(t, r, d, 3)
				_, errs[3] = r.Attachments(t.Context(), d.Digest)
				_, errs[4] = r.HasBlob(t.Context(), d)
				_, errs[5] = r.Mount(t.Context(), d, "a/c")
				errs[6] = r.Upload(t.Context(), d, opened([]byte("content"), nil))
				errs[7] = r.PushManifest(t.Context(), d, []byte("content"), "v1")
				out := s.log.String() + fmt.Sprintf("%+v", r) + fmt.Sprintf("%#v", s.Registry)
				for _, err := range errs {
					for ; err != nil; err = errors.Unwrap(err) {
						out += fmt.Sprintf("%v %+v %#v\n", err, err, err)
					}
				}
				for _, form := range forms {
					if form == "t0ken" && (scheme == "Basic" || code == 400) {
						continue // no token was given
					}
					if at := strings.Index(out, form); at >= 0 {
						t.Fatalf("%s %d %s: shows %s in ...%s", scheme, code, body, form, out[max(0, at-200):min(len(out), at+100)])
					}
				}
			}
		}
	}
}

func TestCredentialDoesNotPrint(t *testing.T) {
	c := registry.NewCredential("hidden-user", "hu5h")
	type around struct{ c registry.Credential }
	text, err := json.Marshal(map[string]any{"c": c, "p": &c})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "c", c, "a", around{c}, "l", []registry.Credential{c})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "c", c, "a", around{c}, "chain", registry.Chain{registry.ForHost("h", c)})
	out := string(text) + log.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out += fmt.Sprintf(verb, c) + fmt.Sprintf(verb, &c) + fmt.Sprintf(verb, around{c}) +
			fmt.Sprintf(verb, registry.Chain{registry.ForHost("h", c)}) + fmt.Sprintf(verb, registry.Options{Credentials: registry.ForHost("h", c)})
	}
	for _, form := range []string{"hidden", "hu5h", fmt.Sprintf("%x", "hu5h")} {
		if strings.Contains(out, form) {
			t.Errorf("%s is in %s", form, out)
		}
	}
	if !c.IsZero() == false || !registry.NewCredential("user", "").IsZero() {
		t.Error("zero is not what it should be")
	}
}
