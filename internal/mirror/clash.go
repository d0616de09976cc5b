// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"slices"
	"strings"
)

// maxClashing is how many images are named of those that would get one name.
const maxClashing = 3

// clash is the error of images that would all have one name at the destination.
func clash(name string, references []string) error {
	slices.Sort(references)
	named := strings.Join(references[:min(len(references), maxClashing)], " and ")
	if more := len(references) - maxClashing; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Errorf("%s would be the name of %s: give each another with --map", name, named)
}
