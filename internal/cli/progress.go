// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/quayside/quayside/discover"
)

const (
	// lineEvery is how often progress is told where there is no screen to draw
	// on, and frameEvery how often it is drawn where there is one.
	lineEvery  = 5 * time.Second
	frameEvery = 150 * time.Millisecond
)

// A meter shows how far a command is, on standard error: as a bar when that is
// a terminal, as a line every few seconds when it is not, and not at all with
// --quiet. Its methods are called from one goroutine.
type meter struct {
	talk *talk
	told time.Time // when the last line was written

	bars    *mpb.Progress // nil without a bar
	bar     *mpb.Bar
	restore func()
	text    atomic.Pointer[string]
}

// meter starts showing progress. The caller stops it.
func (a *app) meter(streams bool) *meter {
	m := &meter{talk: a.talk, told: time.Now()}
	if a.flags.quiet || a.screen == nil || a.talk.json || streams && a.showy {
		return m
	}
	m.bars = newBars(a.screen)
	m.bar = m.bars.AddBar(0, mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
		if text := m.text.Load(); text != nil {
			return *text
		}
		return ""
	})))
	m.restore = a.talk.above(m.bars)
	return m
}

// newBars makes room for bars on a screen.
func newBars(screen *os.File) *mpb.Progress {
	writer := mpb.WithConsoleWriter(&console{screen: screen})
	if runtime.GOOS == "windows" { // has calls for what console does
		writer = mpb.WithOutput(screen)
	}
	return mpb.New(writer, mpb.WithWidth(30), mpb.WithRefreshRate(frameEvery))
}

// show takes how far the command is.
func (m *meter) show(p discover.Progress) {
	switch {
	case m.bar != nil:
		text := describe(p)
		m.text.Store(&text)
		m.bar.SetTotal(int64(max(p.Candidates, 1)), false)
		m.bar.SetCurrent(int64(p.Checked))
	case time.Since(m.told) >= lineEvery:
		m.told = time.Now()
		m.talk.note("%s", describe(p))
	}
}

// stop takes the bar off the screen.
func (m *meter) stop() {
	if m.bar == nil {
		return
	}
	m.bar.Abort(true)
	m.bars.Wait()
	m.restore()
	m.bar = nil
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
	if p.Listing {
		text += " so far"
	}
	if p.Candidates > 0 {
		text += fmt.Sprintf(", %d of %d checked, %d found", p.Checked, p.Candidates, p.Present)
	}
	if p.Unknown > 0 {
		text += fmt.Sprintf(", %d unknown", p.Unknown)
	}
	if left := p.Candidates - p.Checked; !p.Listing && left > 0 && p.Checked > 0 {
		each := p.Elapsed / time.Duration(p.Checked)
		text += fmt.Sprintf(", about %s left", (each * time.Duration(left)).Round(time.Second))
	}
	return text
}
