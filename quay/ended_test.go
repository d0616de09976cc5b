// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quay_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quayside/quayside/quay"
)

// A row that had ended when the server answered is not active, whatever was asked
// for (doc/quay-api.md section 2). By the server's clock, not by ours.
func TestTagThatHasEnded(t *testing.T) {
	const sent = 1_000_000 // the server's clock is years behind
	date := time.Unix(sent, 0).UTC().Format(http.TimeFormat)
	at := func(name, ts string) string { return row("name", `"`+name+`"`, "end_ts", ts) }
	for _, c := range []struct {
		name, date string
		more       bool
		rows       []string
		want       string
		list       string // names, with ! for one that makes no sense
	}{
		{"past", date, false, []string{at("v1", "999999")}, "tag not found", ""},
		{"long past", date, false, []string{at("v1", "1")}, "tag not found", ""},
		{"this second", date, false, []string{at("v1", "1000000")}, "none", "v1"},
		{"to come", date, false, []string{at("v1", "1000001")}, "none", "v1"},
		{"zero is no end", date, false, []string{at("v1", "0")}, "none", "v1"},
		{"null is no end", date, false, []string{at("v1", "null")}, "none", "v1"},
		{"past, then active", date, false, []string{at("v1", "7"), at("v1", "null")}, "none", "v1"},
		{"past, and others", date, false, []string{at("v2", "null"), at("v1", "7"), at("v1", "8")}, "tag not found", "v2"},
		{"past, without a date", "", false, []string{at("v1", "999999")}, "malformed", "!v1"},
		{"to come, without a date", "", false, []string{at("v1", "99999999999")}, "none", "v1"},
		{"past, with a date that is none", "yesterday", false, []string{at("v1", "999999")}, "malformed", "!v1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := canned(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Date"] = nil
				if c.date != "" {
					w.Header().Set("Date", c.date)
				}
				fmt.Fprintf(w, `{"tags": [%s], "page": 1, "has_additional": false}`, strings.Join(c.rows, ", "))
			})
			tag, err := client(t, url).Tag(t.Context(), repo("org/r"), "v1")
			if got := kind(err); got != c.want || err == nil && tag.Name != "v1" {
				t.Errorf("Tag: %q, %v, want %s", tag.Name, err, c.want)
			}
			var names []string
			for tag, err := range client(t, url).Tags(t.Context(), repo("org/r"), quay.TagQuery{Invalid: true}) {
				switch {
				case err != nil:
					t.Fatal(err)
				case errors.Is(tag.Invalid, quay.ErrMalformed):
					names = append(names, "!"+tag.Name)
				default:
					names = append(names, tag.Name)
				}
			}
			if got := strings.Join(slices.Compact(names), " "); got != c.list {
				t.Errorf("Tags: %q, want %q", got, c.list)
			}
			n := 0
			for _, err := range client(t, url).Tags(t.Context(), repo("org/r"), quay.TagQuery{History: true}) {
				if n++; err != nil {
					t.Fatal(err)
				}
			}
			if n == 0 {
				t.Error("the history lacks what has ended")
			}
		})
	}
}

// A server that ignores onlyActiveTags sends the history: the active row may
// come on a later page.
func TestTagBehindItsHistory(t *testing.T) {
	pages := []string{
		`{"tags": [` + row("end_ts", "1764633700") + `], "page": 1, "has_additional": true}`, // the look-up, of one row
		`{"tags": [` + row("end_ts", "1764633700") + `], "page": 1, "has_additional": true}`,
		`{"tags": [` + row() + `], "page": 2, "has_additional": false}`,
	}
	n := 0
	url := canned(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, pages[min(n, len(pages)-1)])
		n++
	})
	tag, err := client(t, url).Tag(t.Context(), repo("org/r"), "v1")
	if err != nil || tag.Name != "v1" || !tag.End.IsZero() || n != 3 {
		t.Errorf("%+v, %v after %d requests", tag, err, n)
	}
}
