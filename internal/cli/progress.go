// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/console"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/internal/session"
)

// noAnswer is the progress of a server that has not answered yet.
const noAnswer = "no answer so far"

// A searchProgress shows the progress of a search.
type searchProgress struct {
	latest atomic.Pointer[discover.Progress]
	more   func() []string // other work that is going on; may be nil
}

func (p *searchProgress) set(latest discover.Progress) { p.latest.Store(&latest) }

// show shows the progress until stop is called. If results are printed as they come, and on
// the same terminal, it is shown as lines.
func (p *searchProgress) show(a *app, streams bool) (stop func()) {
	return a.console.Progress(streams && a.stdoutTTY, p.frame)
}

func (p *searchProgress) frame() (f console.Frame) {
	var parts []string
	if latest := p.latest.Load(); latest != nil {
		parts = append(parts, describe(*latest))
		f.Done, f.Total = int64(latest.Checked), int64(latest.Candidates)
		f.Fields = []slog.Attr{slog.Int("listed", latest.Listed), slog.Int("candidates", latest.Candidates), slog.Int("checked", latest.Checked),
			slog.Int("present", latest.Present), slog.Int("unknown", latest.Unknown)}
	}
	if p.more != nil {
		parts = append(parts, p.more()...)
	}
	if len(parts) == 0 {
		parts = []string{noAnswer}
	}
	f.Text = strings.Join(parts, ", ")
	return f
}

// describe returns the progress of a search in words.
func describe(p discover.Progress) string {
	text := fmt.Sprintf("%d listed", p.Listed)
	switch {
	case p.Listing && p.Listed == 0:
		text = noAnswer
	case p.Listing:
		text += " so far"
	}
	if p.Candidates > 0 {
		text += fmt.Sprintf(", %d of %d checked, %d found", p.Checked, p.Candidates, p.Present)
	}
	if p.Unknown > 0 {
		text += fmt.Sprintf(", %d unknown", p.Unknown)
	}
	if left := p.Candidates - p.Checked; !p.Listing && left > 0 && p.Checked > 0 {
		d := p.Elapsed / time.Duration(p.Checked) * time.Duration(left)
		if p.Pace.Throttled && p.Pace.Rate > 0 { // earlier checks did not wait as long
			d = max(d, time.Duration(float64(left)/p.Pace.Rate*float64(time.Second)))
		}
		text += fmt.Sprintf(", about %s left", d.Round(time.Second))
	}
	if why := session.Delay(p.Pace); why != "" {
		text += ", " + why
	}
	return text
}

// A progressSum adds up the progress of several searches. Safe for concurrent use.
type progressSum struct {
	began time.Time

	mu    sync.Mutex
	parts []discover.Progress
}

func (s *progressSum) begin(searches int) {
	s.began, s.parts = time.Now(), make([]discover.Progress, searches)
}

// set records the progress of one search and returns the sum. If a server throttles its
// search, the sum has the pace of that server.
func (s *progressSum) set(search int, p discover.Progress) discover.Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts[search] = p
	sum := discover.Progress{Elapsed: time.Since(s.began), Pace: p.Pace}
	for _, part := range s.parts {
		sum.Listing = sum.Listing || part.Listing
		sum.Listed += part.Listed
		sum.Candidates += part.Candidates
		sum.Checked += part.Checked
		sum.Present += part.Present
		sum.Absent += part.Absent
		sum.Unknown += part.Unknown
		if working := part.Listing || part.Checked < part.Candidates; working && session.Delay(sum.Pace) == "" {
			sum.Pace = part.Pace
		}
	}
	return sum
}

// rateWindow is the time over which a transfer rate is averaged.
const rateWindow = 10 * time.Second

// A transferProgress shows the progress of a transfer of bytes.
type transferProgress struct {
	progress func() mirror.Progress
	words    func(mirror.Progress) (before, after []string) // texts before and after the bytes
	samples  []sample
}

// A sample is the number of bytes transferred up to a time.
type sample struct {
	at    time.Duration
	bytes int64
}

// frame is called by one goroutine at a time.
func (t *transferProgress) frame() console.Frame {
	p := t.progress()
	f := console.Frame{
		Bar: console.Bar{Text: t.describe(p), Done: p.Fetched, Total: p.Bytes},
		Fields: []slog.Attr{slog.Int("images", p.Images), slog.Int("done", p.Done), slog.Int("failed", p.Failed),
			slog.Int64("bytes", p.Bytes), slog.Int64("fetched", p.Fetched)},
	}
	for _, r := range p.Running {
		f.Parts = append(f.Parts, console.Bar{Key: r.Digest.String(), Text: describeBlob(r), Done: r.Done, Total: r.Size})
	}
	return f
}

// describe returns the progress in words.
func (t *transferProgress) describe(p mirror.Progress) string {
	before, after := t.words(p)
	parts := append(before, report.Bytes(p.Fetched)+" of "+report.Bytes(p.Bytes))
	if rate := t.rate(p); rate > 0 {
		parts = append(parts, report.Bytes(int64(rate))+"/s")
		if left := float64(p.Bytes-p.Fetched) / rate; !p.Planning && left > 0 {
			parts = append(parts, fmt.Sprintf("about %s left", time.Duration(left*float64(time.Second)).Round(time.Second)))
		}
	}
	return strings.Join(append(parts, after...), ", ")
}

// rate returns the recent transfer rate in bytes a second, or 0 if it is unknown.
func (t *transferProgress) rate(p mirror.Progress) float64 {
	t.samples = append(t.samples, sample{p.Elapsed, p.Fetched})
	for len(t.samples) > 2 && p.Elapsed-t.samples[0].at > rateWindow {
		t.samples = t.samples[1:]
	}
	first := t.samples[0]
	over := (p.Elapsed - first.at).Seconds()
	if over <= 0 {
		return 0
	}
	return max(float64(p.Fetched-first.bytes)/over, 0)
}

// describeBlob returns the repository and the digest of a blob that is being transferred.
func describeBlob(r mirror.Transfer) string {
	name := r.Repository[strings.LastIndexByte(r.Repository, '/')+1:]
	return fmt.Sprintf("%s of %s %s %.12s", report.Bytes(r.Done), report.Bytes(r.Size), redact.Escape(name), r.Digest.Encoded())
}
