// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/quayside/quayside/quay/quaytest"
)

// A fakeTB records what Start does with a test.
type fakeTB struct {
	cleanups []func()
	fatal    string
}

func (f *fakeTB) Helper()                        {}
func (f *fakeTB) Cleanup(c func())               { f.cleanups = append(f.cleanups, c) }
func (f *fakeTB) Fatalf(format string, a ...any) { f.fatal = fmt.Sprintf(format, a...) }

func TestStartServesUntilTheTestEnds(t *testing.T) {
	var tb fakeTB
	s := quaytest.Start(&tb, harbour())
	resp, err := s.Client().Get(s.URL() + listPath)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, cleanup := range slices.Backward(tb.cleanups) {
		cleanup()
	}
	if resp, err := http.Get(s.URL() + listPath); err == nil {
		resp.Body.Close()
		t.Error("the server answers after the test's end")
	}
	if tb.fatal != "" || resp.StatusCode != http.StatusOK {
		t.Errorf("%s, %q", resp.Status, tb.fatal)
	}
}

func TestStartEndsTheTestOnAnError(t *testing.T) {
	var tb fakeTB
	if s := quaytest.Start(&tb, nil); s != nil || tb.fatal == "" || tb.cleanups != nil {
		t.Errorf("server %v, %q, %d cleanups", s, tb.fatal, len(tb.cleanups))
	}
}

// WithQuirks plays what WithQuirk plays by name, and checks its values.
func TestQuirksAsAStruct(t *testing.T) {
	for _, c := range []struct {
		name, value string
		quirks      quaytest.Quirks
		target      string
	}{
		{"outage", "2:429:/api/**", quaytest.Quirks{Outage: &quaytest.Outage{Requests: 2, Status: 429, Path: "/api/**"}}, listPath},
		{"outage", "1", quaytest.Quirks{Outage: &quaytest.Outage{Requests: 1}}, listPath},
		{"html-502", "3", quaytest.Quirks{HTML502: &quaytest.When{Every: 3}}, tagPath},
		{"html-500", "", quaytest.Quirks{HTML500: &quaytest.When{}}, tagPath},
		{"random-401", "", quaytest.Quirks{Random401: &quaytest.When{Every: 10}}, tagPath},
		{"database-restarts", "1h:1", quaytest.Quirks{DatabaseRestarts: &quaytest.Interruption{Lasts: time.Hour, AfterRequests: 1}}, tagPath},
		{"no-anonymous", "", quaytest.Quirks{NoAnonymous: true}, listPath},
		{"vanish", "harbour/plain", quaytest.Quirks{Vanish: "harbour/plain"}, tagPath},
	} {
		named, typed := newHandler(t, quaytest.WithQuirk(c.name, c.value)), newHandler(t, quaytest.WithQuirks(c.quirks))
		if a, b := statuses(named, 12, c.target), statuses(typed, 12, c.target); !slices.Equal(a, b) {
			t.Errorf("%s=%s: %v by name, %v as a struct", c.name, c.value, a, b)
		}
	}
	for _, q := range []quaytest.Quirks{
		{Outage: &quaytest.Outage{Status: 200}},
		{Outage: &quaytest.Outage{Requests: -1}},
		{Cut: &quaytest.When{Path: "blobs"}},
		{CutFirst: &quaytest.First{}},
		{Refused: &quaytest.Interruption{}},
		{Capacity: -1},
		{RetryAfter: time.Millisecond},
		{LimitsAfter: &quaytest.LimitsAfter{After: -1}},
	} {
		if h, err := quaytest.NewHandler(harbour(), quaytest.WithQuirks(q)); err == nil {
			h.Close()
			t.Errorf("%+v is accepted", q)
		}
	}
}

// APILimits has a text that ParseLimits reads, and checks its rates.
func TestAPILimits(t *testing.T) {
	l, err := quaytest.APILimits(quaytest.Rate{PerSecond: 5, Burst: 25}, quaytest.Rate{PerSecond: 0.5})
	if err != nil || l.String() != "h1=5/25,h2=0.5/0" {
		t.Errorf("%v, %v", l, err)
	}
	if again, err := quaytest.ParseLimits(l.String()); err != nil || again != l {
		t.Errorf("%v, %v", again, err)
	}
	for _, r := range []quaytest.Rate{{PerSecond: -1}, {PerSecond: 1, Burst: -1}, {Burst: 1}, {PerSecond: 1e7}} {
		if _, err := quaytest.APILimits(r, quaytest.Rate{}); err == nil {
			t.Errorf("%v is accepted", r)
		}
	}
}

// A tag's times survive the file form of a dataset.
func TestTagAsJSON(t *testing.T) {
	size := int64(7)
	for _, tag := range []quaytest.Tag{
		{Name: "a", Digest: "sha256:11", Start: time.UnixMilli(1764547200123), End: time.UnixMilli(1764547200456), Size: &size, Reversion: true},
		{Name: "b", ManifestList: true, Hidden: true},
	} {
		text, err := tag.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var got quaytest.Tag
		if err := got.UnmarshalJSON(text); err != nil || !got.Start.Equal(tag.Start) || !got.End.Equal(tag.End) || got.Name != tag.Name ||
			got.Digest != tag.Digest || got.Reversion != tag.Reversion || got.Hidden != tag.Hidden || got.ManifestList != tag.ManifestList {
			t.Errorf("%s becomes %+v, %v", text, got, err)
		}
	}
}
