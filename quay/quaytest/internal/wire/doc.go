// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package wire writes answers the way Quay, its application server and its nginx
// write them, and reads query strings the way Quay reads them. It knows nothing
// of repositories.
package wire
