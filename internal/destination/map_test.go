// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package destination_test

import (
	"strings"
	"testing"

	"github.com/quayside/quayside/internal/destination"
)

func TestRename(t *testing.T) {
	rename, err := destination.ParseRename([]string{
		"kolla/nova-api=compute/nova", "kolla/nova-*=compute/*", "kolla/*=mirror/openstack-*", "a.b/c_d=e__f/g--h", "org/deep/*=flat-*-end",
	})
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		"kolla/nova-api":     "compute/nova", // the first that fits, not the longest
		"kolla/nova-compute": "compute/compute",
		"kolla/keystone":     "mirror/openstack-keystone",
		"kolla/tools/lint":   "mirror/openstack-tools/lint",
		"a.b/c_d":            "e__f/g--h",
		"org/deep/x":         "flat-x-end",
		"kolla2/keystone":    "",
		"kolla":              "",
		"xkolla/nova-api":    "",
	} {
		if got := rename(from); got != want {
			t.Errorf("%s becomes %q, not %q", from, got, want)
		}
	}
	if none, err := destination.ParseRename(nil); err != nil || none("kolla/nova-api") != "" {
		t.Errorf("no rules rename, or are an error: %v", err)
	}
}

func TestRenameRefuses(t *testing.T) {
	for rule, want := range map[string]string{
		"kolla/nova":                      "is not FROM=TO",
		"=x":                              "is not FROM=TO",
		"kolla/nova=":                     "is not FROM=TO",
		"kolla/*=all":                     "same name",
		"kolla/nova=all/*":                `"kolla/nova" has none`,
		"k*/nova=x/nova":                  "last character",
		"kolla/*=a*/b*":                   "more than one star",
		"kolla/*=../../*":                 "repository name",
		"Kolla/x=y":                       `"Kolla/x"`,
		"kolla/*=m/*:1":                   "repository name",
		"kolla/*=m//*":                    "repository name",
		"a/b=c=d":                         "repository name",
		"a/b=c/\x1b[31m":                  `\x1b`,
		"a/b=host.io:5/c/d":               "repository name",
		"a/b=" + strings.Repeat("c", 256): "256 characters",
	} {
		_, err := destination.ParseRename([]string{"ok/ok=ok", rule})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: error is %v, and does not say %q", rule, err, want)
		}
	}
}

func TestRenameRefusesOneNameForTwo(t *testing.T) {
	_, err := destination.ParseRename([]string{"org/a=x", "org/*=y-*", "org/b=x"})
	if err == nil || !strings.Contains(err.Error(), `"org/a=x" and "org/b=x"`) {
		t.Error(err)
	}
	if _, err := destination.ParseRename([]string{"org/a=x", "org/a=x", "org/b=y"}); err != nil {
		t.Error(err)
	}
}
