// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/internal/session"
	"github.com/quayside/quayside/quay"
)

func (a *app) findCommand() *cobra.Command {
	var all, failAbsent bool
	var labels []string
	cmd := &cobra.Command{
		Use:        "find PATTERN...",
		Short:      "Find the images that carry a tag",
		SuggestFor: []string{"search"},
		Long: `find lists the repositories of an organization, asks for the tag where the
listing does not already answer, and prints the images that carry the tag. If
something could not be found out, it is named on standard error and the exit
code is 3; --all prints these images too, and the repositories without the tag.
An image that a pattern names (ORG/REPO:TAG, also in a list such as
ORG/{a,b}:TAG) and that does not exist is named too, and the exit code is 3.

A pattern is ORG[/GLOB][:TAG]. To ask another server than that of --server,
write its host first: quay.io/ORG/GLOB:TAG or quay://HOST/ORG/GLOB:TAG. GLOB is
* by default, and TAG is latest. In a glob, * does not match a slash and **
does; {a,b}, [a-z] and ? work; !GLOB after a comma excludes. TAG is a name, a
glob, a version range (~2025.1, ">=4.12 <4.15") or a list. ?since=30d at the
end finds tags that were set in the last 30 days. An organization with a dot in
its name needs its host before it, unless globs follow. Quote patterns: the
shell interprets these characters.

--label fetches the configuration of each image found, which takes a few
requests for each.

ndjson prints images as they are found, one JSON object a line; the other
formats print them at the end, sorted by name.`,
		Example: `  # Every image of a release, as a table.
  quayside find 'quay.io/openstack.kolla/*:2025.1'

  # Some of them by digest, for another tool.
  quayside find 'quay.io/openstack.kolla/{nova,neutron}-*:2025.1' -o digests

  # The counts, and whether the answer is complete.
  quayside find 'quay.io/openstack.kolla/**:2025.1' -o json

  # Tags that were set since a day, with a template.
  quayside find 'quay.io/openstack.kolla/*:*?since=2025-10-01' \
      --template '{{.Reference}} {{.Started}}'

  # Which repositories lack the tag? The exit code is 1 if any does.
  quayside find 'quay.io/openstack.kolla/nova-*:2025.1' \
      --fail-absent --fail-empty`,
		Args: somePatterns,
	}
	cmd.RunE = a.asking(func(ctx context.Context, args []string) error { return a.find(ctx, args, labels, all, failAbsent) })
	cmd.Flags().BoolVarP(&all, "all", "a", false, "also print what is absent or unknown")
	addLabel(cmd, &labels)
	cmd.Flags().BoolVar(&failAbsent, "fail-absent", false, "exit with 1 if a matching repository lacks the tag, and name it")
	a.addFailEmpty(cmd)
	addOutput[report.Image](a, cmd)
	return cmd
}

// somePatterns requires at least one argument.
func somePatterns(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("%s needs a pattern, such as 'ORG/*:TAG'%s", cmd.CommandPath(), didYouMean(cmd))
	}
	return nil
}

func (a *app) find(ctx context.Context, args, labels []string, all, failAbsent bool) error {
	options, err := format[report.Image](a)
	if err != nil {
		return err
	}
	options.Verdicts = all
	having, err := parseLabels(labels)
	if err != nil {
		return err
	}
	targets, err := a.parseTargets(args, false)
	if err != nil {
		return err
	}
	s, err := a.search(ctx, targets, having)
	if err != nil {
		return err
	}
	s.all, s.failAbsent = all, failAbsent
	streams := options.Format.Streams()
	progress := &searchProgress{more: s.activities}
	stop := progress.show(a, streams)
	defer stop()
	s.show = progress.set
	var images report.Images
	for i := range s.images(ctx) {
		if !streams {
			images.Add(i)
		} else if !stream(a, i) {
			break
		}
	}
	stop()
	return a.found(s, images.Sorted(), options)
}

// image converts a result.
func (a *app) image(r discover.Result, server *session.Server) report.Image {
	i := report.Image{
		Verdict: string(r.Verdict), Host: r.Host, Namespace: r.Namespace, Repository: r.Repository, Tag: r.Tag,
		Visibility: visibility(r.Public, r.Unlisted), State: string(r.State), Reason: string(r.Reason),
		Digest: r.Digest, Index: r.Index, Size: r.Size, Started: r.Started, Expires: r.Expires, Named: r.Named,
	}
	if r.Err != nil {
		i.Error = a.cause(server.AdviseOne(r.Err), r.Reason) // the refusal of one repository does not mean that a token is missing
	}
	return i
}

// cause returns the text of an error without the image and the reason, because the line that
// shows the text has both.
func (a *app) cause(err error, reason discover.Reason) string {
	text := a.hidden(err)
	if e, ok := errors.AsType[*quay.Error](err); ok {
		text = strings.TrimPrefix(text, "quay: "+e.Op+" "+e.Subject+": ")
		if reason == discover.GoneOrPrivate {
			text = strings.Replace(text, " ("+e.Hint+")", "", 1)
		}
	}
	return text
}

// visibility returns "public", "private", or "" if the visibility is unknown.
func visibility(public, unlisted bool) string {
	switch {
	case public:
		return "public"
	case unlisted:
		return ""
	}
	return "private"
}

// found writes the answer, and then the messages about it.
func (a *app) found(s *search, images iter.Seq[report.Image], options report.Options) error {
	code, first := s.verdict()
	end := report.Ending{Complete: s.complete(), Error: first, Summary: &s.summary}
	var err error
	if options.Format.Streams() {
		err = report.End(a.out, end)
	} else {
		err = render(a, images, end, options)
	}
	if a.out.Flush() != nil {
		return nil // run reports the error
	}
	s.print()
	s.printTraffic()
	s.printSummary()
	if err == nil && first != "" && s.summary.Listed+s.found > 0 {
		a.console.Warn(partly)
	}
	return cmp.Or(err, code.error())
}
