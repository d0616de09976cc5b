// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"errors"
	"fmt"
	"os"
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
		err = fmt.Errorf("%w: %s, by %s", ErrLocked, f, holder(file))
		return nil, errors.Join(err, file.Close())
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

// release lets go of a layout. To close the file is not enough: a process that is
// just being started elsewhere in this one shares it until it runs.
func release(file *os.File) error { return errors.Join(unlock(file), file.Close()) }

// holder tells who has locked a file, as far as it says so.
func holder(file *os.File) string {
	b := make([]byte, 20)
	n, _ := file.ReadAt(b, 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil {
		return fmt.Sprintf("process %d", pid)
	}
	return "another process"
}
