// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"slices"
	"strings"
)

// maxClashing is how many images are named of those that would get one name.
const maxConflictNames = 3

// claims are the references of images, by the names they get at the destination.
type claims map[string][]string

// add enters an image. Without a name it claims none.
func (c claims) add(name, reference string) {
	if name != "" {
		c[name] = append(c[name], reference)
	}
}

// clash is the error of each image of a name that several have, or nil.
func (c claims) conflict(name string) error {
	if len(c[name]) < 2 {
		return nil
	}
	references := slices.Sorted(slices.Values(c[name]))
	named := strings.Join(references[:min(len(references), maxConflictNames)], " and ")
	if more := len(references) - maxConflictNames; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Errorf("%s would be the name of %s: give each another with --map", name, named)
}
