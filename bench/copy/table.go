// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
)

func (b *bencher) header() {
	fmt.Println("| work | tool | wall | wall / limit | wall / quayside | wall / expected | bytes pulled / unique | pushed / unique | requests an image | peak memory | failed | lost | goal |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
}

// row prints the result of one tool.
func (b *bencher) row(w work, r result, rows []result) {
	expected, beside, pushed, lost := "-", "-", "-", fmt.Sprint(r.lost())
	if first := rows[0]; !first.peer {
		beside = fmt.Sprintf("%.2f", r.wall.Seconds()/first.wall.Seconds())
	}
	if r.expected > 0 {
		expected = fmt.Sprintf("%.2f", r.wall.Seconds()/r.expected.Seconds())
	}
	if w.push {
		pushed = fmt.Sprintf("%.2f", r.pushed())
	}
	memory := fmt.Sprintf("%.0f MB", float64(r.peak)/1e6)
	if r.way.atOnce > 1 {
		memory = fmt.Sprintf("%d x %s", r.way.atOnce, memory)
	}
	failed := fmt.Sprint(r.failed)
	if r.last != nil {
		failed += ": " + r.last.Error()
	}
	if r.lost() > 0 {
		lost += ": " + r.why.Error()
	}
	fmt.Println("|", strings.Join([]string{
		w.name, r.title(), fmt.Sprintf("%.2f s", r.wall.Seconds()), fmt.Sprintf("%.2f", r.wall.Seconds()/r.limit.Seconds()), beside, expected,
		fmt.Sprintf("%.2f", r.pulled()), pushed, fmt.Sprintf("%.2f", r.requests()), memory,
		clean(failed), clean(lost), w.goals.judge(r, rows),
	}, " | "), "|")
}

// title names the tool and how it was used.
func (r result) title() string {
	if r.way.name == "" {
		return r.name
	}
	return r.name + ", " + r.way.name
}

// clean converts a text to a cell of the table.
func clean(s string) string {
	return strings.NewReplacer("|", "/", "\n", " ").Replace(s)
}
