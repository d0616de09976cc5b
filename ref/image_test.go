// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/quayside/quayside/ref"
)

// The table of references is in doc/guide/patterns.md; TestPageTables reads it.

func TestImagePrintsWhatParsesTheSame(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("0a", 32)
	for written, want := range map[string]string{
		"kolla/nova":                                 "kolla/nova:latest",
		"quay://QUAY.io/kolla/nova:v1":               "quay.io/kolla/nova:v1",
		"kolla/nova" + digest:                        "kolla/nova" + digest,
		"h:5000/kolla/a/b:v1" + digest:               "h:5000/kolla/a/b:v1" + digest,
		"kolla/a@sha512:" + strings.Repeat("0", 128): "kolla/a@sha512:" + strings.Repeat("0", 128),
		"[::1]:5000/kolla/nova:v1":                   "[::1]:5000/kolla/nova:v1",
	} {
		image, err := ref.ParseImage(written)
		if err != nil {
			t.Error(err)
			continue
		}
		same(t, "the reference", image.String(), want)
		if again, err := ref.ParseImage(image.String()); err != nil || again != image {
			t.Errorf("%s parses to %v, %v", image, again, err)
		}
	}
}

func TestImageRefused(t *testing.T) {
	for written, want := range map[string]struct{ rest, says string }{
		"nova":                   {"", "the name is missing; an image is ORG/REPO:TAG"},
		"quay.io/kolla":          {"", "the name is missing; an image is ORG/REPO:TAG"},
		"quay.io/kolla:v1":       {":v1", "the name is missing; an image is ORG/REPO:TAG"},
		"kolla/nova-*:v1":        {"*:v1", "one exact name"},
		"kolla/nova:v*":          {"*", "one exact name"},
		"kolla/nova:~4":          {"~4", "'~' is not allowed here"},
		"kolla/nova:":            {"", "the name is missing"},
		"kolla/nova?since=1d":    {"?since=1d", "no query"},
		"kolla/nova:v1@":         {"", "sha256: and 64"},
		"kolla/nova@sha256":      {"", "64 digits, not 0"},
		"kolla/nova@md5:00":      {"md5:00", "sha256: and 64"},
		"kolla/nova@sha256:00g0": {"g0", "not a hexadecimal digit"},
		"kolla/nova@sha256:AB":   {"AB", "in lower case"},
		"kolla/nova@sha256:00":   {"", "64 digits, not 2"},
		"kolla/nova@sha256:" + strings.Repeat("0", 65): {"0", "64 digits, not 65"},
		"kolla/a%2Fb:v1": {"%2Fb:v1", "is not allowed here"},
	} {
		_, err := ref.ParseImage(written)
		var syntax *ref.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q: %v", written, err)
			continue
		}
		if rest := syntax.Input[syntax.Offset:]; rest != want.rest || !strings.Contains(syntax.Msg, want.says) {
			t.Errorf("%q: points at %q and says %q", written, rest, syntax.Msg)
		}
	}
}
