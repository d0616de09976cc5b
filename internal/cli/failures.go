// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

// maxNamed is how many images are named of those that fared alike.
const maxNamed = 3

// A failure is an image that was not copied, or that lacks signatures.
type failure struct {
	reference, destination string
	why                    []string // the reasons, each by itself
}

// failures warns of images that failed, those that did for the same reason in
// one line. The report names each of them.
func (t *talk) failures(all []failure) {
	t.alike(kindFailed, all, "failed: %s: %s", "%d images failed: %s: %s")
}

// unsigned does so of images whose signatures are missing.
func (t *talk) unsigned(all []failure) {
	t.alike(kindUnsigned, all, "%s: signatures are missing: %s", "signatures of %d images are missing: %s: %s")
}

// alike warns of images in the words of one or of many; as JSON, of each.
func (t *talk) alike(kind string, all []failure, one, many string) {
	if t.json {
		for _, f := range all {
			why := strings.Join(f.why, "; ")
			t.say(slog.LevelWarn, kind, fmt.Sprintf(one, f.reference, why), slog.String("image", f.reference), slog.String("reason", why))
		}
		return
	}
	groups := map[string][]failure{}
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
		first := strings.Join(group[0].why, "; ")
		if len(group) == 1 {
			t.say(slog.LevelWarn, kind, fmt.Sprintf(one, group[0].reference, first))
			continue
		}
		if !slices.ContainsFunc(group, func(f failure) bool { return !slices.Equal(f.why, group[0].why) }) {
			reason = first
		}
		t.say(slog.LevelWarn, kind, fmt.Sprintf(many, len(group), named(group), reason))
	}
}

// named names the first images of a group.
func named(group []failure) string {
	var names []string
	for _, f := range group[:min(len(group), maxNamed)] {
		names = append(names, f.reference)
	}
	text := strings.Join(names, ", ")
	if n := len(group) - len(names); n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// ownPart is what errors of one cause differ in besides names: digests, also as
// cosign makes tags of them, and our own end of a connection.
var ownPart = regexp.MustCompile(`(sha256[:-])[0-9a-f]{64}|((?:read|write) tcp )\S+?->`)

// reason is why an image failed, less what names it. What is said of several of
// its parts is said once.
func (f failure) reason() string {
	var reasons []string
	for _, why := range f.why {
		if reason := f.unnamed(why); !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	return strings.Join(reasons, "; ")
}

// unnamed is a text less the names of the image.
func (f failure) unnamed(text string) string {
	var names []string
	for _, name := range []string{f.reference, f.destination} {
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
	return ownPart.ReplaceAllString(text, "$1$2...")
}
