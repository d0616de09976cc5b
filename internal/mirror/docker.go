// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

// ToDockerArchive: the same, loadable by docker and podman.
func ToDockerArchive(file string) (Destination, error) { panic("todo") }
