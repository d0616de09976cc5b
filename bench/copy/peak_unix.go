// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// peak gives the most memory a process had resident, in bytes. What this
// program has itself when it starts the process is the least it can be.
func peak(p *os.ProcessState) int64 {
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" { // there in bytes, elsewhere in KiB
		return int64(usage.Maxrss)
	}
	return int64(usage.Maxrss) << 10
}
