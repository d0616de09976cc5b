// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// errHeld is what tryLock returns for a file that somebody else has locked.
var errHeld = errors.New("held")

// acquire takes the layout for this process, at once or not at all. release lets
// go of it, and so does the end of the process, however it ends. The file
// stays: to remove it is to let two processes lock two files of one name.
func (f folder) acquire() (*os.File, error) {
	if err := errors.Join(noLink(f.own()), noLink(f.own(lockFile)), os.MkdirAll(f.own(), 0o755)); err != nil {
		return nil, f.failed("cannot be written to", err)
	}
	file, err := os.OpenFile(f.own(lockFile), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, f.failed("cannot be written to", err)
	}
	err = tryLock(file)
	if errors.Is(err, errHeld) {
		return nil, errors.Join(f.inUse(holder(file)), file.Close())
	} else if err != nil {
		return nil, errors.Join(f.failed("lock", err), file.Close())
	}
	// The number helps a reader of ErrLocked. On a full disk there is none, and
	// the lock is as good.
	if err := file.Truncate(0); err == nil {
		_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return file, nil
}

// share keeps those who write out of the layout while it is read. It writes
// nothing, and where it cannot lock it gives nil, which is no error: a folder
// that has no lock file yet, one that is closed to this user, a file system
// without locks. The error meets ErrLocked.
func (f folder) share() (*os.File, error) {
	if err := errors.Join(noLink(f.own()), noLink(f.own(lockFile))); err != nil {
		return nil, f.failed("lock", err)
	}
	file, err := os.Open(f.own(lockFile))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	} else if err != nil {
		return nil, f.failed("lock", err)
	}
	err = tryShare(file)
	if errors.Is(err, errHeld) {
		return nil, errors.Join(f.inUse(writer(file)), file.Close())
	} else if err != nil {
		return nil, file.Close()
	}
	return file, nil
}

// InUse tells, by an error that meets ErrLocked and names it, that a process
// writes to the layout in a folder. Nil is that none does, or that there is no
// such folder.
func InUse(dir string) error {
	lock, err := folder(filepath.Clean(dir)).share()
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
func holder(file *os.File) string {
	if tryShare(file) == nil {
		_ = unlock(file)
		return "a process that only reads it"
	}
	return writer(file)
}

// writer tells who has locked a file to write, as far as it says so.
func writer(file *os.File) string {
	b := make([]byte, 20)
	n, _ := file.ReadAt(b, 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil {
		return fmt.Sprintf("process %d", pid)
	}
	return "another process"
}
