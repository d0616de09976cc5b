// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/quayside/quayside/internal/disk"
	"github.com/quayside/quayside/internal/mirror"
	"github.com/quayside/quayside/internal/report"
	"github.com/quayside/quayside/internal/session"
)

// temporaryReport begins the name of the file that becomes a report.
const temporaryReport = ".quayside-report-"

// A reportFile is the file of --report. It is replaced atomically: the report is
// written to a temporary file in the same folder first. A nil reportFile writes nothing.
type reportFile struct {
	name   string
	stream bool // a pipe, a device or an inherited file: written to as it is

	// records is a folder in the user's cache with one empty file for each temporary
	// file of this report that may exist, under the same name. A run that is killed
	// leaves both, and the next run removes them. It is "" if there is no cache folder.
	records string
}

// newReportFile checks that the report can be written, before anything is done, and
// removes temporary files of runs that were killed. It leaves no file.
func (a *app) newReportFile(name string) (*reportFile, error) {
	switch name {
	case "":
		return nil, nil
	case "-":
		return nil, usagef("--report needs the name of a file: -o json writes the report to standard output")
	}
	f := &reportFile{name: name}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return nil, usagef("--report: %s is a folder: name a file in it", name)
	case err == nil && (!info.Mode().IsRegular() || session.Inherited(name)):
		f.stream = true
		return f, nil
	}
	if f.name, err = disk.Follow(name); err != nil { // the file is replaced, and not a link to it
		return nil, usagef("--report: %w", err)
	}
	if cache, err := a.cacheFolder(); err == nil {
		sum := sha256.Sum256([]byte(finalName(f.name)))
		f.records = filepath.Join(cache, "quayside", "reports", hex.EncodeToString(sum[:8]))
	}
	f.removeLeftovers()
	temp, err := f.create()
	if wrong, ok := errors.AsType[*fs.PathError](err); ok { // its path is that of the temporary file
		return nil, usagef("--report %s: cannot create the file: %w", name, wrong.Err)
	}
	if err == nil {
		err = errors.Join(temp.Close(), os.Remove(temp.Name()))
		f.forget(temp.Name())
	}
	if err != nil {
		return nil, usagef("--report: %w", err)
	}
	return f, nil
}

// create records the name of a temporary file, and then creates the file in the report's
// folder.
func (f *reportFile) create() (*os.File, error) {
	name := disk.Fresh(temporaryReport)
	if f.records != "" && os.MkdirAll(f.records, disk.FolderMode) == nil {
		_ = os.WriteFile(filepath.Join(f.records, name), nil, disk.FileMode) // without a record a killed run leaves its file
	}
	name = filepath.Join(filepath.Dir(f.name), name)
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, disk.FileMode)
	if err != nil {
		f.forget(name)
	}
	return file, err
}

// forget removes the record of a temporary file that no longer exists.
func (f *reportFile) forget(name string) {
	if f.records != "" {
		_ = os.Remove(filepath.Join(f.records, filepath.Base(name)))
		_ = os.Remove(f.records) // fails unless it is empty
	}
}

// removeLeftovers removes the temporary files that have a record. A run that is writing
// the same report at this moment loses its file too, and writes the report again.
func (f *reportFile) removeLeftovers() {
	if f.records == "" {
		return
	}
	entries, _ := os.ReadDir(f.records)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), temporaryReport) {
			continue
		}
		name := filepath.Join(filepath.Dir(f.name), e.Name())
		info, err := os.Lstat(name)
		if err == nil && disk.Alone(info) {
			err = os.Remove(name)
		}
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			f.forget(name)
		}
	}
}

// write writes the report, or adds it to a stream.
func (f *reportFile) write(ctx context.Context, r mirror.Report) error {
	switch {
	case f == nil:
		return nil
	case f.stream:
		to, err := session.OpenSink(ctx, f.name, os.O_APPEND)
		if err != nil {
			return err
		}
		return errors.Join(report.WriteJSON(to, r), to.Close())
	}
	const attempts = 3 // see removeLeftovers
	var err error
	for range attempts {
		if err = f.replace(r); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return err
}

// replace writes the report to a temporary file and gives that file the report's name.
func (f *reportFile) replace(r mirror.Report) error {
	temp, err := f.create()
	if err != nil {
		return err
	}
	defer f.forget(temp.Name())
	return disk.Fill(temp, f.name, func(w io.Writer) error { return report.WriteJSON(w, r) })
}
