// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/quayside/quayside/internal/transport"
)

// A file that a flag or the config file names may be a pipe, such as the <(...) of a shell, a
// FIFO or a device. It is opened without blocking, and reads and writes end with the
// context, so that nothing waits longer than the command may take.

const (
	// partnerTime is how long a FIFO may have no process at its other end.
	partnerTime = 10 * time.Second
	partnerPoll = 20 * time.Millisecond
	// finalWrite is how long a write may take after the context has ended.
	finalWrite = time.Second

	maxConfig = 1 << 20
	maxCA     = 16 << 20
)

// ReadFile reads a file of at most the given number of bytes. It also returns the file's
// information if the file could be opened, even with an error.
func ReadFile(ctx context.Context, name string, most int64) ([]byte, os.FileInfo, error) {
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
		return nil, info, fmt.Errorf("%s is a folder; a file is needed", name)
	}
	if !info.Mode().IsRegular() {
		defer context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Unix(1, 0)) })()
	}
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	// A FIFO that no process has opened for writing yet reads as empty. A pipe that a shell
	// made (/dev/fd/63) has had its writer.
	if fifo := info.Mode()&os.ModeNamedPipe != 0 && !Inherited(name); fifo {
		for began := time.Now(); err == nil && len(text) == 0 && time.Since(began) < partnerTime && transport.Sleep(ctx, partnerPoll) == nil; {
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

// A Sink is a file to write to. Writes that nobody reads fail soon after the context has
// ended.
type Sink struct {
	*os.File
	release func() bool // nil for the process's own file, which stays open
}

func (s *Sink) Close() error {
	if s.release == nil {
		return nil
	}
	s.release()
	return s.File.Close()
}

// openSink opens a file to write into, and with O_CREATE makes it.
func OpenSink(ctx context.Context, name string, flag int) (*Sink, error) {
	if file := redirected(name); file != nil {
		return &Sink{file, nil}, nil
	}
	file, err := os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK|flag, 0o666)
	for began := time.Now(); errors.Is(err, syscall.ENXIO); { // a FIFO without a reader
		if ctx.Err() != nil || time.Since(began) > partnerTime || transport.Sleep(ctx, partnerPoll) != nil {
			return nil, fmt.Errorf("nobody reads %s: %w", name, err)
		}
		file, err = os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK|flag, 0o666)
	}
	if err != nil {
		return nil, err
	}
	// A regular file has no deadline, and needs none.
	release := context.AfterFunc(ctx, func() { _ = file.SetWriteDeadline(time.Now().Add(finalWrite)) })
	return &Sink{file, release}, nil
}

// inherited reports whether a name stands for a file descriptor that the process inherited.
func Inherited(name string) bool {
	return strings.HasPrefix(name, "/dev/fd/") || strings.HasPrefix(name, "/dev/std") || strings.HasPrefix(name, "/proc/")
}

// redirected returns standard output or error if the name stands for it and it goes to a
// regular file; otherwise nil. A second descriptor would write over what the process writes
// itself.
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
