// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package mirror brings images here: it plans, fetches each blob once, and
// commits an image when all of it is in.
package mirror
