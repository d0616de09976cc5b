// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"strconv"
	"strings"
	"time"
)

// Since is the earliest time that counts: a time, or an age counted back from now.
// The zero Since is no limit.
type Since struct {
	at    time.Time // UTC; zero for an age
	count int64     // of units, for an age
	unit  byte      // 'm', 'h', 'd' or 'w'
}

// maxAge is older than any registry, and avoids overflow.
const maxAge = 100 * 365 * 24 * time.Hour

// ParseSince parses a date (2025-01-02, midnight UTC), a time in RFC 3339 format
// (2025-01-02T15:04:05+02:00), or an age: a whole number and m for minutes, h for
// hours, d for days of 24 hours, or w for weeks (90m, 12h, 30d, 2w). The error is a
// [*SyntaxError].
func ParseSince(s string) (Since, error) { return parsed(s, parseSince) }

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
			return Since{}, fail(0, "since: the year must be from 1970 to 9999")
		}
		return Since{at: at.UTC()}, nil
	}
	return Since{}, fail(0, "since: want a date (2025-01-02), a time (2025-01-02T15:04:05Z) "+
		"or an age (90m, 12h, 30d, 2w)")
}

// parseAge parses a number and a unit of one letter.
func parseAge(s string) (Since, *SyntaxError) {
	unit := s[len(s)-1]
	count, err := strconv.ParseInt(s[:len(s)-1], 10, 64)
	switch {
	case err != nil || count > int64(maxAge/unitLength(unit)):
		return Since{}, fail(0, "since: the age must be at most 100 years")
	case count == 0:
		return Since{}, fail(0, "since: age must be at least 1")
	}
	return Since{count: count, unit: unit}, nil
}

// unitLength returns the length of a unit of age, or 0 if unit is none.
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

// IsZero reports whether s is no limit.
func (s Since) IsZero() bool { return s.count == 0 && s.at.IsZero() }

// Time returns the limit in UTC, with an age counted back from now. It returns the
// zero time if s is no limit.
func (s Since) Time(now time.Time) time.Time {
	if s.count > 0 {
		return now.UTC().Add(-time.Duration(s.count) * unitLength(s.unit))
	}
	return s.at
}

// String returns a form that ParseSince parses: an age as it was written, a time in
// UTC, or a date for midnight. It returns "" if s is no limit.
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
