// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/report"
)

const (
	// rateOver is the time that a rate is the mean of.
	rateOver = 10 * time.Second
	// maxBars is how many blobs have a bar of their own.
	maxBars = 8
	// minBar is how large a blob is that gets one, in bytes: a smaller one is
	// gone before it can be looked at.
	minBar = 256 << 10
)

// transfers show how far a copy is, on standard error: on a terminal as a bar
// for the whole and one for each blob on its way; elsewhere as a line every few
// seconds. A goroutine of its own asks how far it is.
type transfers struct {
	talk     *talk
	progress func() mirror.Progress
	words    func(mirror.Progress) (before, after []string) // what stands around the bytes
	samples  []sample

	screen  *os.File
	bars    *mpb.Progress // nil without bars
	all     *bar
	blobs   map[digest.Digest]*bar
	restore func()

	halt func() // nil: nothing is shown
}

// A sample is how many bytes were there at a time.
type sample struct {
	at    time.Duration
	bytes int64
}

// transfers starts showing progress; silent does not. The caller stops it.
func (a *app) transfers(progress func() mirror.Progress, words func(mirror.Progress) (before, after []string), silent bool) *transfers {
	t := &transfers{talk: a.talk, progress: progress, words: words, blobs: map[digest.Digest]*bar{}}
	switch {
	case a.flags.quiet || silent:
	case a.screen == nil || a.talk.json:
		t.halt = every(lineEvery, t.line)
	default:
		t.draw(a)
		t.halt = every(frameEvery, t.frame)
	}
	return t
}

// draw puts the first bar on the screen.
func (t *transfers) draw(a *app) {
	t.screen = a.screen
	t.bars = newBars(a.screen)
	t.all = t.add(0)
	t.restore = a.talk.above(t.bars)
}

// stop takes the bars off the screen, and ends the goroutine.
func (t *transfers) stop() {
	if t.halt != nil {
		t.halt()
	}
	if t.bars == nil {
		return
	}
	for _, b := range t.blobs {
		b.Abort(true)
	}
	t.all.Abort(true)
	t.bars.Wait()
	t.restore()
}

// line tells the whole in one line.
func (t *transfers) line() {
	p := t.progress()
	t.talk.tell(kindProgress, t.describe(p), slog.Int("images", p.Images), slog.Int("done", p.Done), slog.Int("failed", p.Failed),
		slog.Int64("bytes", p.Bytes), slog.Int64("fetched", p.Fetched))
}

// frame brings the bars up to date. There are never more lines than the
// terminal has, for what has scrolled off cannot be drawn over.
func (t *transfers) frame() {
	most := maxBars
	if _, height, err := term.GetSize(int(t.screen.Fd())); err == nil {
		most = min(most, height-2)
	}
	p := t.progress()
	t.all.show(p.Fetched, max(p.Bytes, 1), t.describe(p))
	shown := map[digest.Digest]bool{}
	for _, r := range p.Running {
		if r.Size < minBar || len(shown) >= most {
			continue
		}
		shown[r.Digest] = true
		b := t.blobs[r.Digest]
		if b == nil {
			b = t.add(r.Size)
			t.blobs[r.Digest] = b
		}
		b.show(r.Done, r.Size, describeBlob(r))
	}
	for d, b := range t.blobs {
		if !shown[d] {
			b.Abort(true)
			delete(t.blobs, d)
		}
	}
}

// A bar is one bar with a text behind it.
type bar struct {
	*mpb.Bar
	text atomic.Pointer[string]
}

func (t *transfers) add(total int64) *bar {
	b := &bar{}
	b.Bar = t.bars.AddBar(total, mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string {
		if text := b.text.Load(); text != nil {
			return report.Cut(*text, s.AvailableWidth, "...")
		}
		return ""
	})))
	return b
}

// show sets the bar. It is never full, for a full bar is one that has ended.
func (b *bar) show(done, total int64, text string) {
	b.text.Store(&text)
	b.SetTotal(total+1, false)
	b.SetCurrent(min(done, total))
}

// describe puts how far it is in words.
func (t *transfers) describe(p mirror.Progress) string {
	before, after := t.words(p)
	parts := append(before, report.Bytes(p.Fetched)+" of "+report.Bytes(p.Bytes))
	if rate := t.rate(p); rate > 0 {
		parts = append(parts, report.Bytes(int64(rate))+"/s")
		if left := float64(p.Bytes-p.Fetched) / rate; !p.Planning && left > 0 {
			parts = append(parts, fmt.Sprintf("about %s left", time.Duration(left*float64(time.Second)).Round(time.Second)))
		}
	}
	return t.talk.hide.Text(strings.Join(append(parts, after...), ", "))
}

// rate is how many bytes a second came lately; 0 when that is not known.
func (t *transfers) rate(p mirror.Progress) float64 {
	t.samples = append(t.samples, sample{p.Elapsed, p.Fetched})
	for len(t.samples) > 2 && p.Elapsed-t.samples[0].at > rateOver {
		t.samples = t.samples[1:]
	}
	first := t.samples[0]
	over := (p.Elapsed - first.at).Seconds()
	if over <= 0 {
		return 0
	}
	return max(float64(p.Fetched-first.bytes)/over, 0)
}

// describeBlob names a blob on its way: the repository it comes from, and its size.
func describeBlob(r mirror.Transfer) string {
	name := r.Repository[strings.LastIndexByte(r.Repository, '/')+1:]
	return fmt.Sprintf("%s of %s %s %.12s", report.Bytes(r.Done), report.Bytes(r.Size), redact.Escape(name), r.Digest.Encoded())
}
