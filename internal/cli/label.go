// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/internal/mirror"
)

// unlabelled is the reason of an image that carries the tag and lacks a label.
const unlabelled = "without_the_label"

// A label is the value of a --label: a name and a glob.
type label struct{ key, glob string }

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
		labels = append(labels, label{key, glob})
	}
	return labels, nil
}

// labelled reports whether the image for one platform has all the labels.
func labelled(info mirror.Info, labels []label) bool {
	for _, p := range info.Images {
		all := true
		for _, l := range labels {
			value, there := p.Labels[l.key]
			all = all && there && globbed(value, l.glob)
		}
		if all {
			return true
		}
	}
	return len(labels) == 0
}

// globbed reports whether a text matches a glob: * is any text, ? any character.
func globbed(text, glob string) bool {
	t, g := []rune(text), []rune(glob)
	at, star, begin := 0, -1, 0
	for i := 0; i < len(t); {
		switch {
		case at < len(g) && g[at] == '*':
			star, begin = at, i
			at++
		case at < len(g) && (g[at] == '?' || g[at] == t[i]):
			at++
			i++
		case star >= 0: // the star matches one character more
			begin++
			at, i = star+1, begin
		default:
			return false
		}
	}
	return strings.Trim(string(g[at:]), "*") == ""
}
