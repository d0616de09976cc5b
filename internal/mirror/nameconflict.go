// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"fmt"
	"slices"
	"strings"
)

// maxConflictNames is how many images with the same name an error lists at most.
const maxConflictNames = 3

// A nameConflict is the error of images that have the same name.
type nameConflict string

func (e nameConflict) Error() string { return string(e) }

// claims are the references of images, by the names that they get at the destination.
type claims map[string][]string

// add adds an image. An image without a name claims none.
func (c claims) add(name, reference string) {
	if name != "" {
		c[name] = append(c[name], reference)
	}
}

// conflict returns the error of each image of a name that several images have, or nil.
func (c claims) conflict(name string) error {
	if len(c[name]) < 2 {
		return nil
	}
	references := slices.Sorted(slices.Values(c[name]))
	named := strings.Join(references[:min(len(references), maxConflictNames)], " and ")
	if more := len(references) - maxConflictNames; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	return nameConflict(fmt.Sprintf("%s is the name of %s at the destination: give each another with --map", name, named))
}
