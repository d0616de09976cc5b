// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"
)

// quantity is a number and what it counts: "1 entry", "2 entries".
func quantity(n int, noun string) string {
	stem, ofY := strings.CutSuffix(noun, "y")
	switch {
	case n == 1:
		return "1 " + noun
	case ofY:
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// be is the verb that goes with a number.
func be(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
