// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	"github.com/quayside/quayside/internal/console"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/internal/session"
)

// imageUnknown is the event of an image whose verdict is unknown.
const imageUnknown mirror.EventKind = "image unknown"

// events write what happens as it happens, a JSON object a line. Nil writes
// nothing. Safe for concurrent use.
type events struct {
	console *console.Console
	w       io.Writer
	file    *session.Sink // nil for standard error

	mu     sync.Mutex
	failed bool
}

// newEvents opens the file of --events; "-" is standard error, "" none.
func (a *app) newEvents(ctx context.Context, name string) (*events, error) {
	switch name {
	case "":
		return nil, nil
	case "-":
		return &events{console: a.console, w: a.console}, nil
	}
	file, err := session.OpenSink(ctx, name, os.O_CREATE|os.O_APPEND)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, usagef("--events: %w", err)
	}
	return &events{console: a.console, w: file, file: file}, nil
}

// onStderr reports whether events go to standard error, where progress would also go.
func (e *events) onStderr() bool { return e != nil && e.file == nil }

// write writes an event in one Write.
func (e *events) write(event mirror.Event) {
	if e == nil {
		return
	}
	event.Error = e.console.Redactor.Text(event.Error)
	line, err := report.Marshal(event)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed {
		return
	}
	if err == nil {
		_, err = e.w.Write(append(line, '\n'))
	}
	if err != nil {
		e.failed = true
		e.console.Warn("events: %v: no more events are written", err)
	}
}

// unknown records an image whose verdict is unknown.
func (e *events) unknown(m report.Missing) {
	e.write(mirror.Event{Time: time.Now().UTC(), Kind: imageUnknown, Image: m.Reference, Error: report.ReasonText(m.Reason) + ": " + m.Error})
}

// absent records an image that the user named and that does not exist.
func (e *events) absent(m report.Missing) {
	e.write(mirror.Event{Time: time.Now().UTC(), Kind: mirror.ImageAbsent, Image: m.Reference, Error: m.Error})
}

func (e *events) close() {
	if e != nil && e.file != nil {
		if err := e.file.Close(); err != nil {
			e.console.Warn("events: %v", err)
		}
	}
}
