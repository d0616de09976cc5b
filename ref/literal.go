// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package ref

import "slices"

// literal returns the longest text that every match of every alternative
// contains, or "". If several are longest, it returns the first one.
func (a *alternatives) literal() string {
	all := make([][]string, 0, a.size)
	for _, name := range a.names {
		all = append(all, []string{name})
	}
	for _, g := range a.globs {
		all = append(all, g.runs())
	}
	for _, r := range a.ranges {
		all = append(all, r.literals)
	}
	if len(all) == 0 {
		return ""
	}
	// All alternatives that share a text also share every part of it, so a
	// binary search finds the greatest length.
	best := ""
	low, high := 1, tagName.maxLength()
	for low <= high {
		length := (low + high) / 2
		if shared := sharedRun(all, length); shared != "" {
			best, low = shared, length+1
		} else {
			high = length - 1
		}
	}
	return best
}

// sharedRun returns the first text of the length that occurs in every alternative,
// or "".
func sharedRun(all [][]string, length int) string {
	var shared []string
	for i, runs := range all {
		here := windows(runs, length)
		if i == 0 {
			shared = here
			continue
		}
		in := make(map[string]bool, len(here))
		for _, text := range here {
			in[text] = true
		}
		shared = slices.DeleteFunc(shared, func(text string) bool { return !in[text] })
		if len(shared) == 0 {
			return ""
		}
	}
	if len(shared) == 0 {
		return ""
	}
	return shared[0]
}

// windows returns every text of the length in the runs.
func windows(runs []string, length int) []string {
	var out []string
	for _, run := range runs {
		for i := 0; i+length <= len(run); i++ {
			out = append(out, run[i:i+length])
		}
	}
	return out
}
