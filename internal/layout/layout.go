// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quayside/quayside/internal/disk"
)

// The errors of this package. The error for a full disk or a used-up quota is
// syscall.ENOSPC on every system.
var (
	ErrLocked    = errors.New("layout is in use")                  // by another process, or by another Layout of this one
	ErrNotLayout = errors.New("not an OCI image layout directory") // and not empty
	ErrMissing   = errors.New("blob is missing")
	ErrCorrupt   = errors.New("content does not match its descriptor") // digest or size
	ErrBusy      = errors.New("blob is being written")                 // by another goroutine of this Layout
	// ErrUnreadable is the error for one blob that exists and cannot be read, because of
	// its permissions or a bad sector. Other blobs are not affected.
	ErrUnreadable = errors.New("blob cannot be read")
)

var (
	errClosed   = fmt.Errorf("the layout is closed: %w", os.ErrClosed)
	errReadOnly = errors.New("the layout was opened read only")
)

// Options configure a Layout. The zero value works.
type Options struct {
	Check    bool // hash each blob once before Has returns true; otherwise its size decides
	ReadOnly bool // see Open
	// Staging makes the whole folder quayside's own. It names the destination that the
	// folder stages blobs for, such as "oci-archive:". See Open.
	Staging string
	Logger  *slog.Logger // nil is silent
	// Removed is called for each damaged blob that Has removes, by many goroutines. Optional.
	Removed func(digest.Digest)
	// Moved is called when anything but a regular file was moved out of a blob's place. Optional.
	Moved func(d digest.Digest, to string)
}

// A Layout is an open image layout. It is safe for concurrent use. One process at a time
// has a layout open for writing. The lock ends with the process, also after a kill.
type Layout struct {
	folder
	check    bool
	readOnly bool
	log      *slog.Logger
	removed  func(digest.Digest) // Options.Removed
	moved    func(digest.Digest, string)
	made     []string       // the folders that Open made, the deepest first
	control  control        // the folder .quayside
	work     *os.Root       // partial and temporary files; nil: not made yet
	lock     *os.File       // nil: read only
	writer   sync.WaitGroup // the goroutine that writes the index, while it runs
	removal  sync.Mutex     // held while a blob gets or loses its name

	mu       sync.Mutex
	closed   bool
	busy     map[digest.Digest]bool // blobs with an open Partial
	checks   map[checkKey]*check    // blobs hashed by this process
	unsynced map[string]bool        // folders with new names
	index    index                  // same as on disk
	changes  []change               // of the index, waiting to be written
	writing  bool                   // writer runs
}

// Open opens the layout in a folder, or makes a layout in an empty or missing folder. It
// follows a symbolic link. The error is ErrLocked, which names the other process, or
// ErrNotLayout. An unreadable index.json or oci-layout is an error and stays unchanged. If
// Open fails, it removes the folders that it made.
//
// With Options.Staging, Open marks the folder when it makes it. If a folder of that name
// has no such mark, it is not quayside's: Open leaves it alone and tries dir-2, dir-3 and
// so on. Dir returns the folder that was opened.
//
// With Options.ReadOnly, Open makes nothing and takes no lock. A missing folder counts as
// an empty layout. Open works while another process writes, and the Layout has the images
// that the process had tagged by then. InUse reports such a process. Methods that write
// return an error.
func Open(dir string, o Options) (*Layout, error) {
	l := &Layout{
		check:    o.Check,
		readOnly: o.ReadOnly,
		log:      o.Logger,
		removed:  o.Removed,
		moved:    o.Moved,
		busy:     map[digest.Digest]bool{},
		checks:   map[checkKey]*check{},
		unsynced: map[string]bool{},
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.removed == nil {
		l.removed = func(digest.Digest) {}
	}
	if l.moved == nil {
		l.moved = func(digest.Digest, string) {}
	}
	var err error
	free := dir
	if o.Staging != "" {
		free, err = StagingFolder(dir, o.Staging)
	}
	if err == nil {
		dir = free
		l.folder, err = folderAt(dir)
	}
	if err != nil {
		return nil, folder(dir).failed("open", err)
	}
	if _, err := l.state(); err != nil { // before writing into a folder that is not quayside's
		return nil, l.failed("open", err)
	}
	if l.readOnly {
		if err := l.openReadOnly(); err != nil {
			return nil, l.failed("open", err)
		}
		return l, nil
	}
	if l.made, err = l.makeFolder(string(l.folder)); err != nil {
		removeEmpty(l.made)
		return nil, l.failed("make", err)
	}
	if l.Made() { // at once, so that leftByKill recognizes the folder after a kill
		_ = os.Mkdir(l.path(controlName), disk.FolderMode)
	}
	begun := l.Made() || l.leftByKill()
	if l.control, l.lock, err = l.acquire(); err != nil {
		if l.Made() { // if another process locked the folder, the folder is not empty and stays
			removeEmpty(append([]string{l.path(controlName)}, l.made...))
		}
		return nil, err
	}
	if err := l.prepare(o.Staging, begun); err != nil {
		err = l.failed("open", err)
		if len(l.made) == 0 {
			return nil, errors.Join(err, l.Close())
		}
		return nil, errors.Join(err, l.Remove())
	}
	return l, nil
}

// openReadOnly reads the index of a layout that is opened for reading.
func (l *Layout) openReadOnly() (err error) {
	l.index, err = l.readIndex()
	if errors.Is(err, fs.ErrNotExist) {
		l.index, err = newIndex(), nil
	}
	if err != nil {
		return err
	}
	if l.control, err = l.findControl(); err == nil {
		l.work, err = l.control.openWork()
	}
	if errors.Is(err, fs.ErrPermission) { // this user may not read .quayside
		err = nil
	}
	return err
}

// missingFolders lists the folder and its parents that do not exist, the deepest first.
func missingFolders(dir string) (all []string) {
	for at := filepath.Clean(dir); at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		all = append(all, at)
	}
	return all
}

// removeEmpty removes empty folders, the deepest first, until it reaches one that is not
// empty.
func removeEmpty(dirs []string) {
	for _, dir := range dirs {
		if err := removeFolder(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
}

// removeFolder removes an empty folder, and nothing else.
func removeFolder(dir string) error {
	if info, err := os.Lstat(dir); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s is %s, not a folder", dir, disk.Kind(info))
	}
	return os.Remove(dir)
}

// prepare completes a layout that is new or that a killed run began, and reads the index.
// The caller holds the lock.
func (l *Layout) prepare(staging string, made bool) error {
	state, err := l.state()
	if err != nil {
		return err
	}
	if l.control.marked() && l.control.Staging != staging {
		return fmt.Errorf("%w: it is quayside's staging folder for %q: choose another folder", ErrNotLayout, l.control.Staging)
	}
	if !l.control.marked() {
		if err := l.control.claim(staging, made); err != nil {
			return err
		}
		l.control.writePID(l.lock)
	}
	if l.work, err = l.control.makeWork(); err != nil {
		return err
	}
	err = workFiles(l.work, func(info fs.FileInfo) error { // files of a killed run
		if isPartial(info.Name()) {
			return nil
		}
		return l.work.Remove(info.Name())
	})
	if err != nil {
		return err
	}
	if state != complete {
		if err := l.create(); err != nil {
			return err
		}
	}
	l.markAllUnsynced()
	l.index, err = l.readIndex()
	return err
}

// markAllUnsynced marks every folder to be synced before the first write of the index. A
// killed run may have left names that are not on disk yet, and Has reports their blobs as
// present.
func (l *Layout) markAllUnsynced() {
	l.markUnsynced(filepath.Dir(string(l.folder)))
	l.markUnsynced(string(l.folder))
	blobs := l.path(ocispec.ImageBlobsDir)
	for _, dir := range []string{blobs, filepath.Join(blobs, "sha256"), filepath.Join(blobs, "sha384"), filepath.Join(blobs, "sha512")} {
		if _, err := os.Stat(dir); err == nil {
			l.markUnsynced(dir)
		}
	}
}

// create makes the files of a layout. It makes oci-layout first, which identifies the
// folder if the process is killed.
func (l *Layout) create() error {
	version, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	if err := l.replace(ocispec.ImageLayoutFile, version); err != nil {
		return err
	}
	if _, err := l.makeFolder(l.path(ocispec.ImageBlobsDir, string(digest.Canonical))); err != nil {
		return err
	}
	return l.replace(ocispec.ImageIndexFile, newIndex().encode())
}

// Close writes the changes that Tag and Untag are waiting for, and unlocks the layout. The
// caller closes its Partials first. A second Close does nothing.
func (l *Layout) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	l.writer.Wait()
	l.removal.Lock() // wait for a Commit
	defer l.removal.Unlock()
	return errors.Join(l.failed("close", l.syncFolders()), l.closeWork(), release(l.lock))
}

func (l *Layout) closeWork() error {
	if l.work == nil {
		return nil
	}
	return l.work.Close()
}

// Made reports whether Open made the folder.
func (l *Layout) Made() bool { return len(l.made) > 0 }

// Dir returns the folder.
func (l *Layout) Dir() string { return string(l.folder) }

// Free returns the number of free bytes for unprivileged users on the folder's file system,
// or on the one where it would be made. A quota may leave less.
func (l *Layout) Free() (int64, error) {
	dir := string(l.folder)
	if absent := missingFolders(dir); len(absent) > 0 {
		dir = filepath.Dir(absent[len(absent)-1])
	}
	free, err := freeBytes(dir)
	return free, l.failed("measure free space", err)
}

// writable returns an error if the layout is read only, closed, or ctx has ended.
func (l *Layout) writable(ctx context.Context) error {
	if l.readOnly {
		return errReadOnly
	}
	return l.usable(ctx)
}

// usable returns an error if the layout is closed or ctx has ended.
func (l *Layout) usable(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	return ctx.Err()
}

// makeFolder makes a folder and its missing parents, and returns those that it made, the
// deepest first.
func (l *Layout) makeFolder(dir string) (made []string, err error) {
	for _, one := range slices.Backward(missingFolders(dir)) {
		if err = os.Mkdir(one, disk.FolderMode); errors.Is(err, fs.ErrExist) {
			err = nil // made by another process meanwhile
			continue
		} else if err != nil {
			break
		}
		made = slices.Insert(made, 0, one)
		l.markUnsynced(filepath.Dir(one))
	}
	return made, err
}

// markUnsynced records that a folder has a name that is not synced yet.
func (l *Layout) markUnsynced(dir string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsynced[dir] = true
}

// syncFolders syncs the folders that got new names since the last call. A folder that fails
// is tried again by the next call.
func (l *Layout) syncFolders() error {
	l.mu.Lock()
	dirs := slices.Sorted(maps.Keys(l.unsynced))
	clear(l.unsynced)
	l.mu.Unlock()
	for i, dir := range dirs {
		if err := disk.SyncFolder(dir); err != nil {
			for _, dir := range dirs[i:] {
				l.markUnsynced(dir)
			}
			return err
		}
	}
	return nil
}
