// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/lmittmann/tint"

	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/ref"
)

// talk is all that is said on standard error: warnings, notes, progress and
// the log, each as whole lines. While progress bars are on the screen, lines
// go above them.
type talk struct {
	quiet bool
	json  bool // every line is a JSON object
	wordy bool // --verbose
	ascii bool // the locale has no other characters
	log   *slog.Logger
	// hide keeps the secrets of the run out of every line.
	hide *redact.Redactor

	mu    sync.Mutex
	w     io.Writer // where lines go now
	plain io.Writer // standard error itself
}

func newTalk(stderr io.Writer) *talk {
	return &talk{w: stderr, plain: stderr, log: slog.New(slog.DiscardHandler), hide: &redact.Redactor{}}
}

// setup applies --quiet, --verbose and --log-format.
func (t *talk) setup(f flags, terminal, color bool) {
	t.quiet = f.quiet
	t.json = f.logFormat == "json"
	t.wordy = f.verbose > 0
	level := slog.LevelWarn
	switch {
	case f.verbose == 1:
		level = slog.LevelInfo
	case f.verbose > 1:
		level = slog.LevelDebug
	}
	var h slog.Handler
	switch {
	case t.json:
		h = slog.NewJSONHandler(t, &slog.HandlerOptions{Level: level})
	case terminal:
		h = tint.NewTextHandler(t, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: !color})
	default:
		h = slog.NewTextHandler(t, &slog.HandlerOptions{Level: level})
	}
	t.log = slog.New(h)
}

// Write writes whole lines, without the secrets of the run: all that goes to
// standard error comes through here. Its errors are nobody's concern: there is no
// place left to report them.
func (t *talk) Write(p []byte) (int, error) {
	text := t.hide.Text(string(p))
	if t.ascii {
		text = strings.ReplaceAll(text, "\u00b5s", "us") // of a duration
	}
	shown := []byte(text)
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := t.w.Write(shown)
	if err != nil && t.w != t.plain {
		_, err = t.plain.Write(shown) // the bars have just gone
	}
	return len(p), err
}

// foreign passes on what packages log by the standard library's own logger: one
// message a Write. That is net/http, of what a server sends unasked; the server's
// own bytes are left out, as they may hold a part of a secret.
type foreign struct{ *talk }

func (f foreign) Write(p []byte) (int, error) {
	text, _, cut := strings.Cut(strings.TrimSpace(string(p)), " starting with ")
	if cut {
		text += "; what it sent is not shown"
	}
	if !f.quiet {
		f.log.Info(text, "source", "standard library")
	}
	return len(p), nil
}

// above sends lines to w until the function it returns is called.
func (t *talk) above(w io.Writer) (restore func()) {
	set := func(w io.Writer) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.w = w
	}
	set(w)
	return func() { set(t.plain) }
}

// The kinds of lines, in the field "kind" of --log-format json. doc/output.md
// describes them.
const (
	kindError    = "error"
	kindWarning  = "warning"
	kindNote     = "note"
	kindHint     = "hint"
	kindProgress = "progress"
	kindSummary  = "summary"
	kindSearch   = "search"
	kindRegistry = "registry"
	kindUnknown  = "unknown"
	kindAbsent   = "absent"
	kindFailed   = "failed"
	kindUnsigned = "signatures missing"
)

// fail reports why the command ends without doing its work.
func (t *talk) fail(format string, args ...any) {
	t.say(slog.LevelError, kindError, fmt.Sprintf(format, args...))
}

// failed does so of an error, with what it says of its input.
func (t *talk) failed(err error) {
	syntax, ok := errors.AsType[*ref.SyntaxError](err)
	if !ok || !t.json {
		t.fail("%v", err)
		return
	}
	t.say(slog.LevelError, kindError, syntax.Msg, slog.String("input", syntax.Input), slog.Int("offset", syntax.Offset))
}

// warn reports what makes an answer other than it seems. --quiet keeps it.
func (t *talk) warn(format string, args ...any) {
	t.say(slog.LevelWarn, kindWarning, fmt.Sprintf(format, args...))
}

// unknown names an image whose verdict is unknown.
func (t *talk) unknown(g report.Gap) {
	t.say(slog.LevelWarn, kindUnknown, fmt.Sprintf("unknown: %s: %s: %s", g.Reference, g.Reason, g.Error),
		slog.String("image", g.Reference), slog.String("reason", g.Reason), slog.String("error", g.Error))
}

// absent names an image that is not there and should be.
func (t *talk) absent(g report.Gap) {
	t.say(slog.LevelWarn, kindAbsent, fmt.Sprintf("absent: %s: %s", g.Reference, g.Reason),
		slog.String("image", g.Reference), slog.String("reason", g.Reason))
}

// note reports what is good to know.
func (t *talk) note(format string, args ...any) { t.tell(kindNote, fmt.Sprintf(format, args...)) }

// hint reports what can be done.
func (t *talk) hint(text string) { t.tell(kindHint, "hint: "+text) }

// tell writes a line that --quiet leaves out.
func (t *talk) tell(kind, text string, fields ...slog.Attr) {
	if !t.quiet {
		t.say(slog.LevelInfo, kind, text, fields...)
	}
}

// say writes a message: lines of text, or one JSON object with the fields.
func (t *talk) say(level slog.Level, kind, text string, fields ...slog.Attr) {
	if t.json {
		var lines []string
		for line := range strings.Lines(text) {
			lines = append(lines, strings.TrimSpace(line))
		}
		r := slog.NewRecord(time.Now(), level, strings.Join(lines, "; "), 0)
		r.AddAttrs(slog.String("kind", kind))
		r.AddAttrs(fields...)
		_ = slog.NewJSONHandler(t, nil).Handle(context.Background(), r)
		return
	}
	label := ""
	if kind == kindWarning || kind == kindFailed || kind == kindUnsigned {
		label = "warning: "
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("quayside: " + label + redact.Escape(strings.TrimSuffix(line, "\n")) + "\n")
		label = ""
	}
	_, _ = io.WriteString(t, b.String())
}
