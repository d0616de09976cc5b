// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFailuresOfOneReasonAreToldTogether(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	all := []Failure{
		{"quay.io/o/nova:1", "to/x/nova:1", []string{"quay.io/o/nova@sha256:" + a + ": 404"}},
		{"quay.io/o/heat:1", "to/x/heat:1", []string{"push to to/x/heat: read tcp 127.0.0.1:5123->10.0.0.1:443: reset"}},
		{"quay.io/o/ironic:1", "to/x/ironic:1", []string{"push to to/x/ironic: read tcp 127.0.0.1:5124->10.0.0.1:443: reset"}},
		{"quay.io/o/one:1", "to/x/one:1", []string{"blob sha256:" + a + ": bad"}},
		{"quay.io/o/three:1", "to/x/three:1", []string{"blob sha256:" + b + ": bad"}},
		{"quay.io/o/two@sha256:" + b, "to/x/two@sha256:" + b, []string{"blob sha256:" + b + ": bad"}},
		{"quay.io/o/zun:1", "to/x/zun:1", []string{"blob sha256:" + b + ": bad"}},
	}
	var stderr bytes.Buffer
	New(&stderr, noEnvironment).Failures(all)
	want := `quayside: warning: failed: quay.io/o/nova:1: quay.io/o/nova@sha256:` + a + `: 404
quayside: warning: 2 images failed: quay.io/o/heat:1, quay.io/o/ironic:1: push to ...: read tcp ...10.0.0.1:443: reset
quayside: warning: 4 images failed: quay.io/o/one:1, quay.io/o/three:1, quay.io/o/two@sha256:` + b + ` and 1 more: blob sha256:...: bad
`
	if diff := cmp.Diff(want, stderr.String()); diff != "" {
		t.Error(diff)
	}
}

// Images whose signatures are missing for the same reason are reported in one message, however
// many of their parts have that reason.
func TestMissingSignaturesOfOneReasonAreToldTogether(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	unknown := func(d string) string { return "what is attached to sha256:" + d + " is not known: 403" }
	lost := func(d string) string { return "attached sha256-" + d + ".sig could not be copied: 404" }
	all := []Failure{
		{"quay.io/o/glance:1", "quay.io/o/glance:1", []string{unknown(a)}},
		{"quay.io/o/heat:1", "quay.io/o/heat:1", []string{unknown(b), unknown(a), unknown(a)}},
		{"quay.io/o/ironic:1", "quay.io/o/ironic:1", []string{lost(a), unknown(b)}},
		{"quay.io/o/manila:1", "quay.io/o/manila:1", []string{unknown(b)}},
		{"quay.io/o/nova:1", "quay.io/o/nova:1", []string{unknown(b)}},
		{"quay.io/o/one:1", "quay.io/o/one:1", []string{lost(a)}},
		{"quay.io/o/two:1", "quay.io/o/two:1", []string{lost(b)}},
	}
	var stderr bytes.Buffer
	New(&stderr, noEnvironment).Unsigned(all)
	want := `quayside: warning: signatures of 4 images are missing: quay.io/o/glance:1, quay.io/o/heat:1, quay.io/o/manila:1 and 1 more: what is attached to sha256:... is not known: 403
quayside: warning: quay.io/o/ironic:1: signatures are missing: attached sha256-` + a + `.sig could not be copied: 404; what is attached to sha256:` + b + ` is not known: 403
quayside: warning: signatures of 2 images are missing: quay.io/o/one:1, quay.io/o/two:1: attached sha256-....sig could not be copied: 404
`
	if diff := cmp.Diff(want, stderr.String()); diff != "" {
		t.Error(diff)
	}
}

func noEnvironment(string) (string, bool) { return "", false }
