// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"strconv"
	"strings"
	"time"
)

// Since is the oldest moment that counts: a moment in time, or an age that is
// counted back from now. The zero Since is no limit.
type Since struct {
	at    time.Time // UTC; zero for an age
	count int64     // of units, for an age
	unit  byte      // 'm', 'h', 'd' or 'w'
}

// maxAge bounds an age: more than any registry is old, and far from overflow.
const maxAge = 100 * 365 * 24 * time.Hour

// ParseSince reads a date (2025-01-02: midnight UTC), a time of RFC 3339
// (2025-01-02T15:04:05+02:00), or an age: a whole number and m for minutes, h
// for hours, d for days of 24 hours, or w for weeks (90m, 12h, 30d, 2w).
func ParseSince(s string) (Since, error) {
	since, err := parseSince(s)
	if err != nil {
		return Since{}, err.in(s)
	}
	return since, nil
}

func parseSince(s string) (Since, *SyntaxError) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if digits > 0 && digits == len(s)-1 && unitLength(s[digits]) > 0 {
		return parseAge(s)
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		at, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		if year := at.UTC().Year(); year < 1970 || year > 9999 {
			return Since{}, fail(0, "since: the year is not between 1970 and 9999")
		}
		return Since{at: at.UTC()}, nil
	}
	return Since{}, fail(0, "since: not a date (2025-01-02), a time (2025-01-02T15:04:05Z) "+
		"or an age (90m, 12h, 30d, 2w)")
}

// parseAge reads a number and a unit of one letter.
func parseAge(s string) (Since, *SyntaxError) {
	unit := s[len(s)-1]
	count, err := strconv.ParseInt(s[:len(s)-1], 10, 64)
	switch {
	case err != nil || count > int64(maxAge/unitLength(unit)):
		return Since{}, fail(0, "since: the age is more than a hundred years")
	case count == 0:
		return Since{}, fail(0, "since: an age of nothing leaves nothing; it is 1 or more")
	}
	return Since{count: count, unit: unit}, nil
}

// unitLength gives the length of a unit of age, or 0 for no unit.
func unitLength(unit byte) time.Duration {
	switch unit {
	case 'm':
		return time.Minute
	case 'h':
		return time.Hour
	case 'd':
		return 24 * time.Hour
	case 'w':
		return 7 * 24 * time.Hour
	}
	return 0
}

// IsZero tells whether there is no limit.
func (s Since) IsZero() bool { return s.count == 0 && s.at.IsZero() }

// Time gives the moment in UTC: an age is counted back from now. A Since that
// is no limit gives the zero time, which is before everything.
func (s Since) Time(now time.Time) time.Time {
	if s.count > 0 {
		return now.UTC().Add(-time.Duration(s.count) * unitLength(s.unit))
	}
	return s.at
}

// String gives the form that ParseSince reads: an age as it was written, a
// moment in UTC, and midnight as its date alone. No limit gives "".
func (s Since) String() string {
	switch {
	case s.IsZero():
		return ""
	case s.count > 0:
		return strconv.FormatInt(s.count, 10) + string(s.unit)
	case s.at.Equal(s.at.Truncate(24 * time.Hour)):
		return s.at.Format(time.DateOnly)
	}
	return s.at.Format(time.RFC3339Nano)
}
