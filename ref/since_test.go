// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref_test

import (
	"testing"
	"time"

	"github.com/quayside/quayside/ref"
)

// The table of forms is in doc/guide/patterns.md; TestPageTables reads it.

func TestSincePrintsWhatParsesTheSame(t *testing.T) {
	for written, want := range map[string]string{
		"2025-01-02":                "2025-01-02",
		"2025-01-02T00:00:00Z":      "2025-01-02",
		"2025-01-02T02:00:00+02:00": "2025-01-02",
		"2025-01-02T15:04:05.25Z":   "2025-01-02T15:04:05.25Z",
		"2025-01-02T15:04:05+02:00": "2025-01-02T13:04:05Z",
		"030d":                      "30d",
		"14d":                       "14d",
		"90m":                       "90m",
		"5217w":                     "",
		"5214w":                     "5214w",
		"99999999999999999999d":     "",
		"0d":                        "",
		"1969-12-31":                "",
		"9999-12-31T23:59:59-01:00": "",
		"2025-02-30":                "",
		"2025-1-2":                  "",
		"2025-01-02 15:04:05":       "",
		"2025-01-02T15:04:05":       "",
		"-1d":                       "",
		"1.5d":                      "",
		"1y":                        "",
		"d":                         "",
		"30":                        "",
		"":                          "",
		"yesterday":                 "",
	} {
		since, err := ref.ParseSince(written)
		if (err == nil) != (want != "") || since.String() != want {
			t.Errorf("%q became %q, %v; want %q", written, since, err, want)
		}
		if want == "" {
			continue
		}
		if again, err := ref.ParseSince(since.String()); err != nil || again != since {
			t.Errorf("%q prints as %q, which parses to %v, %v", written, since, again, err)
		}
	}
}

func TestSinceZero(t *testing.T) {
	var none ref.Since
	if !none.IsZero() || none.String() != "" || !none.Time(time.Now()).IsZero() {
		t.Error("the zero Since is a limit")
	}
	if since, err := ref.ParseSince("1d"); err != nil || since.IsZero() {
		t.Errorf("an age is no limit: %v", err)
	}
}

func TestSinceIsInUTC(t *testing.T) {
	now := time.Date(2025, 3, 15, 12, 0, 0, 0, time.FixedZone("east", 3600))
	for _, written := range []string{"2025-01-02", "2025-01-02T15:04:05+02:00", "30d"} {
		since, err := ref.ParseSince(written)
		if err != nil || since.Time(now).Location() != time.UTC {
			t.Errorf("%q is %v, %v", written, since.Time(now), err)
		}
	}
}
