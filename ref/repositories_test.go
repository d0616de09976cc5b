// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref_test

import (
	"strings"
	"testing"
	"time"

	"github.com/quayside/quayside/ref"
)

// The tables of globs stand in doc/guide/patterns.md; TestPageTables reads them.

func repositories(t testing.TB, s string) ref.Repositories {
	t.Helper()
	r, err := ref.ParseRepositories(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRepositoriesLiteral(t *testing.T) {
	for list, want := range map[string]string{
		"nova":           "nova",
		"tools/inner":    "tools/inner",
		"{nova,nova}":    "nova",
		"nova,!*-debug":  "nova",
		"a,b,!b":         "a",
		"nova*":          "",
		"nova,neutron":   "",
		"{nova,neutron}": "",
		"nova,*":         "",
		"!nova":          "",
	} {
		name, ok := repositories(t, list).Literal()
		if name != want || ok != (want != "") {
			t.Errorf("Literal of %q is %q, %v; want %q", list, name, ok, want)
		}
	}
	if name, ok := (ref.Repositories{}).Literal(); ok {
		t.Errorf("Literal of the default is %q", name)
	}
}

func TestRepositoriesNames(t *testing.T) {
	for list, want := range map[string]string{
		"nova":                    "nova",
		"{nova,heat}-api,glance*": "nova-api heat-api",
		"b,a,b":                   "b a",
		"a,*":                     "a",
		"a,b*,!*":                 "",
		"a,b,c*,!b":               "a",
		"tools/x,!tools/**,y,*":   "y",
		"nova-?":                  "",
		"[ab]":                    "",
		"!a":                      "",
		"a{,-b}":                  "a a-b",
	} {
		same(t, list, strings.Join(repositories(t, list).Names(), " "), want)
	}
	if names := (ref.Repositories{}).Names(); len(names) > 0 {
		t.Errorf("the default names %q", names)
	}
	list := repositories(t, "a,b")
	list.Names()[0] = "changed"
	same(t, "a copy", strings.Join(list.Names(), " "), "a b")
}

// What is left out only because it is nested can be counted; what an exclusion
// would take anyway is not among it.
func TestRepositoriesNested(t *testing.T) {
	r := repositories(t, "*,!*-debug")
	var nested []string
	for _, name := range []string{"nova", "nova-debug", "tools/nova", "tools/nova-debug", "tools/inner/deep"} {
		if !r.Match(name) && r.MatchAcross(name) {
			nested = append(nested, name)
		}
	}
	same(t, "nested", strings.Join(nested, " "), "tools/nova tools/inner/deep")
}

func TestRepositoriesMatchNoOverlongName(t *testing.T) {
	long := strings.Repeat("a", 256)
	for _, r := range []ref.Repositories{{}, repositories(t, "**")} {
		if r.Match(long) || r.MatchAcross(long) {
			t.Errorf("%s matches a name of 256 characters", r)
		}
		if !r.Match(long[:255]) {
			t.Errorf("%s does not match a name of 255 characters", r)
		}
	}
}

// inNoTime fails the test when f takes long whenever it is tried: what takes a
// small part of a second takes some when the machine is busy, and what grows
// without bounds takes for ever.
func inNoTime(t *testing.T, f func()) {
	t.Helper()
	took := time.Duration(0)
	for range 3 {
		start := time.Now()
		f()
		if took = time.Since(start); took < 10*time.Second {
			return
		}
	}
	t.Errorf("took %v", took)
}

// Hostile globs are refused, or cost no more than a plain one: each must parse
// and match in a small part of a second.
func TestHostileGlobs(t *testing.T) {
	for name, glob := range map[string]string{
		"stars":            strings.Repeat("*a", 250),
		"double stars":     strings.Repeat("**/", 160) + "b",
		"inner stars":      strings.Repeat("a**", 100) + "b",
		"stars and braces": strings.Repeat("{*a,*b}", 10),
		"braces":           strings.Repeat("{a,b}", 2000),
		"empty braces":     strings.Repeat("{,}", 5000),
		"deep braces":      strings.Repeat("{a,", 5000) + strings.Repeat("}", 5000),
		"open braces":      strings.Repeat("{", 16000),
		"wide braces":      "{" + strings.Repeat("a,", 8000) + "b}",
		"deep and wide":    strings.Repeat("{a,b,", 8) + strings.Repeat("}", 8),
		"long braces":      "{" + strings.Repeat("*a,", 1000) + "b}" + strings.Repeat("*b", 200),
		"classes":          strings.Repeat("[a-z]", 3000),
		"open classes":     strings.Repeat("[", 16000),
		"many globs":       strings.Repeat("*a*b*c*,", 1000) + "d",
		"many exclusions":  "*" + strings.Repeat(",!*a*b*c*", 1000),
		"braces and inner": strings.Repeat("{a,b}**", 7),
		"commas":           strings.Repeat(",", 16000),
	} {
		t.Run(name, func(t *testing.T) {
			inNoTime(t, func() {
				r, err := ref.ParseRepositories(glob)
				if err == nil {
					hostile := strings.Repeat("a", 127) + "/" + strings.Repeat("a", 127)
					r.Match(hostile)
					r.MatchAcross(hostile)
					r.Match(strings.Repeat("a/", 127) + "a")
				}
				if list, err := ref.ParseTags(glob); err == nil {
					list.Match(strings.Repeat("a", 128))
					list.Literal()
				}
			})
		})
	}
}

func TestRepositoriesBounds(t *testing.T) {
	for glob, want := range map[string]string{
		strings.Repeat("{a,b}", 11):                                    "more than 1024 alternatives",
		strings.TrimSuffix(strings.Repeat("?,", 1025), ","):            "more than 1024 alternatives",
		"{" + strings.Repeat("?,", 1024) + "b}":                        "more than 1024 alternatives",
		strings.Repeat("{a,", 9) + "b" + strings.Repeat("}", 9):        "more than 8 deep",
		strings.Repeat("a?", 300):                                      "longer than 512",
		strings.Repeat("a?,", 600) + strings.Repeat("!b?,", 600) + "c": "more than 1024 alternatives",
		strings.Repeat("a", 256):                                       "longer than 255",
	} {
		_, err := ref.ParseRepositories(glob)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", glob, err, want)
		}
	}
	for _, glob := range []string{
		strings.Repeat("{a,b}", 10),
		strings.Repeat("{a,", 8) + "b" + strings.Repeat("}", 8),
		"a" + strings.Repeat("**a", 6),
		strings.Repeat("a", 255),
		strings.TrimSuffix(strings.Repeat("aaaa,", 3000), ","), // one name
	} {
		if _, err := ref.ParseRepositories(glob); err != nil {
			t.Errorf("%.40q: %v", glob, err)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, list := range []string{"nova-*", "**/*-api,!**/*-debug*", "{nova,neutron,cinder,glance,keystone}-*"} {
		r := repositories(b, list)
		b.Run(list, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Match("nova-compute-ironic")
			}
		})
	}
}
