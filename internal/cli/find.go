// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/ref"
)

func (a *app) findCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "find PATTERN...",
		Short: "Find the images that carry a tag",
		Long: `find lists the repositories of an organization, leaves out what the listing
already answers, asks for the tag in those that are left, and prints the images
that carry it. What could not be found out is named on standard error and makes
the exit code 3; --all prints it, and the repositories without the tag, as well.

A pattern is ORG[/GLOB][:TAG], with the host before it (quay.io/ORG/GLOB:TAG or
quay://HOST/ORG/GLOB:TAG) where it is not the one of --server. GLOB is * unless
given, and TAG is latest. In a glob * stops at a slash and ** does not; {a,b},
[a-z] and ? work; !GLOB after a comma excludes. TAG is a name, a glob, a version
range (~2025.1, ">=4.12 <4.15") or a list. ?since=30d at the end finds tags that
were set since. An organization with a dot in its name needs its host before it
unless globs follow.
Quote patterns: the shell has its own use for these characters.

ndjson prints images as they are found, one JSON object a line; the other
formats print them at the end, in the order of their names.`,
		Example: `  # Every image of a release, as a table.
  quayside find 'quay.io/openstack.kolla/*:2025.1'

  # Some of them, by digest, for another tool.
  quayside find 'quay.io/openstack.kolla/{nova,neutron}-*:2025.1' -o digests

  # The counts, and whether the answer is complete.
  quayside find 'quay.io/openstack.kolla/**:2025.1' -o json

  # Tags that were set since a day, in a form of your own.
  quayside find 'quay.io/openstack.kolla/*:*?since=2025-10-01' --template '{{.Reference}} {{.Started}}'

  # Which repositories lack the tag?
  quayside find 'quay.io/openstack.kolla/*:2025.1' --all --template '{{.Verdict}} {{.Repository}}'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("%s needs a pattern, such as 'ORG/*:TAG'%s", cmd.CommandPath(), didYouMean(cmd))
			}
			return nil
		},
	}
	cmd.RunE = a.asking(func(ctx context.Context, args []string) error { return a.find(ctx, args, all) })
	cmd.Flags().BoolVarP(&all, "all", "a", false, "print what is absent or unknown, too")
	a.addFailEmpty(cmd)
	a.addOutput(cmd)
	return cmd
}

func (a *app) find(ctx context.Context, args []string, all bool) error {
	options, err := format[report.Image](a)
	if err != nil {
		return err
	}
	options.Verdicts = all
	patterns := make([]ref.Pattern, len(args))
	for i, arg := range args {
		if patterns[i], err = ref.ParsePattern(arg); err != nil {
			return err
		}
		for _, warning := range patterns[i].Warnings() {
			a.talk.warn("%s", warning)
		}
	}
	links := make([]*link, len(patterns))
	for i, p := range patterns {
		if links[i], err = a.connect(ctx, p.Host, p.Token); err != nil {
			return err
		}
	}

	s := &search{a: a, options: options, all: all, summary: report.NewSummary()}
	if len(patterns) > 1 {
		s.seen = map[string]bool{}
	}
	s.meter = a.meter(options.Format.Streams())
	defer s.meter.stop()
	for i, p := range patterns {
		s.resolve(ctx, links[i], p)
		if ctx.Err() != nil || a.out.err != nil {
			break
		}
	}
	s.meter.stop()
	return s.finish(len(patterns))
}

// A search is one run of find.
type search struct {
	a       *app
	options report.Options
	all     bool
	meter   *meter
	images  report.Images
	seen    map[string]bool // what was printed or named already, when several patterns may repeat it
	found   int
	summary report.Summary
	told    []outcome
}

// resolve finds the images of one pattern.
func (s *search) resolve(ctx context.Context, l *link, p ref.Pattern) {
	if p.Host != "" && p.Host != l.host {
		p.Host = "" // a name that the config file has for the server
	}
	run := discover.Resolve(ctx, l.catalog, p, discover.Options{
		Jobs: s.a.flags.jobs, Logger: s.a.talk.log, Progress: s.meter.show,
	})
	for result := range run.Results() {
		if !s.add(image(result)) {
			break
		}
	}
	o := outcomeOf(ctx, p.Namespace, run.Summary(), run.Err(), l)
	s.told = append(s.told, o)
	s.summary.Add(o.search)
}

// add takes one verdict. It returns false when nobody reads any more.
func (s *search) add(i report.Image) bool {
	if i.Verdict == report.Present {
		s.found++
	}
	shown := i.Verdict == report.Present || s.all
	if !shown && i.Verdict != report.Unknown {
		return true
	}
	if s.seen != nil {
		key := i.Verdict + " " + i.Reference()
		if s.seen[key] {
			return true
		}
		s.seen[key] = true
	}
	if i.Verdict == report.Unknown {
		s.summary.Gaps = append(s.summary.Gaps, report.Gap{Reference: i.Reference(), Reason: i.Reason, Error: i.Error})
	}
	switch {
	case !shown:
		return true
	case s.options.Format.Streams():
		return stream(s.a, i)
	}
	s.images.Add(i)
	return true
}

// image makes a record of a result.
func image(r discover.Result) report.Image {
	i := report.Image{
		Verdict: string(r.Verdict), Host: r.Host, Namespace: r.Namespace, Repository: r.Repository, Tag: r.Tag,
		Visibility: visibility(r.Public, r.Unlisted), State: r.State, Reason: string(r.Reason),
		Digest: r.Digest, Index: r.Index, Size: r.Size, Started: r.Started, Expires: r.Expires,
	}
	if r.Err != nil {
		i.Error = advise(r.Err, true).Error() // one repository's refusal asks for no token
	}
	return i
}

// visibility is a word for who may read a repository, or "" when nobody said.
func visibility(public, unlisted bool) string {
	switch {
	case public:
		return "public"
	case unlisted:
		return ""
	}
	return "private"
}

// finish writes the answer, and then says what there is to say about it.
func (s *search) finish(patterns int) error {
	code, first := worst(s.told, patterns)
	if code == exitDone && s.found == 0 && s.a.flags.failEmpty {
		code = exitEmpty
	}
	end := report.Ending{Complete: code == exitDone || code == exitEmpty, Error: first, Summary: &s.summary}
	var err error
	if s.options.Format.Streams() {
		err = report.End(s.a.out, end)
	} else {
		err = render(s.a, s.images.Sorted(), end, s.options)
	}
	if s.a.out.Flush() != nil {
		return nil // told at the end of the command
	}
	for _, gap := range s.summary.Gaps {
		s.a.talk.unknown(gap)
	}
	for _, o := range s.told {
		o.tell(s.a.talk)
	}
	switch {
	case err != nil:
		return err
	case code == exitDone:
		return nil
	}
	if first != "" && s.summary.Listed+s.found > 0 {
		s.a.talk.warn(partly)
	}
	return &status{code: code}
}
