// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/quayside/quayside/ref"
)

func TestNames(t *testing.T) {
	checks := map[string]func(string) error{
		"organization": ref.ValidNamespace, "repository": ref.ValidRepository, "tag": ref.ValidTag,
	}
	for _, c := range []struct {
		name    string
		allowed string // the kinds that take the name
		offset  int    // of the error of the others
	}{
		{"kolla", "organization repository tag", 0},
		{"0", "organization repository tag", 0},
		{"openstack.kolla", "organization repository tag", 0},
		{"dots.and_under--scores", "organization repository tag", 0},
		{"a-", "organization repository tag", 0},
		{"Mixed_Case.Tag-1", "tag", 0},
		{"mixedCase", "tag", 5},
		{"_a", "tag", 0},
		{"-a", "", 0},
		{".a", "", 0},
		{"", "", 0},
		{"a b", "", 1},
		{"a\n", "", 1},
		{"é", "", 0},
		{"a+b", "", 1},
		{"a:b", "", 1},
		{"a@sha256:00", "", 1},
		{"a/b", "repository", 1},
		{"a/b/c.d", "repository", 1},
		{strings.Repeat("a", 128), "organization repository tag", 0},
		{strings.Repeat("a", 129), "organization repository", 128},
		{strings.Repeat("a", 255), "organization repository", 128},
	} {
		for kind, check := range checks {
			err := check(c.name)
			if ok := strings.Contains(c.allowed, kind); ok != (err == nil) {
				t.Errorf("%s %.40q: %v, want it allowed: %v", kind, c.name, err, ok)
			}
			var syntax *ref.SyntaxError
			if errors.As(err, &syntax) && syntax.Offset != c.offset {
				t.Errorf("%s %.40q: points at %d, want %d", kind, c.name, syntax.Offset, c.offset)
			}
		}
	}
}

func TestRepositorySegments(t *testing.T) {
	for name, offset := range map[string]int{
		"/a": 0, "a//b": 2, "a/": 2, "a/-b": 2, "a/_b": 2, "a/B": 2, strings.Repeat("a/", 127) + "aa": 255,
	} {
		var syntax *ref.SyntaxError
		if err := ref.ValidRepository(name); !errors.As(err, &syntax) || syntax.Offset != offset {
			t.Errorf("%.40q: %v, want an error at %d", name, err, offset)
		}
	}
}

func TestHosts(t *testing.T) {
	for host, want := range map[string]string{
		"quay.io":                       "quay.io",
		"QUAY.IO:443":                   "quay.io:443",
		"localhost":                     "localhost",
		"10.0.0.1:5000":                 "10.0.0.1:5000",
		"[2001:DB8::1]":                 "[2001:db8::1]",
		"build:5000":                    "build:5000",
		"a.b:0":                         "",
		"a.b:":                          "",
		"a.b:65536":                     "",
		"a.b:080":                       "",
		"a.b:8a":                        "",
		"a.b:1:2":                       "",
		"a..b":                          "",
		".b":                            "",
		"b.":                            "",
		"-a.b":                          "",
		"a-.b":                          "",
		"a_b.c":                         "",
		"a*.b":                          "",
		"[::1":                          "",
		"[10.0.0.1]":                    "",
		"[fe80::1%25eth0]":              "",
		"[::1]5000":                     "",
		"user@a.b":                      "",
		strings.Repeat("a", 64) + ".b":  "",
		strings.Repeat("a.", 127) + "b": "",
	} {
		p, err := ref.ParsePattern("quay://" + host + "/kolla/*:v1")
		if err == nil && p.Host != want || err != nil && want != "" {
			t.Errorf("%.40q became %q, %v; want %q", host, p.Host, err, want)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "ref: host: ") {
			t.Errorf("%.40q: %v", host, err)
		}
	}
}
