// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/internal/session"
	"github.com/quayside/quayside/ref"
)

// inspections is how many images are inspected at once.
const inspections = 32

// A target is what an argument stands for: the images of a pattern, or an image by its digest.
type target struct {
	pattern ref.Pattern
	image   ref.Image // with a digest, or zero
	server  *session.Server
}

func (t target) namespace() string {
	if t.image.Digest != "" {
		return t.image.Namespace
	}
	return t.pattern.Namespace
}

// parseTargets parses patterns, and with byDigest images with a digest.
func (a *app) parseTargets(args []string, byDigest bool) (targets []target, err error) {
	for _, arg := range args {
		if err := mistaken(arg, whole); err != nil {
			return nil, err
		}
		var t target
		if body, _, _ := strings.Cut(arg, "?"); byDigest && strings.Contains(body, "@") {
			t.image, err = ref.ParseImage(arg)
		} else {
			t.pattern, err = ref.ParsePattern(arg)
		}
		if err != nil {
			return nil, err
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// A search finds the images that targets select. Targets of one host are searched one after
// the other, and hosts side by side: a host that does not answer does not delay another.
type search struct {
	a          *app
	targets    []target
	all        bool    // absent and unknown images are yielded too
	failAbsent bool    // every absent image counts as missing
	failEmpty  bool    // an answer without images is a failure
	labels     []label // that images must have
	registries *session.Registries
	show       func(discover.Progress) // receives the progress of all targets; safe for concurrent use
	skip       func(report.Image) bool // reports whether to leave an image out; may be nil
	unknown    func(report.Missing)    // called for each unknown image; may be nil
	seen       map[string]bool         // what was yielded or reported; nil for a single target
	lost       []report.Missing        // unknown images of an earlier run whose names cannot be looked up
	looked     atomic.Int64            // images that were inspected
	cut        atomic.Bool             // an image was not inspected, because the command was ended
	progress   progressSum

	// Results. Read them after the sequence has ended.
	found    int              // present images, with the labels
	absent   []report.Missing // images that should exist and do not: the user named them, or failAbsent is set
	summary  report.Summary
	outcomes []outcome // one for each target
}

// search prepares a search for the images of targets. Nothing is sent.
func (a *app) search(ctx context.Context, targets []target, labels []label) (s *search, err error) {
	s = &search{a: a, targets: targets, labels: labels, summary: report.NewSummary(), outcomes: make([]outcome, len(targets))}
	for i, t := range targets {
		host := t.pattern.Host
		if t.image.Digest != "" {
			host = t.image.Host
		}
		if targets[i].server, err = a.session.Connect(ctx, host); err != nil {
			return nil, err
		}
	}
	var servers []*session.Server
	var sources []session.Source
	for _, t := range targets {
		servers = append(servers, t.server)
		sources = append(sources, session.Source{Server: t.server, Namespace: t.namespace()})
	}
	if err := a.session.CheckTokens(servers...); err != nil {
		return nil, err
	}
	s.registries = a.session.Registries(sources)
	if len(targets) > 1 {
		s.seen = map[string]bool{}
	}
	return s, nil
}

// images finds the images as they are ranged over, in no order.
func (s *search) images(ctx context.Context) iter.Seq[report.Image] {
	return func(yield func(report.Image) bool) {
		defer s.conclude()
		for _, m := range s.lost {
			s.addUnknown(m)
		}
		s.progress.begin(len(s.targets))
		byHost := map[string][]int{}
		for i, t := range s.targets {
			byHost[t.server.Host] = append(byHost[t.server.Host], i)
		}
		var hosts []func(context.Context) iter.Seq[report.Image]
		for _, indexes := range byHost {
			hosts = append(hosts, func(ctx context.Context) iter.Seq[report.Image] { return s.resolveAll(ctx, indexes) })
		}
		for i := range merge(ctx, hosts...) {
			if !s.yield(i, yield) {
				return
			}
		}
	}
}

// resolveAll finds the images of some targets, one target after the other.
func (s *search) resolveAll(ctx context.Context, indexes []int) iter.Seq[report.Image] {
	return func(yield func(report.Image) bool) {
		for _, index := range indexes {
			if s.resolve(ctx, index, yield); ctx.Err() != nil {
				return
			}
		}
	}
}

// conclude adds up the outcomes, and orders what is unknown or missing by name, so that two
// runs can be compared.
func (s *search) conclude() {
	for _, o := range s.outcomes {
		if o.search.Pattern != "" {
			s.summary.Add(o.search)
		}
	}
	s.summary.Elapsed = report.Elapsed(time.Since(s.progress.began))
	byName := func(x, y report.Missing) int { return strings.Compare(x.Reference, y.Reference) }
	slices.SortStableFunc(s.summary.UnknownImages, byName)
	slices.SortStableFunc(s.absent, byName)
	s.absent = slices.Compact(s.absent)
	s.summary.AbsentImages = append(s.summary.AbsentImages, s.absent...)
}

// resolve yields the images of one target, and records its outcome. It uses nothing that
// the searches of other hosts use.
func (s *search) resolve(ctx context.Context, index int, yield func(report.Image) bool) {
	t := s.targets[index]
	var counts report.Counts
	labelled := func(results iter.Seq[report.Image]) {
		if len(s.labels) > 0 {
			results = parallel(ctx, inspections, results, s.label)
		}
		for i := range results {
			count(&counts, i)
			yield(i) // merge takes every value
		}
	}
	if t.image.Digest != "" {
		labelled(func(yield func(report.Image) bool) { yield(byDigest(t)) })
		s.outcomes[index] = outcome{ended: true, complete: true}.withUnknown(counts)
		return
	}
	p, server := t.pattern, t.server
	if p.Host != "" && p.Host != server.Host {
		p.Host = "" // it may be an alias of the config file
	}
	run := server.Finder.Resolve(ctx, p, discover.Options{
		Jobs: s.a.flags.jobs, Logger: s.a.console.Log, Skipped: s.all || s.failAbsent,
		Progress: func(p discover.Progress) {
			if s.show != nil {
				s.show(s.progress.set(index, p))
			}
		},
	})
	labelled(func(yield func(report.Image) bool) {
		for r := range run.Results() {
			if !yield(s.a.image(r, server)) {
				return
			}
		}
	})
	err := run.Err()
	if err == nil && s.cut.Load() {
		err = ctx.Err()
	}
	o := s.a.outcomeOf(ctx, p.Namespace, run.Summary(), err, server).withUnknown(counts)
	if len(s.labels) > 0 { // discover knows no labels, so its counts differ
		o.search.Present, o.search.Absent, o.search.Unknown = counts.Present, counts.Absent, counts.Unknown
		o.search.Unlabelled = counts.Unlabelled
	}
	s.outcomes[index] = o
}

// count adds a verdict.
func count(c *report.Counts, i report.Image) {
	switch i.Verdict {
	case report.Present:
		c.Present++
	case report.Absent:
		c.Absent++
	case report.Unknown:
		c.Unknown++
	}
	if i.Reason == unlabelled {
		c.Unlabelled++
	}
}

// byDigest returns the image of a target with a digest.
func byDigest(t target) report.Image {
	return report.Image{
		Verdict: report.Present, Host: t.server.Host, Namespace: t.image.Namespace, Repository: t.image.Repository,
		Tag: t.image.Tag, Digest: t.image.Digest, Named: t.image.Tag == "", // or a report has it
	}
}

// label returns a present image with another verdict if it lacks the labels (Absent), if that
// is not known (Unknown), or if the command ends meanwhile ("").
func (s *search) label(ctx context.Context, i report.Image) report.Image {
	if i.Verdict != report.Present {
		return i
	}
	info, err := s.inspect(ctx, i)
	switch {
	case ctx.Err() != nil:
		s.cut.Store(true)
		i.Verdict = ""
	case i.Named && i.Tag == "" && errors.Is(err, mirror.ErrAbsent):
		i.Verdict, i.Reason = report.Absent, noDigest
	case err != nil:
		i.Verdict, i.Reason, i.Error = report.Unknown, "labels", strings.TrimPrefix(s.a.hidden(err), mirrored(i).Reference()+": ")
	case !labelled(info, s.labels):
		i.Verdict, i.Reason = report.Absent, unlabelled
	}
	return i
}

// inspect fetches the manifest and configuration of an image. Its errors name the image.
func (s *search) inspect(ctx context.Context, i report.Image) (mirror.Info, error) {
	defer s.looked.Add(1)
	r, err := s.registries.Source(i.Host)
	if err != nil {
		return mirror.Info{}, fmt.Errorf("%s: %w", mirrored(i).Reference(), err)
	}
	return mirror.Inspect(ctx, r, mirrored(i))
}

// noDigest is the reason of an image that is named by its digest and absent.
const noDigest = "no_such_digest"

// absentDigest returns the record of an image that was named by its digest and does not
// exist.
func absentDigest(i mirror.Image) report.Missing {
	return report.Missing{Reference: i.Reference(), Reason: noDigest, Error: report.ReasonText(noDigest)}
}

// mirrored converts an image for package mirror.
func mirrored(i report.Image) mirror.Image {
	return mirror.Image{Host: i.Host, Repository: i.Namespace + "/" + i.Repository, Tag: i.Tag, Digest: i.Digest}
}

// activities returns the work besides the search, and why requests of the search wait.
func (s *search) activities() (parts []string) {
	if n := s.looked.Load(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d looked into", n))
	}
	if why := s.registries.Delay(); why != "" {
		parts = append(parts, why)
	}
	return parts
}

// yield counts an image and yields it. It returns false if the caller breaks off.
func (s *search) yield(i report.Image, yield func(report.Image) bool) bool {
	if i.Verdict == report.Absent && (i.Named || s.failAbsent) && !leftOut(i) {
		s.absent = append(s.absent, report.Missing{Reference: mirrored(i).Reference(), Reason: i.Reason, Error: report.ReasonText(i.Reason)})
	}
	if i.Verdict == "" || i.Verdict == report.Absent && !s.all {
		return true
	}
	if s.skip != nil && s.skip(i) {
		return true
	}
	if s.seen != nil {
		key := i.Verdict + " " + mirrored(i).Reference()
		if s.seen[key] {
			return true
		}
		s.seen[key] = true
	}
	switch i.Verdict {
	case report.Present:
		s.found++
	case report.Unknown:
		s.addUnknown(report.Missing{Reference: mirrored(i).Reference(), Reason: i.Reason, Error: i.Error})
		if !s.all {
			return true
		}
	}
	return yield(i)
}

// addUnknown adds an image whose verdict is unknown.
func (s *search) addUnknown(m report.Missing) {
	s.summary.UnknownImages = append(s.summary.UnknownImages, m)
	if s.unknown != nil {
		s.unknown(m)
	}
}

// leftOut reports whether the user chose to leave an absent image out: it is too old or lacks
// the label.
func leftOut(i report.Image) bool {
	return i.Reason == string(discover.TooOld) || i.Reason == unlabelled
}

// verdict returns the exit code of the search and its first error. An absent image is certain,
// whatever else is unknown.
func (s *search) verdict() (code exitCode, first string) {
	code, first = worst(s.outcomes)
	switch {
	case s.failAbsent && len(s.absent) > 0 && (code == exitDone || code == exitPart):
		code = exitNo
	case code != exitDone:
	case s.found == 0 && s.a.flags.failEmpty:
		code = exitEmpty
	case len(s.absent)+len(s.lost) > 0:
		code = exitPart
	case s.found == 0 && s.failEmpty:
		code = exitEmpty
	}
	return code, first
}

// complete reports whether the answer is complete, as doc/guide/output.md defines it.
func (s *search) complete() bool {
	return len(s.lost) == 0 && !slices.ContainsFunc(s.outcomes, func(o outcome) bool { return !o.complete })
}

// token returns the worst state of the token on the servers of all targets, and the host that
// the token is for if a server did not get it.
func (s *search) token() (word report.TokenState, host *string) {
	word = report.TokenNone
	for i, t := range s.targets {
		of := cmp.Or(s.outcomes[i].search.Token, t.server.Token())
		word, host = word.Worse(of), cmp.Or(host, t.server.TokenHost())
	}
	return word, host
}

// print reports on standard error what is unknown or absent, and the outcomes.
func (s *search) print() {
	for _, m := range s.summary.UnknownImages {
		s.a.console.Unknown(m)
	}
	for _, m := range s.absent {
		s.a.console.Absent(m)
	}
	for _, o := range s.outcomes {
		if o.search.Pattern != "" {
			o.print(s.a.console)
		}
	}
	for _, remedy := range s.registries.Advice() {
		s.a.console.Hint(remedy)
	}
}
