// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// How long a tool may take for one work.
const (
	patience     = 10 * time.Minute
	peerPatience = 2 * time.Minute // with faults
)

type bencher struct {
	options
	bins binaries
	dir  string
}

// A result is one run of one tool.
type result struct {
	tool
	outcome
	tally
	survey   survey
	push     bool
	sent     int64         // to the destination
	complete int           // complete images at the destination
	why      error         // why an image is not complete
	limit    time.Duration // how long the source takes to send everything once
	expected time.Duration // time without faults, plus the wait that the source demands; 0: unknown
}

// lost counts the images that are missing although no command failed.
func (r result) lost() int { return max(0, len(r.survey.digests)-r.complete-r.failed) }

func (r result) pulled() float64 { return float64(r.content()) / float64(r.survey.unique()) }

func (r result) pushed() float64 { return float64(r.sent) / float64(r.survey.unique()) }

// requests returns the number of requests for one image, without those of the listing.
func (r result) requests() float64 {
	return float64(r.Requests-r.Classes["list"].Requests) / float64(len(r.survey.digests))
}

// measure runs all tools in turn, a number of times, and prints the median run of each.
func (b *bencher) measure(ctx context.Context, w work) error {
	s, err := newSurvey(ctx, b.bins, b.dir, w.release)
	if err != nil {
		return err
	}
	tools := []tool{quayside()}
	for _, way := range w.ways {
		tools = append(tools, peers(b.bins, way)...)
	}
	results := make([][]result, len(tools))
	var faultless []time.Duration // of quayside
	for run := range max(b.runs, b.peerRuns) {
		for i, t := range tools {
			runs := b.runs
			if t.peer {
				runs = b.peerRuns
				if w.once {
					runs = min(runs, 1)
				}
			}
			if run >= runs {
				continue
			}
			if w.faulty() && !t.peer {
				plain := w
				plain.quirks = nil
				r, err := b.once(ctx, plain, t, s)
				if err != nil {
					return err
				}
				faultless = append(faultless, r.wall)
			}
			r, err := b.once(ctx, w, t, s)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			results[i] = append(results[i], r)
		}
	}
	var rows []result
	for _, r := range results {
		if len(r) == 0 {
			continue
		}
		slices.SortFunc(r, func(a, b result) int { return int(a.wall - b.wall) })
		rows = append(rows, r[len(r)/2])
	}
	for i := range rows {
		if w.faulty() && len(faultless) > 0 {
			slices.Sort(faultless)
			waits := time.Duration(w.waits) * time.Second
			rows[i].expected = faultless[len(faultless)/2] + waits
		}
	}
	for _, r := range rows {
		b.row(w, r, rows)
	}
	return nil
}

// once runs one tool on a fresh source.
func (b *bencher) once(ctx context.Context, w work, t tool, s survey) (r result, err error) {
	dir, err := os.MkdirTemp(b.dir, "run-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	port, err := freePort()
	if err != nil {
		return r, err
	}
	j := job{bins: b.bins, survey: s, dir: dir, config: os.DevNull, apart: t.way.apart, layoutFolder: folder(filepath.Join(dir, "layout"))}
	if j.apart {
		if err := os.Mkdir(string(j.layoutFolder), 0o700); err != nil {
			return r, err
		}
	}
	var d *destination
	if w.push {
		if d, err = startDestination(ctx, b.bins["registry"], dir); err != nil {
			return r, err
		}
		defer d.stop()
		j.destination, j.config = d.host, filepath.Join(dir, "quayside.yaml")
		text := fmt.Sprintf("servers: {%q: {plain_http: true}}\n", d.host)
		if err := os.WriteFile(j.config, []byte(text), 0o600); err != nil {
			return r, err
		}
	}
	r = result{tool: t, survey: s, push: w.push, limit: limit(s)}
	if w.again {
		if r, err = b.act(ctx, work{release: w.release, push: w.push}, t, j, port, r); err != nil {
			return r, err
		}
	}
	if w.harm != nil {
		if err := w.harm(j.layoutFolder.path(s.largest)); err != nil {
			return r, err
		}
	}
	if w.verify && t.verify != nil {
		if _, err := one(ctx, t.verify(j), j.environment()); err == nil {
			return r, errors.New("verify does not notice the damage")
		}
	}
	before := d.sent()
	if r, err = b.act(ctx, w, t, j, port, r); err != nil {
		return r, err
	}
	r.sent = d.sent() - before
	if w.push {
		r.complete, r.why = d.images(ctx, s)
	} else {
		r.complete, r.why = images(s, j.folder)
	}
	if t.way.whole && r.failed > 0 { // one command for all: count images
		r.failed = max(1, len(s.digests)-r.complete)
	}
	return r, ctx.Err()
}

// act starts a source and runs the commands of a tool against it.
func (b *bencher) act(ctx context.Context, w work, t tool, j job, port int, r result) (result, error) {
	flags := []string{"--rate-bytes", rateText}
	for _, q := range w.quirks {
		flags = append(flags, "--quirk", q)
	}
	q, err := startQuay(ctx, b.bins["quaytest"], j.dir, port, w.release, flags...)
	if err != nil {
		return r, err
	}
	j.source, j.caFile = q.host, q.caFile
	limit := patience
	if t.peer && w.once {
		limit = peerPatience
	}
	patient, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	r.outcome = run(patient, w.commands(t, j), t.way.atOnce, j.environment())
	r.tally, err = q.stop()
	return r, err
}

// commands returns the commands of a tool for a work.
func (w work) commands(t tool, j job) [][]string {
	if w.push {
		return t.push(j)
	}
	return t.pull(j)
}
