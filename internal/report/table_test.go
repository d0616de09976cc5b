// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"testing"
)

func TestRowsFitATerminal(t *testing.T) {
	for width, want := range map[int]string{
		80: "copied  1.0MB  quay.io/org/app:1\nfailed         quay.io/org/other:1  the server said no, and no again\n",
		40: "copied  1.0MB  quay.io/org/app:1\nfailed         quay.io/org/other:1\n    the server said no, and no again\n",
		24: "copied  1.0MB\n    quay.io/org/app:1\nfailed\n    quay.io/org/other:1\n    the server said no,\n    and no again\n",
	} {
		var out bytes.Buffer
		p := &printer{w: &out, width: width}
		p.rows([][]string{{"copied", "1.0MB", "quay.io/org/app:1", ""}, {"failed", "", "quay.io/org/other:1", "the server said no, and no again"}})
		if got := out.String(); got != want {
			t.Errorf("width %d: got\n%s\nwant\n%s", width, got, want)
		}
	}
}
