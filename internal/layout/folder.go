// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	_ "crypto/sha256" // the algorithms a digest may have
	_ "crypto/sha512"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// folder is the folder of a layout, and knows where in it everything is.
type folder string

// The folder of ours in a layout, and what is in it.
const (
	ownFolder  = ".quayside"
	lockFile   = "lock"
	partials   = "partial"
	temporary  = "temporary"
	chunk      = 128 << 10 // bytes read at a time
	maxControl = 64 << 10  // bytes of an oci-layout file
)

// state is how much of a layout a folder has.
type state int

const (
	nothing  state = iota // empty but for our own folder
	half                  // oci-layout alone: making it was cut short
	complete              // oci-layout and index.json
)

func (f folder) path(elements ...string) string {
	return filepath.Join(append([]string{string(f)}, elements...)...)
}

func (f folder) own(elements ...string) string {
	return f.path(append([]string{ownFolder}, elements...)...)
}

// blob is where a blob is. The digest has been checked: nothing else becomes a path.
func (f folder) blob(d digest.Digest) string {
	return f.path(ocispec.ImageBlobsDir, string(d.Algorithm()), d.Encoded())
}

// partial is where a blob is before it is whole.
func (f folder) partial(d digest.Digest) string {
	return f.own(partials, string(d.Algorithm())+"-"+d.Encoded())
}

// failed says what was attempted on which layout. A full disk or quota is
// syscall.ENOSPC, whatever the system calls it.
func (f folder) failed(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case diskFull(err) && !errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("layout %s: %s: %w (%w); make room and run again, what is there is kept", f, what, err, syscall.ENOSPC)
	case diskFull(err):
		return fmt.Errorf("layout %s: %s: %w; make room and run again, what is there is kept", f, what, err)
	}
	return fmt.Errorf("layout %s: %s: %w", f, what, err)
}

// state looks at the folder without changing anything. It refuses what is no
// layout, and an oci-layout that cannot be read.
func (f folder) state() (state, error) {
	if info, err := os.Stat(string(f)); errors.Is(err, fs.ErrNotExist) {
		return nothing, nil
	} else if err == nil && !info.IsDir() {
		return 0, fmt.Errorf("%w: it is a file", ErrNotLayout)
	}
	entries, err := os.ReadDir(string(f))
	if err != nil {
		return 0, err
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	delete(names, ownFolder)
	if len(names) == 0 {
		return nothing, nil
	}
	if !names[ocispec.ImageLayoutFile] {
		return 0, fmt.Errorf("%w: it has files and no %s; choose an empty folder or a new one", ErrNotLayout, ocispec.ImageLayoutFile)
	}
	content, err := readFile(f.path(ocispec.ImageLayoutFile), maxControl)
	if err != nil {
		return 0, err
	}
	var version ocispec.ImageLayout
	if err := json.Unmarshal(content, &version); err != nil {
		return 0, fmt.Errorf("%s cannot be read: %w", ocispec.ImageLayoutFile, err)
	}
	if version.Version != ocispec.ImageLayoutVersion {
		return 0, fmt.Errorf("%s is of version %.20q, and %s is known here", ocispec.ImageLayoutFile, version.Version, ocispec.ImageLayoutVersion)
	}
	if names[ocispec.ImageIndexFile] {
		return complete, nil
	}
	delete(names, ocispec.ImageLayoutFile)
	delete(names, ocispec.ImageBlobsDir)
	blobs, err := os.ReadDir(f.path(ocispec.ImageBlobsDir, string(digest.Canonical)))
	if len(names) > 0 || len(blobs) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s is gone, and there is content; bring it back or choose another folder", ocispec.ImageIndexFile)
	}
	return half, nil
}

// replace writes a file in the layout's own folder such that it is there as before
// or as it shall be, and never in between. The name is not synced yet.
func (f folder) replace(name string, content []byte) error {
	temp := f.own(temporary, name)
	if err := writeFile(temp, content); err != nil {
		return err
	}
	if err := os.Rename(temp, f.path(name)); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

// clearTemporary removes what a kill has left of files that were to be renamed,
// and makes the folders of ours. The lock is held, so nobody is writing them.
func (f folder) clearTemporary() error {
	if err := os.RemoveAll(f.own(temporary)); err != nil {
		return err
	}
	if err := errors.Join(noLink(f.own(partials)), os.MkdirAll(f.own(partials), 0o755)); err != nil {
		return err
	}
	return os.Mkdir(f.own(temporary), 0o755)
}

// noLink refuses a link where a file or folder of ours is to be written: a layout
// that came from elsewhere may have one that leads out of it. What is not there is fine.
func noLink(name string) error {
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is neither a file nor a folder; remove it", name)
	}
	return err
}

// writeFile writes a new file and syncs it. There is none when it fails.
func writeFile(name string, content []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// openFile opens a file for reading and returns its size. Nothing else is
// opened: a pipe would make it wait for ever.
func openFile(name string) (*os.File, int64, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no file", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	if info, err = file.Stat(); err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// readFile reads a file of limit bytes at most.
func readFile(name string, limit int64) ([]byte, error) {
	file, size, err := openFile(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var content bytes.Buffer
	content.Grow(int(min(size, limit)) + bytes.MinRead)
	if n, err := content.ReadFrom(io.LimitReader(file, limit+1)); err != nil {
		return nil, err
	} else if n > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return content.Bytes(), nil
}
