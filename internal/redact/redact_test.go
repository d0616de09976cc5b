// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package redact_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/quayside/quayside/internal/redact"
)

const hush = "hu5h<&+/%s>toKen==\"x\""

func TestEveryFormOfASecret(t *testing.T) {
	var r redact.Redactor
	r.Add(hush)
	r.AddBasic("me", "s3cr3t-pass/word")
	basic := func(user string) string {
		return base64.StdEncoding.EncodeToString([]byte(user + ":s3cr3t-pass/word"))
	}
	quoted, _ := json.Marshal(hush)
	for _, form := range []string{
		hush, url.QueryEscape(hush), url.PathEscape(hush), html.EscapeString(hush), strconv.Quote(hush), string(quoted),
		strings.ToLower(hush), strings.ToUpper(hush), strings.ToLower(url.QueryEscape(hush)),
		base64.StdEncoding.EncodeToString([]byte(hush)), base64.URLEncoding.EncodeToString([]byte(hush)),
		url.UserPassword("me", "s3cr3t-pass/word").String(), "http://me:s3cr3t-pass%2Fword@proxy:3128",
		"S3CR3T-PASS/WORD://host", basic("me"), basic("mee"), basic("meee"), basic(""), basic("$oauthtoken"),
		base64.StdEncoding.EncodeToString([]byte(`{"auth": "me:s3cr3t-pass/word", "more": 1}`)),
	} {
		text := "before " + form + " after"
		got := r.Text(text)
		if !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") || !strings.Contains(got, redact.Mark) {
			t.Errorf("%q became %q", text, got)
		}
		for _, part := range []string{"hu5h", "token", "s3cr3t", "pass/w", basic("me")[6:14], "cjN0"} {
			if strings.Contains(strings.ToLower(got), strings.ToLower(part)) {
				t.Errorf("%q became %q, which has %q in it", text, got, part)
			}
		}
		if !r.Shows(text) || r.Shows(got) {
			t.Errorf("%q: %v, then %v", text, r.Shows(text), r.Shows(got))
		}
	}
}

// A text that was cut off shows no part of a secret.
func TestSecretsThatWereCutOff(t *testing.T) {
	var r redact.Redactor
	r.Add("TOPSECRETtoken0123456789abcdef")
	for text, want := range map[string]string{
		`bad TOPSECRETtoken012`:       "bad [redacted]",
		`bad TOPSECRETtoken012... `:   "bad [redacted]... ",
		`the TOPSECRET of the regime`: "the TOPSECRET of the regime",
	} {
		if got := r.Text(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestOrdinaryTextIsLeftAlone(t *testing.T) {
	var r redact.Redactor
	for _, secret := range []string{"", "a", "abc", hush} {
		r.Add(secret)
		r.AddBasic(secret, secret)
	}
	for _, text := range []string{"", "abc", "quay.io/org/app:1 is absent", "größe \xff 猫", strings.Repeat("a", 1000)} {
		if got := r.Text(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	var none *redact.Redactor
	none.Add(hush)
	none.AddPassing(hush)
	none.AddBasic("me", hush)
	if none.Text(hush) != hush || none.Shows(hush) {
		t.Error("nil redacts")
	}
}

// A redacted line of JSON is still JSON.
func TestJSONStaysJSON(t *testing.T) {
	var r redact.Redactor
	r.Add(hush)
	r.AddBasic("me", "s3cr3t-pass/word")
	for _, before := range []string{"", "\n", "é\u2028", "\x01", "\\", `"`, "\x01a"} {
		for _, secret := range []string{hush, base64.StdEncoding.EncodeToString([]byte("me:s3cr3t-pass/word"))} {
			line, _ := json.Marshal(map[string]string{"msg": before + secret + before})
			var back map[string]string
			if got := r.Text(string(line)); json.Unmarshal([]byte(got), &back) != nil || r.Shows(back["msg"]) {
				t.Errorf("%s became %s", line, got)
			}
		}
	}
}

// Old secrets of servers are dropped. Those of the user stay.
func TestPassingSecretsAreForgotten(t *testing.T) {
	var r redact.Redactor
	r.Add("of the user")
	r.AddPassing("of the user")
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			for i := range 1000 {
				r.AddPassing(fmt.Sprintf("token %d of server %d", i, n))
				r.Text("whatever it is")
			}
		})
	}
	group.Wait()
	r.AddPassing("the last")
	if !r.Shows("of the user") || !r.Shows("the last") || r.Shows("token 0 of server 0") && r.Shows("token 0 of server 7") {
		t.Error("not what is remembered")
	}
}

func TestRedactorPrintsNoSecret(t *testing.T) {
	r := &redact.Redactor{}
	r.Add(hush)
	holder := struct{ R *redact.Redactor }{r}
	if text := fmt.Sprintf("%v %+v %#v %s %#v", r, r, r, r, holder); strings.Contains(text, "hu5h") {
		t.Error(text)
	}
}

func TestTextsOfOtherPrograms(t *testing.T) {
	for text, want := range map[string]string{
		"error: password is hunter":                   "error: password is hunter", // may be a sentence
		"error: password is hunter2":                  "error: password is [redacted]",
		"the token was 'k-9/x+Q' once":                "the token was '[redacted]' once",
		"token is not valid":                          "token is not valid",
		"GET https://me:hun/ter2@registry.example/":   "GET https://[redacted]@registry.example/",
		"error: password: hunter2":                    "error: password: [redacted]",
		`{"Username":"me","Secret":"hunter2"}`:        `{"Username":"me","Secret":"[redacted]"}`,
		"Authorization: Bearer abc.def":               "Authorization: [redacted]",
		"GET https://me:hunter2@registry.example/v2/": "GET https://[redacted]@registry.example/v2/",
		"key AKIAIOSFODNN7EXAMPLEKEY is not valid":    "key [redacted] is not valid",
		"credentials not found in native keychain":    "credentials not found in native keychain",
		"token has expired.":                          "token has expired.",
		"cannot open /home/me/.docker/config.json":    "cannot open /home/me/.docker/config.json",
	} {
		got := redact.Foreign(text)
		if got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func BenchmarkText(b *testing.B) {
	var r redact.Redactor
	for i := range 1000 {
		r.AddPassing(fmt.Sprintf("token %d of a server that makes many", i))
	}
	line := strings.Repeat("time=2026-11-30T22:00:00Z level=DEBUG msg=\"http exchange\" ", 6)
	for b.Loop() {
		r.Text(line)
	}
}
