// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// The rules for a file that a flag or the config file names. It may be a pipe, such
// as the <(...) of a shell, a FIFO or a device. Nothing waits for one longer than
// the command may take: it is opened without blocking, and what is read or written
// ends with the context.

const (
	// partnerTime is how long a FIFO may lack a process at its other end.
	partnerTime = 10 * time.Second
	partnerPoll = 20 * time.Millisecond
	// lastWords is how long a pipe's reader may take for what is written after
	// the context has ended.
	lastWords = time.Second

	maxConfig = 1 << 20
	maxCA     = 16 << 20
)

// readFile reads a file of at most so many bytes. It returns what it knows of the
// file, too, if there is one.
func readFile(ctx context.Context, name string, most int64) ([]byte, os.FileInfo, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	if info.IsDir() {
		return nil, info, fmt.Errorf("%s is a folder, and must be a file", name)
	}
	if !info.Mode().IsRegular() {
		defer context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Unix(1, 0)) })()
	}
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	// The end of a FIFO that nobody has opened to write is no end. A pipe that a
	// shell made (/dev/fd/63) has had its writer.
	if fifo := info.Mode()&os.ModeNamedPipe != 0 && !inherited(name); fifo {
		for began := time.Now(); err == nil && len(text) == 0 && time.Since(began) < partnerTime && pause(ctx); {
			text, err = io.ReadAll(io.LimitReader(file, most+1))
		}
		if err == nil && len(text) == 0 {
			err = fmt.Errorf("nothing was written to %s within %s", name, partnerTime)
		}
	}
	switch {
	case ctx.Err() != nil && (err != nil || len(text) == 0):
		return nil, info, context.Cause(ctx)
	case err != nil:
		return nil, info, err
	case int64(len(text)) > most:
		return nil, info, fmt.Errorf("%s is larger than %d bytes", name, most)
	}
	return text, info, nil
}

// A sink is a file to write into. Its writes fail soon after its context has ended
// if nobody reads them.
type sink struct {
	*os.File
	release func() bool // nil for the process's own file, which stays open
}

func (s *sink) Close() error {
	if s.release == nil {
		return nil
	}
	s.release()
	return s.File.Close()
}

// openSink opens a file to write into, and with O_CREATE makes it.
func openSink(ctx context.Context, name string, flag int) (*sink, error) {
	if file := redirected(name); file != nil {
		return &sink{file, nil}, nil
	}
	file, err := os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK|flag, 0o666)
	for began := time.Now(); errors.Is(err, syscall.ENXIO); { // a FIFO without a reader
		if ctx.Err() != nil || time.Since(began) > partnerTime || !pause(ctx) {
			return nil, fmt.Errorf("nobody reads %s: %w", name, err)
		}
		file, err = os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK|flag, 0o666)
	}
	if err != nil {
		return nil, err
	}
	// A regular file has no deadline, and needs none.
	release := context.AfterFunc(ctx, func() { _ = file.SetWriteDeadline(time.Now().Add(lastWords)) })
	return &sink{file, release}, nil
}

// inherited reports whether a name is that of a file this process was given open.
func inherited(name string) bool {
	return strings.HasPrefix(name, "/dev/fd/") || strings.HasPrefix(name, "/dev/std") || strings.HasPrefix(name, "/proc/")
}

// redirected returns standard output or error if a name is that of one which goes to a
// regular file; else nil. If such a file were opened once more, what is written there and
// what the process writes itself would be in the same place.
func redirected(name string) *os.File {
	var file *os.File
	switch name {
	case "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1":
		file = os.Stdout
	case "/dev/stderr", "/dev/fd/2", "/proc/self/fd/2":
		file = os.Stderr
	default:
		return nil
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	return file
}

// pause waits a moment. It returns false when ctx ends.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(partnerPoll)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
