// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzLike(f *testing.F) {
	for _, s := range [][2]string{{"%2025%", "v2025.1"}, {"_%a", "bca"}, {`%\%%`, "50%"}, {`a\`, `a\`}, {"%ab%abc", "ababc"}, {"%", ""}, {"", "x"}, {"%É%", "é"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 30 || len(name) > 30 || !utf8.ValidString(pattern+name) {
			return
		}
		for _, r := range pattern + name {
			if r > 'z' { // folding of other letters differs
				return
			}
		}
		var b strings.Builder
		escaped := false
		for i, r := range pattern {
			switch {
			case escaped:
				b.WriteString(regexp.QuoteMeta(string(r)))
				escaped = false
			case r == '\\' && i+1 < len(pattern):
				escaped = true
			case r == '%':
				b.WriteString(".*")
			case r == '_':
				b.WriteString(".")
			default:
				b.WriteString(regexp.QuoteMeta(string(r)))
			}
		}
		want := regexp.MustCompile("(?is)^(?:" + b.String() + ")$").MatchString(name)
		if got := like(pattern, name); got != want {
			t.Errorf("%q like %q: %v", name, pattern, got)
		}
	})
}
