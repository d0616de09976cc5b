// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/quayside/quayside/quay"
)

func TestParseRepoName(t *testing.T) {
	for s, want := range map[string]quay.RepoName{
		"harbourline/plain":             {Namespace: "harbourline", Name: "plain"},
		"harbourline/tools/inner/deep":  {Namespace: "harbourline", Name: "tools/inner/deep"},
		"a/b":                           {Namespace: "a", Name: "b"},
		"openstack.kolla/9-lives_x.y":   {Namespace: "openstack.kolla", Name: "9-lives_x.y"},
		"LDAP_User/x":                   {Namespace: "LDAP_User", Name: "x"},
		"o/" + strings.Repeat("x", 255): {Namespace: "o", Name: strings.Repeat("x", 255)},
	} {
		got, err := quay.ParseRepoName(s)
		if got != want || err != nil || got.String() != s {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
	for s, words := range map[string]string{
		"":                                 `"": no '/'`,
		"plain":                            `"plain": no '/'`,
		"/plain":                           "no namespace",
		"org/":                             `"org/": no name after the '/'`,
		"org/UPPER":                        `"org/UPPER": character 5, 'U', is not allowed`,
		"org/a b":                          `character 6, ' ', is not allowed`,
		"org/☃x":                           `character 5, '☃', is not allowed`,
		"org/-a":                           `character 5, '-', is not allowed: a part of the name starts with`,
		"org/a//b":                         `character 7, '/', is not allowed`,
		"org/a/../b":                       `character 7, '.', is not allowed`,
		"org/a/":                           "ends with '/'",
		"o rg/a":                           `"o rg": character 2, ' '`,
		"-org/a":                           `character 1, '-'`,
		"org/a:tag":                        `character 6, ':'`,
		"org/a\x1b[31m":                    `"org/a\x1b[31m": character 6, '\x1b'`,
		"quay.io:443/org/a":                `"quay.io:443": character 8, ':'`,
		"org/" + strings.Repeat("x", 256):  "longer than 255",
		strings.Repeat("x", 256) + "/repo": "longer than 255",
	} {
		got, err := quay.ParseRepoName(s)
		wantError(t, err, "invalid", "quay: repository name: ", words)
		if got != (quay.RepoName{}) {
			t.Errorf("%q = %+v", s, got)
		}
	}
}

// TestInvalidArgumentsSendNothing: the client refuses invalid arguments.
func TestInvalidArgumentsSendNothing(t *testing.T) {
	tr := transport(func(r *http.Request) (*http.Response, error) {
		t.Errorf("sends %s", r.URL)
		return nil, http.ErrServerClosed
	})
	c := client(t, "http://quay.test", quay.WithTransport(tr), quay.WithToken("hush-hush"))
	ctx := context.Background()
	good := repo("org/r")
	check := func(err error, words string) {
		t.Helper()
		wantError(t, err, "invalid", words)
		if strings.Contains(err.Error(), "hush") {
			t.Errorf("shows the token: %v", err)
		}
	}
	for s, words := range map[string]string{
		"": "no tag name", "a b": "character 2, ' '", ".bad": `".bad": character 1, '.'`, "..": "character 1", "-x": "character 1",
		"a/b": "character 2, '/'", "☃": "character 1", "v1\x00": `'\x00'`, strings.Repeat("a", 129): "longer than 128",
		"v1&limit=100": "character 3, '&'", "2025.1 ": "character 7, ' '",
	} {
		_, err := c.Tag(ctx, good, s)
		check(err, words)
		_, err = c.HasTag(ctx, good, s)
		check(err, "look up tag")
		if s != "" {
			_, err = drain(t, c.Tags(ctx, good, quay.TagQuery{Exact: s}))
			check(err, "list tags")
		}
	}
	for _, bad := range []quay.RepoName{{}, {Namespace: "org"}, {Name: "r"}, {Namespace: "org", Name: "../x"}, {Namespace: "a/b", Name: "c"}, {Namespace: "..", Name: "c"}} {
		_, err := c.Tag(ctx, bad, "v1")
		check(err, "look up tag")
		_, err = drain(t, c.Tags(ctx, bad, quay.TagQuery{History: true}))
		check(err, "list tags")
	}
	for _, q := range []quay.TagQuery{{Contains: "100%"}, {Contains: "a b"}, {PageSize: -1}, {PageSize: 101}} {
		_, err := drain(t, c.Tags(ctx, good, q))
		check(err, "list tags")
	}
	for _, bad := range []string{"", "a/b", "a b", "?x", "a%2Fb", "..", ".", strings.Repeat("n", 256)} {
		_, err := drain(t, list(c, bad))
		check(err, "list repositories")
		_, err = c.RepositoryNames(ctx, bad)
		check(err, "list repositories")
		_, err = c.Namespace(ctx, bad)
		check(err, "look up namespace")
	}
}
