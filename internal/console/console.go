// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

// Package console writes to standard error: messages, the log and progress. Standard
// output, which is data, is not its concern.
//
//   - console.go: Console, with a method for each kind of message.
//   - failures.go: images that failed for the same reason, in one message.
//   - progress.go: progress as bars on a terminal, or as a line every few seconds.
//   - terminal.go: what the terminal and the locale can show.
//
// Every byte passes the run's redactor, and what a server said cannot control the
// terminal. With --log-format json every line is one JSON object.
package console

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/lmittmann/tint"

	"github.com/quayside/quayside/internal/redact"
	"github.com/quayside/quayside/internal/report"
)

// Options are the flags that say what is written and how.
type Options struct {
	Quiet     bool // errors and warnings only
	JSON      bool // every line is a JSON object
	Verbosity int  // 1 logs what is done, 2 every request as well
}

// A Console is standard error. It is safe for concurrent use once Setup has been called.
type Console struct {
	Options
	Log      *slog.Logger
	Redactor *redact.Redactor // hides the secrets of the run
	ASCII    bool             // the locale has no other characters

	terminal *os.File // standard error, if bars can be drawn on it
	color    bool

	mu     sync.Mutex
	w      io.Writer // where lines go now: stderr, or above the bars
	stderr io.Writer
}

// New returns the console of a process with this standard error and environment.
func New(stderr io.Writer, env func(string) (string, bool)) *Console {
	c := &Console{
		w: stderr, stderr: stderr, Log: slog.New(slog.DiscardHandler), Redactor: &redact.Redactor{}, ASCII: !speaksUTF8(env),
	}
	if IsTerminal(stderr) && movesCursor(env) {
		c.terminal, _ = stderr.(*os.File)
		_, noColor := env("NO_COLOR")
		c.color = !noColor
	}
	return c
}

// Setup applies the options.
func (c *Console) Setup(o Options) {
	c.Options = o
	level := slog.LevelWarn - slog.Level(4*min(o.Verbosity, 2))
	options := &slog.HandlerOptions{Level: level}
	switch {
	case o.JSON:
		c.Log = slog.New(slog.NewJSONHandler(c, options))
	case c.terminal != nil:
		c.Log = slog.New(tint.NewTextHandler(c, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: !c.color}))
	default:
		c.Log = slog.New(slog.NewTextHandler(c, options))
	}
}

// Verbose reports whether the user asked for details.
func (c *Console) Verbose() bool { return c.Verbosity > 0 }

// Write writes whole lines, without the secrets of the run. It reports no error: there is
// no other place to report one.
func (c *Console) Write(p []byte) (int, error) {
	text := c.Redactor.Text(string(p))
	if c.ASCII {
		text = strings.ReplaceAll(text, "\u00b5s", "us") // of a duration
	}
	shown := []byte(text)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.w.Write(shown); err != nil && c.w != c.stderr {
		_, _ = c.stderr.Write(shown) // the bars were just removed
	}
	return len(p), nil
}

// StandardLog returns the writer for the standard library's own logger, which net/http uses
// for what a server sends unasked. The server's bytes are left out: they may hold a part of a
// secret.
func (c *Console) StandardLog() io.Writer { return standardLog{c} }

type standardLog struct{ *Console }

func (l standardLog) Write(p []byte) (int, error) {
	text, _, cut := strings.Cut(strings.TrimSpace(string(p)), " starting with ")
	if cut {
		text += "; what it sent is not shown"
	}
	if !l.Quiet {
		l.Log.Info(text, "source", "standard library")
	}
	return len(p), nil
}

// redirect sends lines to w until the function it returns is called.
func (c *Console) redirect(w io.Writer) (restore func()) {
	set := func(w io.Writer) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.w = w
	}
	set(w)
	return func() { set(c.stderr) }
}

// A Kind is what a line is about: the field "kind" of --log-format json. The page
// doc/guide/output.md describes the kinds.
type Kind string

// The kinds.
const (
	Error      Kind = "error"
	Warning    Kind = "warning"
	Note       Kind = "note"
	Hint       Kind = "hint"
	InProgress Kind = "progress"
	Summary    Kind = "summary"
	Search     Kind = "search"
	Registry   Kind = "registry"
	Unknown    Kind = "unknown"
	Absent     Kind = "absent"
	Failed     Kind = "failed"
	Unsigned   Kind = "signatures missing"
)

// Kinds lists the kinds.
func Kinds() []Kind {
	return []Kind{Error, Warning, Note, Hint, InProgress, Summary, Search, Registry, Unknown, Absent, Failed, Unsigned}
}

// Fail reports why the command ends without doing its work.
func (c *Console) Fail(format string, args ...any) {
	c.Say(slog.LevelError, Error, fmt.Sprintf(format, args...))
}

// Warn writes a warning, such as why an answer is incomplete. --quiet does not hide warnings.
func (c *Console) Warn(format string, args ...any) {
	c.Say(slog.LevelWarn, Warning, fmt.Sprintf(format, args...))
}

// Note writes a remark that is neither an error nor a warning.
func (c *Console) Note(format string, args ...any) { c.Print(Note, fmt.Sprintf(format, args...)) }

// Hint reports what the user can do.
func (c *Console) Hint(text string) { c.Print(Hint, "hint: "+text) }

// Unknown names an image whose verdict is unknown. The server may have chosen the name: a
// line break in it must not begin another message.
func (c *Console) Unknown(g report.Missing) {
	c.Say(slog.LevelWarn, Unknown, fmt.Sprintf("unknown: %s: %s: %s", redact.Escape(g.Reference), report.ReasonText(g.Reason), g.Error),
		slog.String("image", g.Reference), slog.String("reason", g.Reason), slog.String("error", g.Error))
}

// Absent names an image that should be there and is not.
func (c *Console) Absent(g report.Missing) {
	c.Say(slog.LevelWarn, Absent, fmt.Sprintf("absent: %s: %s", redact.Escape(g.Reference), report.ReasonText(g.Reason)),
		slog.String("image", g.Reference), slog.String("reason", g.Reason))
}

// Print writes a message that --quiet leaves out.
func (c *Console) Print(kind Kind, text string, fields ...slog.Attr) {
	if !c.Quiet {
		c.Say(slog.LevelInfo, kind, text, fields...)
	}
}

// Say writes a message: lines of text, or one JSON object with the fields.
func (c *Console) Say(level slog.Level, kind Kind, text string, fields ...slog.Attr) {
	if c.JSON {
		var lines []string
		for line := range strings.Lines(text) {
			lines = append(lines, strings.TrimSpace(line))
		}
		r := slog.NewRecord(time.Now(), level, strings.Join(lines, "; "), 0)
		r.AddAttrs(slog.String("kind", string(kind)))
		r.AddAttrs(fields...)
		_ = slog.NewJSONHandler(c, nil).Handle(context.Background(), r)
		return
	}
	label := ""
	if kind == Warning || kind == Failed || kind == Unsigned {
		label = "warning: "
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("quayside: " + label + redact.Escape(strings.TrimSuffix(line, "\n")) + "\n")
		label = ""
	}
	_, _ = io.WriteString(c, b.String())
}
