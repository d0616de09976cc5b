// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import (
	"math"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Limits of one range. The semver library refuses more than 512 bytes.
const (
	maxRange       = 500 // bytes
	maxComparisons = 16
)

// A versionRange is a set of comparisons that a version must all satisfy.
type versionRange struct {
	text        string // canonical
	constraints *semver.Constraints
	variant     string   // of every match; "" is any
	literals    []string // in every matching tag
	low, high   *limit   // of > >= and of < <=; nil: unbounded
	bare        bool     // a single comparison
}

// A limit is one end of a range, with missing numbers filled in.
type limit struct {
	number *semver.Version
	text   string
}

// startsRange reports whether s begins with an operator, which no tag does.
func startsRange(s string) bool { return strings.IndexByte("<>=~^", s[0]) >= 0 }

// parseRange parses comparisons separated by spaces, such as ">=4.12 <4.15". The
// package comment says what the operators mean for versions of one or two numbers.
func parseRange(s string) (versionRange, *SyntaxError) {
	if len(s) > maxRange {
		return versionRange{}, fail(maxRange, "tag: a version range is longer than %d characters", maxRange)
	}
	var r versionRange
	var texts, wanted []string
	for i := 0; i < len(s); {
		at := i
		op, text, next := nextComparison(s, i)
		if op == "" {
			return r, fail(at, "tag: want comparisons, such as >=4.12 <4.15; "+
				"a comparison begins with >= > <= < = != ~ or ^")
		}
		i = next
		v, err := readVersion(text)
		if err != nil {
			return r, err.shift(next - len(text))
		}
		if v.variant != "" {
			if r.variant != "" && v.variant != r.variant {
				return r, fail(at, "tag: the range names two variants, %q and %q", r.variant, v.variant)
			}
			r.variant = v.variant
		}
		// The semver library would read a variant as a pre-release, so
		// match compares variants itself.
		r.bound(op, v, op+text)
		texts = append(texts, op+text)
		wanted = append(wanted, v.constraint(op))
		if len(texts) > maxComparisons {
			return r, fail(at, "tag: more than %d comparisons in a version range", maxComparisons)
		}
		for i < len(s) && s[i] == ' ' {
			i++
		}
	}
	if r.low != nil && r.high != nil && r.low.number.GreaterThan(r.high.number) {
		return r, fail(0, "tag: no version can be both %s and %s", r.low.text, r.high.text)
	}
	constraints, err := semver.NewConstraint(strings.Join(wanted, " "))
	if err != nil {
		return r, fail(0, "tag: want a version range such as >=4.12 <4.15, ~2025.1, ^1.2")
	}
	r.text = strings.Join(texts, " ")
	r.constraints = constraints
	r.bare = len(texts) == 1
	if r.variant != "" {
		r.literals = append(r.literals, r.variant)
	}
	return r, nil
}

// nextComparison reads an operator, spaces, and the text up to the next space or
// operator.
func nextComparison(s string, i int) (op, text string, next int) {
	for _, known := range []string{">=", "<=", "!=", ">", "<", "=", "~", "^"} {
		if strings.HasPrefix(s[i:], known) {
			op = known
			break
		}
	}
	i += len(op)
	for i < len(s) && s[i] == ' ' {
		i++
	}
	next = len(s)
	if end := strings.IndexAny(s[i:], " <>=!~^"); end >= 0 {
		next = i + end
	}
	return op, s[i:next], next
}

// readVersion returns the version of a comparison, or what is wrong with it.
func readVersion(text string) (version, *SyntaxError) {
	for i := range len(text) {
		if c := text[i]; !tagName.holds(c) && c != '*' {
			return version{}, tagName.refuse(text, i)
		}
	}
	v, ok := parseVersion(text)
	switch number := strings.TrimPrefix(text, "v"); {
	case ok:
		return v, nil
	case text == "":
		return v, fail(0, "tag: a version is missing after the operator; the operators are >= > <= < = != ~ ^")
	case leading(number, isDigit) > 4, looksLikeDate(numbersAndSuffix(number)):
		return v, fail(0, "tag: a date or a build number is never a version; "+
			"for the age of a tag write ?since=2024-01-01, or match its text: 2024*")
	case strings.ContainsAny(number, "xX*"):
		return v, fail(0, "tag: no wildcard is allowed in a range: ~4 is 4.x, ~4.12 is 4.12.x")
	}
	return v, fail(0, "tag: want a version: 1 to 3 numbers and an optional suffix: 4, v4.12, 4.12.0-rc.1")
}

// constraint returns one comparison for the semver library: the numbers as they
// were written, because "~4" and "~4.0" differ, and the pre-release, but not the
// variant.
func (v version) constraint(op string) string {
	texts := make([]string, len(v.parts))
	for i, n := range v.parts {
		texts[i] = strconv.FormatUint(n, 10)
	}
	s := strings.Join(texts, ".")
	if pre := v.number.Prerelease(); pre != "" {
		s += "-" + pre
	}
	if op == "~" && len(v.parts) == 3 && v.parts[0]+v.parts[1]+v.parts[2] == 0 {
		return ">=" + s + " <0.1.0" // the library reads "~0.0.0" as any version
	}
	return op + s
}

// bound records the limits and the literal text that one comparison sets. The limits
// reveal ranges that match nothing or everything.
func (r *versionRange) bound(op string, v version, text string) {
	filled := limit{number: v.number, text: text}
	if op == "<=" || op == ">" { // both count 4.12.9 as 4.12
		parts := [3]uint64{math.MaxUint64, math.MaxUint64, math.MaxUint64}
		copy(parts[:], v.parts)
		filled.number = semver.New(parts[0], parts[1], parts[2], v.number.Prerelease(), "")
	}
	switch op {
	case ">", ">=":
		if r.low == nil || filled.number.GreaterThan(r.low.number) {
			r.low = &filled
		}
	case "<", "<=":
		if r.high == nil || filled.number.LessThan(r.high.number) {
			r.high = &filled
		}
	case "=", "~", "^":
		// The first number is fixed. A second number that is not zero has a
		// dot before it, and perhaps zeros.
		fixed := strconv.FormatUint(v.parts[0], 10)
		if op != "^" && len(v.parts) > 1 && v.parts[1] > 0 {
			fixed += "."
		}
		r.literals = append(r.literals, fixed)
	}
}

// match reports whether the range has the version.
func (r versionRange) match(v version) bool {
	return (r.variant == "" || r.variant == v.variant) && r.constraints.Check(v.number)
}

// checkUnion refuses ">=4.12,<4.15". In other tools a comma in a range means
// "and", but here it means "or", so every version would match.
func (l *list) checkUnion() *SyntaxError {
	for _, a := range l.include.ranges {
		for _, b := range l.include.ranges {
			if a.bare && b.bare && a.variant == b.variant &&
				a.low != nil && b.high != nil && a.low.number.LessThan(b.high.number) {
				return fail(0, `tag: a comma means "or", so %s,%s is every version; `+
					"for both at once write a space: %s %s", a.text, b.text, a.text, b.text)
			}
		}
	}
	return nil
}
