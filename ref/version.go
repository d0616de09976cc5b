// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// A version is a tag parsed as a version: numbers, a pre-release, a variant.
type version struct {
	number  *semver.Version // the numbers and the pre-release
	parts   []uint64        // the one to three numbers as written
	variant string          // the rest of the suffix, or ""
}

// parseVersion parses a tag as a version: an optional "v", one to three numbers
// separated by dots, and after "-" or "_" an optional pre-release and an optional
// variant: v1.2.3, 2025.1, 4.14.0-rc.1, 2025.1-ubuntu-noble,
// 4.14.0-rc.1-x86_64. Leading zeros are ignored: 22.04 is 22.4.
//
// It returns false for a date (see looksLikeDate) and if the first number has five
// digits or more (20240101.1, 1717171717).
func parseVersion(tag string) (version, bool) {
	fields, suffix := numbersAndSuffix(strings.TrimPrefix(tag, "v"))
	if len(fields) > 3 || len(fields[0]) > 4 || suffix == "-" || suffix == "_" || looksLikeDate(fields, suffix) {
		return version{}, false
	}
	var v version
	for _, field := range fields {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return version{}, false
		}
		v.parts = append(v.parts, n)
	}
	var pre string
	if suffix != "" {
		pre, v.variant = splitSuffix(suffix[1:])
	}
	full := [3]uint64{}
	copy(full[:], v.parts)
	v.number = semver.New(full[0], full[1], full[2], pre, "")
	return v, true
}

// numbersAndSuffix splits 4.14.0-rc.1 into 4, 14, 0 and "-rc.1".
func numbersAndSuffix(s string) (fields []string, suffix string) {
	numbers := s
	if i := strings.IndexAny(s, "-_"); i >= 0 {
		numbers = s[:i]
	}
	return strings.Split(numbers, "."), s[len(numbers):]
}

// looksLikeDate reports whether a tag is a date rather than a version: a year, "-"
// and a digit (2024-01-01, 2024-01), or year, month and day separated by dots
// (2024.01.31).
func looksLikeDate(fields []string, suffix string) bool {
	year := fields[0]
	if len(year) != 4 {
		return false
	}
	if len(fields) == 1 {
		return len(suffix) > 1 && isDigit(suffix[1])
	}
	return len(fields) == 3 && "1900" <= year && year < "2100" &&
		len(fields[1]) == 2 && "01" <= fields[1] && fields[1] <= "12" &&
		len(fields[2]) == 2 && "01" <= fields[2] && fields[2] <= "31"
}

// splitSuffix splits the text after the numbers. If it begins with a word for a
// pre-release (rc, rc1, rc.1, rc-1, beta.2), the word and its number are the
// pre-release and the rest is the variant. Any other text is a variant:
// ubuntu-noble, x86_64, alpine3.20, 1, 20240101.
func splitSuffix(suffix string) (pre, variant string) {
	first, rest, _ := strings.Cut(suffix, "-")
	word := first[:leading(first, isLetter)]
	if !isPreRelease(asciiLower(word), first[len(word):]) {
		return "", suffix
	}
	pre = first
	if number, after, _ := strings.Cut(rest, "-"); word == first && isNumber(number) {
		pre, rest = first+"."+number, after
	}
	return normalPreRelease(pre), rest
}

// isPreRelease reports whether a word in lower case and the text after it name a
// pre-release. The short words may begin a commit's hash (a1b2c3d), so only a
// short number may follow them.
func isPreRelease(word, after string) bool {
	switch word {
	case "alpha", "beta", "canary", "dev", "devel", "milestone", "nightly", "pre", "preview", "rc", "snapshot":
		return true
	case "a", "b", "m":
		return isNumber(after) && len(after) <= 3
	}
	return false
}

// normalPreRelease returns a form in which numbers compare as numbers: rc.10, which
// is after rc.9, for rc10 and RC.010.
func normalPreRelease(s string) string {
	var parts []string
	for s = asciiLower(s); s != ""; {
		digits := leading(s, isDigit)
		letters := leading(s, isLetter)
		switch {
		case digits > 0:
			number := strings.TrimLeft(s[:digits], "0")
			if number == "" {
				number = "0"
			}
			parts = append(parts, number)
		case letters > 0:
			parts = append(parts, s[:letters])
		}
		s = s[max(digits, letters, 1):]
	}
	return strings.Join(parts, ".")
}

// leading returns how many bytes at the start of s are of a class.
func leading(s string, class func(byte) bool) int {
	for i := range len(s) {
		if !class(s[i]) {
			return i
		}
	}
	return len(s)
}

func isLetter(c byte) bool { return isLower(c) || isUpper(c) }

func isNumber(s string) bool { return s != "" && leading(s, isDigit) == len(s) }
