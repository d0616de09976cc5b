// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package disktest mounts file systems of a chosen size for tests, on Linux.
package disktest
