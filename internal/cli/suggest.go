// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// flagError returns a usage error for an error of the flag library, and suggests flags with
// similar names.
func flagError(cmd *cobra.Command, err error) error {
	if errors.Is(err, errFlag) { // without the value, which may be a secret
		_, name, _ := strings.Cut(err.Error(), `" for "`)
		name, _, _ = strings.Cut(name, `" flag: `)
		if _, what, ok := strings.Cut(err.Error(), `" flag: flag `); ok {
			return usagef("%s %s%s", name, what, didYouMean(cmd))
		}
	}
	if _, rest, ok := strings.Cut(err.Error(), `" for "`); ok {
		name, _, _ := strings.Cut(rest, `" flag: `)
		_, long, _ := strings.Cut(name, "--")
		if flag := cmd.Flag(long); flag != nil && wanted(flag.Value.Type()) != "" {
			return usagef("%s needs %s%s", name, wanted(flag.Value.Type()), didYouMean(cmd))
		}
	}
	var like []string
	if name, unknown := strings.CutPrefix(err.Error(), "unknown flag: --"); unknown {
		for candidate := range flagNames(cmd) {
			if distance(name, candidate) <= 2 || strings.HasPrefix(candidate, name) {
				like = append(like, "--"+candidate)
			}
		}
	}
	// "unknown shorthand flag: 't' in -tSECRET": who knows what was typed.
	text, _, _ := strings.Cut(err.Error(), " in -")
	return usagef("%s%s", text, didYouMean(cmd, like...))
}

// wanted describes the values of a type for which the flag library has no good message.
func wanted(kind string) string {
	switch kind {
	case "int":
		return "a whole number"
	case "float64":
		return "a number"
	case "duration":
		return "a time with its unit, such as 90s or 5m"
	}
	return ""
}

// flagNames yields the long names of the flags a command knows. They are read from its help:
// the flag library is a dependency of cobra, not ours.
func flagNames(cmd *cobra.Command) func(yield func(string) bool) {
	return namesIn(cmd.LocalFlags().FlagUsages() + cmd.InheritedFlags().FlagUsages())
}

// namesIn yields the long names of the flags that a help text describes.
func namesIn(usages string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for line := range strings.Lines(usages) {
			_, rest, ok := strings.Cut(line, "--")
			if !ok {
				continue
			}
			name, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			if !yield(name) {
				return
			}
		}
	}
}

// didYouMean returns the end of a usage error: suggestions and where help is.
func didYouMean(cmd *cobra.Command, like ...string) string {
	text := fmt.Sprintf("\nrun '%s --help' for its usage", cmd.CommandPath())
	if len(like) > 0 {
		text = fmt.Sprintf(": did you mean %s?", strings.Join(like, " or ")) + text
	}
	return text
}

// distance returns how many letters to insert, delete or replace to get from one word to the
// other.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
