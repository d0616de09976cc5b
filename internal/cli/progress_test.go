// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/console"
	"github.com/quayside/quayside/internal/session"
	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/quay/quaytest"
)

func TestProgressOffATerminalIsALineEveryFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr bytes.Buffer
		a := newApp(nil, nil, &stderr, noEnvironment)
		m := &searchProgress{}
		stop := m.show(a, false)
		start := time.Now()
		for range 60 { // twelve seconds
			time.Sleep(200 * time.Millisecond)
			m.set(discover.Progress{Listed: 10, Candidates: 9, Checked: 3, Present: 2, Elapsed: time.Since(start)})
		}
		stop()
		want := "quayside: 10 listed, 3 of 9 checked, 2 found, about 10s left\n" +
			"quayside: 10 listed, 3 of 9 checked, 2 found, about 20s left\n"
		if got := stderr.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// The progress is shown even if the search reports nothing new, with the other work.
func TestProgressGoesOnWhileAllWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr bytes.Buffer
		a := newApp(nil, nil, &stderr, noEnvironment)
		begin := time.Now()
		m := &searchProgress{more: func() []string {
			if time.Since(begin) < 6*time.Second {
				return nil
			}
			return []string{"3 looked into"}
		}}
		stop := m.show(a, false)
		time.Sleep(11 * time.Second)
		m.set(discover.Progress{Listed: 10})
		time.Sleep(5 * time.Second)
		stop()
		want := "quayside: no answer so far\nquayside: 3 looked into\nquayside: 10 listed, 3 looked into\n"
		if got := stderr.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestProgressIsSilentWhenQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr bytes.Buffer
		a := newApp(nil, nil, &stderr, noEnvironment)
		a.console.Setup(console.Options{Quiet: true})
		m := &searchProgress{}
		defer m.show(a, false)()
		time.Sleep(time.Minute)
		m.set(discover.Progress{Listed: 10})
		if stderr.Len() > 0 {
			t.Errorf("got %q", &stderr)
		}
	})
}

func TestProgressInWords(t *testing.T) {
	tests := map[string]discover.Progress{
		"no answer so far": {Listing: true},
		"300 listed so far, 9 of 90 checked, 4 found": {Listing: true, Listed: 300, Candidates: 90, Checked: 9, Present: 4},
		"9 listed, 0 of 9 checked, 0 found":           {Listed: 9, Candidates: 9},
		"9 listed, 3 of 9 checked, 1 found, 2 unknown, about 1m0s left": {
			Listed: 9, Candidates: 9, Checked: 3, Present: 1, Unknown: 2, Elapsed: 30 * time.Second},
		"9 listed, 9 of 9 checked, 9 found": {Listed: 9, Candidates: 9, Checked: 9, Present: 9, Elapsed: time.Second,
			Pace: quay.Pace{Limit: "published", Rate: 50}},
		"no answer so far, held to about 1234 requests a second": {Listing: true, Pace: quay.Pace{Throttled: true, Rate: 1234.5}},
		"no answer so far, held to about 4.8 requests a second":  {Listing: true, Pace: quay.Pace{Throttled: true, Rate: 4.81}},
		"9 listed, 3 of 9 checked, 1 found, about 1m0s left, held to about 48 requests a second": {
			Listed: 9, Candidates: 9, Checked: 3, Present: 1, Elapsed: 30 * time.Second,
			Pace: quay.Pace{Throttled: true, Rate: 48.2, Pause: 300 * time.Millisecond}},
		"900 listed, 100 of 900 checked, 1 found, about 40s left, held to about 20 requests a second": {
			Listed: 900, Candidates: 900, Checked: 100, Present: 1, Elapsed: time.Second, Pace: quay.Pace{Throttled: true, Rate: 20}},
		"no answer so far, last error: dial tcp: connection refused": {Listing: true, Pace: quay.Pace{LastError: "dial tcp: connection refused"}},
		"9 listed, 0 of 9 checked, 0 found, waiting 12s after a refusal": {
			Listed: 9, Candidates: 9, Pace: quay.Pace{Throttled: true, Rate: 48, Pause: 11200 * time.Millisecond}},
	}
	for want, progress := range tests {
		if got := describe(progress); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestProgressTellsWhatHoldsARunUp(t *testing.T) {
	limits, err := quaytest.ParseLimits("h1=20/4")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		options []quaytest.Option
		told    func(quay.Pace) bool
	}{
		"limit": {[]quaytest.Option{quaytest.WithLimits(limits)}, func(p quay.Pace) bool {
			return p.Throttled && p.Rate > 5 && p.Rate < 40
		}},
		"refusal": {[]quaytest.Option{quaytest.WithQuirk("outage", "1:429:/api/v1/repository"), quaytest.WithQuirk("retry-after", "3")},
			func(p quay.Pace) bool { return p.Pause > time.Second && p.Pause < 4*time.Second }},
		"trouble": {[]quaytest.Option{quaytest.WithQuirk("outage", "5:502")},
			func(p quay.Pace) bool { return p.LastError == "502 Bad Gateway" }},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := quaytest.NewServer(quaytest.SampleDataset(), c.options...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			var stderr bytes.Buffer
			a := newApp(nil, nil, &stderr, func(string) (string, bool) { return "", false })
			a.flags.jobs = 50
			a.session = session.New(session.Options{
				Settings: session.Settings{Server: s.URL(), Connections: 1}, Env: a.env, Console: a.console, Logger: a.console.Log,
				Redactor: a.console.Redactor,
			})
			defer a.session.Close()
			targets, err := a.parseTargets([]string{"stackfleet/**:2025.1"}, false)
			if err != nil {
				t.Fatal(err)
			}
			h, err := a.search(t.Context(), targets, nil)
			if err != nil {
				t.Fatal(err)
			}
			told := false
			h.show = func(p discover.Progress) { told = told || c.told(p.Pace) }
			for range h.images(t.Context()) {
			}
			if !told {
				t.Error("it is not told")
			}
		})
	}
}

// The progress names a server that does not answer, with the reason and the remaining wait.

func noEnvironment(string) (string, bool) { return "", false }
