// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/quayside/quayside/discover"
	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/report"
)

const (
	// lineEvery is how often progress is told where there is no screen to draw
	// on, and frameEvery how often it is drawn where there is one.
	lineEvery  = 5 * time.Second
	frameEvery = 150 * time.Millisecond
	// shortPause is how long a wait is that is told; a shorter one would only
	// flicker.
	shortPause = time.Second
)

// What is told of a server that gives no answer, or no good one.
const (
	silence   = "no answer so far"
	lastError = "last error: "
)

// A meter shows how far a search is, on standard error: as a bar when that is
// a terminal, as a line every few seconds when it is not, and not at all with
// --quiet. A goroutine of its own does, so that it goes on while all wait.
type meter struct {
	talk   *talk
	aside  func() []string // what else is to be told; or nil
	latest atomic.Pointer[discover.Progress]
	halt   func() // nil: nothing is shown

	bars    *mpb.Progress // nil without a bar
	bar     *mpb.Bar
	restore func()
	text    atomic.Pointer[string]
}

// meter starts showing progress. The caller stops it.
func (a *app) meter(streams bool, aside func() []string) *meter {
	m := &meter{talk: a.talk, aside: aside}
	switch {
	case a.flags.quiet:
	case a.screen == nil || a.talk.json || streams && a.showy:
		m.halt = every(lineEvery, m.line)
	default:
		m.bars = newBars(a.screen)
		m.bar = m.bars.AddBar(0, mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string {
			if text := m.text.Load(); text != nil {
				return report.Cut(*text, s.AvailableWidth, "...") // or the library cuts it, with a character beyond ASCII
			}
			return ""
		})))
		m.restore = a.talk.above(m.bars)
		m.halt = every(frameEvery, m.frame)
	}
	return m
}

// every calls f so often, from a goroutine that the function it returns ends.
func every(d time.Duration, f func()) (stop func()) {
	end := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		ticks := time.NewTicker(d)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				f()
			case <-end:
				return
			}
		}
	})
	return func() {
		close(end)
		group.Wait()
	}
}

// newBars makes room for bars on a screen.
func newBars(screen *os.File) *mpb.Progress {
	writer := mpb.WithConsoleWriter(&console{screen: screen})
	if runtime.GOOS == "windows" { // has calls for what console does
		writer = mpb.WithOutput(screen)
	}
	return mpb.New(writer, mpb.WithWidth(30), mpb.WithRefreshRate(frameEvery))
}

// show takes how far the search is. Safe for concurrent use.
func (m *meter) show(p discover.Progress) { m.latest.Store(&p) }

// words puts all there is to tell in words.
func (m *meter) words() string {
	var parts []string
	if p := m.latest.Load(); p != nil {
		parts = append(parts, describe(*p))
	}
	if m.aside != nil {
		parts = append(parts, m.aside()...)
	}
	if len(parts) == 0 {
		return silence
	}
	return m.talk.hide.Text(strings.Join(parts, ", "))
}

func (m *meter) line() { m.talk.tell(kindProgress, m.words(), progressFields(m.latest.Load())...) }

// progressFields are the numbers of progress, for --log-format json.
func progressFields(p *discover.Progress) []slog.Attr {
	if p == nil {
		return nil
	}
	return []slog.Attr{slog.Int("listed", p.Listed), slog.Int("candidates", p.Candidates), slog.Int("checked", p.Checked),
		slog.Int("present", p.Present), slog.Int("unknown", p.Unknown)}
}

func (m *meter) frame() {
	text := m.words()
	m.text.Store(&text)
	if p := m.latest.Load(); p != nil {
		m.bar.SetTotal(int64(max(p.Candidates, 1)), false)
		m.bar.SetCurrent(int64(p.Checked))
	}
}

// stop takes the bar off the screen. A second time does nothing.
func (m *meter) stop() {
	if m.halt == nil {
		return
	}
	m.halt()
	m.halt = nil
	if m.bar != nil {
		m.bar.Abort(true)
		m.bars.Wait()
		m.restore()
	}
}

// A console is the screen a bar is drawn on. Before it goes up to draw over what
// was there it goes to the first column, which the library's own does not: the
// screen echoes what is typed, ^C above all, and would keep pieces of the bar.
type console struct {
	bytes.Buffer // what Flush writes: going up, and then the next picture
	screen       *os.File
}

func (c *console) IsTerminal() bool { return true }

func (c *console) GetTermSize() (width, height int, err error) {
	return term.GetSize(int(c.screen.Fd()))
}

// Flush draws what was written, which is so many lines high.
func (c *console) Flush(lines int) error {
	_, err := c.WriteTo(c.screen)
	if lines > 0 {
		fmt.Fprintf(c, "\r\x1b[%dA\x1b[J", lines)
	}
	return err
}

// describe puts progress in words.
func describe(p discover.Progress) string {
	text := fmt.Sprintf("%d listed", p.Listed)
	switch {
	case p.Listing && p.Listed == 0:
		text = silence
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
		if p.Pace.Held && p.Pace.Rate > 0 { // what came before did not wait as long
			d = max(d, time.Duration(float64(left)/p.Pace.Rate*float64(time.Second)))
		}
		text += fmt.Sprintf(", about %s left", d.Round(time.Second))
	}
	if why := holdUp(p.Pace); why != "" {
		text += ", " + why
	}
	return text
}

// holdUp says why a server's answers are long in coming, or "".
func holdUp(p discover.Pace) string {
	why := pressure(p.Held, p.Rate, p.Pause)
	if why == "" && p.Trouble != "" {
		why = lastError + redact.Escape(p.Trouble)
	}
	return why
}

// pressure says why requests wait: for a limit with its rate, in requests a
// second, or after a refusal. It is "" when they do not, or not for long.
func pressure(held bool, rate float64, pause time.Duration) string {
	switch {
	case pause >= shortPause:
		return fmt.Sprintf("waiting %s after a refusal", (pause + time.Second - 1).Truncate(time.Second))
	case held && rate >= 10:
		return fmt.Sprintf("held to about %.0f requests a second", rate)
	case held && rate > 0:
		return fmt.Sprintf("held to about %.2g requests a second", rate)
	}
	return ""
}

// A progressSum adds up how far several searches are. Safe for concurrent use.
type progressSum struct {
	began time.Time

	mu    sync.Mutex
	parts []discover.Progress
}

func (s *progressSum) begin(searches int) {
	s.began, s.parts = time.Now(), make([]discover.Progress, searches)
}

// set records how far one search is, and returns how far all of them are. The pace is that
// of a server that holds its search up, if there is one.
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
		if working := part.Listing || part.Checked < part.Candidates; working && holdUp(sum.Pace) == "" {
			sum.Pace = part.Pace
		}
	}
	return sum
}
