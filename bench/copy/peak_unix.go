// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// peak returns the peak resident memory of a process in bytes. It is never less than the
// memory of this program at the start of the process.
func peak(p *os.ProcessState) int64 {
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" { // bytes on macOS, KiB on other systems
		return int64(usage.Maxrss)
	}
	return int64(usage.Maxrss) << 10
}
