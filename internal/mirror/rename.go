// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

// Rename is a --map: it gives the repository an image has at the destination.
type Rename func(repository string) string

// ParseRename reads FROM=TO rules.
func ParseRename(rules []string) (Rename, error) { panic("todo") }
