// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagError returns a usage error for an error of the flag library, and suggests flags with
// similar names. It does not repeat what was typed, which may be a secret.
func flagError(cmd *cobra.Command, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		flag := invalid.GetFlag()
		what := "needs " + wanted(flag.Value.Type())
		if wrong, ok := errors.AsType[valueError](err); ok {
			what = wrong.Error()
		}
		return usagef("--%s %s%s", flag.Name, what, didYouMean(cmd))
	}
	var like []string
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := unknown.GetSpecifiedName()
		suggest := func(flag *pflag.Flag) {
			if len(name) > 1 && !flag.Hidden && (distance(name, flag.Name) <= 2 || strings.HasPrefix(flag.Name, name)) {
				like = append(like, "--"+flag.Name)
			}
		}
		cmd.LocalFlags().VisitAll(suggest)
		cmd.InheritedFlags().VisitAll(suggest)
	}
	// "unknown shorthand flag: 't' in -tSECRET"
	text, _, _ := strings.Cut(err.Error(), " in -")
	return usagef("%s%s", text, didYouMean(cmd, like...))
}

// wanted describes the values of a type of flag.
func wanted(kind string) string {
	switch kind {
	case "int":
		return "a whole number"
	case "float64":
		return "a number"
	case "duration":
		return "a time with its unit, such as 90s or 5m"
	case "bool":
		return "true or false, or no value"
	}
	return "another value"
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
