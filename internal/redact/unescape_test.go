// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package redact_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/quayside/quayside/internal/redact"
)

// each formats each byte of a text.
func each(form, text string) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, form, text[i])
	}
	return b.String()
}

// Any character of a secret may be escaped, more than once.
func TestSecretsWithAnyCharacterEscaped(t *testing.T) {
	var r redact.Redactor
	secret := "TOPSECRETtoken0123456789"
	r.Add(secret)
	for _, form := range []string{
		each("%%%02X", secret), each("%%%02x", secret), each("%%25%02X", secret), each(`\u%04x`, secret), each(`\x%02x`, secret),
		each("&#%d;", secret), each("&#x%x;", secret), each("&#%04d;", secret), hex.EncodeToString([]byte(secret)),
		"%54OPSECRET" + each(`\u%04x`, "token") + "0123456789", "TOPSECRET" + each("&#%d;", "t") + "oken0123456789",
		each("%%%02X", base64.StdEncoding.EncodeToString([]byte(secret))),
		url.QueryEscape(each("%%%02X", secret)), each("%%%02X", secret[:16]), strings.ToUpper(each("%%%02x", secret)),
	} {
		text := "before " + form + " after"
		inJSON, _ := json.Marshal(text)
		twice, _ := json.Marshal(string(inJSON))
		for _, text := range []string{text, string(inJSON), string(twice)} {
			got := r.Text(text)
			if !strings.Contains(got, "before "+redact.Mark) || !strings.Contains(got, redact.Mark+" after") || len(got) > len("before  after")+len(redact.Mark)+8 {
				t.Errorf("%s became %s", text, got)
			}
			if !r.Shows(text) || r.Shows(got) {
				t.Errorf("%s: %v, then %v", text, r.Shows(text), r.Shows(got))
			}
			if json.Valid([]byte(text)) && !json.Valid([]byte(got)) {
				t.Errorf("%s became %s, which is no JSON", text, got)
			}
		}
	}
	for _, text := range []string{"100%", "%zz %5", `C:\temp\u12`, "a & b &; &#x; &nosuchentity;", `\`, `\u`, "%", "&", "größe%20\xff"} {
		if got := r.Text(text); got != text || r.Shows(text) {
			t.Errorf("%q became %q", text, got)
		}
	}
}
