// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// Signals within a moment count as one: the process lives on, to write what it has. A
// second signal would end this process.
func TestSignalsOfOneMomentAreOne(t *testing.T) {
	ctx := untilSignal()
	send := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	send()
	<-ctx.Done()
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for began := time.Now(); time.Since(began) < 100*time.Millisecond; <-ticks.C {
		send()
	}
}
