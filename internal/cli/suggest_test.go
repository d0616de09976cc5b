// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"server", "servr", 1}, {"output", "outptu", 2}, {"jobs", "job", 1}, {"abc", "xyz", 3}} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
		if got := distance(test.b, test.a); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.b, test.a, got, test.want)
		}
	}
}

func TestArgumentsAreQuotedForAShell(t *testing.T) {
	for arg, want := range map[string]string{
		"plain-1.0": "plain-1.0", "http://127.0.0.1:1/": "http://127.0.0.1:1/", "a/*:1": "'a/*:1'", "{a,b}": "'{a,b}'",
		"it's": `'it'\''s'`, "": "''", "two words": "'two words'", "~x": "'~x'",
	} {
		if got := quoted(arg); got != want {
			t.Errorf("quoted(%q) = %s, want %s", arg, got, want)
		}
	}
}

func TestVersionFromBuildInfo(t *testing.T) {
	info := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc123"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	got := versionOf(info)
	want := got
	want.Version, want.Commit, want.Date = "v1.2.3", "abc123+dirty", "2026-01-02T03:04:05Z"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, info := range []*debug.BuildInfo{nil, {}, {Main: debug.Module{Version: "(devel)"}}} {
		if got := versionOf(info); got.Version != "devel" || got.Commit != "unknown" || got.GoVersion == "" {
			t.Errorf("%+v", got)
		}
	}
}
