// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/quayside/quayside/internal/disk"
)

// errHeld is the error of tryLock for a file that another process has locked.
var errHeld = errors.New("held")

// acquire locks the layout for this process without waiting, and returns its folder
// .quayside, which may be new and not marked yet. The lock ends with release or with the
// process. The lock file stays until the layout is removed.
func (f folder) acquire() (control, *os.File, error) {
	for range maxRaces {
		o, file, err := f.tryAcquire()
		if err != nil || file != nil {
			return o, file, err
		}
	}
	return control{}, nil, f.inUse("another process")
}

// maxRaces is how often acquire starts over because another process marked or removed
// .quayside before the lock was taken.
const maxRaces = 20

// tryAcquire is one attempt of acquire. It returns no file if another process interfered.
func (f folder) tryAcquire() (control, *os.File, error) {
	o, err := f.findControl()
	if err != nil {
		return o, nil, f.failed("cannot be written to", err)
	}
	made := os.Mkdir(o.dir, disk.FolderMode)
	if made != nil && !errors.Is(made, fs.ErrExist) {
		return o, nil, f.failed("cannot be written to", made)
	}
	file, err := openLock(o.at(lockFile), os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = os.OpenFile(o.at(lockFile), os.O_RDWR|os.O_CREATE|os.O_EXCL, disk.FileMode)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist):
		return o, nil, nil
	case err != nil && made == nil:
		return o, nil, errors.Join(f.failed("cannot be written to", err), os.Remove(o.dir))
	case err != nil:
		return o, nil, f.failed("cannot be written to", err)
	}
	err = tryLock(file)
	if errors.Is(err, errHeld) {
		return o, nil, errors.Join(f.inUse(lockHolder(file)), file.Close())
	} else if err != nil {
		return o, nil, errors.Join(f.failed("lock", err), file.Close())
	}
	// The previous holder of the lock may have marked or removed the folder.
	now, err := f.findControl()
	if err != nil || now.dir != o.dir || !isNamed(file, o.at(lockFile)) {
		return o, nil, errors.Join(err, release(file))
	}
	now.writePID(file)
	return now, file, nil
}

// openLock opens an existing lock file.
func openLock(name string, flag int) (*os.File, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !disk.Alone(info) {
		return nil, fmt.Errorf("%s is %s that quayside did not make", name, disk.Kind(info))
	}
	file, err := os.OpenFile(name, flag|disk.NoWait, 0)
	if err == nil && !isNamed(file, name) {
		return nil, errors.Join(fs.ErrNotExist, file.Close()) // replaced since
	}
	return file, err
}

// isNamed reports whether an open file still has a name.
func isNamed(file *os.File, name string) bool {
	named, err := os.Lstat(name)
	if err != nil {
		return false
	}
	opened, err := file.Stat()
	return err == nil && os.SameFile(named, opened)
}

// writePID writes the process number into the lock file of a marked folder, for the message
// of ErrLocked. It ignores a full disk.
func (o control) writePID(file *os.File) {
	if !o.marked() {
		return
	}
	if err := file.Truncate(0); err == nil {
		_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
}

// share takes the lock for reading, which excludes writers. It writes nothing. The
// file is nil if no lock can be taken: the layout has no lock file yet, this user may not
// read it, or the file system has no locks. The error is ErrLocked.
func (f folder) share() (control, *os.File, error) {
	o, err := f.findControl()
	var file *os.File
	if err == nil {
		file, err = openLock(o.at(lockFile), os.O_RDONLY)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return o, nil, nil
	} else if err != nil {
		return o, nil, f.failed("lock", err)
	}
	err = tryShare(file)
	if errors.Is(err, errHeld) {
		return o, nil, errors.Join(f.inUse(lockWriter(file)), file.Close())
	} else if err != nil {
		return o, nil, file.Close()
	}
	return o, file, nil
}

// InUse returns ErrLocked, with the name of the process, if a process is writing to the
// layout in a folder. It returns nil for a missing folder.
func InUse(dir string) error {
	f, err := folderAt(dir)
	if err != nil {
		return err
	}
	_, lock, err := f.share()
	return errors.Join(err, release(lock))
}

// release unlocks a layout; file may be nil. Closing the file is not enough: a child
// process that is just starting has a copy of the descriptor until its exec.
func release(file *os.File) error {
	if file == nil {
		return nil
	}
	return errors.Join(unlock(file), file.Close())
}

func (f folder) inUse(by string) error {
	return fmt.Errorf("%w: %s, by %s: run again when that process has ended", ErrLocked, f, by)
}

// lockHolder returns the name of the process that holds a lock. If the lock can be shared,
// that process only reads.
func lockHolder(file *os.File) string {
	if tryShare(file) == nil {
		_ = unlock(file)
		return "a process that only reads it"
	}
	return lockWriter(file)
}

// lockWriter returns the name of the process that holds a lock for writing, from the file.
func lockWriter(file *os.File) string {
	b := make([]byte, 20)
	n, _ := file.ReadAt(b, 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil {
		return fmt.Sprintf("process %d", pid)
	}
	return "another process"
}
