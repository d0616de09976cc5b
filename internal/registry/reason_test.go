// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf16"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/registry"
	"github.com/quayside/quayside/quay/quaytest"
)

// wide encodes a text in UTF-16, as some proxies do.
func wide(order binary.AppendByteOrder, text string) string {
	b := order.AppendUint16(nil, 0xfeff)
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

// The reason of a refusal is shown in one readable line, whatever its form and type.
func TestReasonOfARefusal(t *testing.T) {
	for body, want := range map[string]string{
		`{"errors":[{"code":"DENIED","message":"quota exceeded"}]}`:                                                  "400 DENIED: quota exceeded",
		`{"errors":[{"code":"MANIFEST_INVALID","detail":{"message":"no such layer"},"message":"manifest invalid"}]}`: "400 MANIFEST_INVALID: manifest invalid: no such layer",
		`{"errors":[{"code":"MANIFEST_UNKNOWN","detail":{},"message":"manifest unknown"}]}`:                          "400 MANIFEST_UNKNOWN: manifest unknown",
		`{"errors":[{"code":"NAME_INVALID","message":"bad name","detail":"upper case"}]}`:                            "400 NAME_INVALID: bad name: upper case",
		`{"errors":[{"code":"NAME_INVALID","message":"","detail":"upper case"}]}`:                                    "400 NAME_INVALID: upper case",
		`{"errors":[{"code":"A","message":"one","detail":["x"]},{"code":"B","message":"two"}]}`:                      "400 A: one; two",
		`{"errors":[{"code":"NAME_INVALID","message":"bad name","detail":{"Name":"X","Reason":"upper case"}}]}`:      "400 NAME_INVALID: bad name: upper case",
		`{"message":{"page":"a number","limit":"Max 100."}}`:                                                         "400: limit: Max 100.; page: a number",
		"gesperrt f\xfcr heute": "400: gesperrt für heute",
		`{"errors":[{"status":404,"message":"Unable to find repository"}]}`: "400: Unable to find repository",
		`{"errors":["quota exceeded"]}`:                                     "400: quota exceeded",
		`{"errors":"quota exceeded"}`:                                       "400: quota exceeded",
		`{"errors":[{"code":7,"message":"seven"}]}`:                         "400: seven",
		`{"errors":{"code":"DENIED","message":"no"}}`:                       "400 DENIED: no",
		`{"error":"no such project"}`:                                       "400: no such project",
		`{"error":{"code":"DENIED","message":"no such project"}}`:           "400 DENIED: no such project",
		`{"error":"invalid_grant","error_description":"lapsed"}`:            "400: lapsed",
		`{"message":"no such project","status":400}`:                        "400: no such project",
		`{"detail":"not yours","error_type":"insufficient_scope"}`:          "400: not yours",
		`{"details":"incorrect username or password"}`:                      "400: incorrect username or password",
		`"just text"`:                         "400: just text",
		"bad things\nsecond line":             "400: bad things",
		"\r\n\r\n  bad things  \r\nmore":      "400: bad things",
		wide(binary.LittleEndian, "bad wide"): "400: bad wide",
		wide(binary.BigEndian, "bad wide"):    "400: bad wide",
		"\ufeffbad with a mark":               "400: bad with a mark",
		"<html>\r\n<head><title>413 Request Entity Too Large</title></head><body>nginx</body></html>": "400: 413 Request Entity Too Large",
		"<HTML><HEAD><TITLE lang='en'>\nNot &amp; here\n</TITLE></HEAD></HTML>":                       "400: Not & here",
		"<!DOCTYPE html><body><h1>Access <b>denied</b></h1></body>":                                   "400: Access denied",
		"<html><title>400 Bad Request</title></html>":                                                 "400: Bad Request",
		`<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>not there</Message></Error>`:      "400 NoSuchKey: not there",
		`{"Message":"in capitals"}`:                                    "400: in capitals",
		`{"errors":[{"code":"X","description":"other"}]}`:              "400 X: other",
		`{"data":{"message":"inside"}}`:                                `400: {"data":{"message":"inside"}}`,
		`{"errors":{"name":["is bad"],"kind":"a"}}`:                    `400: {"errors":{"name":["is bad"],"kind":"a"}}`,
		"{\"message\":\"one\"}\n{\"message\":\"two\"}":                 "400: one",
		"<html><body><p>Blocked by <b>policy</b> 12</p></body></html>": "400: Blocked by policy 12",
		"<html>520</html>":                                             "400",
		"":                                                             "400",
		"{}":                                                           "400",
		"[]":                                                           "400",
		"null":                                                         "400",
		`{"errors":[]}`:                                                "400",
		`{"errors":null,"message":5}`:                                  "400",
		"\xff\xfe":                                                     "400",
		"\x00\x01\x02binary\xff":                                       "400",
		`{"message":"\u001b[31mred\u001b[0m \u202eright\u2066 to \u0007left\u001b]0;title\u0007 end"}`: "400: red right to left end",
		`{"message":"one\nline\tonly"}`:                        "400: one line only",
		strings.Repeat("x", 1<<20):                             "400: " + strings.Repeat("x", 300) + "...",
		`{"message":"` + strings.Repeat("long ", 10000) + `"}`: "400: " + strings.Repeat("long ", 60) + "...",
	} {
		for _, contentType := range []string{"application/json", "text/plain", "text/html; charset=utf-8", ""} {
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{contentType}
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(body))
			})
			r := connect(t, url, "", "").repository(t, "a/b")
			content := []byte("{}")
			for what, err := range map[string]error{
				"begin":    r.CheckPush(t.Context()),
				"manifest": r.PushManifest(t.Context(), describe(content, ocispec.MediaTypeImageManifest), content, "v1"),
			} {
				said := err.Error()[strings.Index(err.Error(), ": 400")+2:]
				if said != want {
					t.Errorf("%s: %.80q as %q: %q, want %q", what, body, contentType, said, want)
				}
			}
		}
	}
}

// The reason of a token server is shown, too.
func TestReasonOfATokenServer(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"details":"incorrect username or password"}`))
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="/token"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	for secret, want := range map[string]string{"": "no credentials", "secret-of-robot": "credentials are refused"} {
		err := connect(t, url, "robot", secret).repository(t, "a/b").CheckPush(t.Context())
		if !errors.Is(err, registry.ErrDenied) || !strings.Contains(err.Error(), "incorrect username") || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "docker login") {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

// The error of a denied push says whether credentials are missing, are refused, or lack
// the right: a Quay's token lists the rights (doc/quay-api.md, "Pushing").
func TestWhyAPushIsDenied(t *testing.T) {
	for name, test := range map[string]struct {
		user, secret, repository string
		login                    bool
		want, not                string
	}{
		"no credentials":       {"", "", "emptyfleet/new", true, "no credentials", "repo:create"},
		"wrong password":       {quaytest.SamplePusher, "another-secret", "emptyfleet/new", true, "credentials are refused", "repo:create"},
		"a stranger's robot":   {robot, robotSecret, "emptyfleet/new", false, `organization or project "emptyfleet"`, "docker login"},
		"no such organization": {quaytest.SamplePusher, quaytest.SamplePusherToken, "nosuchfleet/new", false, `organization or project "nosuchfleet"`, "docker login"},
		"a token for reading":  {"$oauthtoken", quaytest.SampleToken, private, false, "may pull, but not push", "docker login"},
		"a token that may not": {"$oauthtoken", quaytest.SampleToken, "stackfleet/new", false, "repo:create", "docker login"},
	} {
		s := sample(t, test.user, test.secret)
		r := s.repository(t, test.repository)
		for what, err := range map[string]error{
			"begin":  r.CheckPush(t.Context()),
			"upload": r.Upload(t.Context(), describe([]byte("x"), ""), opened([]byte("x"), nil)),
		} {
			if !errors.Is(err, registry.ErrDenied) || errors.Is(err, registry.ErrLogin) != test.login ||
				!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), test.not) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
	}
	for _, who := range [][2]string{{quaytest.SamplePusher, quaytest.SamplePusherToken}, {"$oauthtoken", quaytest.SamplePushToken}} {
		if err := sample(t, who[0], who[1]).repository(t, "emptyfleet/new").CheckPush(t.Context()); err != nil {
			t.Errorf("%s: %v", who[0], err)
		}
	}
}
