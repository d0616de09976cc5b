// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"github.com/quayside/quayside/internal/destination"
)

// An Image is one image to copy.
type Image = destination.Image
