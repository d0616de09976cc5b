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

// check is the result of hashing a blob once in this process. Its fields may be read when
// done is closed.
type check struct {
	done chan struct{}
	size int64 // of the file, if it fits the digest
	err  error
}

// checked hashes a blob once and returns its size. Other callers wait for the result; one
// of them starts over if the first was cancelled. A blob that does not fit its digest is
// removed, and the error is ErrCorrupt. An error is not remembered.
func (l *Layout) checked(ctx context.Context, d digest.Digest) (int64, error) {
	for {
		l.mu.Lock()
		c, begun := l.checks[d]
		if !begun {
			c = &check{done: make(chan struct{})}
			l.checks[d] = c
		}
		l.mu.Unlock()
		if !begun {
			c.size, c.err = l.repair(ctx, d)
			if c.err != nil {
				l.dropFailedCheck(d, c)
			}
			close(c.done)
			return c.size, c.err
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if !errors.Is(c.err, context.Canceled) && !errors.Is(c.err, context.DeadlineExceeded) {
			return c.size, c.err
		}
	}
}

// dropFailedCheck removes a check from the results, unless another has replaced it.
func (l *Layout) dropFailedCheck(d digest.Digest, c *check) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.checks[d] == c {
		delete(l.checks, d)
	}
}

// dropStaleCheck removes the result for a blob whose size has changed since.
func (l *Layout) dropStaleCheck(d digest.Digest, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.checks[d]
	if c == nil {
		return
	}
	select {
	case <-c.done:
		if c.size != size {
			delete(l.checks, d)
		}
	default: // still being hashed
	}
}

// dropCheck removes the result for a blob: the next Has looks at the blob again.
func (l *Layout) dropCheck(d digest.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.checks, d)
}

// markChecked records that this process hashed a blob before it got its name.
func (l *Layout) markChecked(d digest.Digest, size int64) {
	c := &check{done: make(chan struct{}), size: size}
	close(c.done)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checks[d] = c
}

// repair hashes a blob and removes it if it is damaged: ErrCorrupt. A read-only layout
// keeps it. Hashing takes long and blocks no Commit; a blob that was replaced meanwhile is
// left alone.
func (l *Layout) repair(ctx context.Context, d digest.Digest) (int64, error) {
	file, size, err := l.open(d)
	if err != nil {
		return 0, err
	}
	damaged, err := file.Stat()
	if err == nil {
		err = l.unreadable(d, verifyContent(ctx, file, d, make([]byte, chunk), nil))
	}
	if err := errors.Join(err, file.Close()); !errors.Is(err, ErrCorrupt) || l.readOnly {
		return size, err
	}
	l.removal.Lock()
	defer l.removal.Unlock()
	now, err := disk.Stat(l.blob(d))
	if err != nil {
		return 0, l.unreadable(d, err)
	}
	if !os.SameFile(now, damaged) {
		return now.Size(), nil
	}
	if named, err := os.Lstat(l.blob(d)); err == nil && !named.Mode().IsRegular() { // a link to it
		return size, errors.Join(ErrCorrupt, l.moveObstacle(d))
	}
	if err := os.Remove(l.blob(d)); err != nil {
		return 0, err
	}
	l.log.Info("damaged blob removed", slog.String("layout", string(l.folder)), slog.String("digest", d.String()),
		slog.Int64("size", size))
	l.removed(d)
	return size, ErrCorrupt
}

// verifyContent hashes the rest of r and returns ErrCorrupt if it does not fit the digest.
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
