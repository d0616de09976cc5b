// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/session"
)

func TestProgressOfACopyOffATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr bytes.Buffer
		a := newApp(nil, nil, &stderr, noEnvironment)
		begin := time.Now()
		p := func() mirror.Progress {
			at := time.Since(begin)
			return mirror.Progress{
				Planning: at < 6*time.Second, Images: 60, Done: int(at.Seconds()), Bytes: 100e6,
				Fetched: int64(at.Seconds()) * 2e6, Elapsed: at,
			}
		}
		c := &copying{search: &search{registries: session.New(session.Options{Env: noEnvironment}).Registries(nil)}}
		c.searching.Store(&discover.Progress{Listing: true, Listed: 300})
		stop := a.console.Progress(false, (&transferProgress{progress: p, words: c.words}).frame)
		time.Sleep(16 * time.Second)
		stop()
		want := "quayside: 300 listed so far, 5 of 60 images so far, 10.0MB of 100.0MB\n" +
			"quayside: 10 of 60 images, 20.0MB of 100.0MB, 2.0MB/s, about 40s left\n" +
			"quayside: 15 of 60 images, 30.0MB of 100.0MB, 2.0MB/s, about 35s left\n"
		if got := stderr.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestBlobInWords(t *testing.T) {
	r := mirror.Transfer{
		Digest: digest.FromString("x"), Repository: "quay.io/openstack.kolla/nova-\x1b[2Japi", Size: 4_000_000, Done: 1_500_000,
	}
	if got := describeBlob(r); got != `1.5MB of 4.0MB nova-\x1b[2Japi 2d711642b726` {
		t.Errorf("%q", got)
	}
}

func TestGlobsOfLabels(t *testing.T) {
	for glob, texts := range map[string][2][]string{
		"2025.*":   {{"2025.1", "2025."}, {"2024.1", "2025", ""}},
		"*":        {{"", "anything at all", "https://a/b"}, nil},
		"*/b":      {{"https://a/b", "/b"}, {"https://a/bc"}},
		"a?c":      {{"abc", "aöc"}, {"ac", "abbc"}},
		"*ab*ab*":  {{"abab", "xabyabz"}, {"ab", "aab"}},
		"":         {{""}, {"x"}},
		"[a]":      {{"[a]"}, {"a"}},
		"*a*a*a*b": {{"aaab"}, {strings.Repeat("a", 5000)}},
	} {
		for i, want := range []bool{true, false} {
			for _, text := range texts[i] {
				labels, err := parseLabels([]string{"key=" + glob})
				info := mirror.Info{Images: []mirror.PlatformInfo{{Labels: map[string]string{"key": text}}}}
				if err != nil || labelled(info, labels) != want {
					t.Errorf("%.20q fits %q: %v", text, glob, !want)
				}
			}
		}
	}
}

func TestLabelsAreOfOnePlatform(t *testing.T) {
	info := mirror.Info{Images: []mirror.PlatformInfo{
		{Labels: map[string]string{"a": "1"}}, {Labels: map[string]string{"b": "2", "c": "=x"}},
	}}
	for text, want := range map[string]bool{"a=1": true, "a=1 b=2": false, "b=2 c==?": true, "a=": false, "d=*": false, "": true} {
		labels, err := parseLabels(strings.Fields(text))
		if err != nil || labelled(info, labels) != want {
			t.Errorf("%q: %v, %v", text, !want, err)
		}
	}
}

// What is not wanted any more is not worked on, and nobody is left behind
// (TestMain looks).
func TestParallelStopsWithItsReader(t *testing.T) {
	var asked int
	in := func(yield func(int) bool) {
		for asked = 0; asked < 1000 && yield(asked); asked++ {
		}
	}
	double := func(_ context.Context, n int) int { return 2 * n }
	var got []int
	for n := range parallel(t.Context(), 4, in, double) {
		if got = append(got, n); len(got) == 10 {
			break
		}
	}
	if asked > 100 {
		t.Errorf("%d were asked for", asked)
	}
	got = slices.Sorted(parallel(t.Context(), 4, in, double))
	if len(got) != 1000 || got[999] != 1998 {
		t.Errorf("%d results", len(got))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := slices.Collect(parallel(ctx, 4, in, double)); len(got) > 100 {
		t.Errorf("%d results after the end", len(got))
	}
}
