// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

// ToOCIArchive writes FILE.tar at the end, staging beside it (FILE.tar.quayside).
func ToOCIArchive(file string) (Destination, error) { panic("todo") }
