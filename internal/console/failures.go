// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package console

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

// maxNamed is how many images are named in a message about several.
const maxNamed = 3

// A Failure is an image that was not copied, or that lacks signatures.
type Failure struct {
	Reference, Destination string
	Reasons                []string
}

// Failures warns of images that failed, with one message for each reason. The report
// names every image.
func (c *Console) Failures(all []Failure) {
	c.groupByReason(Failed, all, "failed: %s: %s", "%d images failed: %s: %s")
}

// Unsigned warns of images whose signatures are missing, with one message for each reason.
func (c *Console) Unsigned(all []Failure) {
	c.groupByReason(Unsigned, all, "%s: signatures are missing: %s", "signatures of %d images are missing: %s: %s")
}

// groupByReason warns with one format for a single image and another for several. JSON has
// one object for each image.
func (c *Console) groupByReason(kind Kind, all []Failure, one, many string) {
	if c.JSON {
		for _, f := range all {
			why := strings.Join(f.Reasons, "; ")
			c.Say(slog.LevelWarn, kind, fmt.Sprintf(one, f.Reference, why), slog.String("image", f.Reference), slog.String("reason", why))
		}
		return
	}
	groups := map[string][]Failure{}
	var reasons []string // in the order of the images
	for _, f := range all {
		reason := f.reason()
		if groups[reason] == nil {
			reasons = append(reasons, reason)
		}
		groups[reason] = append(groups[reason], f)
	}
	for _, reason := range reasons {
		group := groups[reason]
		first := strings.Join(group[0].Reasons, "; ")
		if len(group) == 1 {
			c.Say(slog.LevelWarn, kind, fmt.Sprintf(one, group[0].Reference, first))
			continue
		}
		if !slices.ContainsFunc(group, func(f Failure) bool { return !slices.Equal(f.Reasons, group[0].Reasons) }) {
			reason = first
		}
		c.Say(slog.LevelWarn, kind, fmt.Sprintf(many, len(group), named(group), reason))
	}
}

// named names the first images of a group.
func named(group []Failure) string {
	var names []string
	for _, f := range group[:min(len(group), maxNamed)] {
		names = append(names, f.Reference)
	}
	text := strings.Join(names, ", ")
	if n := len(group) - len(names); n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// variable matches what differs in errors of one cause, besides names: digests, also in
// cosign's tags, and the local end of a connection.
var variable = regexp.MustCompile(`(sha256[:-])[0-9a-f]{64}|((?:read|write) tcp )\S+?->`)

// reason returns why an image failed, without the names in it and without repetitions.
func (f Failure) reason() string {
	var reasons []string
	for _, why := range f.Reasons {
		if reason := f.unnamed(why); !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	return strings.Join(reasons, "; ")
}

// unnamed replaces the names of the image in a text.
func (f Failure) unnamed(text string) string {
	var names []string
	for _, name := range []string{f.Reference, f.Destination} {
		names = append(names, name)
		at := max(strings.LastIndexByte(name, '/'), 0)
		if end := strings.IndexAny(name[at:], ":@"); end > 0 {
			names = append(names, name[:at+end])
		}
	}
	slices.SortFunc(names, func(x, y string) int { return len(y) - len(x) })
	for _, name := range names {
		if name != "" {
			text = strings.ReplaceAll(text, name, "...")
		}
	}
	return variable.ReplaceAllString(text, "$1$2...")
}
