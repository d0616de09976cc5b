// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"

	"github.com/quayside/quayside/internal/redact"
)

// A proxy's token may be in the place of the name, with a password that is none.
func TestSecretsOfProxies(t *testing.T) {
	for address, want := range map[string]string{
		"http://me:pr0xy%2Fsecret@proxy:3128": "me and [redacted]",
		"http://pr0xy%2Fsecret@proxy:3128":    "me and [redacted]",
		"http://pr0xy%2Fsecret:@proxy:3128":   "me and [redacted]",
		"http://pr0xy%2Fsecret:x@proxy:3128":  "me and [redacted]",
		"pr0xy%2Fsecret:x@proxy":              "me and [redacted]",
		"http://proxy:3128":                   "me and pr0xy/secret",
	} {
		var hide redact.Redactor
		HideEnvironment(&hide, func(name string) (string, bool) { return address, name == "HTTPS_PROXY" })
		if got := hide.Text("me and pr0xy/secret"); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}
