// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

// While one process copies into a layout, a second process fails and says why.
func TestTwoProcessesOnOneLayout(t *testing.T) {
	t.Parallel()
	source := startRelease(t, 4, quaytest.ReleaseOptions{}, quaytest.WithByteRate(8_000_000))
	dir := filepath.Join(t.TempDir(), "layout")
	args := []string{"copy", source.pattern(), "oci:" + dir, "--plain-http"}

	first := command(t.Context(), t, args...)
	var said bytes.Buffer
	first.Stdout, first.Stderr = &said, &said
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- first.Wait() }()
	for source.Stats().Classes["blob"].Bytes == 0 { // then the layout is open
		select {
		case err := <-ended:
			t.Fatalf("it ended early: %v\n%s", err, &said)
		case <-time.After(5 * time.Millisecond):
		}
	}
	if said := mustRun(t, 5, args...); !strings.Contains(said, "in use") {
		t.Errorf("the second one does not say why:\n%s", said)
	}
	if err := <-ended; err != nil {
		t.Fatalf("the first one: %v\n%s", err, &said)
	}
	if diff := cmp.Diff(source.digests(), checkLayout(t, dir)); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	if got := source.copied(); got != source.unique {
		t.Errorf("%d bytes over the wire, of %d", got, source.unique)
	}
	mustRun(t, 0, args...)
}
