// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFailuresOfOneReasonAreToldTogether(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	all := []failure{
		{"quay.io/o/nova:1", "to/x/nova:1", "quay.io/o/nova@sha256:" + a + ": 404"},
		{"quay.io/o/heat:1", "to/x/heat:1", "push to to/x/heat: read tcp 127.0.0.1:5123->10.0.0.1:443: reset"},
		{"quay.io/o/ironic:1", "to/x/ironic:1", "push to to/x/ironic: read tcp 127.0.0.1:5124->10.0.0.1:443: reset"},
		{"quay.io/o/one:1", "to/x/one:1", "blob sha256:" + a + ": bad"},
		{"quay.io/o/three:1", "to/x/three:1", "blob sha256:" + b + ": bad"},
		{"quay.io/o/two@sha256:" + b, "to/x/two@sha256:" + b, "blob sha256:" + b + ": bad"},
		{"quay.io/o/zun:1", "to/x/zun:1", "blob sha256:" + b + ": bad"},
	}
	var stderr bytes.Buffer
	newTalk(&stderr).failures(all)
	want := `quayside: warning: failed: quay.io/o/nova:1: quay.io/o/nova@sha256:` + a + `: 404
quayside: warning: 2 images failed: quay.io/o/heat:1, quay.io/o/ironic:1: push to ...: read tcp ...10.0.0.1:443: reset
quayside: warning: 4 images failed: quay.io/o/one:1, quay.io/o/three:1, quay.io/o/two@sha256:` + b + ` and 1 more: blob sha256:...: bad
`
	if diff := cmp.Diff(want, stderr.String()); diff != "" {
		t.Error(diff)
	}
}
