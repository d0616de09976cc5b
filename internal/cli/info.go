// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/internal/console"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/report"
)

func (a *app) infoCommand() *cobra.Command {
	var output string
	var labels []string
	var allowEmpty bool
	cmd := &cobra.Command{
		Use:        "info PATTERN|IMAGE...",
		Short:      "Describe images: platforms, layers, labels",
		SuggestFor: []string{"inspect"},
		Long: `info prints for each image the digest, the platforms, the layers with their
compressed sizes, the creation time and the labels. It fetches manifests and
configurations, and no layers. If an image that a pattern names does not exist,
it is named and the exit code is 3. The exit code is 6 if nothing matches.

A pattern is what find accepts; HOST/ORG/REPO@sha256:... names an image by its
digest.`,
		Example: `  # One image.
  quayside info quay.io/openstack.kolla/nova-api:2025.1

  # A release as JSON: always an array.
  quayside info 'quay.io/openstack.kolla/*:2025.1' -o json`,
		Args: somePatterns,
	}
	cmd.RunE = a.asking(func(ctx context.Context, args []string) error { return a.info(ctx, args, labels, allowEmpty, output) })
	cmd.Flags().SortFlags = false
	addLabel(cmd, &labels)
	a.addAllowEmpty(cmd, &allowEmpty, "no image is found")
	a.acceptFailEmpty(cmd)
	addDocument(cmd, &output, "format")
	return cmd
}

// A looked is an image with its information or an error.
type looked struct {
	image mirror.Image
	info  mirror.Info
	err   error
}

func (a *app) info(ctx context.Context, args, labels []string, allowEmpty bool, output string) error {
	having, err := parseLabels(labels)
	if err != nil {
		return err
	}
	targets, err := a.parseTargets(args, true)
	if err != nil {
		return err
	}
	s, err := a.search(ctx, targets, nil) // the labels are checked here
	if err != nil {
		return err
	}
	s.failEmpty = !allowEmpty
	progress := &searchProgress{more: s.activities}
	stop := progress.show(a, false)
	defer stop()
	s.show = progress.set
	infos, failed, missing := []mirror.Info{}, []looked{}, 0
	for l := range parallel(ctx, inspections, s.images(ctx), func(ctx context.Context, i report.Image) looked {
		info, err := s.inspect(ctx, i)
		return looked{mirrored(i), info, err}
	}) {
		switch {
		case l.image.Tag == "" && errors.Is(l.err, mirror.ErrAbsent):
			s.absent = append(s.absent, absentDigest(l.image))
		case l.err != nil:
			failed = append(failed, l)
		case labelled(l.info, having):
			infos = append(infos, l.info)
		default:
			missing++
		}
	}
	stop()
	slices.SortFunc(infos, func(x, y mirror.Info) int { return strings.Compare(x.Reference, y.Reference) })
	slices.SortFunc(failed, func(x, y looked) int { return strings.Compare(x.image.Reference(), y.image.Reference()) })
	if err := a.writeDocument(output, described(infos, s)); err != nil || a.out.Flush() != nil {
		return err
	}
	if missing > 0 {
		a.console.Note("%s: %d", report.ReasonText(unlabelled), missing)
	}
	return a.afterInfo(ctx, s, len(infos), failed)
}

// afterInfo reports what is missing from the answer and returns the exit code. Images that
// lack the labels are part of the answer.
func (a *app) afterInfo(ctx context.Context, s *search, described int, failed []looked) error {
	s.print()
	s.printTraffic()
	s.printSummary()
	code, first := s.verdict()
	some := int(s.looked.Load()) > len(failed)
	switch {
	case ctx.Err() != nil && first != "":
		return &status{code: code} // the first error was already reported
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case code == exitDone && described == 0 && len(failed) == 0 && (s.failEmpty || s.a.flags.failEmpty):
		code = exitEmpty // the labels left nothing
	case len(failed) > 0 && !some && code == exitDone:
		code = exitCodeOf(failed[0].err)
	case len(failed) > 0 && some:
		code = exitPart
	}
	if code == exitEmpty || code == exitDone && described == 0 {
		a.console.Note("no image was found")
	}
	for _, l := range failed {
		a.console.Say(slog.LevelWarn, console.Failed, "failed: "+l.err.Error(), slog.String("image", l.image.Reference()),
			slog.String("reason", strings.TrimPrefix(l.err.Error(), l.image.Reference()+": ")))
	}
	return code.error()
}

// described converts what was found, in the order of the names, and then what was not found.
func described(infos []mirror.Info, s *search) report.Infos {
	all := report.Infos{}
	for _, i := range infos {
		named := i.Digest.String()
		one := report.Info{Reference: i.Reference, Verdict: report.Present, Digest: &named, MediaType: &i.MediaType, Images: []report.PlatformInfo{}}
		for _, p := range i.Images {
			image := report.PlatformInfo{
				Platform: report.Platform(p.Platform), Digest: p.Digest.String(), Size: p.Size, Labels: map[string]string{}, Layers: []report.Layer{},
			}
			if !p.Created.IsZero() {
				created := p.Created.UTC()
				image.Created = &created
			}
			maps.Copy(image.Labels, p.Labels)
			for _, l := range p.Layers {
				image.Layers = append(image.Layers, report.Layer{Digest: l.Digest.String(), Size: l.Size, MediaType: l.MediaType})
			}
			one.Images = append(one.Images, image)
		}
		all = append(all, one)
	}
	lacks := func(reference, verdict, why string) {
		all = append(all, report.Info{Reference: reference, Verdict: verdict, Images: []report.PlatformInfo{}, Error: &why})
	}
	for _, m := range s.absent {
		lacks(m.Reference, report.Absent, m.Error)
	}
	for _, m := range s.summary.UnknownImages {
		lacks(m.Reference, report.Unknown, report.ReasonText(m.Reason)+": "+m.Error)
	}
	return all
}
