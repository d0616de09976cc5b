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

// What errors of this package meet, by errors.Is. A full disk is
// syscall.ENOSPC, on every system, and so is a quota that is used up.
var (
	ErrLocked    = errors.New("layout is in use")                  // by another process, or by another Layout of this one
	ErrNotLayout = errors.New("not an OCI image layout directory") // and not empty
	ErrMissing   = errors.New("blob is not there")
	ErrCorrupt   = errors.New("content does not match its descriptor") // digest or size
	ErrBusy      = errors.New("blob is being written")                 // by another goroutine
	// ErrUnreadable is the error of one blob that is there and cannot be read, for
	// lack of permission or because of a bad sector. Other blobs are not affected.
	ErrUnreadable = errors.New("blob cannot be read")
)

var (
	errClosed   = fmt.Errorf("the layout is closed: %w", os.ErrClosed)
	errReadOnly = errors.New("the layout was opened to be read only")
)

// Options set up a Layout. The zero value works.
type Options struct {
	Check    bool // hash a blob that is there, once, before it counts as there; else its size decides
	ReadOnly bool // write nothing and lock nothing: see Open
	// Staging makes the whole folder quayside's own: it says what the folder is a staging folder
	// of, such as "oci-archive:". See Open.
	Staging string
	Logger  *slog.Logger // nil is silent
	// Removed is told of each damaged blob that Has removes; nil is told nothing.
	// Many goroutines call it.
	Removed func(digest.Digest)
	// Moved is told of what was no file in the place of a blob, and where it is now.
	Moved func(d digest.Digest, to string)
}

// A Layout is an open image layout. Safe for concurrent use. One process has it
// open at a time; a kill lets go of it.
type Layout struct {
	folder
	check    bool
	readOnly bool
	log      *slog.Logger
	removed  func(digest.Digest) // told of damaged blobs
	moved    func(digest.Digest, string)
	made     []string       // folders that this Layout made: its own is the first
	control  control        // the folder of ours in it
	work     *os.Root       // for partial and temporary files; nil: there are none
	lock     *os.File       // nil: read only
	writer   sync.WaitGroup // the goroutine that writes the index, while it runs
	removal  sync.Mutex     // held where a final name is given or taken

	mu       sync.Mutex
	closed   bool
	busy     map[digest.Digest]bool   // has an open Partial
	checks   map[digest.Digest]*check // hashed by this process, or being hashed
	unsynced map[string]bool          // folders with new names
	index    index                    // as it is on disk
	changes  []change                 // of the index, not yet begun
	writing  bool                     // writer runs
}

// Open opens the layout in a folder, or makes one where there is nothing: in an
// empty folder or a missing one. A symbolic link is followed. Errors meet ErrLocked, which names
// the other process, or ErrNotLayout. An index.json or oci-layout that cannot be read is
// refused, and stays as it is. A folder that it made is gone again when it fails.
//
// A folder for Options.Staging is marked when it is made. One of that name that has no
// such mark is somebody else's: it is left alone, and dir-2, dir-3 and so on are tried. Dir
// returns the one that was taken.
//
// Read only, it makes nothing: a folder that is not there is a layout with
// nothing in it. It takes no lock, and works beside a process that writes, whose
// images it has as far as they were tagged by then, and whose blobs as far as
// they have come; InUse tells of one. What would write is an error.
func Open(dir string, o Options) (*Layout, error) {
	l := &Layout{
		check:    o.Check,
		readOnly: o.ReadOnly,
		log:      o.Logger,
		removed:  o.Removed,
		moved:    o.Moved,
		busy:     map[digest.Digest]bool{},
		checks:   map[digest.Digest]*check{},
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
	if _, err := l.state(); err != nil { // before anything is written into somebody's folder
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
	if l.Made() { // at once: a kill leaves what begun knows for ours
		_ = os.Mkdir(l.path(controlName), disk.FolderMode)
	}
	begun := l.Made() || l.leftByKill()
	if l.control, l.lock, err = l.acquire(); err != nil {
		if l.Made() { // what another process has locked is not empty, and stays
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

// look reads the index of a layout that is only read.
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
	if errors.Is(err, fs.ErrPermission) { // nothing of ours for this user
		err = nil
	}
	return err
}

// Missing lists a folder and those above it that are not there, the lowest first.
func missingFolders(dir string) (all []string) {
	for at := filepath.Clean(dir); at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		all = append(all, at)
	}
	return all
}

// removeEmpty removes folders, the lowest first, up to one that has something in it.
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
		return fmt.Errorf("%s is %s by now", dir, disk.Kind(info))
	}
	return os.Remove(dir)
}

// prepare finishes a layout that is new or half made, and reads its index. The
// lock is held.
func (l *Layout) prepare(staging string, made bool) error {
	state, err := l.state()
	if err != nil {
		return err
	}
	if l.control.marked() && l.control.Staging != staging {
		return fmt.Errorf("%w: it is a folder of quayside's own, for %q: choose another", ErrNotLayout, l.control.Staging)
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
	err = workFiles(l.work, func(info fs.FileInfo) error { // a kill has left these
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

// markAllUnsynced has all folders synced before the first write of the index: a run
// that was killed may have left names in them that are not on disk yet, and their
// blobs count as there.
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

// create makes what a layout needs. oci-layout comes first: from then on the
// folder is known for what it is, however far this gets.
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

// Close writes what Tag and Untag were asked to write and unlocks the layout.
// Partials are to be closed before. A second Close does nothing.
func (l *Layout) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	l.writer.Wait()
	l.removal.Lock() // a Commit that is under way ends first
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

// Free returns how many bytes the folder's file system has for unprivileged
// users, or the one where it would be made. A quota may leave less.
func (l *Layout) Free() (int64, error) {
	dir := string(l.folder)
	if absent := missingFolders(dir); len(absent) > 0 {
		dir = filepath.Dir(absent[len(absent)-1])
	}
	free, err := freeBytes(dir)
	return free, l.failed("ask for free space", err)
}

// writable tells whether the layout may be written to, and is usable.
func (l *Layout) writable(ctx context.Context) error {
	if l.readOnly {
		return errReadOnly
	}
	return l.usable(ctx)
}

// usable tells whether the layout is open, and the context too.
func (l *Layout) usable(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	return ctx.Err()
}

// makeFolder makes a folder and those above it, and returns those that it made,
// the lowest first.
func (l *Layout) makeFolder(dir string) (made []string, err error) {
	for _, one := range slices.Backward(missingFolders(dir)) {
		if err = os.Mkdir(one, disk.FolderMode); errors.Is(err, fs.ErrExist) {
			err = nil // by another process, just now
			continue
		} else if err != nil {
			break
		}
		made = slices.Insert(made, 0, one)
		l.markUnsynced(filepath.Dir(one))
	}
	return made, err
}

// renamed notes that a folder has a name that is not synced yet.
func (l *Layout) markUnsynced(dir string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsynced[dir] = true
}

// syncFolders syncs the folders that got new names since the last time. What
// fails is tried again the next time.
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
