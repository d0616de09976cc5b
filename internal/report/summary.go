// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Counts are the results and the cost of a search.
type Counts struct {
	Listed     int            `json:"listed"`     // repositories in the listing
	Unlisted   int            `json:"unlisted"`   // named by the pattern, and not in the listing
	Pruned     map[string]int `json:"pruned"`     // of these, how many needed no request, by reason
	Candidates int            `json:"candidates"` // repositories that needed a check
	Checked    int            `json:"checked"`    // of these, how many checks have ended
	Present    int            `json:"present"`
	Absent     int            `json:"absent"`
	Unknown    int            `json:"unknown"`
	Unlabelled int            `json:"without_label"` // of Absent, how many carry the tag and lack a label
	Requests   Requests       `json:"requests"`
	Elapsed    Elapsed        `json:"elapsed_seconds"`
}

// Requests counts what was sent, repetitions included.
type Requests struct {
	Total        int64 `json:"total"`
	WithToken    int64 `json:"with_token"`
	WithoutToken int64 `json:"without_token"`
	Refused      int64 `json:"refused"` // answered 429
	Retries      int64 `json:"retries"`
}

// Pace describes the connections to a server, and what is known of its rate limit.
type Pace struct {
	Protocol    string  `json:"protocol"`
	Connections int     `json:"connections"`
	Limit       string  `json:"limit"` // published, learned, chosen, none, or ""
	Rate        float64 `json:"rate"`  // requests a second; 0: no limit has shown
}

func (p Pace) String() string {
	text := fmt.Sprintf("%s, connections: %d", p.Protocol, p.Connections)
	switch p.Limit {
	case "":
		return text
	case "none":
		return text + ", no limit met"
	}
	return fmt.Sprintf("%s, %s limit: about %s requests a second", text, p.Limit, plain(p.Rate))
}

// plain writes a number with three significant digits and no exponent.
func plain(n float64) string {
	if rounded, err := strconv.ParseFloat(strconv.FormatFloat(n, 'g', 3, 64), 64); err == nil {
		n = rounded
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// A TokenState says whether a server accepted the token.
type TokenState string

// The states. The later a state, the more may be missing from the answer.
const (
	TokenNone      TokenState = "none"             // there was no token
	TokenAccepted  TokenState = "accepted"         // the server knew its user
	TokenUnproven  TokenState = "unproven"         // no answer showed whether it was accepted
	TokenIgnored   TokenState = "ignored"          // the server took the caller for anonymous
	TokenOtherHost TokenState = "for another host" // the token is for another host, and this server did not get it
)

// Worse returns the one of two states from which more may be missing.
func (t TokenState) Worse(other TokenState) TokenState {
	order := []TokenState{TokenNone, TokenAccepted, TokenUnproven, TokenIgnored, TokenOtherHost}
	return order[max(slices.Index(order, t), slices.Index(order, other), 0)]
}

// A Search is the result of searching a pattern.
type Search struct {
	Pattern   string     `json:"pattern"`
	Host      string     `json:"host"`
	Pace      Pace       `json:"pace"`
	Namespace string     `json:"namespace"` // found, empty, nothing_visible, not_found, or ""
	Token     TokenState `json:"token"`
	TokenHost *string    `json:"token_host"` // the host of TokenOtherHost; else null
	Finished  bool       `json:"finished"`   // the listing ended and every candidate was checked
	Error     string     `json:"error,omitempty"`
	Counts
}

// ReasonText returns in words why an image is absent or unknown: "no such tag" for the
// code "no_such_tag".
func ReasonText(code string) string { return strings.ReplaceAll(code, "_", " ") }

// A Missing is an image that the answer lacks: its verdict is Unknown, or it is Absent
// although the user named it.
type Missing struct {
	Reference string `json:"reference"`
	Reason    string `json:"reason"` // a code; see ReasonText
	Error     string `json:"error"`
}

// A Summary closes the answer of a search: the counts of all its patterns
// together, what is unknown or missing by name, and each pattern for itself.
type Summary struct {
	Counts
	UnknownImages []Missing `json:"unknown_images"`
	AbsentImages  []Missing `json:"absent_images"` // images that should exist and do not
	Patterns      []Search  `json:"patterns"`
}

// NewSummary returns an empty summary.
func NewSummary() Summary {
	return Summary{Counts: Counts{Pruned: map[string]int{}}, UnknownImages: []Missing{}, AbsentImages: []Missing{}, Patterns: []Search{}}
}

// Add adds the search of a pattern, without its Elapsed: searches of several hosts overlap.
func (s *Summary) Add(p Search) {
	s.Patterns = append(s.Patterns, p)
	s.Listed += p.Listed
	s.Unlisted += p.Unlisted
	s.Candidates += p.Candidates
	s.Checked += p.Checked
	s.Present += p.Present
	s.Absent += p.Absent
	s.Unknown += p.Unknown
	s.Unlabelled += p.Unlabelled
	s.Requests.Total += p.Requests.Total
	s.Requests.WithToken += p.Requests.WithToken
	s.Requests.WithoutToken += p.Requests.WithoutToken
	s.Requests.Refused += p.Requests.Refused
	s.Requests.Retries += p.Requests.Retries
	for reason, n := range p.Pruned {
		s.Pruned[reason] += n
	}
}

// Line returns the counts as a line for people, such as "42 listed, 10 checked: 9
// present, 1 absent in 0.3 s". Zeros are left out. finished is false if the search was ended
// early.
func (c Counts) Line(finished bool) string {
	var asked []string
	if c.Listed > 0 || c.Checked == 0 {
		asked = append(asked, fmt.Sprintf("%d listed", c.Listed))
	}
	if c.Checked > 0 {
		asked = append(asked, fmt.Sprintf("%d checked", c.Checked))
	}
	var found []string
	for _, verdict := range []struct {
		n    int
		word string
	}{{c.Present, Present}, {c.Absent, Absent}, {c.Unknown, Unknown}} {
		if verdict.n == 0 {
			continue
		}
		text := fmt.Sprintf("%d %s", verdict.n, verdict.word)
		if verdict.word == Absent && c.Unlabelled > 0 {
			text += fmt.Sprintf(" (%d without the label)", c.Unlabelled)
		}
		found = append(found, text)
	}
	if len(found) == 0 {
		found = []string{"0 " + Present}
	}
	text := strings.Join(asked, ", ") + ": " + strings.Join(found, ", ") + " in " + Seconds(time.Duration(c.Elapsed))
	if !finished {
		text += ", not finished"
	}
	return text
}

// Seconds returns a duration for people.
func Seconds(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < 2*time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 0, 64) + " s"
	}
	return d.Round(time.Second).String()
}

// String describes the search in a few lines for people.
func (p Search) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s: %d listed", p.Pattern, p.Host, p.Listed)
	if reasons := slices.Sorted(maps.Keys(p.Pruned)); len(reasons) > 0 {
		b.WriteString(", left out")
		for i, reason := range reasons {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, " %d (%s)", p.Pruned[reason], ReasonText(reason))
		}
	}
	fmt.Fprintf(&b, ", %d checked, in %s\n", p.Checked, time.Duration(p.Elapsed).Round(time.Millisecond))
	fmt.Fprintf(&b, "%d present, %d absent", p.Present, p.Absent)
	if p.Unlabelled > 0 {
		fmt.Fprintf(&b, " (without the label: %d)", p.Unlabelled)
	}
	fmt.Fprintf(&b, ", %d unknown", p.Unknown)
	if !p.Finished {
		b.WriteString(": not finished")
	}
	fmt.Fprintf(&b, "\nrequests: %d, with the token: %d, without: %d, %s; token: %s",
		p.Requests.Total, p.Requests.WithToken, p.Requests.WithoutToken, p.Requests.failures(), p.Token)
	if p.Pace.Protocol != "" {
		fmt.Fprintf(&b, "\n%v", p.Pace)
	}
	return b.String()
}
