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
	"strings"
	"syscall"

	_ "crypto/sha256" // the algorithms a digest may have
	_ "crypto/sha512"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/disk"
)

// folder is the path of a layout.
type folder string

const (
	chunk      = 128 << 10 // bytes read at a time
	maxControl = 64 << 10  // bytes of an oci-layout file
)

// folderAt returns the folder with a name. It follows a symbolic link, even if the target
// does not exist yet.
func folderAt(dir string) (folder, error) {
	dir, err := disk.Follow(filepath.Clean(dir))
	return folder(dir), err
}

// state is how much of a layout a folder has.
type state int

const (
	emptyFolder state = iota // empty, or has only .quayside
	halfMade                 // has only oci-layout: a run was killed
	complete                 // has oci-layout and index.json
)

func (f folder) path(elements ...string) string {
	return filepath.Join(append([]string{string(f)}, elements...)...)
}

// blob returns the path of a blob. The caller has validated the digest.
func (f folder) blob(d digest.Digest) string {
	return f.path(ocispec.ImageBlobsDir, string(d.Algorithm()), d.Encoded())
}

// partialName returns the name of a blob's partial file.
func partialName(d digest.Digest) string { return string(d.Algorithm()) + "-" + d.Encoded() }

// isPartial reports whether a name has the form that partialName returns.
func isPartial(name string) bool {
	algorithm, hex, ok := strings.Cut(name, "-")
	return ok && digest.NewDigestFromEncoded(digest.Algorithm(algorithm), hex).Validate() == nil
}

// failed adds the operation and the layout to an error. A full disk or quota is
// syscall.ENOSPC on every system.
func (f folder) failed(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case diskFull(err) && !errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("layout %s: %s: %w (%w); free some space and run again: finished blobs are kept", f, what, err, syscall.ENOSPC)
	case diskFull(err):
		return fmt.Errorf("layout %s: %s: %w; free some space and run again: finished blobs are kept", f, what, err)
	}
	return fmt.Errorf("layout %s: %s: %w", f, what, err)
}

// state examines the folder without changing it. The error is ErrNotLayout for anything but
// a layout or an empty folder. An unreadable oci-layout is an error too.
func (f folder) state() (state, error) {
	if info, err := os.Stat(string(f)); errors.Is(err, fs.ErrNotExist) {
		return emptyFolder, nil
	} else if err == nil && !info.IsDir() {
		return 0, fmt.Errorf("%w: it is %s", ErrNotLayout, disk.Kind(info))
	}
	entries, err := os.ReadDir(string(f))
	if err != nil {
		return 0, err
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	for n := range maxFolders {
		delete(names, numbered(controlName, n))
	}
	if len(names) == 0 {
		return emptyFolder, nil
	}
	if !names[ocispec.ImageLayoutFile] {
		return 0, fmt.Errorf("%w: it has files and no %s; a copy needs a layout, an empty folder or a new one", ErrNotLayout, ocispec.ImageLayoutFile)
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
		return 0, fmt.Errorf("%s has version %.20q, and only %s is supported", ocispec.ImageLayoutFile, version.Version, ocispec.ImageLayoutVersion)
	}
	if names[ocispec.ImageIndexFile] {
		return complete, nil
	}
	delete(names, ocispec.ImageLayoutFile)
	delete(names, ocispec.ImageBlobsDir)
	blobs, err := os.ReadDir(f.path(ocispec.ImageBlobsDir, string(digest.Canonical)))
	if len(names) > 0 || len(blobs) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s is missing from a layout with content; restore it or choose another folder", ocispec.ImageIndexFile)
	}
	return halfMade, nil
}

// replace writes a file in the layout's folder atomically. The caller syncs the folder.
func (l *Layout) replace(name string, content []byte) error {
	if info, err := os.Lstat(l.path(name)); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is %s: only a regular file can be replaced", l.path(name), disk.Kind(info))
	}
	file, err := l.newFile()
	if err != nil {
		return err
	}
	return disk.Fill(file, l.path(name), func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// errTooLarge is the error of readFile for a file that exceeds the limit.
var errTooLarge = errors.New("larger")

// readFile reads a file of limit bytes at most.
func readFile(name string, limit int64) ([]byte, error) {
	file, info, err := disk.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var content bytes.Buffer
	content.Grow(int(min(info.Size(), limit)) + bytes.MinRead)
	if n, err := content.ReadFrom(io.LimitReader(file, limit+1)); err != nil {
		return nil, err
	} else if n > limit {
		return nil, fmt.Errorf("%s: %w than %d bytes", name, errTooLarge, limit)
	}
	return content.Bytes(), nil
}
