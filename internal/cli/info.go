// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quayside/quayside/internal/console"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/report"
)

func (a *app) infoCommand() *cobra.Command {
	var output string
	var labels []string
	var allowEmpty bool
	cmd := &cobra.Command{
		Use:        "info PATTERN|IMAGE...",
		Short:      "Tell what images are made of",
		SuggestFor: []string{"inspect"},
		Long: `info tells of each image its digest, its platforms, its layers with their sizes
as they are transferred, when it was made, and its labels. It fetches manifests
and configurations, and no layer. An image that a pattern spells out and that does not
exist is named and makes the exit code 3. It is 6 when nothing matches at all.

A pattern is what find takes; HOST/ORG/REPO@sha256:... names one image by its
digest.`,
		Example: `  # One image.
  quayside info quay.io/openstack.kolla/nova-api:2025.1

  # A release, for a machine: an array, also of one.
  quayside info 'quay.io/openstack.kolla/*:2025.1' -o json`,
		Args: somePatterns,
	}
	cmd.RunE = a.asking(func(ctx context.Context, args []string) error { return a.info(ctx, args, labels, allowEmpty, output) })
	cmd.Flags().SortFlags = false
	addLabel(cmd, &labels)
	a.addAllowEmpty(cmd, &allowEmpty, "no image is found")
	a.takeFailEmpty(cmd)
	addDocument(cmd, &output, "format")
	return cmd
}

// A looked is what came of a look at an image.
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
	h, err := a.search(ctx, targets, nil) // labels are looked at here
	if err != nil {
		return err
	}
	h.failEmpty = !allowEmpty
	progress := &searchProgress{more: h.activities}
	stop := progress.show(a, false)
	defer stop()
	h.show = progress.set
	infos, failed, missing := []mirror.Info{}, []looked{}, 0
	for l := range parallel(ctx, inspections, h.images(ctx), func(ctx context.Context, i report.Image) looked {
		info, err := h.inspect(ctx, i)
		return looked{mirrored(i), info, err}
	}) {
		switch {
		case l.image.Tag == "" && errors.Is(l.err, mirror.ErrAbsent):
			h.absent = append(h.absent, absentDigest(l.image))
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
	if output == "json" {
		err = printJSON(a.out, described(infos, h))
	} else {
		a.describeImages(infos)
	}
	if a.out.Flush() != nil {
		return nil
	} else if err != nil {
		return err
	}
	if missing > 0 {
		a.console.Note("%s: %d", unlabelled, missing)
	}
	return a.afterInfo(ctx, h, len(infos), failed)
}

// afterInfo says what could not be told, and gives the exit code. Images that
// were looked into and lack the labels are part of the answer.
func (a *app) afterInfo(ctx context.Context, h *search, told int, failed []looked) error {
	h.tell()
	h.printTraffic()
	h.tellSummary()
	code, first := h.verdict()
	some := int(h.looked.Load()) > len(failed)
	switch {
	case ctx.Err() != nil && first != "":
		return &status{code: code} // it was told
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case code == exitDone && told == 0 && len(failed) == 0 && (h.failEmpty || h.a.flags.failEmpty):
		code = exitEmpty // the labels left nothing
	case len(failed) > 0 && !some && code == exitDone:
		code = exitCodeOf(failed[0].err)
	case len(failed) > 0 && some:
		code = exitPart
	}
	if code == exitEmpty || code == exitDone && told == 0 {
		a.console.Note("no image was found")
	}
	for _, l := range failed {
		a.console.Say(slog.LevelWarn, console.Failed, "failed: "+l.err.Error(), slog.String("image", l.image.Reference()),
			slog.String("reason", strings.TrimPrefix(l.err.Error(), l.image.Reference()+": ")))
	}
	return code.error()
}

// describeImages writes one block of lines an image.
func (a *app) describeImages(infos []mirror.Info) {
	for n, i := range infos {
		if n > 0 {
			fmt.Fprintln(a.out)
		}
		fmt.Fprintln(a.out, redact.Escape(i.Reference))
		rows := a.newRows()
		rows.add("  digest", i.Digest.String())
		rows.add("  type", i.MediaType)
		rows.flush()
		for _, p := range i.Images {
			fmt.Fprintf(a.out, "  %s\n", redact.Escape(platform(p.Platform)))
			rows := a.newRows()
			rows.add("    digest", p.Digest.String())
			if !p.Created.IsZero() {
				rows.add("    created", p.Created.UTC().Format(time.RFC3339))
			}
			rows.add("    size", report.Bytes(p.Size)+" in "+quantity(len(p.Layers), "layer"))
			for _, key := range slices.Sorted(maps.Keys(p.Labels)) {
				rows.add("    label", key+"="+p.Labels[key])
			}
			for _, l := range p.Layers {
				rows.add("    layer", l.Digest.String()+" "+report.Bytes(l.Size))
			}
			rows.flush()
		}
	}
}

// An imageInfo is an image in JSON, also one that is absent although it was named,
// or unknown: then its digest is null and its error says why.
type imageInfo struct {
	Reference string         `json:"reference"`
	Verdict   string         `json:"verdict"`
	Digest    *string        `json:"digest"`
	MediaType *string        `json:"media_type"`
	Images    []platformInfo `json:"images"`
	Error     *string        `json:"error"`
}

type platformInfo struct {
	Platform string            `json:"platform"`
	Digest   string            `json:"digest"`
	Created  *time.Time        `json:"created"`
	Size     int64             `json:"size"`
	Labels   map[string]string `json:"labels"`
	Layers   []layerInfo       `json:"layers"`
}

type layerInfo struct {
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
	MediaType string `json:"media_type"`
}

// described lists what was asked for, by name: what was found, and then what was not.
func described(infos []mirror.Info, h *search) []imageInfo {
	all := []imageInfo{}
	for _, i := range infos {
		named := i.Digest.String()
		one := imageInfo{i.Reference, report.Present, &named, &i.MediaType, []platformInfo{}, nil}
		for _, p := range i.Images {
			into := platformInfo{platform(p.Platform), p.Digest.String(), nil, p.Size, map[string]string{}, []layerInfo{}}
			if !p.Created.IsZero() {
				created := p.Created.UTC()
				into.Created = &created
			}
			maps.Copy(into.Labels, p.Labels)
			for _, l := range p.Layers {
				into.Layers = append(into.Layers, layerInfo{l.Digest.String(), l.Size, l.MediaType})
			}
			one.Images = append(one.Images, into)
		}
		all = append(all, one)
	}
	lacks := func(reference, verdict, why string) {
		all = append(all, imageInfo{Reference: reference, Verdict: verdict, Images: []platformInfo{}, Error: &why})
	}
	for _, gap := range h.absent {
		lacks(gap.Reference, report.Absent, gap.Error)
	}
	for _, gap := range h.summary.Gaps {
		lacks(gap.Reference, report.Unknown, gap.Reason+": "+gap.Error)
	}
	return all
}
