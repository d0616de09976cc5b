// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func FuzzCursor(f *testing.F) {
	key, now := newCursorKey(), time.Unix(1795446130, 0)
	good := key.seal(cursor{Start: 101, Page: 2}, now)
	for _, s := range []string{good, good[:120], newCursorKey().seal(cursor{Start: 1}, now), "", "garbage", "gAAAAA==", strings.Repeat("A", 400)} {
		f.Add(s, int64(101))
	}
	f.Fuzz(func(t *testing.T, s string, start int64) {
		if c, err := key.open(s, now); err == nil && s != good {
			t.Errorf("%q is read as %+v", s, c)
		}
		c, err := key.open(key.seal(cursor{Start: start, Page: 2}, now), now)
		if err != nil || c.Start != start {
			t.Errorf("%d becomes %+v, %v", start, c, err)
		}
	})
}

// Where net/url can read a query, parameters reads the same.
func FuzzParameters(f *testing.F) {
	f.Add("namespace=alice&public=true", "public")
	f.Add("a=1&a=2&%61=3", "a")
	f.Add("next%5Fpage=gAAA%3D%3D", "next_page")
	f.Add("a=%zz&b=%", "b")
	f.Add("a=%E2%98%83+x;y&&=&=1", "")
	f.Fuzz(func(t *testing.T, query, name string) {
		got, given := parameters(query).text(name)
		if !utf8.ValidString(got) && utf8.ValidString(query) {
			t.Errorf("%q of %q is %q", name, query, got)
		}
		parameters(query).flag(name)
		parameters(query).number(name, 1)
		want, err := url.ParseQuery(query)
		if err != nil || name == "" || strings.ContainsAny(name, "%+") || !utf8.ValidString(name+want.Get(name)) {
			return
		}
		for key := range want {
			if !utf8.ValidString(key) {
				return
			}
		}
		if got != want.Get(name) || given != want.Has(name) {
			t.Errorf("%q of %q is %q, %v", name, query, got, given)
		}
	})
}

func FuzzWholeNumber(f *testing.F) {
	for _, s := range []string{"1", "-1", "+7", " 12 ", "1_000", "1__0", "_1", "1_", "", "-", "1.5", "99999999999999999999", "0x1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := wholeNumber(s)
		if want, err := strconv.ParseInt(s, 10, 64); err == nil && (!ok || got != want) {
			t.Errorf("%q is %d, %v", s, got, ok)
		}
		if ok && !strings.ContainsAny(s, "0123456789") {
			t.Errorf("%q is a number", s)
		}
	})
}

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

func FuzzText(f *testing.F) {
	for _, s := range []string{"plain", "Grüße — ☃ \"quoted\" <b>\\ back\nline", "\x00\x1f\x7f", "😀", "\xff", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendText(nil, s)
		var got string
		if err := json.Unmarshal(b, &got); err != nil || got != strings.ToValidUTF8(s, "\uFFFD") && utf8.ValidString(s) {
			t.Errorf("%q becomes %s", s, b)
		}
		for _, c := range b {
			if c >= utf8.RuneSelf {
				t.Errorf("%q becomes %s: not ASCII", s, b)
			}
		}
	})
}
