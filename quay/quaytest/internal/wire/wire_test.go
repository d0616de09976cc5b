// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// Query reads every query that net/url can read in the same way.
func FuzzQuery(f *testing.F) {
	f.Add("namespace=alice&public=true", "public")
	f.Add("a=1&a=2&%61=3", "a")
	f.Add("next%5Fpage=gAAA%3D%3D", "next_page")
	f.Add("a=%zz&b=%", "b")
	f.Add("a=%E2%98%83+x;y&&=&=1", "")
	f.Fuzz(func(t *testing.T, query, name string) {
		got, given := Query(query).String(name)
		if !utf8.ValidString(got) && utf8.ValidString(query) {
			t.Errorf("%q of %q is %q", name, query, got)
		}
		Query(query).Bool(name)
		Query(query).Int(name, 1)
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

func FuzzInt(f *testing.F) {
	for _, s := range []string{"1", "-1", "+7", " 12 ", "1_000", "1__0", "_1", "1_", "", "-", "1.5", "99999999999999999999", "0x1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseInt(s)
		if want, err := strconv.ParseInt(s, 10, 64); err == nil && (!ok || got != want) {
			t.Errorf("%q is %d, %v", s, got, ok)
		}
		if ok && !strings.ContainsAny(s, "0123456789") {
			t.Errorf("%q is a number", s)
		}
	})
}

func FuzzString(f *testing.F) {
	for _, s := range []string{"plain", "Grüße — ☃ \"quoted\" <b>\\ back\nline", "\x00\x1f\x7f", "😀", "\xff", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := AppendString(nil, s)
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
