// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quayside/quayside/ref"
)

// checkError asks of every error what SyntaxError promises.
func checkError(t *testing.T, err error) {
	t.Helper()
	var syntax *ref.SyntaxError
	if !errors.As(err, &syntax) {
		t.Fatalf("%T is not a *SyntaxError: %v", err, err)
	}
	if syntax.Offset < 0 || syntax.Offset > len(syntax.Input) || syntax.Msg == "" {
		t.Fatalf("%#v", syntax)
	}
	if lines := strings.Split(syntax.Error(), "\n"); len(lines) != 3 || !strings.HasSuffix(lines[2], "^") {
		t.Fatalf("%q", lines)
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, seed := range []string{
		"quay://kolla", "quay.io/kolla/nova-*:2025.1", "localhost:5000/kolla/**,!a/b:~2025.1,v1?since=30d",
		"quay://[::1]:80/kolla/{a,b{c,d}}:>=4.12 <4.15-rc.1", "kolla/a%2Cb:%3E1?since=2025-01-02T03:04:05%2B02:00",
		"u:p@kolla/x?token=a&b", "kolla/[!a-z]?:v?since=1d", "a.b/c:d", "kolla/a@sha256:00", "kolla:5/x", ".0",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ref.ParsePattern(s)
		if err != nil {
			checkError(t, err)
		} else {
			checkStable(t, p)
		}
		// Whatever stands before it, a token does not come out.
		const secret = "s3cr3tVALUE"
		if strings.Contains(s, secret) {
			t.Skip()
		}
		p, err = ref.ParsePattern(s + "&token=" + secret)
		if err != nil && strings.Contains(err.Error(), secret) || strings.Contains(p.String(), secret) {
			t.Fatalf("the token comes out: %v %v", p, err)
		}
	})
}

func FuzzParseImage(f *testing.F) {
	for _, seed := range []string{
		"kolla/nova", "quay.io/kolla/a/b:v1", "localhost:5000/k/n@sha256:" + strings.Repeat("0a", 32),
		"quay://[::1]:80/k/n:t@sha512:00", "a.b/c", "k/n:t:u", "k/n@", "k/n?token=x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		i, err := ref.ParseImage(s)
		if err != nil {
			checkError(t, err)
			return
		}
		if again, err := ref.ParseImage(i.String()); err != nil || again != i {
			t.Fatalf("%s parses to %v, %v", i, again, err)
		}
		if ref.ValidNamespace(i.Namespace) != nil || ref.ValidRepository(i.Repository) != nil || i.Tag == "" && i.Digest == "" {
			t.Fatalf("%#v", i)
		}
		// An image is also a pattern, but for its digest.
		if i.Digest == "" {
			p, err := ref.ParsePattern(i.String())
			if err != nil || p.Host != i.Host || p.Namespace != i.Namespace || !p.Tags.Match(i.Tag) || !p.Repositories.Match(i.Repository) {
				t.Fatalf("%s as a pattern is %v, %v", i, p, err)
			}
		}
	})
}

// FuzzGlob compares repository lists with a matcher that knows no more than
// the rules of the package comment: it spells the braces out and asks Go's
// regular expressions.
func FuzzGlob(f *testing.F) {
	for _, seed := range [][2]string{
		{"*", "nova"}, {"**", "a/b/c"}, {"a/**", "a"}, {"a**", "a/b"}, {"**/b", "b"}, {"a/**/b", "a/x/y/b"},
		{"{a,b{c,}}*", "bcd"}, {"[!a-c]?", "d/"}, {"[-a]", "-"}, {"a,!b,c*", "cd"}, {"!*-x", "a/b-x"}, {"*a*b", "xaxb"},
		{"**a/**b**", "xa/yb/z"}, {"***", "a/b"}, {"[^x]**", "a"}, {"{**,a}/b", "c/d/b"}, {"{*a,b}{*c,d}", "xaxc"}, {"a/*{,**}", "a"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, list, name string) {
		r, err := ref.ParseRepositories(list)
		if err != nil {
			checkError(t, err)
			return
		}
		again, err := ref.ParseRepositories(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%s prints as %s, %v", r, again, err)
		}
		for _, name := range r.Names() {
			if !r.Match(name) {
				t.Fatalf("%s names %q and does not match it", r, name)
			}
		}
		if literal, ok := r.Literal(); ok && !r.Match(literal) {
			t.Fatalf("%s does not match its literal %q", r, literal)
		}
		if ref.ValidRepository(name) != nil {
			return
		}
		if got, want := r.Match(name), slowMatch(r.String(), name, false); got != want {
			t.Fatalf("%s matches %q: %v, want %v", r, name, got, want)
		}
		if got, want := r.MatchAcross(name), slowMatch(r.String(), name, true); got != want {
			t.Fatalf("%s matches %q across: %v, want %v", r, name, got, want)
		}
	})
}

// The same comparison for lists and names that are built to meet.
func TestGlobsAgainstRegularExpressions(t *testing.T) {
	part := rapid.SampledFrom([]string{
		"a", "b", "-", "/", "*", "**", "?", "[ab]", "[!a]", "[^-b]", "[-a]", "{a,b}", "{a/,}", "{,**}", "{*,b/a}", "/**/",
	})
	glob := rapid.Map(rapid.SliceOfN(part, 1, 6), func(parts []string) string { return strings.Join(parts, "") })
	lists := rapid.Map(rapid.SliceOfN(glob, 1, 3), func(globs []string) string { return strings.Join(globs, ",!") })
	names := rapid.StringMatching(`[ab][ab-]{0,2}(/[ab][ab-]{0,2}){0,3}`)
	tried := 0
	rapid.Check(t, func(t *rapid.T) {
		r, err := ref.ParseRepositories(lists.Draw(t, "list"))
		if err != nil {
			return // "a//b" and the like
		}
		tried++
		for range 20 {
			name := names.Draw(t, "name")
			if got, want := r.Match(name), slowMatch(r.String(), name, false); got != want {
				t.Fatalf("%s matches %q: %v, want %v", r, name, got, want)
			}
			if got, want := r.MatchAcross(name), slowMatch(r.String(), name, true); got != want {
				t.Fatalf("%s matches %q across: %v, want %v", r, name, got, want)
			}
		}
	})
	if tried < 10 {
		t.Errorf("only %d lists were tried", tried)
	}
}

// FuzzTags holds a list of tags to what Exact and Literal say about it.
func FuzzTags(f *testing.F) {
	for _, seed := range [][2]string{
		{"2025.1-*", "2025.1-x"}, {"~2025.1", "2025.01.3"}, {">=4.12 <4.15-rc.1,!4.13", "4.13"}, {"{a,b},!b", "a"},
		{"^0.0.3", "0.0.3"}, {"=1.2.3-x86", "v1.2.3-x86"}, {"~1-rc1", "1.0.0-rc.01-y"}, {"*ab*,*bc*", "abc"}, {"~0.0.0", "0"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, list, tag string) {
		tags, err := ref.ParseTags(list)
		if err != nil {
			checkError(t, err)
			return
		}
		again, err := ref.ParseTags(tags.String())
		if err != nil || again.String() != tags.String() || again.Match(tag) != tags.Match(tag) {
			t.Fatalf("%s prints as %s, %v", tags, again, err)
		}
		exact, ok := tags.Exact()
		for _, name := range exact {
			if !tags.Match(name) || ref.ValidTag(name) != nil {
				t.Fatalf("%s: Exact = %q", tags, name)
			}
		}
		if !tags.Match(tag) {
			return
		}
		if !strings.Contains(tag, tags.Literal()) {
			t.Fatalf("%s matches %q without %q", tags, tag, tags.Literal())
		}
		if ok && !strings.Contains("\n"+strings.Join(exact, "\n")+"\n", "\n"+tag+"\n") {
			t.Fatalf("%s matches %q, which is not in %q", tags, tag, exact)
		}
	})
}

// slowMatch is a list of globs told by regular expressions.
func slowMatch(list, name string, across bool) bool {
	included, excluded, anyInclude := false, false, false
	for _, glob := range slowSplit(list) {
		body, exclusion := strings.CutPrefix(glob, "!")
		matches := false
		for _, plain := range slowBraces(body) {
			matches = matches || slowRegexp(plain, false).MatchString(name) || across && slowRegexp(plain, true).MatchString(name)
		}
		if exclusion {
			excluded = excluded || matches
		} else {
			anyInclude, included = true, included || matches
		}
	}
	if !anyInclude {
		included = across || !strings.Contains(name, "/")
	}
	return included && !excluded
}

// slowSplit cuts at the commas outside braces; a class holds neither.
func slowSplit(s string) []string {
	var parts []string
	depth, start := 0, 0
	for i, c := range s {
		switch {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == ',' && depth == 0:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// slowBraces replaces the first innermost braces until there are none.
func slowBraces(s string) []string {
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return []string{s}
	}
	start := strings.LastIndexByte(s[:end], '{')
	var out []string
	for inner := range strings.SplitSeq(s[start+1:end], ",") {
		out = append(out, slowBraces(s[:start]+inner+s[end+1:])...)
	}
	return out
}

var stars = regexp.MustCompile(`\*{2,}`)

// slowRegexp translates a glob without braces, with "*" and its like either
// kept from slashes or not.
func slowRegexp(glob string, across bool) *regexp.Regexp {
	one := "[^/]"
	if across {
		one = "."
	}
	glob = stars.ReplaceAllString(glob, "**")
	var b strings.Builder
	for i := 0; i < len(glob); i++ {
		atStart := i == 0 || glob[i-1] == '/'
		switch {
		case atStart && !across && strings.HasPrefix(glob[i:], "**/"):
			b.WriteString("(.*/)?")
			i += 2
		case atStart && glob[i:] == "**" && !across:
			b.WriteString(".+")
			i++
		case strings.HasPrefix(glob[i:], "**"):
			b.WriteString(".*")
			i++
		case glob[i] == '*':
			b.WriteString(one + "*")
		case glob[i] == '?':
			b.WriteString(one)
		case glob[i] == '[':
			end := i + strings.IndexByte(glob[i:], ']')
			class := glob[i+1 : end]
			negated := strings.HasPrefix(class, "!") || strings.HasPrefix(class, "^")
			class = strings.TrimLeft(class, "!^")
			switch {
			case negated && across:
				b.WriteString("[^" + class + "]")
			case negated:
				b.WriteString("[^/" + strings.TrimPrefix(class, "-") + slowDash(class) + "]")
			default:
				b.WriteString("[" + class + "]")
			}
			i = end
		default:
			b.WriteString(regexp.QuoteMeta(string(glob[i])))
		}
	}
	return regexp.MustCompile("^(?s:" + b.String() + ")$")
}

// slowDash returns a leading "-" of a class in a form that may stand last.
func slowDash(class string) string {
	if strings.HasPrefix(class, "-") {
		return `\-`
	}
	return ""
}
