// Copyright The quayside Authors.
// SPDX-License-Identifier: Apache-2.0

package layout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/quayside/quayside/internal/disk"
)

// check is the result of hashing a blob once in this process. err may be read after done
// is closed.
type check struct {
	done chan struct{}
	err  error
}

// checkKey is a blob and the size of its file. If the size changes, the file is checked
// again.
type checkKey struct {
	digest digest.Digest
	size   int64
}

// checked hashes a file once. Other callers wait for the result. If the first caller is
// cancelled, another starts over. A file that does not match its digest is removed, and
// the error is ErrCorrupt. Errors are not cached.
func (l *Layout) checked(ctx context.Context, key checkKey) error {
	for {
		l.mu.Lock()
		c, begun := l.checks[key]
		if !begun {
			c = &check{done: make(chan struct{})}
			l.checks[key] = c
		}
		l.mu.Unlock()
		if !begun {
			if c.err = l.repair(ctx, key); c.err != nil {
				l.mu.Lock()
				if l.checks[key] == c { // Put or Commit has not replaced it
					delete(l.checks, key)
				}
				l.mu.Unlock()
			}
			close(c.done)
			return c.err
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !errors.Is(c.err, context.Canceled) && !errors.Is(c.err, context.DeadlineExceeded) {
			return c.err
		}
	}
}

// markChecked records that this process hashed a blob before it got its name.
func (l *Layout) markChecked(d digest.Digest, size int64) {
	c := &check{done: make(chan struct{})}
	close(c.done)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checks[checkKey{d, size}] = c
}

// repair hashes a file. If the file is damaged, it removes the file, unless the layout is
// read only, and returns ErrCorrupt. Hashing takes long and does not block Commit. A blob
// that was replaced in the meantime stays.
func (l *Layout) repair(ctx context.Context, key checkKey) error {
	d := key.digest
	file, _, err := l.open(d)
	if err != nil {
		return err
	}
	damaged, err := file.Stat()
	if err == nil {
		err = l.unreadable(d, verifyContent(ctx, file, d, make([]byte, chunk), nil))
	}
	if err := errors.Join(err, file.Close()); !errors.Is(err, ErrCorrupt) || l.readOnly {
		return err
	}
	l.removal.Lock()
	defer l.removal.Unlock()
	now, err := disk.Stat(l.blob(d))
	switch {
	case err != nil:
		return l.unreadable(d, err)
	case !os.SameFile(now, damaged) && now.Size() == key.size:
		return nil
	case !os.SameFile(now, damaged):
		return ErrMissing
	}
	if named, err := os.Lstat(l.blob(d)); err == nil && !named.Mode().IsRegular() { // a symbolic link to the file
		return errors.Join(ErrCorrupt, l.moveObstacle(d))
	}
	if err := os.Remove(l.blob(d)); err != nil {
		return err
	}
	l.log.Info("damaged blob removed", slog.String("layout", string(l.folder)), slog.String("digest", d.String()),
		slog.Int64("size", damaged.Size()))
	l.removed(d)
	return ErrCorrupt
}

// verifyContent hashes the rest of r and returns ErrCorrupt if it does not match the digest.
// It calls count, if not nil, with the length of each piece.
func verifyContent(ctx context.Context, r io.Reader, d digest.Digest, buffer []byte, count func(int)) error {
	h := d.Algorithm().Hash()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buffer)
		h.Write(buffer[:n])
		if count != nil {
			count(n)
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	if got := digest.NewDigest(d.Algorithm(), h); got != d {
		return fmt.Errorf("%w: the content hashes to %s", ErrCorrupt, got)
	}
	return nil
}
