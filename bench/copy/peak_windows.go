// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "os"

// peak is not known here.
func peak(*os.ProcessState) int64 { return 0 }
