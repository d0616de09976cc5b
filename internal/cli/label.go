// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/internal/mirror"
)

// unlabelled is the reason of an image that carries the tag and lacks a label.
const unlabelled = "without_the_label"

// A label is the value of a --label: a name, and a glob in which * is any text and ? any
// character.
type label struct {
	key   string
	value *regexp.Regexp // of the glob
}

// addLabel adds the flag that chooses images by their labels.
func addLabel(cmd *cobra.Command, to *[]string) {
	cmd.Flags().StringArrayVar(to, "label", nil, "only images with this label, as `KEY=GLOB`; may be repeated: all must match")
}

func parseLabels(texts []string) ([]label, error) {
	var labels []label
	for _, text := range texts {
		key, glob, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, usagef("--label is %q, and must be KEY=GLOB, such as 'org.opencontainers.image.version=2025.*'", text)
		}
		value, err := regexp.Compile("(?s)^" + strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(glob)) + "$")
		if err != nil {
			return nil, usagef("--label is %q, which is not valid text", text)
		}
		labels = append(labels, label{key, value})
	}
	return labels, nil
}

// labelled reports whether the image for one platform has all the labels.
func labelled(info mirror.Info, labels []label) bool {
	for _, p := range info.Images {
		all := true
		for _, l := range labels {
			value, there := p.Labels[l.key]
			all = all && there && l.value.MatchString(value)
		}
		if all {
			return true
		}
	}
	return len(labels) == 0
}
