// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quayside/quayside/quay/quaytest"
)

// TestCopySurvivesKills kills copies with SIGKILL at random instants. Each run continues
// the previous one. QUAYSIDE_KILLS is the number of kills.
func TestCopySurvivesKills(t *testing.T) {
	t.Parallel()
	kills := 10
	if n, err := strconv.Atoi(os.Getenv("QUAYSIDE_KILLS")); err == nil {
		kills = n
	}
	const rate = 10_000_000
	source := startRelease(t, 12, quaytest.ReleaseOptions{Index: 4, Signed: 4, Referrers: 4},
		quaytest.WithByteRate(rate), quaytest.WithObjectStorage()) // supports ranges
	whole := time.Duration(float64(source.unique) / rate * float64(time.Second))
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)

	args := func(dir string) []string {
		return []string{"copy", source.pattern(), "oci:" + dir, "--plain-http", "--quiet"}
	}
	finish := func(dir string) {
		t.Helper()
		mustRun(t, 0, args(dir)...)
		if diff := cmp.Diff(source.digests(), checkLayout(t, dir)); diff != "" {
			t.Errorf("images (-want +got):\n%s", diff)
		}
		if got, want := attachedIn(t, dir), source.attached(); got != want || want == 0 {
			t.Errorf("%d signatures and SBOMs are there, and there are %d", got, want)
		}
		mustRun(t, 0, "verify", dir)
	}
	dir, folders, finished := filepath.Join(t.TempDir(), "layout"), 1, 0
	before := map[string]string{}
	for killed := 0; killed < kills && !t.Failed(); {
		// Mostly early, when a run does more than fetching.
		instant := time.Duration(random.ExpFloat64() * float64(whole) / 4)
		if kill(t, instant, args(dir)...) {
			killed++
		} else {
			finished++
		}
		there := checkLayout(t, dir)
		for name := range maps.Keys(before) {
			if there[name] == "" {
				t.Errorf("after %v: %s was committed, and is gone", instant, name)
			}
		}
		before = there
		if len(there) == len(source.data.Repositories) {
			finish(dir)
			dir, before = filepath.Join(t.TempDir(), "layout"), map[string]string{}
			folders++
		}
	}
	finish(dir)
	overhead := float64(source.copied()) / float64(source.unique) / float64(folders)
	t.Logf("%d kills, %d runs that came to their end before, %d layouts, %.3f of their bytes over the wire", kills, finished, folders, overhead)
	if overhead > 1.6 { // a kill loses the bytes in flight, more on a busy machine
		t.Errorf("%.2f times the bytes went over the wire", overhead)
	}
}

// kill runs a command and kills it after a time. It returns false if the command ended
// before.
func kill(t *testing.T, instant time.Duration, args ...string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), instant) // its end is SIGKILL
	defer cancel()
	cmd := command(ctx, t, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	switch state := cmd.ProcessState; {
	case state == nil && ctx.Err() != nil: // before it was started
	case state == nil || state.Exited() && !state.Success():
		t.Fatalf("%v failed by itself: %v\n%s", args, err, &said)
	case state.Success(): // the kill came too late
		return false
	}
	return true
}
