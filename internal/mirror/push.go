// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"github.com/quayside/quayside/internal/layout"
	"github.com/quayside/quayside/internal/registry"
)

// ToRegistry pushes to HOST/PREFIX, staging in a layout that is the caller's.
func ToRegistry(r *registry.Registry, prefix string, staging *layout.Layout, rename Rename) (Destination, error) {
	panic("todo")
}
