// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/internal/session"
	"github.com/quayside/quayside/quay"
	"github.com/quayside/quayside/ref"
)

func (a *app) hasCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "has ORG/REPO:TAG...",
		Short: "Report whether repositories carry a tag",
		Long: `has asks whether images exist and prints an answer for each: present, with the
digest, or absent. The exit code is 0 if all images are present and 1 if any is
absent. If none is absent and some answers are unknown, the exit code is 3 and
those images are named on standard error; if all are unknown, it is the code of
the error. That is 4 if the server wants a token: it gives anonymous callers
the same answer for a private repository and for one that does not exist.`,
		Example: `  # Is the image there?
  quayside has quay.io/openstack.kolla/nova-api:2025.1

  # Are all of these there?
  quayside has quay.io/openstack.kolla/nova-api:2025.1 \
      quay.io/openstack.kolla/neutron-server:2025.1

  # Nothing but the digest.
  quayside has quay.io/openstack.kolla/nova-api:2025.1 --template '{{.Digest}}'

  # On another registry.
  quayside has registry.example:8443/openstack.kolla/nova-api:2025.1`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("%s needs an image, ORG/REPO:TAG%s", cmd.CommandPath(), didYouMean(cmd))
			}
			return nil
		},
	}
	cmd.RunE = a.asking(a.has)
	addOutput[report.Image](a, cmd)
	return cmd
}

// A question is an image that has asks for, and the answer.
type question struct {
	name   ref.Image
	server *session.Server
	image  report.Image
	err    error
}

// hasSummary is the summary of has in JSON.
type hasSummary struct {
	tally
	UnknownImages []report.Missing `json:"unknown_images"`
}

func (a *app) has(ctx context.Context, args []string) error {
	options, err := format[report.Image](a)
	if err != nil {
		return err
	}
	options.Verdicts = true
	questions, servers, err := a.questions(ctx, args)
	if err != nil {
		return err
	}
	streams := options.Format.Streams()
	stop := (&searchProgress{more: delays(servers...)}).show(a, streams)
	defer stop()
	var images report.Images
	var failed []question
	missing, known := false, 0
	for q := range a.answers(ctx, questions) {
		if q.err != nil {
			failed = append(failed, q)
			continue
		}
		known++
		missing = missing || q.image.Verdict == report.Absent
		if !streams {
			images.Add(q.image)
		} else if !stream(a, q.image) {
			break
		}
	}
	stop()
	summary := hasSummary{tallyOf(known, servers...), []report.Missing{}}
	slices.SortFunc(failed, func(x, y question) int { return strings.Compare(x.image.Reference(), y.image.Reference()) })
	for _, q := range failed {
		reason := discover.ReasonOf(q.err)
		m := report.Missing{Reference: q.image.Reference(), Reason: string(reason), Error: a.cause(q.err, reason)}
		summary.UnknownImages = append(summary.UnknownImages, m)
	}
	failure := hasFailure(failed, known)
	ended := ctx.Err() != nil && known < len(questions)
	if ended {
		failure = context.Cause(ctx)
	}
	end := report.Ending{Complete: failure == nil, Error: a.ending(ctx, failure), Summary: summary}
	if s, ok := failure.(*status); ok && s.cause == nil {
		end.Error = "" // each image has its own error
	}
	if streams {
		_ = report.End(a.out, end) // a.out keeps the error, and run reports it
	} else if err := render(a, images.Sorted(), end, options); err != nil {
		return err
	}
	switch {
	case ended && known > 0:
		a.console.Warn(partly)
	case !ended && len(questions) > 1:
		for _, m := range summary.UnknownImages {
			a.console.Unknown(m)
		}
	}
	if missing && !ended {
		return &status{code: exitNo}
	}
	return failure
}

// hasFailure returns the error of has if answers are missing, or nil. If there is one question
// and it failed, that is its error; otherwise each image is reported by name.
func hasFailure(failed []question, known int) error {
	switch {
	case len(failed) == 0:
		return nil
	case len(failed) == 1 && known == 0:
		return failed[0].err
	}
	code := exitCodeOf(failed[0].err)
	if known > 0 || slices.ContainsFunc(failed, func(q question) bool { return exitCodeOf(q.err) != code }) {
		code = exitPart
	}
	return &status{code: code}
}

// questions parses the arguments, without repetitions, and connects to their servers. Nothing
// is sent.
func (a *app) questions(ctx context.Context, args []string) (all []question, servers []*session.Server, err error) {
	for _, arg := range args {
		if err := mistaken(arg, whole); err != nil {
			return nil, nil, err
		}
		name, err := ref.ParseImage(arg)
		switch {
		case err != nil:
			return nil, nil, err
		case name.Digest != "":
			return nil, nil, usagef("has needs a tag, and %s has a digest", name)
		}
		server, err := a.session.Connect(ctx, name.Host)
		if err != nil {
			return nil, nil, err
		}
		name.Host = server.Host
		if !slices.ContainsFunc(all, func(q question) bool { return q.name == name && q.server == server }) {
			all, servers = append(all, question{name: name, server: server}), append(servers, server)
		}
	}
	return all, servers, a.session.CheckTokens(servers...)
}

// answers asks all servers side by side.
func (a *app) answers(ctx context.Context, questions []question) iter.Seq[question] {
	byServer := map[*session.Server][]question{}
	for _, q := range questions {
		byServer[q.server] = append(byServer[q.server], q)
	}
	var servers []func(context.Context) iter.Seq[question]
	for _, list := range byServer {
		servers = append(servers, func(ctx context.Context) iter.Seq[question] {
			return parallel(ctx, inspections, slices.Values(list), a.answer)
		})
	}
	return merge(ctx, servers...)
}

// answer asks a question and returns it with the answer.
func (a *app) answer(ctx context.Context, q question) question {
	q.image, q.err = a.look(ctx, q.server, q.name)
	if q.err != nil {
		q.err = q.server.Explain(ctx, q.name.Namespace, q.err)
	}
	return q
}

// look asks for a tag.
func (a *app) look(ctx context.Context, server *session.Server, name ref.Image) (report.Image, error) {
	i := report.Image{
		Verdict: report.Absent, Host: server.Host, Namespace: name.Namespace, Repository: name.Repository, Tag: name.Tag,
	}
	tag, err := server.Finder.Tag(ctx, quay.RepoName{Namespace: name.Namespace, Name: name.Repository}, name.Tag)
	switch {
	case errors.Is(err, quay.ErrNotFound):
		i.Reason = string(discover.NoRepository)
		a.console.Note("%s/%s does not exist", name.Namespace, name.Repository)
		return i, nil
	case errors.Is(err, quay.ErrTagNotFound):
		i.Reason = string(discover.NoTag)
	case err != nil:
		return i, err
	default:
		i.Verdict, i.Digest, i.Index, i.Size = report.Present, tag.Digest, tag.Index, tag.Size
		i.Started, i.Expires = tag.Start, tag.End
	}
	i.Visibility = visibility(tag.Public, true)
	return i, nil
}
