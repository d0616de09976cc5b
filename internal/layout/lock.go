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

// errHeld is what tryLock returns for a file that somebody else has locked.
var errHeld = errors.New("held")

// acquire takes the layout for this process, at once or not at all, and finds the folder of
// ours in it, which may be new and not marked yet. release lets go of it, and so does the end of
// the process, however it ends. The lock file stays until the layout is removed.
func (f folder) acquire() (control, *os.File, error) {
	for range maxRaces {
		o, file, err := f.tryAcquire()
		if err != nil || file != nil {
			return o, file, err
		}
	}
	return control{}, nil, f.inUse("another process")
}

// maxRaces is how often another process may take or remove the folder of ours in
// the moment between a look at it and its lock.
const maxRaces = 20

// tryAcquire is one attempt of acquire. It returns no file if another process was
// in between.
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
	// Whoever had the lock before may have marked the folder, or removed it.
	now, err := f.findControl()
	if err != nil || now.dir != o.dir || !isNamed(file, o.at(lockFile)) {
		return o, nil, errors.Join(err, release(file))
	}
	now.writePID(file)
	return now, file, nil
}

// openLock opens a lock file that is there, if it is one.
func openLock(name string, flag int) (*os.File, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !disk.Alone(info) {
		return nil, fmt.Errorf("%s is %s of somebody else", name, disk.Kind(info))
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

// sign writes the number of this process into the lock of a marked folder. It helps
// a reader of ErrLocked. On a full disk there is none, and the lock is as good.
func (o control) writePID(file *os.File) {
	if !o.marked() {
		return
	}
	if err := file.Truncate(0); err == nil {
		_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
}

// share keeps those who write out of the layout while it is read. It writes
// nothing, and where it cannot lock it gives nil, which is no error: a folder
// that has no lock file yet, one that is closed to this user, a file system
// without locks. The error meets ErrLocked.
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

// InUse tells, by an error that meets ErrLocked and names it, that a process
// writes to the layout in a folder. Nil is that none does, or that there is no
// such folder.
func InUse(dir string) error {
	f, err := folderAt(dir)
	if err != nil {
		return err
	}
	_, lock, err := f.share()
	return errors.Join(err, release(lock))
}

// release lets go of a layout; nil is no lock. To close the file is not enough: a
// process that is just being started elsewhere in this one shares it until it runs.
func release(file *os.File) error {
	if file == nil {
		return nil
	}
	return errors.Join(unlock(file), file.Close())
}

func (f folder) inUse(by string) error {
	return fmt.Errorf("%w: %s, by %s: run again when it has ended", ErrLocked, f, by)
}

// holder tells who has locked a file: where it can be shared, somebody who reads.
func lockHolder(file *os.File) string {
	if tryShare(file) == nil {
		_ = unlock(file)
		return "a process that only reads it"
	}
	return lockWriter(file)
}

// writer tells who has locked a file to write, as far as it says so.
func lockWriter(file *os.File) string {
	b := make([]byte, 20)
	n, _ := file.ReadAt(b, 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil {
		return fmt.Sprintf("process %d", pid)
	}
	return "another process"
}
