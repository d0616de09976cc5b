// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/quayside/quayside/internal/report"
)

const (
	lineInterval  = 5 * time.Second        // of progress as lines
	frameInterval = 150 * time.Millisecond // of progress as bars

	// maxBars is the largest number of parts with a bar of their own. minBar is the smallest
	// size of such a part in bytes: a smaller part ends before anybody can read its bar.
	maxBars = 8
	minBar  = 256 << 10
)

// A Frame is the progress of the work at one moment.
type Frame struct {
	Bar
	Parts  []Bar       // parts of the work that go on now, such as blobs
	Fields []slog.Attr // the numbers, for --log-format json
}

// A Bar is the progress of the whole work or of one part.
type Bar struct {
	Key         string // identifies the part
	Text        string
	Done, Total int64
}

// Progress shows frames: as bars on a terminal, as a line every few seconds elsewhere or if
// lines is set, and not at all with --quiet. frame is called by one goroutine, which has
// ended when stop returns. stop may be called twice.
func (c *Console) Progress(lines bool, frame func() Frame) (stop func()) {
	if c.Quiet {
		return func() {}
	}
	if c.terminal == nil || c.JSON || lines {
		return every(lineInterval, func() {
			f := frame()
			c.Print(InProgress, c.Redactor.Text(f.Text), f.Fields...)
		})
	}
	b := newBars(c.terminal)
	b.whole = b.add(0)
	restore := c.redirect(b.screen)
	halt := every(frameInterval, func() { b.show(frame(), c.Redactor.Text) })
	return sync.OnceFunc(func() {
		halt()
		b.remove()
		restore()
	})
}

// every calls f periodically in a goroutine that stop ends.
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
	return sync.OnceFunc(func() {
		close(end)
		group.Wait()
	})
}

// bars are the bars on a terminal: one for the whole and one for each large part.
type bars struct {
	terminal *os.File
	screen   *mpb.Progress
	whole    *bar
	parts    map[string]*bar
}

func newBars(terminal *os.File) *bars {
	writer := mpb.WithConsoleWriter(&screen{terminal: terminal})
	if runtime.GOOS == "windows" { // mpb moves the cursor by system calls there
		writer = mpb.WithOutput(terminal)
	}
	return &bars{
		terminal: terminal, parts: map[string]*bar{},
		screen: mpb.New(writer, mpb.WithWidth(30), mpb.WithRefreshRate(frameInterval)),
	}
}

// show updates the bars. There are never more lines than the terminal has: what has
// scrolled off cannot be drawn over.
func (b *bars) show(f Frame, hide func(string) string) {
	most := maxBars
	if _, height, err := term.GetSize(int(b.terminal.Fd())); err == nil {
		most = min(most, height-2)
	}
	b.whole.show(f.Bar, hide)
	shown := map[string]bool{}
	for _, part := range f.Parts {
		if part.Total < minBar || len(shown) >= most {
			continue
		}
		shown[part.Key] = true
		if b.parts[part.Key] == nil {
			b.parts[part.Key] = b.add(part.Total)
		}
		b.parts[part.Key].show(part, hide)
	}
	for key, part := range b.parts {
		if !shown[key] {
			part.Abort(true)
			delete(b.parts, key)
		}
	}
}

func (b *bars) remove() {
	for _, part := range b.parts {
		part.Abort(true)
	}
	b.whole.Abort(true)
	b.screen.Wait()
}

// A bar is one bar with a text behind it.
type bar struct {
	*mpb.Bar
	text atomic.Pointer[string]
}

func (b *bars) add(total int64) *bar {
	one := &bar{}
	one.Bar = b.screen.AddBar(total, mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string {
		if text := one.text.Load(); text != nil {
			return report.Cut(*text, s.AvailableWidth, "...") // the library would cut with a character beyond ASCII
		}
		return ""
	})))
	return one
}

// show updates the bar. It is never full: the library ends a bar that is full.
func (b *bar) show(state Bar, hide func(string) string) {
	text := hide(state.Text)
	b.text.Store(&text)
	total := max(state.Total, 1)
	b.SetTotal(total+1, false)
	b.SetCurrent(min(state.Done, total))
}

// A screen draws bars in place of those that it drew before. It first moves the cursor to the
// first column, which mpb's own writer does not: if the terminal echoes typed text, such as
// ^C, pieces of an old bar would remain.
type screen struct {
	bytes.Buffer // what Flush writes: cursor movements, and then the bars
	terminal     *os.File
}

func (s *screen) IsTerminal() bool { return true }

func (s *screen) GetTermSize() (width, height int, err error) {
	return term.GetSize(int(s.terminal.Fd()))
}

// Flush writes the buffer, which holds this number of lines, to the terminal.
func (s *screen) Flush(lines int) error {
	_, err := s.WriteTo(s.terminal)
	if lines > 0 {
		fmt.Fprintf(s, "\r\x1b[%dA\x1b[J", lines)
	}
	return err
}
