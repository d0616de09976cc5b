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

// check is the one time a process hashes a blob. It can be read when done is
// closed.
type check struct {
	done chan struct{}
	size int64 // of what fits the digest
	err  error
}

// checked hashes a blob, once, and returns its size. Who comes meanwhile waits,
// and takes over when the first was cancelled. What does not fit the digest is
// removed: ErrCorrupt. What failed is not remembered.
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
				l.dropFailedCheck(d, c) // whoever asks next looks again
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

// drop forgets a check, unless another has taken its place.
func (l *Layout) dropFailedCheck(d digest.Digest, c *check) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.checks[d] == c {
		delete(l.checks, d)
	}
}

// distrust forgets a check of a blob that has another size by now.
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
	default: // it is being hashed
	}
}

// forget makes the next Has of a blob look at it again.
func (l *Layout) dropCheck(d digest.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.checks, d)
}

// known notes that this process has hashed a blob before it gave it its name.
func (l *Layout) markChecked(d digest.Digest, size int64) {
	c := &check{done: make(chan struct{}), size: size}
	close(c.done)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checks[d] = c
}

// repair hashes a blob and removes it when it is damaged: ErrCorrupt. Read only,
// it stays. Hashing takes long, and nobody is kept from committing meanwhile; what
// was committed in the place of what was hashed is left alone.
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
	// Somebody may have put a whole one in its place meanwhile.
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

// fits hashes what is left of r, and returns ErrCorrupt when it is not what the
// digest says. Each piece read is told to count, if there is one.
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
		return fmt.Errorf("%w: it hashes to %s", ErrCorrupt, got)
	}
	return nil
}
