// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package quaytest

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// FleetOptions describe the repositories of a [Fleet]. The zero value is an organization
// "fleet" whose repositories are public and all have the tag 2025.1.
type FleetOptions struct {
	Namespace string // the organization; default fleet
	Tag       string // the tag; default 2025.1

	// Every is how many repositories with a live tag there are for each one that has
	// Tag, beginning with the first: 10 is a tenth of them. The others have only older
	// tags. 0 and 1 are all.
	Every int

	// NoLiveTag is the number of repositories without a live tag: Tag was deleted from
	// them. They are spread evenly.
	NoLiveTag int

	// Private is the number of repositories that only the owners of the organization
	// see. They are spread evenly. The organization has no owner: to add one, name a
	// user in Organizations[0].Owners and add the user, with a token, to the dataset.
	Private int
}

// fleetVariants is the number of different sets of digests in a fleet.
const fleetVariants = 256

// Fleet returns an organization of n repositories, image-000000 and up, for benchmarks
// of discovery. Repositories whose numbers are equal modulo 256 share their tags and
// digests, so a million of them take some 160 MB in a server. No image can be pulled.
// The same arguments return the same fleet. Fleet panics if n is negative.
func Fleet(n int, opts FleetOptions) *Dataset {
	namespace, tag := cmp.Or(opts.Namespace, "fleet"), cmp.Or(opts.Tag, "2025.1")
	every := max(opts.Every, 1)
	f := newFleetTags(tag)
	names := fleetNames(n)
	repositories := make([]Repository, n)
	live := 0
	for i := range repositories {
		r := &repositories[i]
		r.Namespace, r.Name = namespace, names[i]
		r.Public = !spread(n-1-i, n, opts.Private)
		variant := i % fleetVariants
		switch {
		case spread(i, n, opts.NoLiveTag):
			r.Tags = f.dead[variant]
			continue
		case live%every == 0:
			r.Tags = f.current[variant]
		default:
			r.Tags = f.older[variant]
		}
		live++
	}
	return &Dataset{
		About:         fmt.Sprintf("A fleet of %d repositories for benchmarks.", n),
		Organizations: []Organization{{Name: namespace, Enabled: true}},
		Repositories:  repositories,
	}
}

// spread reports whether i is among k of n numbers at even distances.
func spread(i, n, k int) bool { return (i+1)*k/n > i*k/n }

// fleetNames returns the names of repositories, as parts of one long string.
func fleetNames(n int) []string {
	var all strings.Builder
	ends := make([]int, n)
	for i := range n {
		fmt.Fprintf(&all, "image-%06d", i)
		ends[i] = all.Len()
	}
	names, from := make([]string, n), 0
	for i, end := range ends {
		names[i], from = all.String()[from:end], end
	}
	return names
}

// fleetTags are the sets of tags that a fleet's repositories share.
type fleetTags struct {
	current, older, dead [fleetVariants][]Tag
}

// newFleetTags builds the tags: releases half a year apart, of which the last is tag.
func newFleetTags(tag string) *fleetTags {
	f := new(fleetTags)
	for v := range fleetVariants {
		at := time.Date(2025, 4, 2, 0, 0, v, 0, time.UTC)
		row := func(name string, start time.Time) Tag {
			size := int64(40_000_000 + v*1_000_003)
			return Tag{Name: name, Digest: digest.FromString(fmt.Sprintf("%s %d", name, v)), Start: start, Size: &size}
		}
		const halfYear = 182 * 24 * time.Hour
		f.older[v] = []Tag{row("2023.2", at.Add(-3*halfYear)), row("2024.1", at.Add(-2*halfYear))}
		f.current[v] = append(f.older[v][:2:2], row(tag, at))
		gone := row(tag, at)
		gone.End = at.Add(halfYear)
		f.dead[v] = []Tag{gone}
	}
	return f
}
